"""Two requests of one person at the same moment, as a double click sends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection


def both(patch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], Any]) -> list[Any]:
    """What `act` gives to two threads, of which the first is held inside `module.name`.

    It goes on once PostgreSQL says that the other one waits for it. AssertionError where that one
    does not wait: then both act.
    """
    really, inside, go_on = getattr(module, name), threading.Event(), threading.Event()

    def slowly(*given: Any, **named: Any) -> Any:
        if not inside.is_set():
            inside.set()
            assert go_on.wait(20)
        return really(*given, **named)

    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(act())
        finally:
            connection.close()

    with patch.context() as held:
        held.setattr(module, name, slowly)
        first, second = threading.Thread(target=run), threading.Thread(target=run)
        first.start()
        assert inside.wait(20)
        second.start()
        waited = _waits(second)
        go_on.set()
        first.join(20)
        second.join(20)
    assert waited, "The second did not wait for the first."
    return answers


def _waits(second: threading.Thread) -> bool:
    """Whether PostgreSQL lets it wait before it has ended."""
    with connection.cursor() as cursor:
        while second.is_alive():
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return True
            time.sleep(0.01)
    return False
