"""What the emergency stop marks, what it leaves, and who lifts it: row by row."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import nudge, stop
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, EmergencyStop
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def batch(everybody: cast.Cast, status: str, **columns: Any) -> Batch:
    whole: dict[str, Any] = {
        "asked_by": everybody.jonas,
        "approved_by": everybody.mei,
        "approved_digest": "0" * 64,
    } | columns
    return cast.batch(everybody.account, everybody.jonas, status=status, **whole)


def marked(row: Batch) -> bool:
    return Batch.objects.get(pk=row.pk).resume_needed


@pytest.mark.parametrize(
    ("status", "marks", "after"),
    [
        ("draft", False, "draft"),
        ("asked", False, "asked"),
        ("approved", True, "approved"),
        ("running", True, "paused"),
        ("paused", True, "paused"),
        ("done", False, "done"),
        ("aborted", False, "aborted"),
    ],
)
def test_what_runs_or_would_start_is_marked_and_what_runs_is_paused(
    everybody: cast.Cast, *, status: str, marks: bool, after: str
) -> None:
    row = batch(everybody, status, pause_reason="before")
    changes.pull(everybody.mei, " It is wrong ")
    found = Batch.objects.get(pk=row.pk)
    assert (found.resume_needed, found.status) == (marks, after)
    paused = status == "running"
    said = f"{everybody.mei} pulled the emergency stop." if paused else "before"
    assert (found.pause_reason, found.paused_at is not None) == (said, paused)
    pulled = EmergencyStop.objects.get()
    assert (pulled.pulled_by, pulled.reason) == (everybody.mei, "It is wrong")
    assert LedgerEntry.objects.get(kind="stop.pulled").data["reason"] == " It is wrong "


@pytest.mark.parametrize(
    ("state", "columns", "marks"),
    [
        (State.DISABLED, {}, True),
        (State.SOAKING, {}, False),
        (State.DISABLED, {"status": "failed"}, False),
        (State.DISABLED, {"move": "delete"}, False),
    ],
)
def test_a_batch_that_owes_a_shut_is_marked(
    everybody: cast.Cast, *, state: State, columns: dict[str, Any], marks: bool
) -> None:
    row = batch(everybody, "done")
    whole: dict[str, Any] = {"move": "disable", "status": "done"} | columns
    cast.change(cast.departure("u", state), batch=row, **whole)
    changes.pull(everybody.mei)
    assert marked(row) is marks


@pytest.mark.parametrize(
    ("columns", "marks"),
    [
        ({}, True),
        ({"status": "queued"}, True),
        ({"status": "withdrawn"}, False),
        ({"irreversible_at": None}, False),
        ({"move": "disable"}, False),
    ],
)
def test_a_batch_that_owes_a_deletion_is_marked(
    everybody: cast.Cast, *, columns: dict[str, Any], marks: bool
) -> None:
    row = batch(everybody, "aborted", move="delete")
    whole: dict[str, Any] = {
        "move": "delete", "status": "failed", "irreversible_at": clock.now(),
    } | columns  # fmt: skip
    cast.change(cast.departure("u", State.SOAKING), batch=row, **whole)
    changes.pull(everybody.mei)
    assert marked(row) is marks


def test_two_who_pull_at_once_pull_one_stop(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = changes.pull(everybody.mei)
    really, asked = stop.current, iter([None])
    monkeypatch.setattr(stop, "current", lambda: next(asked, really()))
    assert changes.pull(everybody.jonas) == first
    monkeypatch.setattr(stop, "current", lambda: None)
    with pytest.raises(IntegrityError):
        changes.pull(everybody.jonas)


def test_lifting_says_who_when_and_why(everybody: cast.Cast) -> None:
    changes.pull(everybody.mei)
    for who in (everybody.sara, everybody.vera):
        with pytest.raises(NotAllowed):
            changes.lift(who, "It is right again")
    with CaptureQueriesContext(connection) as asked:
        changes.lift(everybody.ada, " It is right again ")
    assert any("FOR UPDATE" in one["sql"] and "emergencystop" in one["sql"] for one in asked)
    lifted = EmergencyStop.objects.get()
    assert (lifted.lifted_by, lifted.lift_reason) == (everybody.ada, "It is right again")
    assert lifted.lifted_at is not None
    entry = LedgerEntry.objects.get(kind="stop.lifted")
    assert entry.data["reason"] == " It is right again "
    # The next one is another stop.
    assert changes.pull(everybody.mei) != lifted


def test_after_a_database_restore_it_is_lifted_by_a_third_hand(everybody: cast.Cast) -> None:
    EmergencyStop.objects.create(pulled_at=clock.now(), reconcile=True)
    with pytest.raises(Refused, match="reconcile first") as refused:
        changes.lift(everybody.ada, "It was read")
    assert refused.value.rule == "reconcile"
    EmergencyStop.objects.update(reconciled_at=clock.now(), reconciled_by=everybody.mei)
    with pytest.raises(NotAllowed, match="You reconciled it") as refused:
        changes.lift(everybody.mei, "It was read")
    assert refused.value.rule == "another-person"
    changes.lift(everybody.ada, "It was read")


def test_who_pulled_it_does_not_lift_it(everybody: cast.Cast) -> None:
    changes.pull(everybody.mei)
    with pytest.raises(NotAllowed) as refused:
        changes.lift(everybody.mei, "It is right again")
    assert refused.value.rule == "another-person"


def test_what_was_halted_goes_on_only_after_the_stop_and_wakes_what_waits(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(nudge, "run_change", woken.append)
    row, other = batch(everybody, "done"), batch(everybody, "approved")
    fence = cast.change(cast.departure("u", State.DISABLED), batch=row, status="done")
    shut = cast.change(fence.departure, "soak", batch=row, follows=fence, status="queued")
    changes.pull(everybody.mei)
    with pytest.raises(Refused, match="emergency stop is pulled"):
        stop.resume_halted(row, everybody.jonas)
    assert marked(row)
    changes.lift(everybody.ada, "It is right again")
    stop.resume_halted(row, everybody.jonas)
    assert (row.resume_needed, marked(row), marked(other)) == (False, False, True)
    assert woken == [shut.pk]
    assert LedgerEntry.objects.get(kind="batch.resumed").batch == row.number
    assert Change.objects.get(pk=shut.pk).status == "queued"
