"""Was the database restored? Then no journal line of the lost time is here, and writing must wait.

Four things can bring rows back from an earlier time, and no single sign shows them all:

- `pg_dump` and `pg_restore`, or a new server: the database gets another oid, or the server another
  system identifier (pg_control_system);
- recovery to a point in time, or a replica that was promoted and may lack the last commits: the
  server begins a new timeline (pg_control_checkpoint);
- a snapshot of the disk put back: all of these stay, but the ledger ends before the entry that
  Redis remembers as its last;
- anything else (Redis lost as well): nobody can see it here, so a person says it, with
  `manage.py reconcile --begin`.

The first three are compared with the row `DatabaseHome`, which travels with the rows, and with the
head of the ledger in Redis, by `look`: at the start of each worker, each minute, and before each
forward change. Moving to another server looks the same, and that is right: nobody can tell. A
sign that cannot be read (a managed service may hide a function) is left out, not guessed.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from inventory import clock, ledger
from inventory.models import LedgerEntry, Person
from migrations_app.changes import stop
from migrations_app.models import DatabaseHome, EmergencyStop

_HEAD = "iamcleanup:ledger-head"
_OID = "SELECT oid FROM pg_database WHERE datname = current_database()"
_SYSTEM = "SELECT system_identifier FROM pg_control_system()"
_TIMELINE = "SELECT timeline_id FROM pg_control_checkpoint()"
_MOVED = "the rows came from another database, or from an earlier time"
_CUT = "the ledger ends before entry {} that was written already"


@dataclass(frozen=True, slots=True)
class Here:
    """Where this connection leads. 0 and "" where the server does not say."""

    system_identifier: str
    database_oid: int
    timeline: int


def look() -> bool:
    """Pull the emergency stop if these rows were restored; whether it was pulled for that now.

    The stop is then lifted only after `manage.py reconcile`. A second look finds nothing new.
    """
    here = _here()
    # First what is remembered, then what is there: the ledger only grows, so what was remembered
    # before must be there after.
    remembered = _remembered(here)
    last = LedgerEntry.objects.order_by("-seq").values_list("seq", "hash").first() or (0, "")
    home = DatabaseHome.objects.first()
    if home is None:
        DatabaseHome.objects.bulk_create([DatabaseHome(**_columns(here))], ignore_conflicts=True)
    elif _differs(home, here):
        return _restored(here, _MOVED)
    if remembered and not _holds(*remembered):
        return _restored(here, _CUT.format(remembered[0]))
    _remember(here, *last)
    return False


def begin(why: str, person: Person | None = None) -> EmergencyStop:
    """Stop all writing until AWS was read, whatever the signs say; in the caller's transaction.

    From then on the rows count as living where they are.
    """
    before = LedgerEntry.objects.order_by("-seq").values_list("at", flat=True).first()
    found = EmergencyStop.objects.select_for_update().filter(lifted_at=None).first()
    if found is None:
        found = EmergencyStop(pulled_by=person, pulled_at=clock.now(), reason=why)
    found.reconcile, found.reconciled_at, found.reconciled_by = True, None, None
    found.reconcile_since, found.differences = before, []
    found.save()
    stop.halt(why)
    DatabaseHome.objects.all().delete()
    DatabaseHome.objects.create(**_columns(_here()))
    ledger.append("stop.database-restored", actor=person, reason=why if person is None else "told")
    return found


def _restored(here: Here, why: str) -> bool:
    with transaction.atomic():
        # One process does it; who comes second finds the row as it should be.
        home = DatabaseHome.objects.select_for_update().first()
        if why is _MOVED and home is not None and not _differs(home, here):
            return False
        begin(f"The database was restored: {why}")
        transaction.on_commit(functools.partial(_forget, here))
    return True


def _columns(here: Here) -> dict[str, Any]:
    return {**asdict(here), "since": clock.now()}


def _differs(home: DatabaseHome, here: Here) -> bool:
    pairs = (
        (home.system_identifier, here.system_identifier),
        (home.database_oid, here.database_oid),
        (home.timeline, here.timeline),
    )
    return any(was and is_now and was != is_now for was, is_now in pairs)


def _here() -> Here:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SELECT ({_OID}), ({_SYSTEM}), ({_TIMELINE})")
            oid, system, timeline = cursor.fetchone()
    except DatabaseError:
        # A managed service may keep what pg_control says to itself.
        with connection.cursor() as cursor:
            cursor.execute(_OID)
            return Here("", int(cursor.fetchone()[0]), 0)
    return Here(str(system), int(oid), int(timeline))


def _holds(seq: int, its_hash: str) -> bool:
    return LedgerEntry.objects.filter(seq=seq, hash=its_hash).exists()


@functools.cache
def _store() -> redis.Redis[str]:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    )


def _key(here: Here) -> str:
    return f"{_HEAD}:{here.system_identifier}:{here.database_oid}"


def _remembered(here: Here) -> tuple[int, str] | None:
    try:
        told = _store().get(_key(here))
    except redis.RedisError:
        return None
    seq, _, its_hash = (told or "").partition(":")
    return (int(seq), its_hash) if its_hash else None


def _remember(here: Here, seq: int, its_hash: str) -> None:
    # Inside a transaction the head may never come to be.
    if not its_hash or connection.in_atomic_block:
        return
    with contextlib.suppress(redis.RedisError):
        _store().set(_key(here), f"{seq}:{its_hash}")


def _forget(here: Here) -> None:
    with contextlib.suppress(redis.RedisError):
        _store().delete(_key(here))
