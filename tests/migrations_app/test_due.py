"""What the sweep finds due, what it finds waiting and what it lets lapse: row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from unittest.mock import Mock

import pytest

from inventory import clock
from inventory.models import LedgerEntry, ProtectedEntry
from migrations_app import guards
from migrations_app.changes import enrolling, nudge, protecting
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Delivery, Departure, Hit, KeptAnswer, Notice
from tests import cast

pytestmark = pytest.mark.django_db

# The package gives its name to the verb.
sweep = import_module("migrations_app.changes.sweep")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def watched(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.DISABLED, everybody.payments)


def batch(everybody: cast.Cast, status: str = "approved", **columns: Any) -> Batch:
    whole: dict[str, Any] = {
        "asked_by": everybody.jonas,
        "asked_at": clock.now(),
        "approved_by": everybody.mei,
        "approved_at": clock.now(),
        "approved_digest": "0" * 64,
        "digest": "0" * 64,
        "overrides": {"lock-out": "drilled"},
    } | columns
    account = whole.pop("account", everybody.account)
    return cast.batch(account, everybody.jonas, status=status, **whole)


def closed_now() -> dict[str, Any]:
    """A window that opens in three days."""
    day = f"{clock.now() + 3 * DAY:%a}".lower()
    return {"days": [day], "from": "09:00", "to": "16:00"}


def now(row: Batch) -> Batch:
    return Batch.objects.get(pk=row.pk)


# ── Dry runs ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "asked", "again"),
    [("draft", 6, True), ("draft", 4, False), ("draft", None, False), ("asked", 6, False)],
)
def test_a_dry_run_whose_worker_died_is_asked_for_again_after_five_minutes(
    everybody: cast.Cast,
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: str,
    asked: int | None,
    again: bool,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(nudge, "dry_run", told.append)
    at = clock.now() - timedelta(minutes=asked) if asked else None
    row = batch(everybody, status, dry_run_asked_at=at)
    sweep.dry_run_what_was_lost()
    assert told == ([row.pk] if again else [])
    sweep.dry_run_what_was_lost()
    assert len(told) == again


# ── When a batch may start ───────────────────────────────────────────────────────────────────────


def settling(row: Batch) -> str:
    return " ".join(sweep._settling(row, DAY))


def test_the_first_disable_batch_of_an_account_settles_for_nobody(everybody: cast.Cast) -> None:
    row = batch(everybody)
    batch(everybody, "done", move="delete", started_at=clock.now())
    batch(everybody, "done", started_at=clock.now(), account=cast.account("210987654321", "other"))
    batch(everybody)
    Batch.objects.filter(pk=row.pk).update(started_at=clock.now())
    assert settling(row) == ""


@pytest.mark.parametrize("status", ["running", "paused"])
def test_an_earlier_batch_that_is_not_finished_holds_the_next(
    everybody: cast.Cast, status: str
) -> None:
    earlier = batch(everybody, status, started_at=clock.now() - 9 * DAY)
    assert settling(batch(everybody)) == f"Batch {earlier} is not finished."


def test_a_batch_settles_from_its_end_or_where_it_has_none_from_its_start(
    everybody: cast.Cast,
) -> None:
    earlier = batch(
        everybody, "done", started_at=clock.now() - 3 * DAY, finished_at=clock.now() - 23 * HOUR
    )
    row = batch(everybody)
    assert "settles until" in settling(row)
    Batch.objects.filter(pk=earlier.pk).update(finished_at=clock.now() - 25 * HOUR)
    assert settling(row) == ""
    Batch.objects.filter(pk=earlier.pk).update(finished_at=None)
    assert settling(row) == ""
    # The last one counts, not the one before.
    batch(everybody, "done", started_at=clock.now() - HOUR)
    assert "settles until" in settling(row)


def waits(row: Batch) -> str:
    return " ".join(sweep.waits_for(now(row)))


def test_what_a_stop_halted_waits_for_a_person(everybody: cast.Cast) -> None:
    row = batch(everybody, urgent=True)
    before = waits(row)
    Batch.objects.update(resume_needed=True)
    assert waits(row) == f"{before} {sweep.stop.HALTED}".strip()


def test_an_approver_who_lost_the_role_holds_it(everybody: cast.Cast) -> None:
    row = batch(everybody, urgent=True)
    assert "no approver any more" not in waits(row)
    everybody.mei.roles = []
    everybody.mei.save()
    assert "no approver any more" in waits(row)


def test_a_lock_out_waits_unless_the_approver_said_why(everybody: cast.Cast) -> None:
    row = batch(everybody, urgent=True)
    assert "identity with admin rights" not in waits(row)
    Batch.objects.update(overrides={})
    assert "identity with admin rights" in waits(row)


def test_only_those_who_leave_with_it_count_for_the_lock_out(everybody: cast.Cast) -> None:
    user = cast.iam_user("root-admin", privilege="admin", last_activity_at=clock.now())
    admin = cast.departure(user, State.OWNER_ASSIGNED)
    row = batch(everybody, urgent=True, overrides={})
    change = cast.change(admin, batch=row, status="left-out")
    assert "identity with admin rights" not in waits(row)
    Change.objects.filter(pk=change.pk).update(status="queued")
    assert "identity with admin rights" in waits(row)


def test_a_delete_waits_until_everybody_of_it_was_heard_up_to_now_and_a_disable_does_not(
    everybody: cast.Cast,
) -> None:
    row = batch(everybody, move="delete")
    for name, status in (("one", "queued"), ("two", "queued"), ("left", "left-out")):
        off = cast.departure(name, State.SOAKING, everybody.payments)
        Departure.objects.filter(pk=off.pk).update(clock_started_at=clock.now() - 15 * DAY)
        cast.change(off, "delete", batch=row, status=status)
    assert "CloudTrail is being read up to now for 2 of 2 users." in waits(row)
    Batch.objects.update(move="disable")
    assert "being read" not in waits(row)
    assert sweep._listening(batch(everybody, move="delete")) == []


def test_an_urgent_batch_waits_for_no_window_and_a_usual_one_for_its_own(
    everybody: cast.Cast,
) -> None:
    account = everybody.account
    account.policy = {"disable_window": "always", "delete_window": closed_now()}
    account.save()
    closed = "The change window is closed."
    assert closed not in waits(batch(everybody))
    assert closed in waits(batch(everybody, move="delete"))
    assert closed not in waits(batch(everybody, move="delete", urgent=True))


@pytest.mark.parametrize(("by", "lapses"), [(-HOUR, True), (HOUR, False)])
def test_an_approval_lapses_when_its_window_is_over(
    everybody: cast.Cast, by: timedelta, lapses: bool
) -> None:
    row = batch(everybody, window_to=clock.now() + by)
    change = cast.change(cast.departure("u", State.OWNER_ASSIGNED), batch=row, status="queued")
    assert not sweep.start_if_due(row)
    assert (now(row).status == "draft") is lapses
    change.refresh_from_db()
    assert (change.status == "draft") is lapses
    assert LedgerEntry.objects.filter(kind="batch.lapsed", batch=row.number).exists() is lapses
    assert row.comments.filter(text__contains="lapsed").exists() is lapses


def test_what_was_started_or_withdrawn_meanwhile_does_not_lapse(everybody: cast.Cast) -> None:
    row = batch(everybody, window_to=clock.now() - HOUR)
    Batch.objects.update(status="running")
    assert not sweep.start_if_due(row)
    assert now(row).status == "running"
    assert not LedgerEntry.objects.exists()


def test_batches_start_in_the_order_in_which_they_were_approved(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(sweep, "start_if_due", lambda row: tried.append(row.number))
    batch(everybody, number=7, approved_at=clock.now() - HOUR)
    batch(everybody, number=5, approved_at=clock.now())
    batch(everybody, number=6, approved_at=clock.now() - 2 * HOUR)
    batch(everybody, "asked", number=8)
    batch(everybody, "running", number=9)
    sweep.start_what_is_due()
    assert tried == [6, 7, 5]


def test_a_batch_is_started_by_one_sweep_only(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(sweep, "waits_for", lambda _: [])
    monkeypatch.setattr(nudge, "run_batch", told.append)
    row, other = batch(everybody, number=7), batch(everybody)
    assert sweep.start_if_due(row)
    started = now(row)
    assert (started.status, started.undo_script != "") == ("running", True)
    assert started.started_at is not None
    assert not sweep.start_if_due(row)
    assert told == [row.pk]
    assert now(other).status == "approved"
    assert LedgerEntry.objects.get(kind="batch.started").batch == 7


@pytest.mark.parametrize("stopped_at", [0, 1])
def test_what_came_up_before_or_under_the_lock_holds_it(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch, stopped_at: int
) -> None:
    answers: list[list[str]] = [[], []]
    answers[stopped_at] = ["The emergency stop is pulled."]
    monkeypatch.setattr(sweep, "waits_for", lambda _: answers.pop(0))
    row = batch(everybody)
    assert not sweep.start_if_due(row)
    assert now(row).status == "approved"


# ── The automatic shut ───────────────────────────────────────────────────────────────────────────


def fence_of(of: Departure, everybody: cast.Cast, **columns: Any) -> Change:
    whole: dict[str, Any] = {
        "batch": batch(everybody, "done"),
        "status": "done",
        "requested_by": everybody.jonas,
        "facts": {"user_name": "ci-pay-old"},
        "digest": "1" * 64,
        "judged": {"whole": True},
    } | columns
    return cast.change(of, **whole)


def test_a_shut_goes_on_under_what_was_approved_for_the_fence(
    everybody: cast.Cast, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(nudge, "run_change", told.append)
    monkeypatch.setattr(sweep, "shut_waits_for", lambda _: [])
    fence_of(watched, everybody, status="failed")
    Change.objects.update(status="withdrawn")
    fence = fence_of(watched, everybody, method="fence")
    Departure.objects.update(clock_started_at=clock.now() - 7 * DAY - HOUR)
    assert sweep.shut_what_is_due() == 1
    shut = watched.changes.get(move="soak")
    assert (shut.batch, shut.follows, shut.method) == (fence.batch, fence, fence.method)
    assert (shut.status, shut.requested_by) == ("queued", everybody.jonas)
    assert (shut.facts, shut.digest, shut.judged) == (fence.facts, fence.digest, fence.judged)
    assert told == [shut.pk]
    # One that is under way, or failed, is not begun a second time.
    for status in ("queued", "running", "failed"):
        Change.objects.filter(pk=shut.pk).update(status=status)
        assert sweep.shut_what_is_due() == 0
    assert watched.changes.filter(move="soak").count() == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"clock_started_at": clock.now() - 6 * DAY},
        {"clock_started_at": None},
        {"state": State.SOAKING},
        {"not_before": clock.now() + 30 * DAY},
    ],
)
def test_a_shut_that_is_not_due_is_not_queued(
    everybody: cast.Cast,
    watched: Departure,
    monkeypatch: pytest.MonkeyPatch,
    columns: dict[str, Any],
) -> None:
    monkeypatch.setattr(sweep, "shut_waits_for", lambda _: [])
    fence_of(watched, everybody)
    Departure.objects.update(clock_started_at=clock.now() - 8 * DAY)
    Departure.objects.filter(pk=watched.pk).update(**columns)
    assert sweep.shut_what_is_due() == 0


def test_who_waits_or_was_not_fenced_here_or_is_held_by_another_change_is_not_shut(
    everybody: cast.Cast, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    Departure.objects.update(clock_started_at=clock.now() - 8 * DAY)
    reasons: list[str] = []
    monkeypatch.setattr(sweep, "shut_waits_for", lambda _: reasons)
    assert sweep.shut_what_is_due() == 0
    fence_of(watched, everybody)
    reasons.append("The change window is closed.")
    assert sweep.shut_what_is_due() == 0
    reasons.clear()
    held = cast.change(watched, "delete", status="asked")
    assert sweep.shut_what_is_due() == 0
    Change.objects.filter(pk=held.pk).update(status="withdrawn")
    assert sweep.shut_what_is_due() == 1


def shut_waits(row: Departure) -> str:
    return " ".join(sweep.shut_waits_for(Departure.objects.get(pk=row.pk)))


def test_a_shut_waits_for_an_approver_a_resume_and_whoever_shut_it_by_half(
    everybody: cast.Cast, watched: Departure
) -> None:
    assert "shut by half" in shut_waits(watched)
    fence = fence_of(watched, everybody)
    before = shut_waits(watched)
    assert "by half" not in before
    assert "lost the role" not in before
    assert sweep.stop.HALTED not in before
    Batch.objects.update(resume_needed=True)
    assert sweep.stop.HALTED in shut_waits(watched)
    everybody.mei.roles = []
    everybody.mei.save()
    assert "lost the role" in shut_waits(watched)
    Change.objects.filter(pk=fence.pk).update(batch=None)
    assert "lost the role" in shut_waits(watched)


def test_a_shut_that_was_left_out_rests_for_an_hour(
    everybody: cast.Cast, watched: Departure
) -> None:
    fence = fence_of(watched, everybody)
    left = cast.change(
        watched,
        "soak",
        follows=fence,
        status="left-out",
        result="Its groups changed.",
        finished_at=clock.now() - 59 * timedelta(minutes=1),
    )
    assert "It was left out: Its groups changed." in shut_waits(watched)
    for columns in (
        {"finished_at": clock.now() - 61 * timedelta(minutes=1)},
        {"finished_at": clock.now(), "status": "withdrawn"},
        {"status": "left-out", "move": "delete"},
    ):
        Change.objects.filter(pk=left.pk).update(**columns)
        assert "It was left out" not in shut_waits(watched)


def test_a_shut_keeps_to_the_disable_window(everybody: cast.Cast, watched: Departure) -> None:
    account = everybody.account
    for policy, closed in (
        ({"disable_window": "always", "delete_window": closed_now()}, False),
        ({"disable_window": closed_now(), "delete_window": "always"}, True),
    ):
        account.policy = policy
        account.save()
        assert ("The change window is closed." in shut_waits(watched)) is closed


@pytest.fixture
def shut_soon(
    everybody: cast.Cast, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> Departure:
    """Fenced under an approval that holds, in an account that takes writes; due in twelve hours."""
    everybody.account.policy = {"disable_window": "always"}
    everybody.account.save()
    monkeypatch.setattr(sweep, "account_blockers", lambda *_, **__: [])
    fence_of(watched, everybody)
    Departure.objects.update(clock_started_at=clock.now() - 6 * DAY - 12 * HOUR)
    return Departure.objects.get(pk=watched.pk)


def told_of_shuts() -> int:
    sweep.tell_of_shuts()
    return Notice.objects.filter(kind="shut-tomorrow").count()


@pytest.mark.parametrize(("hours", "told"), [(25, False), (23, True), (1, True), (-1, False)])
def test_owners_hear_of_a_shut_on_the_day_before(
    everybody: cast.Cast, shut_soon: Departure, hours: int, told: bool
) -> None:
    started = clock.now() - 7 * DAY + hours * HOUR
    Departure.objects.update(clock_started_at=started)
    cast.departure("shut", State.SOAKING, everybody.payments, clock_started_at=started)
    for _ in range(2):
        sweep.tell_of_shuts()
    notices = Notice.objects.filter(kind="shut-tomorrow")
    assert [one.team for one in notices] == ([everybody.payments] if told else [])


def test_a_shut_is_told_from_the_very_moment_a_day_before_until_it_is_due(
    shut_soon: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = shut_soon.due_at
    assert due is not None
    for at, told in ((due, 0), (due - DAY - timedelta(microseconds=1), 0), (due - DAY, 1)):
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        sweep.tell_of_shuts()
        assert Notice.objects.filter(kind="shut-tomorrow").count() == told


def test_who_heard_of_a_shut_is_not_judged_anew_each_minute(
    shut_soon: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_of_shuts() == 1
    monkeypatch.setattr(sweep, "_is_held", Mock(side_effect=AssertionError("judged anew")))
    assert told_of_shuts() == 1


def test_nobody_hears_of_a_shut_that_an_open_hit_stops(shut_soon: Departure) -> None:
    called = cast.hit(shut_soon)
    assert told_of_shuts() == 0
    called.closed = "dismissed"
    called.save()
    cast.hit(shut_soon, kind=Hit.Kind.KNOCK)
    assert told_of_shuts() == 1


def test_nobody_hears_of_a_shut_that_people_or_a_halted_batch_hold(
    everybody: cast.Cast, shut_soon: Departure
) -> None:
    in_a_week = clock.now().date() + 7 * DAY
    for columns in (
        {"disputed_until": in_a_week},
        {"contested_by_team": everybody.platform},
        {"not_before": clock.now() + 30 * DAY},
    ):
        free = dict.fromkeys(columns)
        Departure.objects.filter(pk=shut_soon.pk).update(**columns)
        assert told_of_shuts() == 0, columns
        Departure.objects.filter(pk=shut_soon.pk).update(**free)
    Batch.objects.update(resume_needed=True)
    assert told_of_shuts() == 0
    Batch.objects.update(resume_needed=False)
    assert told_of_shuts() == 1


def test_nobody_hears_of_a_shut_in_an_account_that_takes_no_write(
    shut_soon: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = guards.Blocker("stopped", "The emergency stop is pulled.")
    monkeypatch.setattr(sweep, "account_blockers", lambda *_, **__: [stopped])
    assert told_of_shuts() == 0


def test_a_dispute_that_ends_before_the_shut_does_not_keep_it_from_its_owner(
    shut_soon: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = clock.now().replace(hour=18)
    monkeypatch.setattr(clock, "now", lambda: noon)
    Departure.objects.update(
        clock_started_at=noon - 6 * DAY - 12 * HOUR, disputed_until=noon.date()
    )
    assert told_of_shuts() == 1


def test_the_day_of_a_shut_is_told_in_the_zone_of_its_account_and_when_its_window_opens(
    everybody: cast.Cast, shut_soon: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = everybody.account
    account.time_zone = "Europe/Berlin"
    account.policy = {"disable_window": {"days": ["tue"], "from": "00:30", "to": "04:00"}}
    account.save()
    due = datetime(2026, 12, 7, 12, 0, tzinfo=UTC)  # a Monday
    Departure.objects.update(clock_started_at=due - 7 * DAY)
    monkeypatch.setattr(clock, "now", lambda: due - 13 * HOUR)
    assert told_of_shuts() == 0
    monkeypatch.setattr(clock, "now", lambda: due + HOUR)
    assert told_of_shuts() == 1
    told = Notice.objects.get(kind="shut-tomorrow")
    assert told.title == f"{shut_soon.user} will be shut on Tue 8 Dec"
    assert "Tue 8 Dec, 00:30 CET (23:30 UTC)" in told.text


# ── Each day, each minute ────────────────────────────────────────────────────────────────────────


def test_the_head_of_the_ledger_goes_to_the_admins_once_a_day(everybody: cast.Cast) -> None:
    sweep.tell_the_head()
    assert not Notice.objects.exists()
    for _ in range(3):
        sweep.ledger.append("test.entry")
    last = LedgerEntry.objects.latest("seq")
    sweep.tell_the_head()
    sweep.ledger.append("test.entry")
    sweep.tell_the_head()
    told = Notice.objects.get()
    assert (told.kind, told.role) == ("ledger", "admin")
    assert told.key == f"ledger:{clock.now().date()}"
    assert f"{last.seq}:{last.hash}" in told.text
    Delivery.objects.all().delete()
    Notice.objects.update(key="ledger:2020-01-01")
    sweep.tell_the_head()
    assert Notice.objects.count() == 2


def test_answers_of_the_api_are_kept_for_two_days(everybody: cast.Cast) -> None:
    for number, age in enumerate((47, 49)):
        KeptAnswer.objects.create(
            person=everybody.mei,
            key=str(number),
            request="0" * 64,
            at=clock.now() - age * HOUR,
        )
    sweep.forget_answers()
    assert [one.key for one in KeptAnswer.objects.all()] == ["0"]


def test_whoever_a_running_sync_has_listed_is_a_departure_with_its_protection(
    everybody: cast.Cast,
) -> None:
    user = cast.iam_user("break-glass")
    asleep = cast.iam_user("far", cast.account("210987654321", "other", active=False))
    ProtectedEntry.objects.create(
        account=everybody.account, user_name="break-glass", kind="break-glass", reason="last way in"
    )
    sweep.enroll_all()
    assert Departure.objects.get(user=user).protection == "break-glass"
    assert not Departure.objects.filter(user=asleep).exists()


def test_accounts_without_anybody_new_are_not_bound_again(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[object] = []
    monkeypatch.setattr(protecting, "bind_protection", bound.append)
    monkeypatch.setattr(enrolling, "enroll", lambda account: 0)
    sweep.enroll_all()
    assert bound == []


def test_a_tick_does_every_part_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in sweep.PARTS:
        monkeypatch.setitem(sweep.PARTS, name, lambda name=name: done.append(name))
    sweep.sweep()
    assert done == list(sweep.PARTS)


def test_the_parts_of_a_tick_keep_their_names() -> None:
    """A message carries the name: a worker of the version before must still know the part."""
    assert {name: part.__name__ for name, part in sweep.PARTS.items()} == {
        "database": "look",
        "exemptions": "end_exemptions",
        "enroll": "enroll_all",
        "dry runs": "dry_run_what_was_lost",
        "start": "start_what_is_due",
        "tell of batches": "tomorrow",
        "tell again": "remind",
        "tell of shuts": "tell_of_shuts",
        "tell the head": "tell_the_head",
        "offers": "give_back_what_nobody_took",
        "disputes": "tell_of_lapsed_disputes",
        "answers": "note_answers",
        "named teams": "ask_who_was_named",
        "reminders": "remind",
        "unreached": "tell_unreached",
        "overdue": "escalate",
        "tell of knocks": "tell_of_knocks",
        "shut": "shut_what_is_due",
        "stuck": "end_what_is_stuck",
        "wake": "nudge_running",
        "kept answers": "forget_answers",
        "head counts": "keep_up",
        "kept numbers": "keep_up",
        "the chain": "keep_up",
    }
