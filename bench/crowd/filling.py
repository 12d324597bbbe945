"""Fills an empty database with a crowd, in the order in which rows point at each other."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from bench.crowd import everybody, people, record, told, work
from bench.crowd.bulk import bulk
from inventory.models import Activity, LedgerEntry, Observation, TrailCoverage
from migrations_app.models import Call, HeadCount, Listed
from migrations_app.progress import headcount


def fill(users: int, accounts: int, now: datetime) -> None:
    """Write the crowd as of `now`; whoever is interrupted throws the database away."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET work_mem = '128MB'")
    people.declare(accounts, now)
    told.syncs(now)
    everybody.draw_all(users, accounts, now)
    with bulk(Activity), bulk(TrailCoverage), bulk(Observation):
        everybody.write(now)
    with bulk(Call), bulk(Listed):
        work.write(now)
    told.write(now)
    with bulk(LedgerEntry):
        record.write()
    # What the sweep has done before anybody opens a page.
    headcount.keep_up()
    HeadCount.objects.update(at=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
