"""When the demo's past begins, whom it takes, and that it begins once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from demo import progress, story
from demo.quiet import earliest_call, quietest
from inventory.policy import add_working_days

EVERY_DAY = [datetime(2026, 11, 16, 23, 30, tzinfo=UTC) + timedelta(days=n) for n in range(14)]


@pytest.mark.parametrize("now", EVERY_DAY)
def test_whoever_is_told_then_has_less_than_three_days_of_notice(now: datetime) -> None:
    for asked_at in (story.first_day(now), story.second_question(now)):
        over = add_working_days(asked_at, 2, "Europe/Berlin")
        assert over - asked_at < timedelta(days=3)


@pytest.mark.parametrize("now", EVERY_DAY)
def test_the_first_soak_is_over_before_the_second_question(now: datetime) -> None:
    shut_at = story.first_day(now) + timedelta(days=3)
    assert shut_at + timedelta(days=14) < story.second_question(now)


@pytest.mark.parametrize("now", EVERY_DAY)
def test_a_user_fenced_after_the_second_question_is_watched_until_after_now(now: datetime) -> None:
    fenced_at = story.second_question(now) + timedelta(days=3)
    assert fenced_at < now < fenced_at + timedelta(days=7)


def test_a_new_demo_begins_about_thirty_days_ago(tmp_path: Path) -> None:
    story.begin(tmp_path, EVERY_DAY[0])
    behind = -int((tmp_path / "clock").read_text())
    assert timedelta(days=28) <= timedelta(seconds=behind) <= timedelta(days=31)
    assert progress.file_in(tmp_path).read_text()


def test_a_demo_that_has_begun_keeps_its_clock(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("86400")
    story.begin(tmp_path, EVERY_DAY[0])
    assert (tmp_path / "clock").read_text() == "86400"
    assert not progress.file_in(tmp_path).exists()


def test_the_shortest_pause_tells_when_a_user_may_call_again() -> None:
    days = [date(2026, 11, 1), date(2026, 11, 8), date(2026, 11, 13)]
    last_at = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
    assert earliest_call(days, last_at) == last_at + timedelta(days=4)


def test_two_days_of_use_show_no_habit() -> None:
    last_at = datetime(2026, 11, 8, 9, 0, tzinfo=UTC)
    assert earliest_call([date(2026, 11, 1), date(2026, 11, 8)], last_at) is None


def test_whoever_pauses_for_longest_and_called_last_comes_first() -> None:
    last_at = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
    monthly = [date(2026, 8, 20), date(2026, 9, 18), date(2026, 10, 20)]
    weekly = [date(2026, 10, 30), date(2026, 11, 6), date(2026, 11, 13)]
    daily = [date(2026, 11, 11), date(2026, 11, 12), date(2026, 11, 13)]
    habits = {
        "daily": (daily, last_at),
        "monthly, due": (monthly, datetime(2026, 10, 20, tzinfo=UTC)),
        "weekly": (weekly, last_at),
    }
    assert quietest(habits) == ["weekly", "monthly, due", "daily"]
