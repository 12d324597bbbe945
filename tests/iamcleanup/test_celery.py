"""What Celery is told: nothing runs twice at once, and every tick names something that exists."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from iamcleanup.celery import QUEUES, app

SCHEDULE: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
TASKS = (
    "iamcleanup.health.beat_tick",
    "inventory.tasks.sync_due",
    "migrations_app.tasks.listen",
    "migrations_app.tasks.look_at_plans",
    "migrations_app.tasks.send_messages",
    "migrations_app.tasks.sweep",
    "migrations_app.tasks.sweep_restores",
    "migrations_app.tasks.watch_break_glass",
)


def test_a_message_is_handed_out_again_only_after_its_task_must_have_ended() -> None:
    handed_out_again = app.conf.broker_transport_options["visibility_timeout"]
    assert handed_out_again > app.conf.task_time_limit > app.conf.task_soft_time_limit


def test_a_killed_worker_does_not_take_its_message_along() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost


def test_beat_ticks_exactly_these_tasks() -> None:
    assert {entry["task"] for entry in SCHEDULE.values()} == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_every_scheduled_task_exists(name: str) -> None:
    app.loader.import_default_modules()
    assert name in app.tasks


@pytest.mark.parametrize("entry", SCHEDULE.values(), ids=SCHEDULE)
def test_every_tick_goes_to_a_queue_that_a_worker_serves(entry: dict[str, Any]) -> None:
    assert entry["options"]["queue"] in QUEUES


@pytest.mark.parametrize("entry", SCHEDULE.values(), ids=SCHEDULE)
def test_ticks_do_not_pile_up_while_a_worker_is_down(entry: dict[str, Any]) -> None:
    assert entry["options"]["expires"] <= max(entry["schedule"].run_every.total_seconds(), 60)


def test_every_queue_is_ticked_so_that_its_worker_is_heard_from() -> None:
    ticked = {
        entry["options"]["queue"] for entry in SCHEDULE.values() if "beat_tick" in entry["task"]
    }
    assert ticked == set(QUEUES)
