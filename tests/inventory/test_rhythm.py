"""A rhythm is told from days alone, through month ends, leap years, weekends and summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inventory.rhythm import _PERIODS, Rhythm, rhythm_of


def at(day: date, after: int = 1) -> datetime:
    """Noon, `after` days after `day`."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=after)


def told(*days: date, after: int = 1) -> Rhythm:
    return rhythm_of(days, at(days[-1], after))


def expected(rhythm: Rhythm) -> date | None:
    return rhythm.next_at.date() if rhythm.next_at else None


def test_the_last_day_of_each_month_stays_the_last_day() -> None:
    found = told(date(2025, 12, 31), date(2026, 1, 31))
    assert (found.name, expected(found)) == ("monthly", date(2026, 2, 28))
    found = told(date(2026, 1, 31), date(2026, 2, 28))
    assert (found.name, expected(found)) == ("monthly", date(2026, 3, 31))


def test_a_leap_year_has_its_day() -> None:
    assert expected(told(date(2027, 12, 31), date(2028, 1, 31))) == date(2028, 2, 29)
    found = told(date(2027, 2, 28), date(2028, 2, 29))
    assert (found.name, expected(found)) == ("yearly", date(2029, 2, 28))


def test_the_first_working_day_of_a_month_is_monthly() -> None:
    # 1 February and 1 March 2026 are Sundays; 1 May is a holiday in many places.
    found = told(date(2026, 1, 2), date(2026, 2, 2), date(2026, 3, 2), date(2026, 4, 1))
    assert found.name == "monthly"
    next_run = expected(found)
    assert next_run is not None
    assert date(2026, 5, 1) <= next_run <= date(2026, 5, 4)


def test_each_quarter_end_is_expected_at_the_next_one() -> None:
    found = told(date(2025, 6, 30), date(2025, 9, 30), date(2025, 12, 31))
    assert (found.name, found.proven, expected(found)) == ("quarterly", True, date(2026, 3, 31))


def test_one_run_at_a_quarters_edge_is_a_guess_and_said_so() -> None:
    found = told(date(2025, 12, 31), after=20)
    assert (found.name, found.proven, expected(found)) == ("quarterly", False, date(2026, 3, 31))
    assert "perhaps" in found.sentence


def test_one_run_at_the_years_edge_is_perhaps_a_yearly_one_once_the_quarter_passed() -> None:
    found = told(date(2025, 12, 31), after=150)
    assert (found.name, found.proven, expected(found)) == ("yearly", False, date(2026, 12, 31))
    assert told(date(2025, 9, 30), after=150).name == ""


def test_one_run_in_the_middle_of_a_quarter_is_no_rhythm() -> None:
    assert told(date(2026, 2, 14), after=5) == Rhythm()


def test_midnight_of_a_place_with_summer_time_moves_by_a_day_and_stays_weekly() -> None:
    # Monday 00:30 in Berlin is Sunday in UTC, in winter and in summer alike, but not at 01:30.
    winter = [date(2026, 3, 9), date(2026, 3, 16), date(2026, 3, 23)]
    summer = [date(2026, 3, 29), date(2026, 4, 5)]
    assert told(*winter, *summer).name == "weekly"


def test_a_rhythm_whose_run_stayed_out_has_ended() -> None:
    runs = [date(2025, 1, 15), date(2025, 2, 15), date(2025, 3, 15)]
    assert told(*runs, after=33).name == "monthly"
    found = told(*runs, after=60)
    assert (found.name, found.ended, found.next_at) == ("", "monthly", None)
    assert found.sentence == "Ran monthly until 15 Mar 2025; the next run stayed out."
    assert told(*runs[1:], after=60).sentence == ""


@pytest.mark.parametrize("gaps", [(4, 31, 9, 37), (40, 60), (10, 20, 5, 15), (120, 12), (7, 30, 7)])
def test_irregular_days_are_no_rhythm(gaps: tuple[int, ...]) -> None:
    days = [date(2025, 2, 10) + timedelta(days=gap) for gap in accumulate(gaps, initial=0)]
    assert told(*days).name == ""


