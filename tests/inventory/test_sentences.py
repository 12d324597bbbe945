"""Each verdict has its sentence of the screens, and its line below."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.sentences import ago, headline
from inventory.verdict import VerdictValue

NOW = datetime(2026, 2, 10, 14, 0, tzinfo=UTC)


def before(**span: float) -> datetime:
    return NOW - timedelta(**span)


@pytest.mark.parametrize("value", list(VerdictValue))
def test_every_verdict_has_its_sentence(value: VerdictValue) -> None:
    said, line = headline(value, NOW, before(days=412))
    assert said.endswith(".")
    assert line.endswith(".")


def test_a_dormant_user_is_told_in_days() -> None:
    assert headline("dormant", NOW, before(days=1412)) == (
        "Dormant. Safe to disable now.",
        "Nobody has signed in or used a key for 1,412 days.",
    )
    assert headline("dormant", NOW, before(days=412), may_go=False)[0] == "Dormant."


def test_a_user_in_use_is_told_in_calls() -> None:
    said = headline("active", NOW, before(hours=2), rhythm="daily", calls_a_week=1186)
    assert said == (
        "In use, daily. Plan a replacement first.",
        "1,186 calls a week, last 2 hours ago.",
    )
    assert headline("active", NOW, before(days=3))[1] == "Last used 3 days ago."


@pytest.mark.parametrize(("rhythm", "said"), [("daily", "In use, daily."), ("quarterly", "Rare.")])
def test_whoever_is_off_already_is_advised_nothing(rhythm: str, said: str) -> None:
    assert headline("active", NOW, before(days=3), rhythm=rhythm, may_advise=False)[0] == said


def test_a_rare_user_is_told_with_its_last_and_next_run() -> None:
    last, coming = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
    said = headline("active", NOW, last, rhythm="quarterly", next_expected_at=coming)
    assert said == (
        "Rare. Plan a replacement first.",
        "Runs each quarter, last 31 Dec. Watch or soak must cover 31 Mar.",
    )


def test_what_cannot_be_told_says_what_was_not_read() -> None:
    missing = ("CloudTrail in eu-west-1: not looked at.",)
    assert headline("unknown", NOW, None, missing=missing) == (
        "Cannot tell.",
        "CloudTrail in eu-west-1: not looked at. Ask the owner.",
    )


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(minutes=3), "less than an hour ago"),
        (timedelta(minutes=70), "1 hour ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=1), "1 day ago"),
    ],
)
def test_how_long_ago_is_said_plainly(span: timedelta, text: str) -> None:
    assert ago(span) == text
