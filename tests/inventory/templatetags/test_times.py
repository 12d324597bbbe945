"""Times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from inventory.durations import duration
from inventory.templatetags import times

NOW = datetime(2025, 3, 6, 14, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def thursday() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=14), "14 min ago"),
        (timedelta(hours=2), "2 h ago"),
        (timedelta(hours=30), "yesterday"),
        (timedelta(days=7), "7 days ago"),
        (timedelta(days=1214), "1,214 days ago"),
        (timedelta(days=-1), "tomorrow"),
        (timedelta(days=-6), "in 6 days"),
    ],
)
def test_a_gap_is_said_as_a_person_would(gap: timedelta, words: str) -> None:
    assert times.relative_text(NOW - gap, NOW) == words


def test_the_year_is_left_out_while_it_is_this_one() -> None:
    assert times.moment_text(NOW, NOW) == "6 Mar 14:22"


def test_the_year_stands_where_it_is_another() -> None:
    assert times.moment_text(datetime(2024, 1, 19, 9, 5, tzinfo=UTC), NOW) == "19 Jan 2024 09:05"


def test_a_relative_time_stands_with_the_absolute_one() -> None:
    shown = times.when(NOW - timedelta(days=7))
    assert "7 days ago" in shown
    assert "27 Feb 14:22" in shown


def test_the_machine_can_read_every_time() -> None:
    assert 'datetime="2025-03-06T14:22:00Z"' in times.time(NOW)


def test_what_never_happened_is_said_in_words() -> None:
    assert times.when(None) == '<span class="muted">never</span>'


def test_a_window_is_shown_in_the_zone_of_the_account_with_utc_beside() -> None:
    shown = times.due(datetime(2025, 3, 11, 13, 0, tzinfo=UTC), "Europe/Berlin")
    assert "Tue 11 Mar, 14:00 CET (13:00 UTC)" in shown


def test_an_account_in_utc_is_not_told_twice() -> None:
    assert "Tue 11 Mar, 13:00 UTC<" in times.due(datetime(2025, 3, 11, 13, 0, tzinfo=UTC), "UTC")


def test_a_day_is_the_one_of_the_zone() -> None:
    late = datetime(2025, 3, 11, 23, 30, tzinfo=UTC)
    assert "Wed 12 Mar" in times.day(late, "Europe/Berlin")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=192), "3 min 12 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=14), "14 days"),
        (None, ""),
    ],
)
def test_a_length_is_said_in_its_two_largest_units(length: timedelta | None, words: str) -> None:
    assert duration(length) == words


def test_kept_words_lose_the_year_that_is_this_one() -> None:
    kept = "Payments claimed it on 18 Feb 2025, after 3 Feb 2024"
    assert times.this_year(kept) == "Payments claimed it on 18 Feb, after 3 Feb 2024"


def test_a_time_that_is_compared_with_cloudtrail_has_its_seconds() -> None:
    at = datetime(2025, 2, 19, 10, 7, 9, tzinfo=UTC)
    assert ">19 Feb 10:07:09</time>" in times.time(at, seconds=True)
