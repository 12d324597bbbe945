"""The second person's verbs and the steering of a run, row by row: who, when, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import LedgerEntry, Person, Role
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import approval, checking, nudge, steering
from migrations_app.changes.checking import Check
from migrations_app.guards import Blocker
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Call, Change, Departure, EmergencyStop, Viewed
from tests import cast

pytestmark = pytest.mark.django_db
LOCKED = 'FOR UPDATE OF "migrations_app_change"'

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVERY = [status.value for status in Batch.Status]


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


@pytest.fixture(autouse=True)
def _nothing_else_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (checking, steering):
        monkeypatch.setattr(one, "account_blockers", lambda *_, **__: [])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What workers were told, at once instead of on commit."""
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(nudge, "_on_commit", lambda task, _, pk: said.append((task, pk)))
    return said


def batch(everybody: cast.Cast, status: str = "approved", **columns: Any) -> Batch:
    """Asked by Jonas and approved by Mei."""
    whole: dict[str, Any] = {
        "asked_by": everybody.jonas,
        "asked_at": clock.now(),
        "approved_by": everybody.mei,
        "approved_at": clock.now(),
        "approved_digest": "0" * 64,
        "digest": "0" * 64,
        "overrides": {"lock-out": "drilled"},
        "window_from": clock.now(),
        "window_to": clock.now() + 7 * DAY,
    } | columns
    return cast.batch(everybody.account, everybody.jonas, status=status, **whole)


def now(row: Batch) -> Batch:
    return Batch.objects.get(pk=row.pk)