@given(
    period=st.sampled_from([("weekly", 7, 1), ("monthly", 30, 2), ("quarterly", 91, 3)]),
    jitter=st.lists(st.integers(-1, 1), min_size=4, max_size=8),
    start=st.dates(date(2001, 1, 1), date(2030, 1, 1)),
)
def test_jitter_hides_no_rhythm(
    period: tuple[str, int, int], jitter: list[int], start: date
) -> None:
    name, length, most = period
    days = [
        start + timedelta(days=n * length + off * (most if length > 7 else 1))
        for n, off in enumerate(jitter)
    ]
    assert told(*days).name in {name, ""} if length == 7 else told(*days).name == name


@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    start=st.dates(date(2001, 1, 1), date(2005, 1, 1)),
    shift=st.integers(-3000, 3000),
    after=st.integers(0, 120),
)
@example(gaps=[34], start=date(2002, 1, 23), shift=1469, after=28)
@example(gaps=[86], start=date(2001, 9, 22), shift=517, after=21)
def test_a_proven_rhythm_moves_with_its_days(
    gaps: list[int], start: date, shift: int, after: int
) -> None:
    days = [start + timedelta(days=gap) for gap in accumulate(gaps, initial=0)]
    moved = [day + timedelta(days=shift) for day in days]
    one, other = told(*days, after=after), told(*moved, after=after)
    if one.proven and other.proven and one.next_at and other.next_at:
        assert one.name == other.name
        drift = (other.next_at - one.next_at) - timedelta(days=shift)
        # The same days may keep to the calendar in one place and to their gap in another: a gap
        # may be off by the period's drift, and months have 28 to 31 days.
        (period,) = (each for each in _PERIODS if each.name == one.name)
        assert abs(drift) <= timedelta(days=period.drift + 4)


@given(days=st.lists(st.dates(date(2001, 1, 1), date(2030, 1, 1)), max_size=30))
def test_any_days_have_an_answer_with_a_next_run_after_the_last(days: list[date]) -> None:
    now = at(max(days, default=date(2026, 1, 1)))
    found = rhythm_of(days, now)
    if found.next_at:
        assert found.next_at.date() > max(days)


@pytest.mark.parametrize(
    ("days", "now", "name", "next_run", "proven"),
    [
        # Somebody tried the key between two runs.
        (["2024-12-31", "2025-12-31", "2026-02-10"], "2026-06-01", "yearly", "2026-12-31", True),
        (
            ["2026-01-01", "2026-04-01", "2026-07-01", "2026-07-20"],
            "2026-09-10",
            "quarterly",
            "2026-10-01",
            True,
        ),
        # Each half-year, and a quarter that was left out.
        (["2025-06-30", "2025-12-31"], "2026-06-01", "quarterly", "2026-06-30", False),
        (
            ["2025-03-31", "2025-06-30", "2025-12-31"],
            "2026-05-10",
            "quarterly",
            "2026-06-30",
            False,
        ),
        # Once it stayed out as long as never before, it is over.
        (["2025-06-30", "2025-12-31"], "2026-07-10", "", None, False),
        # Runs of which half are elsewhere are no closing job.
        (
            ["2025-10-01", "2025-11-09", "2026-01-02", "2026-02-20"],
            "2026-03-20",
            "",
            None,
            False,
        ),
    ],
)
def test_closing_jobs_are_seen_among_other_runs(
    days: list[str], now: str, name: str, next_run: str | None, proven: bool
) -> None:
    found = rhythm_of(map(date.fromisoformat, days), at(date.fromisoformat(now), 0))
    told_next = expected(found)
    assert (found.name, told_next and told_next.isoformat()) == (name, next_run)
    assert found.proven is proven
