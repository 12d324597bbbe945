"""A deletion that stopped past its point of no return: finished or given up, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import nudge
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Holdings
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-off", State.SOAKING, everybody.payments)


@pytest.fixture
def half(everybody: cast.Cast, theirs: Departure) -> Change:
    """Its deletion, failed past the point."""
    return cast.change(
        theirs,
        "delete",
        batch=cast.batch(everybody.account, everybody.jonas, "delete"),
        status="failed",
        irreversible_at=clock.now(),
        attempts=3,
        try_after=clock.now(),
        stop_asked=True,
    )


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    woken: list[int] = []
    monkeypatch.setattr(nudge, "run_change", woken.append)
    return woken


def test_the_same_person_asks_once_and_another_or_a_failed_one_is_recorded(
    everybody: cast.Cast, theirs: Departure, half: Change, told: list[int]
) -> None:
    for _ in range(2):
        changes.finish_deleting(theirs, everybody.jonas)
    entries = LedgerEntry.objects.filter(kind="delete.finish-asked")
    assert entries.count() == 1
    changes.finish_deleting(theirs, everybody.mei)
    assert entries.count() == 2
    Change.objects.update(attempts=1, try_after=clock.now())
    assert changes.finish_deleting(theirs, everybody.mei).try_after is None
    assert entries.count() == 3


def kept(of: Change) -> Holdings:
    return Holdings.objects.create(
        departure=of.departure,
        change=of,
        taken_at=clock.now(),
        document=cast.everything_held("ci-off").document(),
    )


def test_finishing_begins_the_same_change_anew(
    everybody: cast.Cast, theirs: Departure, half: Change, told: list[int]
) -> None:
    other = cast.change(cast.departure("other", State.SOAKING), "delete", status="failed")
    with CaptureQueriesContext(connection) as asked:
        again = changes.finish_deleting(theirs, everybody.jonas)
    assert any('FOR UPDATE OF "migrations_app_change"' in one["sql"] for one in asked)
    assert (again.pk, again.status, again.attempts) == (half.pk, "queued", 0)
    assert (again.try_after, again.stop_asked) == (None, False)
    assert told == [half.pk]
    entry = LedgerEntry.objects.get(kind="delete.finish-asked")
    assert entry.user_id == theirs.user.user_id
    other.refresh_from_db()
    assert other.status == "failed"


def test_giving_up_keeps_what_it_is_rebuilt_from(
    everybody: cast.Cast, theirs: Departure, half: Change
) -> None:
    other = cast.change(cast.departure("other", State.SOAKING), "delete", status="failed")
    saved = kept(half)
    assert changes.stop_and_rebuild(theirs, everybody.jonas) == saved
    half.refresh_from_db()
    assert (half.status, half.finished_at is not None) == ("withdrawn", True)
    assert "past the point of no return" in half.result
    assert LedgerEntry.objects.get(kind="delete.stopped").user_id == theirs.user.user_id
    other.refresh_from_db()
    assert other.status == "failed"


def test_where_nothing_was_saved_it_says_so(
    everybody: cast.Cast, theirs: Departure, half: Change
) -> None:
    with pytest.raises(Refused, match="Nothing of ci-off was saved"):
        changes.stop_and_rebuild(theirs, everybody.jonas)


@pytest.mark.parametrize("verb", [changes.finish_deleting, changes.stop_and_rebuild])
@pytest.mark.parametrize("who", ["sara", "vera", "ada"])
def test_both_are_an_engineers(
    everybody: cast.Cast, theirs: Departure, half: Change, *, verb: Any, who: str
) -> None:
    kept(half)
    with pytest.raises(NotAllowed):
        verb(theirs, getattr(everybody, who))


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "done"},
        {"status": "running"},
        {"irreversible_at": None},
        {"move": "disable"},
    ],
)
def test_what_is_not_done_by_half_or_runs_is_left_alone(
    everybody: cast.Cast, theirs: Departure, half: Change, columns: dict[str, Any]
) -> None:
    Change.objects.filter(pk=half.pk).update(**columns)
    with pytest.raises(Refused, match="not partly deleted"):
        changes.finish_deleting(theirs, everybody.jonas)
    theirs.state = State.DELETED
    Change.objects.filter(pk=half.pk).update(
        status="failed", move="delete", irreversible_at=clock.now()
    )
    with pytest.raises(Refused, match="not partly deleted"):
        changes.finish_deleting(theirs, everybody.jonas)


def test_the_last_of_several_goes_on(everybody: cast.Cast, theirs: Departure, half: Change) -> None:
    Change.objects.filter(pk=half.pk).update(status="withdrawn")
    later = cast.change(
        theirs, "delete", batch=half.batch, status="failed", irreversible_at=clock.now(),
        follows=half,
    )  # fmt: skip
    assert changes.finish_deleting(theirs, everybody.jonas) == later


def test_without_its_approval_or_after_a_stop_nobody_finishes(
    everybody: cast.Cast, theirs: Departure, half: Change, told: list[int]
) -> None:
    Batch.objects.update(resume_needed=True)
    with pytest.raises(Refused, match="Resume it first"):
        changes.finish_deleting(theirs, everybody.jonas)
    Change.objects.filter(pk=half.pk).update(batch=None)
    with pytest.raises(Refused, match="not known here"):
        changes.finish_deleting(theirs, everybody.jonas)
    assert told == []


def test_what_was_given_up_and_is_in_a_new_batch_is_finished_by_that(
    everybody: cast.Cast, theirs: Departure, half: Change, told: list[int]
) -> None:
    kept(half)
    changes.stop_and_rebuild(theirs, everybody.jonas)
    anew = cast.batch(everybody.account, everybody.jonas, "delete", number=77)
    waits = cast.change(theirs, "delete", batch=anew, status="asked")
    with pytest.raises(Refused, match="in batch #77 already") as refused:
        changes.finish_deleting(theirs, everybody.jonas)
    assert (refused.value.rule, told) == ("busy", [])
    Change.objects.filter(pk=waits.pk).update(status="withdrawn")
    again = changes.finish_deleting(theirs, everybody.jonas)
    assert (again.status, again.finished_at, again.result) == ("queued", None, "")


def test_what_was_given_up_does_not_wait_for_the_end_of_a_stop(
    everybody: cast.Cast, theirs: Departure, half: Change, told: list[int]
) -> None:
    kept(half)
    changes.stop_and_rebuild(theirs, everybody.jonas)
    changes.pull(everybody.ada, "Something is wrong")
    with pytest.raises(Refused, match="emergency stop is pulled"):
        changes.finish_deleting(theirs, everybody.jonas)
    changes.lift(everybody.mei, "It was nothing")
    assert changes.finish_deleting(theirs, everybody.jonas).status == "queued"
    assert told == [half.pk]