def again(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


def entry(kind: str) -> LedgerEntry:
    return LedgerEntry.objects.get(kind=kind)


def is_draft_again(row: Batch) -> bool:
    row = now(row)
    empty = (row.asked_by, row.asked_at, row.approved_by, row.approved_at, row.window_from)
    return (
        row.status == "draft"
        and empty == (None,) * 5
        and (row.window_to, row.approved_digest, row.overrides) == (None, "", {})
        and not row.resume_needed
    )


def sent(change: Change, **columns: Any) -> None:
    """A call of it that may have been applied."""
    columns = {"kind": "write", "operation": "AttachUserPolicy", "sent_at": clock.now()} | columns
    Call.objects.create(change=change, seq=change.calls.count() + 1, **columns)


# ── Looking at it, sending it back, taking it back ───────────────────────────────────────────────


def test_viewing_counts_for_the_facts_that_were_seen(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = cast.change(theirs, batch=batch(everybody, "asked"), status="asked", digest="a" * 64)
    with pytest.raises(NotAllowed):
        changes.view(change, everybody.sara)
    changes.view(change, everybody.mei)
    assert checking.seen_by([again(change)], everybody.mei) == {change.pk}
    assert not checking.seen_by([again(change)], everybody.jonas)
    Change.objects.update(digest="b" * 64)
    assert not checking.seen_by([again(change)], everybody.mei)
    assert changes.view(again(change), everybody.mei) == Viewed.objects.get()
    assert Viewed.objects.get().digest == "b" * 64
    Change.objects.update(status="left-out")
    assert change.batch is not None
    assert not checking._loaded(now(change.batch), everybody.mei).seen


@pytest.mark.parametrize("status", EVERY)
def test_only_what_waits_for_approval_is_sent_back(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    row = batch(everybody, status)
    change = cast.change(theirs, batch=row, status="asked")
    if status != "asked":
        with pytest.raises(Stale):
            changes.send_back(row, everybody.mei, "One is still needed")
        assert now(row).status == status
        return
    given = changes.send_back(row, everybody.mei, " One is still needed ")
    assert (given.pk, given.status) == (row.pk, "draft")
    assert is_draft_again(row)
    assert again(change).status == "draft"
    assert row.comments.get().text == "One is still needed"
    assert entry("batch.sent-back").batch == row.number


def test_sending_back_needs_an_approver_and_a_reason(everybody: cast.Cast) -> None:
    row = batch(everybody, "asked")
    with pytest.raises(NotAllowed):
        changes.send_back(row, everybody.sara, "No")
    with pytest.raises(Refused, match="what should change"):
        changes.send_back(row, everybody.mei, " ")


@pytest.mark.parametrize("status", EVERY)
def test_a_batch_is_taken_back_before_it_runs(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    row = batch(everybody, status, resume_needed=True)
    waits = cast.change(theirs, batch=row, status="queued")
    left = cast.change(cast.departure("u", State.OWNER_ASSIGNED), batch=row, status="left-out")
    if status not in ("asked", "approved"):
        with pytest.raises(Stale):
            changes.withdraw(row, everybody.jonas)
        assert now(row).status == status
        return
    given = changes.withdraw(row, everybody.jonas)
    assert (given.pk, given.status) == (row.pk, "draft")
    assert is_draft_again(row)
    assert (again(waits).status, again(left).status) == ("draft", "left-out")
    assert entry("batch.withdrawn").batch == row.number


def test_only_who_asked_or_approved_takes_it_back(everybody: cast.Cast) -> None:
    other = cast.person("omar", "Omar", [Role.ENGINEER, Role.APPROVER], everybody.security)
    row = batch(everybody)
    with pytest.raises(NotAllowed) as refused:
        changes.withdraw(row, other)
    assert refused.value.rule == "requester"
    changes.withdraw(row, everybody.mei)
    assert is_draft_again(row)


def test_who_asked_and_has_no_role_any_more_does_not_take_it_back(everybody: cast.Cast) -> None:
    row = batch(everybody)
    everybody.jonas.roles = []
    everybody.jonas.save()
    with pytest.raises(NotAllowed):
        changes.withdraw(row, everybody.jonas)
    assert now(row).status == "approved"


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (lambda row, mei: changes.approve(row, mei, row.digest), "; nothing to approve."),
        (lambda row, mei: changes.send_back(row, mei, "x"), ", not waiting."),
        (changes.withdraw, "; pause or abort it."),
        (changes.pause, ", not running."),
        (changes.resume, ", not paused."),
        (changes.abort, "; nothing to abort."),
    ],
)
def test_who_comes_late_hears_who_was_quicker(
    everybody: cast.Cast, verb: Callable[[Batch, Person], object], said: str
) -> None:
    row = batch(everybody, "running")
    changes.abort(row, everybody.jonas)
    with pytest.raises(Stale) as refused:
        verb(row, everybody.mei)
    assert str(refused.value).startswith(f"Batch {row} is aborted{said} Last changed by Jonas")


# ── Pause and resume ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", EVERY)
def test_only_what_runs_is_paused(everybody: cast.Cast, status: str) -> None:
    row = batch(everybody, status)
    steering.pause_by_itself(row, "its window closed.")
    assert now(row).status == ("paused" if status == "running" else status)
    Batch.objects.filter(pk=row.pk).update(status=status, pause_reason="")
    if status not in ("running", "paused"):
        with pytest.raises(Stale):
            changes.pause(row, everybody.mei)
        return
    given = changes.pause(row, everybody.mei)
    after = now(row)
    assert (given.pk, given.status, after.status) == (row.pk, "paused", "paused")
    # Paused already it keeps its reason.
    assert after.pause_reason == (f"Paused by {everybody.mei}." if status == "running" else "")


def test_only_who_operates_pauses(everybody: cast.Cast) -> None:
    row = batch(everybody, "running")
    for person in (everybody.vera, everybody.sara):
        with pytest.raises(NotAllowed):
            changes.pause(row, person)
    row.refresh_from_db()
    assert row.status == "running"


def test_a_skip_is_for_one_user_alone(everybody: cast.Cast, theirs: Departure) -> None:
    row = batch(everybody, "running")
    mine = cast.change(theirs, batch=row, status="queued")
    other = cast.change(cast.departure("ci-other"), batch=row, status="queued")
    assert changes.skip(mine, everybody.jonas).status == "left-out"
    other.refresh_from_db()
    assert (other.status, other.result) == ("queued", "")


def test_what_no_batch_holds_is_tried_again_as_well(
    everybody: cast.Cast, theirs: Departure
) -> None:
    assert changes.retry(cast.change(theirs, status="failed"), everybody.jonas).status == "queued"


def test_a_retry_is_for_one_user_alone(everybody: cast.Cast, theirs: Departure) -> None:
    row = batch(everybody, "running")
    mine = cast.change(theirs, batch=row, status="failed")
    other = cast.departure("other", State.OWNER_ASSIGNED, everybody.payments)
    theirs_too = cast.change(other, batch=row, status="failed")
    changes.retry(mine, everybody.jonas)
    assert again(mine).status == "queued"
    assert again(theirs_too).status == "failed"


def test_a_pause_says_why_to_people_and_without_names_to_the_ledger(everybody: cast.Cast) -> None:
    row = batch(everybody, "running")
    changes.pause(row, everybody.mei)
    assert now(row).paused_at is not None
    assert (entry("batch.paused").data["reason"], entry("batch.paused").batch) == (
        "by a person",
        row.number,
    )
    for ledgered, kept in (("its approver lost the role", "its approver lost the role"), ("", "x")):
        other = batch(everybody, "running")
        steering.pause_by_itself(other, "x", ledgered)
        assert now(other).pause_reason == "Paused by itself: x"
        told = LedgerEntry.objects.get(kind="batch.paused", batch=other.number)
        assert told.data["reason"] == kept


@pytest.mark.parametrize("status", EVERY)
def test_only_what_is_paused_is_resumed(
    everybody: cast.Cast, told: list[tuple[str, int]], status: str
) -> None:
    row = batch(everybody, status, pause_reason="x", paused_at=clock.now())
    if status != "paused":
        with pytest.raises(Stale):
            changes.resume(row, everybody.jonas)
        assert (now(row).status, told) == (status, [])
        return
    Batch.objects.update(resume_needed=True)
    changes.resume(row, everybody.jonas)
    after = now(row)
    assert (after.status, after.pause_reason, after.paused_at) == ("running", "", None)
    assert not after.resume_needed
    assert told == [("run_batch", row.pk)]
    assert entry("batch.resumed").batch == row.number


def test_what_a_stop_halted_goes_on_without_having_been_paused(
    everybody: cast.Cast, theirs: Departure, told: list[tuple[str, int]]
) -> None:
    row = batch(everybody, "done", resume_needed=True)
    fence = cast.change(theirs, batch=row, status="done")
    shut = cast.change(theirs, "soak", batch=row, follows=fence, status="queued")
    assert not changes.resume(row, everybody.jonas).resume_needed
    assert (now(row).status, now(row).resume_needed) == ("done", False)
    assert told == [("run_change", shut.pk)]


def test_what_holds_the_account_holds_a_resume(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = batch(everybody, "paused")
    held = Blocker("hold", "It is held.", "See Settings.")
    monkeypatch.setattr(steering, "account_blockers", lambda *_, urgent: [held] if urgent else [])
    with pytest.raises(Refused, match="It is held"):
        changes.resume(row, everybody.jonas)
    assert now(row).status == "paused"


# ── Abort ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", EVERY)
def test_what_runs_or_was_approved_is_aborted(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    row = batch(everybody, status)
    change = cast.change(theirs, batch=row, status="queued")
    if status not in ("approved", "running", "paused"):
        with pytest.raises(Stale):
            changes.abort(row, everybody.jonas)
        assert again(change).status == "queued"
        return
    changes.abort(row, everybody.jonas)
    assert (now(row).status, now(row).finished_at is not None) == ("aborted", True)
    ended = again(change)
    assert (ended.status, ended.result, ended.error) == (
        "withdrawn", "The batch was aborted.", "",
    )  # fmt: skip
    assert ended.finished_at is not None
    told = entry("batch.aborted")
    assert (told.batch, told.data["restore"]) == (row.number, False)


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        ("draft", {}, "withdrawn"),
        ("asked", {}, "withdrawn"),
        ("queued", {}, "withdrawn"),
        ("failed", {}, "withdrawn"),
        ("running", {}, "running"),
        ("done", {}, "done"),
        ("left-out", {}, "left-out"),
        ("queued", {"irreversible_at": clock.now()}, "queued"),
    ],
)
def test_an_abort_ends_who_waits_and_nobody_else(
    everybody: cast.Cast, theirs: Departure, *, status: str, before: dict[str, Any], after: str
) -> None:
    row = batch(everybody, "running")
    change = cast.change(theirs, batch=row, status=status, **before)
    steering.withdraw_unclaimed(row, "It ended.")
    assert again(change).status == after


def test_who_was_begun_fails_and_stays_in_sight(everybody: cast.Cast, theirs: Departure) -> None:
    row = batch(everybody, "running")
    change = cast.change(theirs, batch=row, status="queued")
    sent(change)
    with CaptureQueriesContext(connection) as asked:
        steering.withdraw_unclaimed(row, "It ended.")
    assert any(LOCKED in one["sql"] for one in asked)
    failed = again(change)
    assert (failed.status, failed.finished_at) == ("failed", None)
    assert failed.error == "It ended. It is done by half: restore it, or try it again."


@pytest.mark.parametrize(
    ("move", "restore", "asked"), [("disable", True, 1), ("disable", False, 0), ("delete", True, 0)]
)
def test_an_abort_restores_whoever_is_off_only_where_it_was_asked_for(
    everybody: cast.Cast, *, move: str, restore: bool, asked: int
) -> None:
    row = batch(everybody, "running", move=move)
    off = cast.departure("off", State.DISABLED, everybody.payments)
    cast.change(off, batch=row, status="done")
    changes.abort(row, everybody.jonas, restore=restore)
    assert off.changes.filter(move="restore").count() == asked


# ── Restore of a batch ───────────────────────────────────────────────────────────────────────────


def restored(row: Batch, person: Person) -> set[str]:
    return {one.departure.user.user_name for one in changes.restore_batch(row, person, "it broke")}


def test_a_batch_is_restored_for_whom_the_person_may(everybody: cast.Cast) -> None:
    row = batch(everybody, "done")
    for name, owner in (("pay", everybody.payments), ("plat", everybody.platform)):
        cast.change(cast.departure(name, State.DISABLED, owner), batch=row, status="done")
    with pytest.raises(NotAllowed):
        restored(row, everybody.vera)
    assert restored(row, everybody.sara) == {"pay"}
    assert restored(row, everybody.jonas) == {"pay", "plat"}


def test_who_owns_nobody_of_a_batch_restores_nobody_and_is_told(everybody: cast.Cast) -> None:
    row = batch(everybody, "done")
    cast.change(
        cast.departure("plat", State.DISABLED, everybody.platform), batch=row, status="done"
    )
    with pytest.raises(NotAllowed, match="Ask Security") as refused:
        restored(row, everybody.sara)
    assert refused.value.rule == "team"
    assert restored(batch(everybody, "done"), everybody.sara) == set()


def _restored_since(row: Departure, change: Change) -> None:
    Departure.objects.filter(pk=row.pk).update(
        state=State.OWNER_ASSIGNED, fenced_at=None, clock_started_at=None, fence=""
    )


def _past_its_point(row: Departure, change: Change) -> None:
    Departure.objects.filter(pk=row.pk).update(irreversible_at=clock.now())


def _left_out(row: Departure, change: Change) -> None:
    Change.objects.filter(pk=change.pk).update(status="left-out")


def _a_shut(row: Departure, change: Change) -> None:
    Change.objects.filter(pk=change.pk).update(move="soak")


@pytest.mark.parametrize("made", [_restored_since, _past_its_point, _left_out, _a_shut])
def test_who_is_not_off_by_this_batch_is_passed_over(
    everybody: cast.Cast, made: Callable[[Departure, Change], None]
) -> None:
    row = batch(everybody, "done")
    off = cast.departure("off", State.SOAKING, everybody.payments)
    made(off, cast.change(off, batch=row, status="done"))
    assert restored(row, everybody.jonas) == set()


@pytest.mark.parametrize("status", ["running", "failed"])
def test_who_may_be_fenced_by_half_is_restored_too(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    row = batch(everybody, "paused")
    sent(cast.change(theirs, batch=row, status=status, claimed_by="w"))
    assert restored(row, everybody.jonas) == {"ci-pay-old"}


# ── One user of a run ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [status.value for status in Change.Status])
def test_who_waits_or_failed_is_skipped(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    change = cast.change(theirs, batch=batch(everybody, "running"), status=status)
    if status not in ("queued", "asked", "failed"):
        with pytest.raises(Stale):
            changes.skip(change, everybody.jonas)
        assert again(change).status == status
        return
    with pytest.raises(NotAllowed):
        changes.skip(change, everybody.sara)
    with CaptureQueriesContext(connection) as asked:
        assert changes.skip(change, everybody.jonas).status == "left-out"
    assert any(LOCKED in one["sql"] for one in asked)
    left = again(change)
    assert (left.status, left.result) == ("left-out", f"Skipped by {everybody.jonas}.")
    assert left.finished_at is not None
    told = entry("change.skipped")
    assert change.batch is not None
    assert (told.batch, told.user_id) == (change.batch.number, theirs.user.user_id)


def test_nobody_is_skipped_for_whom_calls_were_made_or_who_is_past_the_point(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = cast.change(theirs, status="queued", irreversible_at=clock.now())
    with pytest.raises(Stale):
        changes.skip(change, everybody.jonas)
    Change.objects.update(irreversible_at=None)
    sent(change)
    with pytest.raises(Refused, match="Calls were made"):
        changes.skip(again(change), everybody.jonas)
    assert again(change).status == "queued"


def test_one_that_failed_is_tried_again_and_its_batch_with_it(
    everybody: cast.Cast, theirs: Departure, told: list[tuple[str, int]]
) -> None:
    row, other = batch(everybody, "done", finished_at=clock.now()), batch(everybody, "done")
    change = cast.change(
        theirs,
        batch=row,
        status="failed",
        attempts=3,
        try_after=clock.now(),
        error="No.",
        error_code="AccessDenied",
    )
    changes.retry(change, everybody.jonas)
    tried = again(change)
    assert (tried.status, tried.attempts, tried.try_after) == ("queued", 0, None)
    assert (tried.error, tried.error_code) == ("", "")
    assert (now(row).status, now(row).finished_at, now(other).status) == ("running", None, "done")
    assert told == [("run_change", change.pk)]
    assert entry("change.retried").user_id == theirs.user.user_id


def test_a_shut_that_is_tried_again_leaves_its_batch_ended(
    everybody: cast.Cast, theirs: Departure, told: list[tuple[str, int]]
) -> None:
    """It follows its fence by itself: nobody would end the batch once more."""
    row = batch(everybody, "done", finished_at=clock.now())
    fence = cast.change(theirs, batch=row, status="done")
    shut = cast.change(theirs, "soak", batch=row, status="failed", follows=fence)
    changes.retry(shut, everybody.jonas)
    assert (again(shut).status, now(row).status) == ("queued", "done")
    assert told == [("run_change", shut.pk)]


@pytest.mark.parametrize("status", ["queued", "running", "done", "left-out"])
def test_what_did_not_fail_is_not_tried_again(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    change = cast.change(theirs, batch=batch(everybody, "running"), status=status)
    with pytest.raises(Stale):
        changes.retry(change, everybody.jonas)
    assert again(change).status == status


def test_a_paused_batch_stays_paused_when_one_is_tried_again(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = batch(everybody, "paused")
    changes.retry(cast.change(theirs, batch=row, status="failed"), everybody.jonas)
    assert now(row).status == "paused"


def test_a_restore_is_tried_again_whatever_holds_forward_changes(
    everybody: cast.Cast, theirs: Departure, told: list[tuple[str, int]]
) -> None:
    EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now())
    for status in ("aborted", "running"):
        row = batch(everybody, status, resume_needed=True)
        restore = cast.change(theirs, "restore", batch=row, status="failed")
        changes.retry(restore, everybody.jonas)
        assert told.pop() == ("run_restore", restore.pk)
        Change.objects.filter(pk=restore.pk).update(status="done")


def test_the_emergency_stop_holds_a_second_try_until_it_is_lifted(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = cast.change(theirs, batch=batch(everybody, "running"), status="failed")
    EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now())
    with pytest.raises(Refused, match="emergency stop is pulled"):
        changes.retry(change, everybody.jonas)
    EmergencyStop.objects.update(lifted_at=clock.now(), lifted_by=everybody.jonas)
    changes.retry(change, everybody.jonas)


@pytest.mark.parametrize("status", ["aborted", "withdrawn"])
def test_a_batch_that_ended_tries_nobody_again_but_for_a_deletion_past_its_point(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    change = cast.change(theirs, batch=batch(everybody, status), status="failed")
    with pytest.raises(Refused, match="has ended"):
        changes.retry(change, everybody.jonas)
    Change.objects.update(irreversible_at=clock.now())
    assert changes.retry(again(change), everybody.jonas).status == "queued"


def test_a_batch_that_a_stop_halted_is_resumed_first(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = batch(everybody, "running", resume_needed=True)
    with pytest.raises(Refused, match="Resume it first"):
        changes.retry(cast.change(theirs, batch=row, status="failed"), everybody.jonas)


# ── Another approver ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def omar(everybody: cast.Cast) -> Person:
    """Another approver; Mei has lost the role."""
    everybody.mei.roles = []
    everybody.mei.save()
    return cast.person("omar", "Omar", [Role.ENGINEER, Role.APPROVER], everybody.security)


def test_who_may_still_approve_is_not_taken_over_from(everybody: cast.Cast) -> None:
    row = batch(everybody, "running", started_at=clock.now())
    with pytest.raises(Refused, match="may still approve"):
        changes.take_over(row, everybody.mei)


def test_only_an_approver_takes_over(everybody: cast.Cast, omar: Person) -> None:
    row = batch(everybody, "running", started_at=clock.now())
    for person in (everybody.ada, everybody.vera, everybody.sara):
        with pytest.raises(NotAllowed):
            changes.take_over(row, person)
    assert now(row).approved_by == everybody.mei


def test_nobody_may_still_approve_what_nobody_approved(everybody: cast.Cast) -> None:
    assert not approval.approver_still_may(cast.batch(everybody.account, everybody.jonas))


def test_shuts_that_are_owed_are_taken_over(everybody: cast.Cast, omar: Person) -> None:
    row = batch(everybody, "done", started_at=clock.now() - DAY, approved_at=clock.now() - 2 * DAY)
    changes.take_over(row, omar)
    after = now(row)
    assert (after.approved_by, after.status) == (omar, "done")
    assert after.approved_at is not None
    assert after.approved_at > clock.now() - HOUR
    told = entry("batch.taken-over")
    assert (told.batch, told.data["digest"]) == (row.number, "0" * 64)


def test_what_has_not_begun_loses_its_approval(everybody: cast.Cast, omar: Person) -> None:
    row = batch(everybody)
    changes.take_over(row, omar)
    assert is_draft_again(row)
    assert entry("batch.approval-void").batch == row.number
    said = "Mei Tanaka approved it and may not approve any more. It needs approval again."
    assert [(one.person, one.text) for one in row.comments.all()] == [(omar, said)]


def test_neither_a_deletion_nor_an_own_batch_is_taken_over(
    everybody: cast.Cast, omar: Person
) -> None:
    row = batch(everybody, "running", started_at=clock.now(), move="delete")
    with pytest.raises(Refused, match="compose a new one"):
        changes.take_over(row, omar)
    row = batch(everybody, "running", started_at=clock.now())
    with pytest.raises(NotAllowed) as refused:
        changes.take_over(row, everybody.jonas)
    assert refused.value.rule == "four-eyes"
    Batch.objects.filter(pk=row.pk).update(asked_by=None, composed_by=omar)
    with pytest.raises(NotAllowed):
        changes.take_over(now(row), omar)


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────


def said(row: Batch, person: Person) -> dict[str, tuple[bool, str]]:
    return {one.code: (one.ok, one.text) for one in changes.checks(now(row), person)}


def test_four_eyes_are_checked_and_kept(everybody: cast.Cast) -> None:
    row = batch(everybody, "asked")
    assert said(row, everybody.jonas)["four-eyes"] == (False, checking.OWN_BATCH)
    assert said(row, everybody.mei)["four-eyes"] == (
        True,
        f"Four eyes: {everybody.jonas} asked, you decide",
    )
    with pytest.raises(NotAllowed) as refused:
        changes.approve(row, everybody.jonas, row.digest)
    assert refused.value.rule == "four-eyes"
    Batch.objects.update(asked_by=None, composed_by=everybody.ada)
    assert said(row, everybody.mei)["four-eyes"][1] == "Four eyes: Nobody asked, you decide"


def test_how_many_may_go_is_said_of_each_move(everybody: cast.Cast) -> None:
    row = batch(everybody, "asked")
    assert said(row, everybody.mei)["users"] == (True, "0 of 0 may be disabled by the evidence")
    Batch.objects.update(move="delete")
    words = "Soak complete, no open hit, for 0 of 0"
    assert said(row, everybody.mei)["users"] == (True, words)
    change = cast.change(
        cast.departure("u", State.OWNER_ASSIGNED), "delete", batch=row, status="asked"
    )
    told = said(row, everybody.mei)
    assert "users" not in told
    assert told["state"][0] is False
    assert told["viewed"] == (False, "1 user not viewed yet")
    cast.change(cast.departure("v", State.OWNER_ASSIGNED), "delete", batch=row, status="asked")
    assert said(row, everybody.mei)["viewed"] == (False, "2 users not viewed yet")
    Change.objects.exclude(pk=change.pk).update(status="left-out")
    changes.view(change, everybody.mei)
    assert said(row, everybody.mei)["viewed"] == (True, "Every user viewed")


def test_a_check_that_may_be_overridden_is_so_only_with_a_reason(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = batch(everybody, "asked")
    found = [Check("lock-out", False, "Nobody is left.", overridable=True)]
    monkeypatch.setattr(approval, "checks", lambda *_: found)
    why = {"lock-out": " drilled "}
    with pytest.raises(NotAllowed):
        changes.approve(row, everybody.sara, row.digest, overrides=why)
    for reasons in (None, {"lock-out": "  "}, {"else": "x"}):
        with pytest.raises(Refused, match="Nobody is left"):
            changes.approve(row, everybody.mei, row.digest, overrides=reasons)
    found.append(Check("hold", False, "It is held."))
    with pytest.raises(Refused, match="It is held"):
        changes.approve(row, everybody.mei, row.digest, overrides={**why, "hold": "x"})
    del found[1]
    approved = changes.approve(row, everybody.mei, row.digest, overrides=why)
    assert (approved.status, approved.overrides) == ("approved", {"lock-out": "drilled"})


def test_a_lock_out_and_a_quarantine_are_checks_of_their_own(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, (change,) = looked(everybody, HOUR)
    policies = ["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2"]
    Change.objects.update(facts={"holdings": {"managed policies": policies}})
    code = f"quarantine:{change.departure.user.user_id}"
    monkeypatch.setattr(checking, "lock_out", lambda *_: [])
    assert not {"lock-out", code} & set(said(row, everybody.mei))
    monkeypatch.setattr(
        checking, "lock_out", lambda *_: [Blocker("lock-out", "Nobody is left.", "Leave one.")]
    )
    Batch.objects.update(move="delete")
    assert said(row, everybody.mei)["lock-out"] == (False, "Nobody is left.")
    assert said(row, everybody.mei)[code][0] is False


def test_what_to_do_stands_beside_what_is_not_viewed_yet(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = batch(everybody, "asked")
    change = cast.change(theirs, batch=row, status="asked", digest="a" * 64)
    told = {one.code: one.fix for one in changes.checks(row, everybody.mei)}
    assert told["viewed"] == "Open each user and tick Viewed."
    changes.view(change, everybody.mei)
    told = {one.code: one.fix for one in changes.checks(row, everybody.mei)}
    assert told["viewed"] == ""


def test_a_check_is_overridden_only_where_it_says_so() -> None:
    assert not Check("users", False, "Nobody may go.").overridable


def test_one_check_stands_for_all_users_with_the_same_blocker() -> None:
    found = checking._by_code(
        [Blocker("busy", "a is busy.", "Wait."), Blocker("gone", "b is gone.", "Sync.")]
        + [Blocker("busy", f"{name} is busy.", "Wait.") for name in "cd"]
    )
    assert [(one.code, one.ok, one.text, one.fix) for one in found] == [
        ("busy", False, "a is busy. So it is for 2 more.", "Wait."),
        ("gone", False, "b is gone.", "Sync."),
    ]


def looked(everybody: cast.Cast, *ages: timedelta | None) -> tuple[Batch, list[Change]]:
    row = batch(everybody, "asked")
    made = []
    for number, age in enumerate(ages):
        judged = {} if age is None else {"looked_at": (clock.now() - age).isoformat()}
        of = cast.departure(f"u{number}", State.OWNER_ASSIGNED)
        made.append(cast.change(of, batch=row, status="asked", judged=judged))
    return row, made


@pytest.mark.parametrize(
    ("ages", "ok", "text"),
    [
        ([HOUR, 3 * HOUR], True, "Evidence is 3 hours old"),
        ([timedelta(seconds=59)], True, "Evidence is less than a minute old"),
        ([timedelta(minutes=1)], True, "Evidence is 1 minute old"),
        ([timedelta(minutes=90)], True, "Evidence is 90 minutes old"),
        ([2 * HOUR], True, "Evidence is 2 hours old"),
        ([HOUR, None], False, "Not every user was looked at."),
        ([], False, "Not every user was looked at."),
        ([HOUR, 100 * DAY], False, "Evidence is 2400 hours old"),
    ],
)
def test_evidence_is_as_old_as_the_oldest_look(
    everybody: cast.Cast, *, ages: list[timedelta | None], ok: bool, text: str
) -> None:
    row, made = looked(everybody, *ages)
    found = checking._evidence_age(checking.policy_of_batch(row), made)
    assert (found.code, found.ok, found.text) == ("evidence", ok, text)
    assert (found.fix == "") is ok


def test_who_still_names_a_user_is_ticked_by_the_very_approver(
    everybody: cast.Cast,
) -> None:
    _, made = looked(everybody, HOUR, HOUR, HOUR)

    def named() -> list[checking.Check]:
        return checking._named_elsewhere(made, checking.seen_by(made, everybody.mei))

    assert named() == []
    for change, code in zip(made, ("reference", "reference-unread", "no-mfa"), strict=True):
        change.warnings = [{"code": code, "text": "x"}]
        change.digest = "a" * 64
        change.save()
    (found,) = named()
    assert (found.ok, found.text) == (False, "Not read yet who still names u0 and 1 more")
    changes.view(made[0], everybody.mei)
    changes.view(made[1], everybody.jonas)
    (found,) = named()
    assert (found.ok, found.text) == (False, "Not read yet who still names u1")
    changes.view(made[1], everybody.mei)
    (found,) = named()
    assert (found.ok, found.text) == (True, "Who still names 2 of them was ticked")
    Viewed.objects.update(digest="b" * 64)
    assert not named()[0].ok


def test_taking_off_what_aws_put_on_is_a_line_of_its_own(everybody: cast.Cast) -> None:
    _, made = looked(everybody, HOUR, HOUR)
    made[0].facts = {
        "holdings": {
            "managed policies": [
                "arn:aws:iam::aws:policy/ReadOnlyAccess",
                "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2",
            ]
        }
    }
    (found,) = checking._quarantined(made)
    assert found.code == f"quarantine:{made[0].departure.user.user_id}"
    assert (found.ok, found.overridable) == (False, True)
    assert "Detaches AWSCompromisedKeyQuarantineV2" in found.text


def test_an_urgent_batch_may_begin_at_once_and_another_when_its_window_opens(
    everybody: cast.Cast,
) -> None:
    at = clock.now()
    ahead = f"{at + 3 * DAY:%a}".lower()
    closed = {"days": [ahead], "from": "09:00", "to": "16:00"}
    everybody.account.policy = {"disable_window": "always", "delete_window": closed}
    everybody.account.save()
    assert approval._window(batch(everybody), at) == at
    assert approval._window(batch(everybody, move="delete"), at) > at + DAY
    assert approval._window(batch(everybody, move="delete", urgent=True), at) == at
