"""Attempts become hits, knocks and callers, row by row; and what each way of closing leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import LedgerEntry, TrailGap
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import hits
from migrations_app.changes.hits import Attempt, lengthen, record
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure, Hit, HitCaller, Notice
from migrations_app.outgoing import notices
from tests import cast

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def watched(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.DISABLED, everybody.payments)


def call(ago: timedelta = HOUR, where: str = "203.0.113.7", **details: Any) -> Attempt:
    """A denied call that CloudTrail shows."""
    details = {"where": where, "with": "aws-cli", "key": KEY, "service": "s3"} | details
    return Attempt("hit", "trail", "s3:ListBuckets", clock.now() - ago, details)


def knock(ago: timedelta = HOUR, what: str = "signin:ConsoleLogin") -> Attempt:
    return Attempt("knock", "trail", what, clock.now() - ago, {"where": "198.51.100.9"})


def moved(ago: timedelta = HOUR, **details: Any) -> Attempt:
    """A last-used date that moved."""
    details = {"key": KEY, "service": "s3"} | details
    return Attempt("hit", "last-used", "key used for s3", clock.now() - ago, details)


def stands(what: str = "a credential was made: AKIA1", key: str = "AKIA1") -> Attempt:
    """What the account shows now."""
    return Attempt("hit", "credential", what, clock.now(), {"key": key})


def told(departure: Departure) -> list[tuple[str, int]]:
    """Kind and count of its hits."""
    return [(one.kind, one.count) for one in departure.hits.order_by("pk")]


# ── Who calls ────────────────────────────────────────────────────────────────────────────────────


def test_callers_are_told_apart_by_key_address_and_client_and_by_nothing_else() -> None:
    same = call()
    assert same.caller == call(2 * HOUR, error="AccessDenied", region="eu-west-1").caller
    others: list[dict[str, Any]] = [{"where": "203.0.113.8"}, {"with": "tofu"}, {"key": "AKIA2"}]
    for other in others:
        assert call(**other).caller != same.caller
    assert call(where="w" * 300).caller == call(where="w" * 255).caller
    assert call(where="w" * 254).caller != call(where="w" * 255).caller
    assert call(key="k" * 300).key == "k" * 128
    assert call(key="ASIAONE").caller == call(key="ASIATWO").caller
    assert call(key="ASIAONE").key == "session"
    assert call(key=None).key == ""


def test_what_has_no_address_is_told_apart_by_its_source_and_key_or_words() -> None:
    assert stands().caller == stands("other words").caller
    assert stands().caller != stands(key="AKIA2").caller
    assert stands("one", "").caller != stands("two", "").caller
    assert stands("x" * 300, "").caller == stands("x" * 200, "").caller
    assert moved(key="AKIA1").caller != stands().caller


# ── Counting ─────────────────────────────────────────────────────────────────────────────────────


def test_a_first_attempt_opens_a_hit_with_all_that_is_known_of_it(watched: Departure) -> None:
    attempt = call()
    (hit,) = record(watched, [attempt])
    assert (hit.kind, hit.source, hit.what, hit.count) == ("hit", "trail", "s3:ListBuckets", 1)
    assert (hit.first_at, hit.last_at, hit.details) == (attempt.at, attempt.at, attempt.details)
    assert hit.noticed_at is not None
    caller = hit.callers.get()
    assert (caller.caller, caller.key, caller.source) == (attempt.caller, KEY, "trail")
    assert (caller.first_at, caller.last_at, caller.count) == (attempt.at, attempt.at, 1)
    assert (caller.what, caller.details, caller.seen_at) == (
        attempt.what, attempt.details, None,
    )  # fmt: skip
    entry = LedgerEntry.objects.get(kind="hit.opened")
    assert (entry.user_id, entry.data["source"]) == (watched.user.user_id, "trail")
    assert entry.data["what"] == "s3:ListBuckets"
    assert Notice.objects.filter(team=watched.owner).exists()


def test_a_later_attempt_counts_on_the_open_hit_and_is_what_it_shows(watched: Departure) -> None:
    record(watched, [call(2 * HOUR)])
    later = Attempt("hit", "trail", "ec2:RunInstances", clock.now() - HOUR, call().details)
    assert record(watched, [later]) == []
    hit = watched.hits.get()
    assert (hit.count, hit.what, hit.last_at) == (2, "ec2:RunInstances", later.at)
    assert hit.first_at < later.at
    caller = hit.callers.get()
    assert (caller.count, caller.what, caller.last_at) == (2, "ec2:RunInstances", later.at)
    assert caller.details == later.details
    assert LedgerEntry.objects.count() == 1


def test_an_earlier_attempt_of_another_caller_changes_when_it_began_and_not_what_it_shows(
    watched: Departure,
) -> None:
    record(watched, [call(HOUR)])
    early = call(2 * HOUR, "198.51.100.1")
    (hit,) = record(watched, [early])
    shown = watched.hits.get()
    assert (shown.pk, shown.count, shown.first_at) == (hit.pk, 2, early.at)
    assert shown.last_at > early.at
    assert shown.details["where"] == "203.0.113.7"
    entry = LedgerEntry.objects.get(kind="hit.caller")
    assert (entry.user_id, entry.data["source"]) == (watched.user.user_id, "trail")


def test_the_same_attempt_again_and_an_older_one_of_its_caller_are_told_already(
    watched: Departure,
) -> None:
    attempt = call(HOUR)
    record(watched, [attempt])
    assert record(watched, [attempt, call(2 * HOUR)]) == []
    assert told(watched) == [("hit", 1)]
    other = cast.departure("other", State.DISABLED)
    assert len(record(other, [attempt])) == 1


def test_several_at_once_are_counted_in_the_order_in_which_they_were(watched: Departure) -> None:
    (hit,) = record(watched, [call(HOUR), call(3 * HOUR), call(2 * HOUR)])
    hit.refresh_from_db()
    assert (hit.count, hit.callers.get().count) == (3, 3)
    assert hit.last_at - hit.first_at >= 2 * HOUR - MINUTE


def test_a_knock_is_counted_by_its_words_and_tells_nobody_at_once(watched: Departure) -> None:
    assert len(record(watched, [knock()])) == 1
    assert record(watched, [knock(MINUTE)]) == []
    assert len(record(watched, [knock(MINUTE, "signin:CheckMfa")])) == 1
    assert told(watched) == [("knock", 2), ("knock", 1)]
    assert not LedgerEntry.objects.exists()
    assert not Notice.objects.exists()
    record(watched, [call()])
    assert told(watched)[2] == ("hit", 1)


def test_the_daily_digest_says_since_when_it_counts(watched: Departure) -> None:
    """A knock of long ago that goes on is not told as if all of it were of the last day."""
    record(watched, [knock(timedelta(days=9)), knock(timedelta(days=8)), knock(HOUR)])
    record(watched, [knock(MINUTE, "signin:CheckMfa")])
    for _ in range(2):
        hits.tell_of_knocks()

    (digest,) = Notice.objects.filter(kind="knocks", role="engineer")
    first = min(watched.hits.values_list("first_at", flat=True))
    last = max(watched.hits.values_list("last_at", flat=True))
    line = f"{watched.user}: 4 since {first:%-d %b}, last {last:%-d %b %H:%M} UTC"
    assert line in digest.text.splitlines()


def test_callers_beyond_two_hundred_count_on_the_one_longest_silent(
    watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "MOST_CALLERS", 2)
    record(watched, [call(3 * HOUR, "10.0.0.1"), call(2 * HOUR, "10.0.0.2")])
    assert record(watched, [call(HOUR, "10.0.0.3")]) == []
    counts = {one.details["where"]: one.count for one in watched.hits.get().callers.all()}
    assert counts == {"10.0.0.3": 2, "10.0.0.2": 1}
    assert watched.hits.get().count == 3


def test_of_two_at_the_same_moment_the_later_heard_is_shown(
    watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "MOST_CALLERS", 1)
    first = call(HOUR, "10.0.0.1")
    second = Attempt("hit", "trail", "ec2:Run", first.at, {"where": "10.0.0.2"})
    record(watched, [first])
    record(watched, [second])
    hit = watched.hits.get()
    assert (hit.what, hit.callers.get().what) == ("ec2:Run", "ec2:Run")


def test_after_it_was_closed_only_something_new_opens_another(
    everybody: cast.Cast, watched: Departure
) -> None:
    attempt = call(2 * HOUR)
    (hit,) = record(watched, [attempt])
    changes.dismiss(hit, everybody.jonas, "A drill")
    assert record(watched, [attempt]) == []
    assert len(record(watched, [call(HOUR)])) == 1
    assert watched.hits.count() == 2


# ── A running batch ──────────────────────────────────────────────────────────────────────────────


def running(everybody: cast.Cast, watched: Departure, status: str = "done") -> Batch:
    batch = cast.batch(
        everybody.account,
        everybody.jonas,
        status="running",
        asked_by=everybody.jonas,
        approved_by=everybody.mei,
        approved_digest="0" * 64,
    )
    cast.change(watched, batch=batch, status=status)
    return batch


@pytest.mark.parametrize(
    ("status", "pauses"), [("done", True), ("failed", True), ("left-out", False)]
)
def test_a_hit_pauses_the_running_batch_of_its_user(
    everybody: cast.Cast, watched: Departure, *, status: str, pauses: bool
) -> None:
    batch = running(everybody, watched, status)
    record(watched, [knock()])
    batch.refresh_from_db()
    assert batch.status == "running"
    record(watched, [call()])
    batch.refresh_from_db()
    assert (batch.status == "paused") is pauses


def test_what_was_told_does_not_pause_a_batch_that_was_resumed(
    everybody: cast.Cast, watched: Departure
) -> None:
    batch = running(everybody, watched)
    record(watched, [call(2 * HOUR)])
    Batch.objects.update(status="running")
    record(watched, [call(2 * HOUR), call(HOUR)])
    batch.refresh_from_db()
    assert batch.status == "running"
    record(watched, [call(HOUR, "10.0.0.9")])
    batch.refresh_from_db()
    assert batch.status == "paused"


# ── Last-used dates ──────────────────────────────────────────────────────────────────────────────


def test_a_last_used_date_that_is_read_again_is_told_already(watched: Departure) -> None:
    record(watched, [moved(2 * HOUR)])
    assert record(watched, [moved(2 * HOUR)]) == []
    assert told(watched) == [("hit", 1)]
    record(watched, [moved(HOUR)])
    assert told(watched) == [("hit", 2)]


def test_a_last_used_date_tells_nothing_where_the_event_of_that_use_does(
    watched: Departure,
) -> None:
    event = call(HOUR)
    record(watched, [moved(HOUR - 59 * SECOND), event])
    assert told(watched) == [("hit", 1)]
    assert watched.hits.get().source == "trail"
    # Rounded to minutes; beyond that it is another use.
    record(watched, [moved(HOUR - 62 * SECOND)])
    assert told(watched) == [("hit", 2)]


def test_the_event_of_another_key_tells_nothing_of_this_one(watched: Departure) -> None:
    record(watched, [call(HOUR, key="AKIA2")])
    record(watched, [moved(HOUR)])
    assert told(watched) == [("hit", 2)]


@pytest.mark.parametrize("by", [-59 * SECOND, timedelta(0), 14 * MINUTE])
def test_the_event_takes_the_place_of_the_date_that_told_of_it(
    watched: Departure, by: timedelta
) -> None:
    record(watched, [moved(HOUR)])
    assert record(watched, [call(HOUR - by)]) == []
    hit = watched.hits.get()
    assert (hit.count, hit.callers.get().source) == (1, "trail")
    assert Hit.objects.get().source == ("trail" if by >= timedelta(0) else "last-used")
    # It was told.
    assert LedgerEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("by", "details"),
    [
        (-62 * SECOND, {}),
        (16 * MINUTE, {}),
        (timedelta(0), {"key": "AKIA2"}),
        (timedelta(0), {"service": "ec2"}),
    ],
)
def test_an_event_of_another_use_is_one_more(
    watched: Departure, by: timedelta, details: dict[str, str]
) -> None:
    record(watched, [moved(HOUR)])
    assert len(record(watched, [call(HOUR - by, **details)])) == 1
    assert (told(watched), HitCaller.objects.count()) == ([("hit", 2)], 2)


def test_the_event_of_another_caller_with_the_same_key_stays(watched: Departure) -> None:
    record(watched, [call(HOUR, "10.0.0.1")])
    record(watched, [call(HOUR - 5 * MINUTE, "10.0.0.2")])
    assert (told(watched), HitCaller.objects.count()) == ([("hit", 2)], 2)


def test_the_event_of_a_use_that_was_dismissed_is_told_already(
    everybody: cast.Cast, watched: Departure
) -> None:
    (hit,) = record(watched, [moved(HOUR)])
    changes.dismiss(hit, everybody.jonas, "A drill")
    assert record(watched, [call(HOUR)]) == []
    assert watched.hits.count() == 1


# ── What the account shows ───────────────────────────────────────────────────────────────────────


def test_what_stands_is_told_again_only_once_it_had_ended(watched: Departure) -> None:
    (hit,) = record(watched, [stands()])
    caller = hit.callers.get()
    first = caller.seen_at
    assert first is not None
    Departure.objects.update(last_used_read_at=first - SECOND)
    watched.refresh_from_db()
    assert record(watched, [stands()]) == []
    caller.refresh_from_db()
    assert caller.seen_at is not None
    assert caller.seen_at > first
    # It was not there in the round before this one.
    Departure.objects.update(last_used_read_at=clock.now() + SECOND)
    watched.refresh_from_db()
    record(watched, [stands()])
    assert told(watched) == [("hit", 2)]


def test_a_fence_that_stands_off_is_told_once_as_a_credential_is(watched: Departure) -> None:
    off = Attempt("hit", "fence", "the fence was taken off", clock.now(), {})
    record(watched, [off])
    Departure.objects.update(last_used_read_at=clock.now() - HOUR)
    watched.refresh_from_db()
    later = replace(off, at=clock.now() + MINUTE)
    assert record(watched, [later]) == []
    assert told(watched) == [("hit", 1)]


def test_words_of_an_attempt_are_kept_as_far_as_their_column_goes(watched: Departure) -> None:
    (hit,) = record(watched, [replace(call(), what="w" * 300)])
    assert (len(hit.what), len(hit.callers.get().what)) == (200, 200)


def test_what_stands_at_a_user_that_was_never_fenced_is_told_once(everybody: cast.Cast) -> None:
    free = cast.departure("free", State.OWNER_ASSIGNED)
    assert len(record(free, [stands()])) == 1
    assert told(free) == [("hit", 1)]


def test_that_a_key_was_made_tells_nothing_of_its_use(watched: Departure) -> None:
    record(watched, [stands(key=KEY)])
    record(watched, [moved(HOUR)])
    assert told(watched) == [("hit", 2)]


def test_what_stood_before_the_user_was_fenced_anew_is_told_again(watched: Departure) -> None:
    record(watched, [stands()])
    Departure.objects.update(fenced_at=clock.now() + SECOND)
    watched.refresh_from_db()
    record(watched, [stands()])
    assert told(watched) == [("hit", 2)]


# ── Once a day ───────────────────────────────────────────────────────────────────────────────────


def test_knocks_of_the_last_day_are_told_together(
    everybody: cast.Cast, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(notices, "tell_knocks", lambda users, day: said.append((users, day)))
    hits.tell_of_knocks()
    cast.hit(watched)
    cast.hit(watched, kind="knock", last_at=clock.now() - DAY - MINUTE)
    free = cast.departure("free", State.OWNER_ASSIGNED)
    cast.hit(free, kind="knock")
    hits.tell_of_knocks()
    assert said == []
    cast.hit(watched, kind="knock", count=3)
    cast.hit(watched, kind="knock", count=4, last_at=clock.now() - DAY + MINUTE)
    hits.tell_of_knocks()
    ((users, day),) = said
    assert {row: knocks.count for row, knocks in users.items()} == {watched: 7}
    assert day == clock.now().date()


# ── Closing ──────────────────────────────────────────────────────────────────────────────────────


def test_a_dismissed_hit_says_who_when_and_why(everybody: cast.Cast, watched: Departure) -> None:
    hit, other = cast.hit(watched), cast.hit(cast.departure("other", State.DISABLED))
    with pytest.raises(Refused, match="Say why"):
        changes.dismiss(hit, everybody.jonas, "  ")
    changes.dismiss(hit, everybody.jonas, " A drill ")
    hit.refresh_from_db()
    assert (hit.closed, hit.closed_by, hit.closed_reason) == (
        "dismissed", everybody.jonas, "A drill",
    )  # fmt: skip
    assert hit.closed_at is not None
    other.refresh_from_db()
    assert other.closed == ""
    assert LedgerEntry.objects.get(kind="hit.dismissed").user_id == watched.user.user_id
    told = r"closed meanwhile by Jonas Weber, \d+ s ago .*UTC\). It is dismissed"
    with pytest.raises(Stale, match=told):
        changes.dismiss(hit, everybody.jonas, "A drill")


def test_whoever_comes_late_to_a_hit_reads_who_was_there_first(
    everybody: cast.Cast, watched: Departure
) -> None:
    hit = cast.hit(watched)
    shown_before = Hit.objects.get(pk=hit.pk)
    changes.dismiss(hit, everybody.jonas, "A drill")
    assert hit.closed == "dismissed"
    with pytest.raises(Stale, match="closed meanwhile by Jonas Weber"):
        changes.dismiss(shown_before, everybody.mei, "Mine")


def test_a_caller_that_was_fixed_starts_the_clock_anew(
    everybody: cast.Cast, watched: Departure
) -> None:
    Departure.objects.update(lengthened_by=HOUR, last_used_read_at=clock.now())
    before = clock.now()
    fixed = changes.caller_fixed(cast.hit(watched), everybody.sara, "moved to OIDC")
    assert (fixed.closed, fixed.closed_reason) == ("fixed", "moved to OIDC")
    watched.refresh_from_db()
    assert watched.clock_started_at is not None
    assert watched.clock_started_at >= before
    assert (watched.lengthened_by, watched.last_used_read_at) == (timedelta(), None)
    entry = LedgerEntry.objects.get(kind="clock.restarted")
    assert entry.data["from"] == watched.clock_started_at.isoformat()
    late = clock.now() + HOUR
    changes.caller_fixed(cast.hit(watched, last_at=late), everybody.jonas)
    watched.refresh_from_db()
    assert watched.clock_started_at == late


def test_who_has_access_again_has_no_clock_to_start(everybody: cast.Cast) -> None:
    free = cast.departure("free", State.OWNER_ASSIGNED, everybody.payments)
    changes.caller_fixed(cast.hit(free), everybody.sara)
    free.refresh_from_db()
    assert free.clock_started_at is None
    assert not LedgerEntry.objects.filter(kind="clock.restarted").exists()
    with pytest.raises(NotAllowed):
        changes.caller_fixed(cast.hit(free), everybody.priya)


# ── The clock ────────────────────────────────────────────────────────────────────────────────────


def lost(of: Departure, since: timedelta, until: timedelta, **columns: Any) -> None:
    """A gap so long after the fence that cannot be read any more."""
    assert of.fenced_at is not None
    columns.setdefault("lost_at", clock.now())
    TrailGap.objects.create(
        user=of.user,
        region=f"r{TrailGap.objects.count()}",
        from_at=of.fenced_at + since,
        until_at=of.fenced_at + until,
        read_from=of.fenced_at,
        why="too many",
        **columns,
    )


def lengthened(of: Departure) -> timedelta:
    lengthen(of)
    return Departure.objects.get(pk=of.pk).lengthened_by


def test_what_was_lost_since_the_fence_lengthens_the_clock_once(watched: Departure) -> None:
    assert lengthened(watched) == timedelta()
    assert not LedgerEntry.objects.exists()
    lost(watched, -5 * HOUR, -2 * HOUR)
    lost(watched, -HOUR, HOUR)
    lost(watched, 2 * HOUR, 4 * HOUR)
    lost(watched, 3 * HOUR, 5 * HOUR)
    lost(watched, 3 * HOUR, 4 * HOUR)
    lost(watched, 9 * HOUR, 12 * HOUR, lost_at=None)
    lost(cast.departure("other", State.DISABLED), 9 * HOUR, 12 * HOUR)
    assert lengthened(watched) == 4 * HOUR
    assert LedgerEntry.objects.get(kind="clock.lengthened").data["by_seconds"] == 4 * 3600
    assert lengthened(watched) == 4 * HOUR
    assert LedgerEntry.objects.count() == 1


def test_what_was_lost_before_the_clock_started_anew_does_not_lengthen_it(
    watched: Departure,
) -> None:
    started = clock.now()
    Departure.objects.update(clock_started_at=started)
    lost(watched, 2 * HOUR, 4 * HOUR, lost_at=started - SECOND)
    assert lengthened(watched) == timedelta()
    lost(watched, 2 * HOUR, 4 * HOUR, lost_at=started)
    assert lengthened(watched) == 2 * HOUR


def test_who_is_not_fenced_has_no_clock_to_lengthen(watched: Departure) -> None:
    lost(watched, 2 * HOUR, 4 * HOUR)
    for columns in ({"fenced_at": None}, {"fenced_at": clock.now(), "clock_started_at": None}):
        Departure.objects.update(state=State.OWNER_ASSIGNED, **columns)
        assert lengthened(watched) == timedelta()


# ── Extensions ───────────────────────────────────────────────────────────────────────────────────


def test_an_extension_holds_to_the_end_of_its_day_and_tells_the_owner(
    everybody: cast.Cast, watched: Departure
) -> None:
    until = (clock.now() + 9 * DAY).date()
    changes.extend(watched, everybody.sara, until, " the audit ")
    watched.refresh_from_db()
    end = datetime.combine(until, time.max, UTC)
    assert (watched.not_before, watched.not_before_reason) == (end, "the audit")
    entry = LedgerEntry.objects.get(kind="clock.extended")
    assert (entry.data["until"], entry.data["reason"]) == (end.isoformat(), " the audit ")
    assert Notice.objects.filter(kind="extended", team=everybody.payments).exists()
    changes.extend(watched, everybody.sara, until - 3 * DAY, "shorter")
    watched.refresh_from_db()
    assert watched.not_before == end


def test_an_extension_lies_ahead_and_within_ninety_days_of_the_fence(
    everybody: cast.Cast, watched: Departure
) -> None:
    assert watched.fenced_at is not None
    latest = (watched.fenced_at + 90 * DAY).date()
    for until in (clock.now().date() - DAY, latest + DAY, latest + 2 * DAY):
        with pytest.raises(Refused, match="Choose a date"):
            changes.extend(watched, everybody.sara, until, "the audit")
    for until in (clock.now().date(), latest):
        changes.extend(watched, everybody.sara, until, "the audit")
        watched.refresh_from_db()


def test_only_who_is_off_is_held_longer_and_only_with_a_reason(
    everybody: cast.Cast, watched: Departure
) -> None:
    until = (clock.now() + 9 * DAY).date()
    with pytest.raises(Refused, match="Say why"):
        changes.extend(watched, everybody.sara, until, " ")
    with pytest.raises(NotAllowed):
        changes.extend(watched, everybody.priya, until, "the audit")
    free = cast.departure("free", State.OWNER_ASSIGNED, everybody.payments)
    with pytest.raises(Refused, match="nothing to extend"):
        changes.extend(free, everybody.sara, until, "the audit")
