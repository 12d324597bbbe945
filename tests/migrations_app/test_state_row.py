"""The row that a move gives back is the row that is in the database, to the last column."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from inventory import ledger
from inventory.models import LedgerEntry
from migrations_app.changes.state import locked_batch, move
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Departure
from tests import cast

pytestmark = pytest.mark.django_db


def columns(row: Departure) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_what_a_move_gives_back_is_what_is_kept_and_may_be_moved_again(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("ci-pay-old")
    moved = move(row, MoveName.ASSIGN, owner=everybody.payments, answer="needed")
    kept = Departure.objects.get(pk=row.pk)
    assert columns(moved) == columns(kept)
    assert (kept.version, kept.owner, kept.answer) == (1, everybody.payments, "needed")
    again = move(moved, MoveName.ASSIGN, owner=everybody.platform)
    assert columns(again) == columns(Departure.objects.get(pk=row.pk))
    assert again.version == 2


def test_a_batch_is_locked_while_it_is_looked_at(everybody: cast.Cast) -> None:
    batch = cast.batch(cast.account(), everybody.jonas)
    with CaptureQueriesContext(connection) as asked:
        assert locked_batch(batch) == batch
    assert asked[0]["sql"].endswith('FOR UPDATE OF "migrations_app_batch"')


def test_what_the_database_counts_itself_is_read_from_it() -> None:
    row = cast.departure("ci-pay-old", State.DISABLED)
    before = row.watch
    moved = move(row, MoveName.SOAK, watch=F("watch") + timedelta(days=1), answer="can-go")
    assert (moved.watch, moved.answer) == (before + timedelta(days=1), "can-go")  # type: ignore[operator]
    assert columns(moved) == columns(Departure.objects.get(pk=row.pk))


def test_what_it_knows_itself_is_not_read_again() -> None:
    row = cast.departure("ci-pay-old", State.DISABLED)
    with CaptureQueriesContext(connection) as asked:
        move(row, MoveName.SOAK)
    read = [one["sql"] for one in asked if one["sql"].startswith("SELECT")]
    assert not [sql for sql in read if 'FROM "migrations_app_departure"' in sql]


def test_what_follows_from_a_move_is_recorded_right_after_it(everybody: cast.Cast) -> None:
    row = cast.departure("ci-pay-old", State.DISABLED)
    line = ledger.Line("user.note", row.user, data={"x": 1})
    move(row, MoveName.SOAK, actor=everybody.mei, batch=7, note="why", then=[line])
    first, second = LedgerEntry.objects.order_by("seq")
    assert (first.kind, first.batch, first.data["note"]) == ("move.soak", 7, "why")
    assert (second.kind, second.data, second.user_id) == ("user.note", {"x": 1}, row.user.user_id)
    assert first.actor == second.actor == ledger.person_hash(everybody.mei)
