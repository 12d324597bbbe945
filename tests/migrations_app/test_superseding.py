"""What a restore takes from forward changes, row by row: all that waits, and what lets go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import LedgerEntry
from migrations_app.changes import nudge
from migrations_app.changes.outranking import lock_running, supersede, take_over, wake
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change, Departure
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def theirs() -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED)


def running(of: Departure, lease: float | None = 30, **columns: Any) -> Change:
    """A forward change that a worker has; its lease ends in so many seconds."""
    until = None if lease is None else clock.real_now() + timedelta(seconds=lease)
    columns = {"status": "running", "claimed_by": "a worker", "lease_until": until} | columns
    return cast.change(of, **columns)


def line(of: Change, **columns: Any) -> None:
    """A line of its journal; a write without an answer unless it says otherwise."""
    columns = {"kind": Call.Kind.WRITE, "operation": "UpdateAccessKey"} | columns
    Call.objects.create(change=of, seq=of.calls.count() + 1, sent_at=clock.now(), **columns)


def now(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


@pytest.mark.parametrize("move", ["disable", "soak", "delete"])
@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("draft", "superseded"),
        ("asked", "superseded"),
        ("queued", "superseded"),
        ("failed", "superseded"),
        ("running", "superseded"),
        ("done", "done"),
        ("left-out", "left-out"),
        ("withdrawn", "withdrawn"),
    ],
)
def test_all_that_waits_for_the_user_is_superseded_and_what_ended_stays(
    theirs: Departure, move: str, status: str, after: str
) -> None:
    change = running(theirs, move=move, status=status)
    other = cast.change(cast.departure("other", State.OWNER_ASSIGNED), move, status="queued")
    supersede(theirs)
    assert now(change).status == after
    assert now(other).status == "queued"
    if after == "superseded":
        ended = now(change)
        assert (ended.claimed_by, ended.lease_until) == ("", None)
        assert ended.finished_at is not None
        assert ended.result == "A restore was asked for."


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_a_restore_is_superseded_by_none(theirs: Departure, status: str) -> None:
    restore = running(theirs, move="restore", status=status)
    supersede(theirs)
    assert take_over(theirs.pk)
    assert now(restore).status == status


def test_a_call_that_is_out_is_waited_for_and_its_change_asked_to_stop(theirs: Departure) -> None:
    change = running(theirs)
    line(change)
    assert not take_over(theirs.pk)
    assert (now(change).status, now(change).stop_asked) == ("running", True)
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(
    "columns", [{"outcome": "ok"}, {"outcome": "refused"}, {"kind": Call.Kind.LOOK}]
)
def test_what_was_answered_or_only_looked_at_is_not_out(
    theirs: Departure, columns: dict[str, Any]
) -> None:
    change = running(theirs)
    line(change, **columns)
    assert take_over(theirs.pk)
    assert (now(change).status, now(change).stop_asked) == ("superseded", False)


@pytest.mark.parametrize(
    ("lease", "free"),
    # Dead, alive, and one that looks: its lease is longer than that of a call.
    [(None, True), (-1, True), (20, False), (59, False), (70, True), (250, True)],
)
def test_a_call_is_out_only_while_its_worker_may_live_and_does_not_look(
    theirs: Departure, lease: float | None, free: bool
) -> None:
    line(running(theirs, lease))
    assert take_over(theirs.pk) is free


@pytest.mark.parametrize("lease", [0.0, 60.0])
def test_a_lease_holds_up_to_its_end_and_not_at_it(
    theirs: Departure, lease: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.real_now()
    change = running(theirs)
    Change.objects.filter(pk=change.pk).update(lease_until=at + timedelta(seconds=lease))
    line(change)
    monkeypatch.setattr(clock, "real_now", lambda: at)
    assert take_over(theirs.pk) is (lease == 0)


def test_what_was_taken_over_is_told_with_its_batch_and_move(theirs: Departure) -> None:
    batch = cast.batch(theirs.user.account, cast.person("jonas"), number=41)
    running(theirs, batch=batch)
    assert take_over(theirs.pk)
    entry = LedgerEntry.objects.get(kind="change.superseded")
    assert (entry.user_id, entry.batch) == (theirs.user.user_id, 41)
    assert entry.data["move"] == "disable"


def test_the_change_of_another_user_is_not_taken_over(theirs: Departure) -> None:
    other = running(cast.departure("other", State.OWNER_ASSIGNED))
    assert take_over(theirs.pk)
    assert now(other).status == "running"
    assert lock_running(theirs.pk) == []
    assert lock_running(other.departure_id) == [other]


def test_only_the_restore_that_waits_for_this_user_is_woken(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(nudge, "restore", woken.append)
    other = cast.departure("other", State.OWNER_ASSIGNED)
    cast.change(other, "restore", status="queued")
    cast.change(theirs, "restore", status="done")
    cast.change(theirs, status="queued")
    wake(theirs)
    assert woken == []
    waits = cast.change(theirs, "restore", status="queued")
    wake(theirs)
    assert woken == [waits.pk]


@pytest.mark.parametrize(
    ("status", "asked", "past", "superseded"),
    [
        ("queued", True, False, True),
        ("failed", True, False, True),
        ("queued", False, False, False),
        ("failed", True, True, False),
        ("done", True, False, False),
    ],
)
def test_who_was_asked_to_stop_and_let_go_by_itself_is_superseded(
    theirs: Departure, status: str, *, asked: bool, past: bool, superseded: bool
) -> None:
    irreversible_at = clock.now() if past else None
    change = cast.change(theirs, status=status, stop_asked=asked, irreversible_at=irreversible_at)
    other = cast.change(
        cast.departure("other", State.OWNER_ASSIGNED), status="failed", stop_asked=True
    )
    assert take_over(theirs.pk)
    for row in (change, other):
        row.refresh_from_db()
    assert (change.status == "superseded") is superseded
    assert other.status == "failed"
