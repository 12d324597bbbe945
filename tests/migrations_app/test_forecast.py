"""The forecast: the pace of the last four weeks, replayed over what is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from migrations_app.progress.forecast import LONGEST_WEEKS, forecast

TODAY = date(2025, 3, 6)
Counts = list[tuple[date, int]]


def daily(weeks: int, count: Callable[[int], int]) -> Counts:
    """A count per day of so many weeks up to today; `count` takes the days since the first."""
    first = TODAY - timedelta(weeks=weeks)
    return [(first + timedelta(days=day), count(day)) for day in range(weeks * 7 + 1)]


def test_a_steady_pace_ends_on_the_day_it_divides_into() -> None:
    ahead = forecast(daily(6, lambda day: 100 - day // 7 * 10), TODAY)

    assert ahead is not None
    assert ahead.zero_on == TODAY + timedelta(weeks=4)
    assert ahead.low == ahead.middle == ahead.high


def test_an_uneven_pace_has_a_range() -> None:
    ahead = forecast(daily(8, lambda day: 200 - day // 28 * 60), TODAY)

    assert ahead is not None
    assert ahead.earliest_on is not None
    assert ahead.zero_on is not None
    assert ahead.earliest_on < ahead.zero_on


def test_the_same_history_gives_the_same_forecast() -> None:
    history = daily(8, lambda day: 200 - day // 28 * 60)

    assert forecast(history, TODAY) == forecast(history, TODAY)


def test_it_is_too_early_within_two_weeks_of_the_first_deletion() -> None:
    assert forecast(daily(6, lambda day: 100 - (day > 30) * 10), TODAY) is None


def test_nothing_deleted_lately_gives_no_forecast() -> None:
    assert forecast(daily(12, lambda day: 100 - (day > 5) * 10), TODAY) is None


def test_nothing_left_needs_no_forecast() -> None:
    assert forecast(daily(6, lambda day: max(0, 20 - day)), TODAY) is None


def test_a_slow_pace_is_not_followed_for_ever() -> None:
    ahead = forecast(daily(6, lambda day: 500 - day // 7), TODAY)

    assert ahead is not None
    assert ahead.zero_on is None
    assert len(ahead.high) == LONGEST_WEEKS


def test_an_empty_history_gives_no_forecast() -> None:
    assert forecast([], TODAY) is None
