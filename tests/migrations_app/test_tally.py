"""When a hit was called: counted per minute, hour and day, and shown in the finest it fits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from inventory import clock
from migrations_app.lifecycle import State
from migrations_app.soak import tally
from tests import cast
from tests.migrations_app.browsing import browser, text_of

START = datetime(2025, 3, 6, 14, 12, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def called(moments: Iterable[datetime]) -> tally.Tally:
    counts: tally.Tally = {}
    for moment in moments:
        counts = tally.counted(counts, moment)
    return counts


def shown(moments: Iterable[datetime], now: datetime) -> tuple[str, tuple[int, ...]]:
    calls = tally.calls_of(called(moments), now)
    assert calls
    return calls.unit, calls.counts


def test_calls_of_an_hour_are_shown_by_minute_with_the_quiet_around_them() -> None:
    moments = [START, START + 10 * timedelta(seconds=1), START + 3 * MINUTE]
    assert shown(moments, START + 5 * MINUTE) == ("minute", (0,) * 7 + (2, 0, 0, 1, 0, 0))


def test_long_after_the_last_call_the_quiet_is_cut_short() -> None:
    assert shown([START], START + 40 * DAY) == ("minute", (1, *(0,) * 12))


def test_calls_that_take_hours_are_shown_by_hour_and_longer_ones_by_day() -> None:
    hours = [START + place * HOUR for place in range(20)]
    assert shown(hours, hours[-1]) == ("hour", (1,) * 20)
    days = [START + place * DAY for place in range(20)]
    assert shown(days, days[-1]) == ("day", (1,) * 20)


def test_calls_without_end_take_no_more_room_than_their_latest() -> None:
    moments = [START + place * HOUR for place in range(0, 24 * 200, 6)]
    counts = called(moments)
    assert {unit: len(numbers) for unit, numbers in counts.items()} == {
        "minute": 1,
        "hour": 12,
        "day": 92,
    }
    calls = tally.calls_of(counts, moments[-1])
    assert calls
    since = moments[-1].date() - 91 * DAY
    latest = [moment for moment in moments if moment.date() >= since]
    assert (calls.unit, calls.total, len(calls.counts)) == ("day", len(latest), 92)


def test_the_order_in_which_calls_are_heard_does_not_matter() -> None:
    moments = [START + place * 7 * MINUTE for place in range(8)]
    assert called(moments) == called(reversed(moments))


def test_nothing_counted_draws_nothing() -> None:
    assert tally.calls_of({}, START) is None


@pytest.mark.django_db
def test_the_hit_shows_its_calls_as_bars_and_as_a_table() -> None:
    people = cast.cast()
    at = clock.now() - timedelta(minutes=3)
    off = cast.departure("nightly", State.DISABLED, people.payments)
    hit = cast.hit(off, count=2, tally=called([at, at]))
    jonas = browser(people.jonas)

    board = text_of(jonas.get("/soak/"))
    assert "Calls per minute, oldest first: 0, 0, 0" in board
    assert f'href="/hits/{hit.pk}/?as=table#calls"' in board
    table = text_of(jonas.get(f"/hits/{hit.pk}/?as=table"))
    assert "Calls by minute" in table
    assert '<td data-label="Calls" class="end num">2</td>' in table
    # Of a hit from before calls were counted, in words.
    hit.tally = {}
    hit.save()
    assert "Calls per minute" not in text_of(jonas.get("/soak/"))
