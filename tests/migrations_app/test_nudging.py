"""A nudge goes to its queue once the row is there; a broker that is down undoes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks

from migrations_app.changes import nudge

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the broker was given."""
    given: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **how: given.append((name, how)))
    return given


@pytest.mark.parametrize(
    ("tell", "task", "queue"),
    [
        (nudge.dry_run, "dry_run_batch", "read"),
        (nudge.run_batch, "run_batch", "write"),
        (nudge.run_change, "run_change", "write"),
        (nudge.restore, "run_restore", "restore"),
        (nudge.import_owners, "import_owners", "read"),
        (nudge.build_pack, "build_pack", "read"),
    ],
)
def test_each_goes_to_the_queue_of_its_workers_and_not_before_the_commit(
    sent: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    *,
    tell: Any,
    task: str,
    queue: str,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        tell(7)
        assert sent == []
    how = {"args": [7], "queue": queue, "retry": False, "countdown": 0}
    assert sent == [(f"migrations_app.tasks.{task}", how)]


def test_the_break_glass_user_is_looked_at_at_once(
    sent: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        nudge.break_glass()
    how = {"args": [True], "queue": "read", "retry": False, "countdown": 0}
    assert sent == [("migrations_app.tasks.watch_break_glass", how)]


def test_a_restore_that_must_wait_comes_back_in_a_second(
    sent: list[tuple[str, dict[str, Any]]],
) -> None:
    nudge.restore_soon(7)
    how = {"args": [7], "queue": "restore", "retry": False, "countdown": 1}
    assert sent == [("migrations_app.tasks.run_restore", how)]


def test_a_broker_that_is_down_stands_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_: object, **__: object) -> None:
        raise OperationalError("refused")

    monkeypatch.setattr(current_app, "send_task", down)
    nudge.restore_soon(7)
    assert "the sweep will" in caplog.text
