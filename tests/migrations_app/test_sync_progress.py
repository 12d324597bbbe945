"""How long a sync still takes is measured from its steps, and said only as far as it is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import Sync
from migrations_app.sync_progress import Left, progress_of, time_left
from tests import cast

NOW = datetime(2025, 3, 6, 14, 22, tzinfo=UTC)


def step(key: str, status: str = "waiting", **more: Any) -> dict[str, Any]:
    return {"key": key, "label": key, "status": status, "done": 0, "total": 0, "detail": "", **more}


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


def seconds(left: Left | None) -> float | None:
    return left.time.total_seconds() if left else None


def test_a_running_step_goes_on_at_the_pace_it_had() -> None:
    steps = [step("report", "done"), step("trail", "running", done=50, total=200, since=ago(30))]
    assert time_left(steps, {}, NOW) == Left(timedelta(seconds=90), whole=True)


def test_a_step_that_was_never_measured_makes_it_at_least() -> None:
    steps = [step("trail", "running", done=1, total=2, since=ago(30)), step("judge")]
    assert time_left(steps, {}, NOW) == Left(timedelta(seconds=30), whole=False)


def test_what_has_not_begun_takes_as_long_as_before() -> None:
    before = {"judge": timedelta(seconds=20), "trail": timedelta(seconds=50)}
    steps = [step("trail", "running", since=ago(10)), step("judge")]
    assert seconds(time_left(steps, before, NOW)) == 60


def test_a_step_that_takes_longer_than_before_has_nothing_left_and_not_less() -> None:
    before = {"trail": timedelta(seconds=5)}
    assert seconds(time_left([step("trail", "running", since=ago(60))], before, NOW)) == 0


def test_the_first_moments_tell_nothing() -> None:
    assert time_left([step("trail", "running", done=1, total=200, since=ago(1))], {}, NOW) is None
    assert time_left([step("trail")], {}, NOW) is None


def test_a_failed_step_takes_no_more_time() -> None:
    steps = [
        step("services", "failed", done=1, total=9, since=ago(9)),
        step("trail", "running", done=1, total=2, since=ago(9)),
    ]
    assert seconds(time_left(steps, {}, NOW)) == 9


@pytest.mark.parametrize(
    ("left", "whole", "words"),
    [
        (0, True, "a few seconds left"),
        (9, False, ""),
        (31, True, "about 40 s left"),
        (54, True, "about 60 s left"),
        (58, True, "about 1 min left"),
        (200, False, "at least 3 min left"),
        (7300, True, "about 2 h left"),
    ],
)
def test_it_is_said_in_round_words(left: int, whole: bool, words: str) -> None:
    assert Left(timedelta(seconds=left), whole).words == words


@pytest.mark.django_db
def test_an_earlier_sync_of_another_account_is_scaled_to_the_users_here() -> None:
    now, real = clock.now(), clock.real_now()

    def at(seconds: float) -> str:
        return (real - timedelta(seconds=seconds)).isoformat()

    earlier = [step("trail", "done", since=at(900), until=at(800)), step("judge", "done")]
    Sync.objects.create(
        account=cast.account(), asked_at=now, status="whole", users_seen=50, steps=earlier
    )
    other = cast.account("210987654321", "staging", last_whole_at=None)
    running = Sync.objects.create(
        account=other,
        asked_at=now,
        started_at=now - timedelta(seconds=65),
        status="running",
        users_seen=200,
        steps=[step("trail")],
    )
    assert progress_of(running, now).left == "1:05, about 7 min left"
    Sync.objects.filter(pk=running.pk).update(users_seen=None)
    running.refresh_from_db()
    assert progress_of(running, now).left == "1:05"
