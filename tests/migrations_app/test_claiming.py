"""Who may take which change, and what is left of one that ended: the queue, row by row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.models import Alert, LedgerEntry
from inventory.refusals import Refused
from migrations_app.changes import nudge, running
from migrations_app.changes.running import (
    ATTEMPTS,
    MOST_CLAIMS,
    end_what_is_stuck,
    finish_if_done,
    waiting_restores,
)
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Call, Change, Departure, Notice
from tests import cast

pytestmark = pytest.mark.django_db

ME = "this worker"
AGO, AHEAD = timedelta(seconds=-5), timedelta(seconds=25)
THROTTLED = AwsFailure("Throttling", "Slow down.", operation="GetUser", retryable=True)
DENIED = AwsFailure("AccessDenied", "No.", operation="GetUser")
BROKEN = AwsFailure("ServiceFailure", "Broken.", operation="GetUser")


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def running_batch(everybody: cast.Cast, status: str = "running", **columns: Any) -> Batch:
    whole: dict[str, Any] = {
        "asked_by": everybody.jonas,
        "asked_at": clock.now(),
        "approved_by": everybody.mei,
        "approved_at": clock.now(),
        "approved_digest": "0" * 64,
        "digest": "0" * 64,
    } | columns
    return cast.batch(everybody.account, everybody.jonas, status=status, **whole)


def at(by: timedelta | None) -> Any:
    return None if by is None else clock.real_now() + by


def now(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


def mine(of: Departure, move: str = "disable", **columns: Any) -> Change:
    """A change that this worker has."""
    columns = {"status": "running", "claimed_by": ME, "lease_until": at(AHEAD)} | columns
    return cast.change(of, move, **columns)


# ── Claiming ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "lease", "after", "taken"),
    [
        ("queued", None, None, True),
        ("queued", None, AGO, True),
        ("queued", None, AHEAD, False),
        ("running", AGO, None, True),
        ("running", AHEAD, None, False),
        ("running", None, None, False),
        ("asked", None, None, False),
        ("failed", None, None, False),
        ("done", AGO, None, False),
    ],
)
def test_what_waits_or_lost_its_worker_is_taken(
    everybody: cast.Cast,
    theirs: Departure,
    *,
    status: str,
    lease: timedelta | None,
    after: timedelta | None,
    taken: bool,
) -> None:
    change = cast.change(
        theirs,
        batch=running_batch(everybody),
        status=status,
        lease_until=at(lease),
        try_after=at(after),
    )
    assert (change.pk in running._ready(change.batch)) is taken  # type: ignore[arg-type]
    assert (running._claim(change.pk, ME) is not None) is taken


def test_a_claim_holds_for_a_minute_counts_and_keeps_when_it_began(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = cast.change(theirs, batch=running_batch(everybody), status="queued")
    claimed = running._claim(change.pk, ME)
    assert claimed is not None
    assert (claimed.status, claimed.claimed_by, claimed.attempts) == ("running", ME, 1)
    assert claimed.lease_until is not None
    assert timedelta(seconds=50) < claimed.lease_until - clock.real_now() < timedelta(seconds=61)
    began = claimed.started_at
    assert began is not None
    Change.objects.update(status="queued")
    again = running._claim(change.pk, "another")
    assert again is not None
    assert (again.started_at, again.attempts) == (began, 2)


@pytest.mark.parametrize("status", ["draft", "asked", "approved", "paused", "done", "aborted"])
def test_of_a_batch_that_does_not_run_only_what_goes_on_by_itself_is_taken(
    everybody: cast.Cast, theirs: Departure, status: str
) -> None:
    batch = running_batch(everybody, status)
    fence = cast.change(theirs, batch=batch, status="queued")
    assert running._claim(fence.pk, ME) is None
    Change.objects.filter(pk=fence.pk).update(irreversible_at=clock.now())
    assert running._claim(fence.pk, ME) is not None
    Change.objects.filter(pk=fence.pk).update(status="done")
    shut = cast.change(theirs, "soak", batch=batch, status="queued", follows=fence)
    assert running._claim(shut.pk, ME) is not None


def test_without_a_batch_it_is_taken_and_after_a_stop_only_when_resumed(
    everybody: cast.Cast, theirs: Departure
) -> None:
    alone = cast.change(theirs, status="queued")
    assert running._claim(alone.pk, ME) is not None
    Change.objects.update(status="done")
    batch = running_batch(everybody, resume_needed=True)
    change = cast.change(theirs, batch=batch, status="queued")
    assert running._claim(change.pk, ME) is None
    restore = cast.change(theirs, "restore", batch=batch, status="queued")
    assert running._claim(restore.pk, ME) is not None
    Batch.objects.update(resume_needed=False)
    assert running._claim(change.pk, ME) is not None


def test_whatever_was_claimed_too_often_is_taken_by_nobody(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = cast.change(
        theirs, batch=running_batch(everybody), status="queued", attempts=MOST_CLAIMS
    )
    assert running._ready(running_batch(everybody)) == []
    assert running._claim(change.pk, ME) is None
    Change.objects.update(attempts=MOST_CLAIMS - 1)
    assert running._claim(change.pk, ME) is not None


def test_a_run_begins_with_its_own_users_in_the_order_composed(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch, other = running_batch(everybody), running_batch(everybody)
    rows = [cast.departure(f"u{n}", State.OWNER_ASSIGNED) for n in range(3)]
    made = [cast.change(row, batch=batch, status="queued") for row in rows]
    cast.change(theirs, batch=other, status="queued")
    fence = cast.change(cast.departure("f", State.DISABLED), batch=batch, status="done")
    cast.change(fence.departure, "soak", batch=batch, status="queued", follows=fence)
    Change.objects.filter(pk=made[0].pk).update(attempts=1)
    assert running._ready(batch) == [one.pk for one in made]


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({}, True),
        ({"check_at": None}, False),
        ({"check_at": clock.now() + timedelta(hours=1)}, False),
        ({"status": "failed"}, False),
        ({"move": "disable"}, False),
    ],
)
def test_a_read_back_is_taken_when_it_is_due(
    theirs: Departure, columns: dict[str, Any], taken: bool
) -> None:
    due = {"status": "done", "check_at": clock.now() - timedelta(seconds=1)}
    change = cast.change(theirs, "restore", **due)
    Change.objects.update(**columns)
    claimed = running._claim_check(change.pk, ME)
    assert (claimed is not None) is taken
    if claimed is not None:
        assert (claimed.status, claimed.claimed_by) == ("running", ME)
        assert claimed.lease_until is not None
        assert claimed.lease_until > clock.real_now() + timedelta(seconds=50)


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        ({}, False),
        ({"status": "queued"}, True),
        ({"lease_until": clock.real_now() - timedelta(hours=1)}, True),
    ],
)
def test_a_read_back_lets_a_forward_change_of_today_go_first(
    theirs: Departure, columns: dict[str, Any], taken: bool
) -> None:
    change = cast.change(
        theirs, "restore", status="done", check_at=clock.now() - timedelta(seconds=1)
    )
    mine(cast.departure("other", State.OWNER_ASSIGNED))
    mine(theirs, **columns)
    assert (running._claim_check(change.pk, ME) is not None) is taken


@pytest.mark.parametrize(
    ("status", "columns", "waits"),
    [
        ("queued", {}, True),
        ("queued", {"try_after": AGO}, True),
        ("queued", {"try_after": AHEAD}, False),
        ("running", {"lease_until": AGO}, True),
        ("running", {"lease_until": AHEAD}, False),
        ("done", {"check_at": AGO}, True),
        ("done", {"check_at": AHEAD}, False),
        ("failed", {}, False),
    ],
)
def test_restores_wait_that_have_no_worker_or_are_to_be_read_back(
    theirs: Departure, status: str, columns: dict[str, timedelta], waits: bool
) -> None:
    when = {name: at(by) for name, by in columns.items()}
    restore = cast.change(theirs, "restore", status=status, **when)
    cast.change(theirs, status="queued")
    assert list(waiting_restores()) == ([restore.pk] if waits else [])


# ── Ending ───────────────────────────────────────────────────────────────────────────────────────


def test_an_end_is_recorded_and_lets_go(everybody: cast.Cast, theirs: Departure) -> None:
    batch = running_batch(everybody, number=41)
    change = mine(theirs, batch=batch, error="old", error_code="Old")
    running._end(change, ME, Change.Status.DONE, "Fenced and read back.")
    ended = now(change)
    assert (ended.status, ended.result) == ("done", "Fenced and read back.")
    assert (ended.claimed_by, ended.lease_until, ended.error, ended.error_code) == (
        "", None, "", "",
    )  # fmt: skip
    assert ended.finished_at is not None
    entry = LedgerEntry.objects.get(kind="change.done")
    assert (entry.user_id, entry.batch) == (theirs.user.user_id, 41)
    assert (entry.data["move"], entry.data["result"]) == ("disable", "Fenced and read back.")


def other_users_row(of: cast.Cast) -> Change:
    """A change of somebody else that this worker has too."""
    return mine(cast.departure("other", State.OWNER_ASSIGNED, of.platform))


@pytest.mark.parametrize(
    "columns", [{"claimed_by": "another"}, {"status": "queued"}, {"status": "superseded"}]
)
def test_who_lost_the_claim_ends_gives_back_and_fails_nothing(
    everybody: cast.Cast, theirs: Departure, columns: dict[str, str]
) -> None:
    change = mine(theirs, **columns)
    before = Change.objects.values().get(pk=change.pk)
    running._end(change, ME, Change.Status.DONE, "Done.")
    running._give_back(change, ME, "Later.")
    running._failed(change, ME, BROKEN)
    assert Change.objects.values().get(pk=change.pk) == before
    assert not LedgerEntry.objects.exists()
    assert not Alert.objects.exists()
    assert not Notice.objects.exists()


def test_what_ends_or_is_given_back_is_this_change_alone(
    everybody: cast.Cast, theirs: Departure
) -> None:
    other, change = other_users_row(everybody), mine(theirs, attempts=1)
    before = Change.objects.values().get(pk=other.pk)
    running._give_back(change, ME, "Later.")
    Change.objects.filter(pk=change.pk).update(status="running", claimed_by=ME)
    running._failed(change, ME, THROTTLED)
    Change.objects.filter(pk=change.pk).update(status="running", claimed_by=ME)
    running._end(change, ME, Change.Status.DONE, "Done.")
    assert Change.objects.values().get(pk=other.pk) == before


def test_what_is_given_back_is_tried_again_in_five_seconds_and_did_not_count(
    theirs: Departure,
) -> None:
    change = mine(theirs, attempts=2)
    running._give_back(change, ME, "The emergency stop is pulled.")
    back = now(change)
    assert (back.status, back.claimed_by, back.lease_until) == ("queued", "", None)
    assert (back.result, back.attempts) == ("The emergency stop is pulled.", 1)
    assert back.try_after is not None
    assert timedelta(seconds=3) < back.try_after - clock.real_now() < timedelta(seconds=5.5)


@pytest.mark.parametrize("attempts", [1, 2])
def test_what_may_pass_is_tried_again_later_each_time_and_told_nobody(
    theirs: Departure, attempts: int
) -> None:
    change = mine(theirs, attempts=attempts)
    running._failed(change, ME, THROTTLED)
    again = now(change)
    assert (again.status, again.claimed_by, again.lease_until) == ("queued", "", None)
    assert (again.error_code, "Slow down." in again.error) == ("Throttling", True)
    assert again.try_after is not None
    wait = again.try_after - clock.real_now()
    assert timedelta(seconds=15 * attempts - 3) < wait <= timedelta(seconds=15 * attempts)
    assert not Alert.objects.exists()
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(
    ("move", "done"),
    [("disable", "disabled"), ("soak", "shut"), ("delete", "deleted"), ("restore", "restored")],
)
def test_the_owner_hears_what_could_not_be_done(
    everybody: cast.Cast, theirs: Departure, move: str, done: str
) -> None:
    Change.objects.filter(departure=theirs).delete()
    change = mine(theirs, move=move)
    running._failed(change, ME, BROKEN)
    told = Notice.objects.get(team=everybody.payments)
    assert told.title == f"{theirs.user} could not be {done}"


@pytest.mark.parametrize(("refused", "attempts"), [(THROTTLED, ATTEMPTS), (BROKEN, 1)])
def test_a_failure_is_loud(
    everybody: cast.Cast, theirs: Departure, refused: AwsFailure, attempts: int
) -> None:
    batch = running_batch(everybody, number=41)
    change = mine(theirs, attempts=attempts, batch=batch)
    running._failed(change, ME, refused)
    failed = now(change)
    assert (failed.status, failed.try_after, failed.claimed_by) == ("failed", None, "")
    entry = LedgerEntry.objects.get(kind="change.failed")
    assert (entry.batch, entry.user_id) == (41, theirs.user.user_id)
    assert (entry.data["code"], entry.data["move"]) == (refused.code, "disable")
    alert = Alert.objects.get()
    assert (alert.kind, alert.user) == ("failed", theirs.user)
    assert "could not be disabled" in Notice.objects.filter(team=everybody.payments).get().title
    batch.refresh_from_db()
    assert batch.status == Batch.Status.RUNNING


@pytest.mark.parametrize(
    ("code", "pauses"),
    [
        ("AccessDenied", True),
        ("WrongAccount", True),
        ("NoCredentials", True),
        ("NoExternalId", True),
        ("InvalidClientTokenId", True),
        ("NamesakeFound", True),
        ("NotRecorded", True),
        ("ServiceFailure", False),
    ],
)
def test_a_batch_pauses_at_once_where_nothing_else_will_succeed(
    everybody: cast.Cast, theirs: Departure, code: str, pauses: bool
) -> None:
    batch = running_batch(everybody)
    change = mine(theirs, batch=batch)
    running._failed(change, ME, AwsFailure(code, "No.", operation="GetUser"))
    batch.refresh_from_db()
    assert (batch.status == Batch.Status.PAUSED) is pauses


def test_a_batch_pauses_on_its_second_failure_of_any_kind(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = running_batch(everybody)
    mine(cast.departure("other", State.OWNER_ASSIGNED), batch=batch, status="failed")
    running._failed(mine(theirs, batch=batch), ME, BROKEN)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED


def test_a_failed_restore_pauses_no_batch(everybody: cast.Cast, theirs: Departure) -> None:
    batch = running_batch(everybody)
    running._failed(mine(theirs, "restore", batch=batch), ME, DENIED)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.RUNNING


def test_what_was_not_recorded_fails_here_and_what_the_database_swallowed_waits(
    theirs: Departure,
) -> None:
    change = mine(theirs)
    running._not_recorded(change, ME, OperationalError("gone away"))
    assert now(change).status == "running"
    running._not_recorded(change, ME, Refused("It was changed meanwhile."))
    failed = now(change)
    assert (failed.status, failed.error_code) == ("failed", "NotRecorded")
    assert "changed meanwhile" in failed.error


# ── The end of a batch ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "closed"), [("queued", False), ("running", False), ("done", True), ("failed", True)]
)
def test_a_batch_is_closed_when_nobody_of_it_waits_or_runs(
    everybody: cast.Cast, theirs: Departure, status: str, closed: bool
) -> None:
    batch = running_batch(everybody)
    cast.change(theirs, batch=batch, status=status)
    # A shut that follows does not keep it open.
    fence = cast.change(cast.departure("f", State.DISABLED), batch=batch, status="done")
    cast.change(fence.departure, "soak", batch=batch, status="queued", follows=fence)
    assert finish_if_done(batch) is closed
    batch.refresh_from_db()
    assert batch.status == ("done" if closed else "running")
    assert (batch.finished_at is not None) is closed


def test_the_end_of_a_batch_says_how_many_were_done_and_how_many_failed(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = running_batch(everybody, number=41, asked_by=everybody.jonas)
    cast.change(theirs, batch=batch, status="failed")
    for number in range(2):
        row = cast.departure(f"u{number}", State.DISABLED)
        fence = cast.change(row, batch=batch, status="done")
        cast.change(row, "soak", batch=batch, status="done", follows=fence)
    assert finish_if_done(batch)
    entry = LedgerEntry.objects.get(kind="batch.finished")
    assert (entry.batch, entry.data["done"], entry.data["failed"]) == (41, 2, 1)
    assert set(Notice.objects.values_list("title", flat=True)) == {
        "Batch #41 has ended: 2 of Security disabled, 0 failed, 0 left out",
        "Batch #41 has ended: 0 of Payments disabled, 1 failed, 0 left out",
    }


@pytest.mark.parametrize(
    ("status", "ended"), [("paused", False), ("approved", False), ("done", True), ("aborted", True)]
)
def test_a_batch_that_does_not_run_is_left_as_it_is(
    everybody: cast.Cast, status: str, ended: bool
) -> None:
    batch = running_batch(everybody, status)
    assert finish_if_done(batch) is ended
    batch.refresh_from_db()
    assert (batch.status, batch.finished_at) == (status, None)


# ── What nobody would pick up ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "lease", "batch_status", "ends"),
    [
        ("queued", None, "done", True),
        ("queued", None, "aborted", True),
        ("queued", None, "running", False),
        ("queued", None, "paused", False),
        ("running", AGO, "aborted", True),
        ("running", AHEAD, "aborted", False),
        ("failed", None, "aborted", False),
        ("failed", AGO, "aborted", False),
    ],
)
def test_what_is_lost_in_a_batch_that_ended_is_ended(
    everybody: cast.Cast,
    theirs: Departure,
    *,
    status: str,
    lease: timedelta | None,
    batch_status: str,
    ends: bool,
) -> None:
    change = cast.change(
        theirs,
        batch=running_batch(everybody, batch_status),
        status=status,
        lease_until=at(lease),
        claimed_by="dead",
    )
    end_what_is_stuck()
    after = now(change)
    assert (after.status == "withdrawn") is ends
    if ends:
        assert (after.claimed_by, after.lease_until, after.error) == ("", None, "")
        assert after.result == "Its batch ended."
    assert not Alert.objects.exists()


def test_what_was_begun_or_kills_its_workers_fails_loudly(
    everybody: cast.Cast, theirs: Departure
) -> None:
    begun = cast.change(theirs, batch=running_batch(everybody, "aborted"), status="queued")
    Call.objects.create(
        change=begun, seq=1, kind="write", operation="AttachUserPolicy", sent_at=clock.now()
    )
    poison = cast.change(
        cast.departure("p", State.OWNER_ASSIGNED),
        batch=running_batch(everybody),
        status="queued",
        attempts=MOST_CLAIMS,
    )
    end_what_is_stuck()
    assert [now(one).status for one in (begun, poison)] == ["failed", "failed"]
    assert now(begun).error.startswith("Its batch ended. Look")
    assert now(poison).result == "Its worker died each time."
    assert Alert.objects.filter(kind="failed").count() == 2


@pytest.mark.parametrize("columns", [{"irreversible_at": clock.now()}, {"follows": True}])
def test_a_shut_that_follows_and_a_deletion_past_its_point_go_on(
    everybody: cast.Cast, theirs: Departure, columns: dict[str, Any]
) -> None:
    batch = running_batch(everybody, "done")
    if "follows" in columns:
        columns = {"follows": cast.change(theirs, batch=batch, status="done"), "move": "soak"}
    change = cast.change(theirs, batch=batch, status="queued", **columns)
    end_what_is_stuck()
    assert now(change).status == "queued"


def test_the_sweep_wakes_what_runs_and_what_goes_on_alone(
    everybody: cast.Cast, theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    alone: list[int] = []
    monkeypatch.setattr(nudge, "run_batch", batches.append)
    monkeypatch.setattr(nudge, "run_change", alone.append)
    batch = running_batch(everybody)
    running_batch(everybody, "paused")
    fence = cast.change(theirs, batch=batch, status="done")
    shut = cast.change(theirs, "soak", batch=batch, status="queued", follows=fence)
    rows = [cast.departure(f"u{number}", State.OWNER_ASSIGNED) for number in range(4)]
    half = cast.change(rows[0], "delete", status="queued", irreversible_at=clock.now())
    lost = cast.change(
        rows[1], "delete", status="running", irreversible_at=clock.now(), lease_until=at(AGO)
    )
    cast.change(
        rows[2], "delete", status="running", irreversible_at=clock.now(), lease_until=at(AHEAD)
    )
    cast.change(rows[3], batch=batch, status="queued")
    cast.change(rows[3], "restore", status="queued", irreversible_at=clock.now())
    running.nudge_running()
    assert batches == [batch.pk]
    assert alone == [shut.pk, half.pk, lost.pk]
