"""How soon a restore starts while a batch of 20 runs, with the real write and restore workers.

The batch runs at an account's own rate of writes, each answer of AWS takes 200 ms. As soon as a
user of it is done, somebody presses Restore. Measured from before the request is written to the
first call about that user that the account received, and to the end of the restore.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import ground
from demo.aws.control import Control

LATENCY = 0.2
RESTORES = 5
_PATIENCE = 120


def measure() -> dict[str, Any]:
    """Seconds to the first call and to the end of each restore, and how far the batch was then."""
    with ground.product("restore", ground.MONDAY), ground.account(206, 206) as endpoint:
        control = Control(endpoint)
        batch = _approved(control)
        from migrations_app.changes import nudge  # noqa: PLC0415

        with _workers():
            control.set_fault("latency", count=None, seconds=LATENCY)
            nudge.run_batch(batch.pk)
            asked = _press_restore(batch)
            restores = [_told(control, *one) for one in asked]
            control.clear_faults()
    return {"latency": LATENCY, "restores": restores}


def _approved(control: Control) -> Any:
    """A disable batch of 20 whose window has come, with nobody having worked on it yet."""
    from bench.case import BATCH, in_a_hurry  # noqa: PLC0415
    from bench.disposal import Disposal  # noqa: PLC0415
    from migrations_app import changes  # noqa: PLC0415

    control.settings(lookup_rate=0)
    with in_a_hurry() as sent:
        case = Disposal(control, sent, rate=10, latency=LATENCY)
        case.discover()
        case.own()
        return case.due("disable", list(changes.eligible(case.account, "disable")[:BATCH]))


@contextmanager
def _workers() -> Iterator[None]:
    from tests.processes import Workers  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as home:
        workers = Workers(Path(home), dict(os.environ))
        workers.see_all_running()
        try:
            yield
        finally:
            workers.stop()


def _press_restore(batch: Any) -> list[tuple[Any, datetime, int]]:
    """Restore users as they are done: the change, when it was asked for, how many were done."""
    from inventory import clock  # noqa: PLC0415
    from inventory.models import Person  # noqa: PLC0415
    from migrations_app import changes  # noqa: PLC0415

    engineer = Person.objects.get(username="jonas")
    mine = batch.changes.filter(follows=None).select_related("departure__user")
    off, running = (
        mine.filter(status="done", departure__state="soaking"),
        mine.filter(status__in=["queued", "running"]),
    )
    asked: list[tuple[Any, datetime, int]] = []
    while len(asked) < RESTORES and running.all().exists():
        for one in off.exclude(departure__in=[restore.departure for restore, _, _ in asked])[:1]:
            done, now = mine.filter(status="done").count(), clock.now()
            asked.append((changes.restore(one.departure, engineer), now, done))
        time.sleep(0.2)
    if not asked:
        raise RuntimeError("The batch was over before somebody was restored.")
    return asked


def _told(control: Control, asked: Any, asked_at: datetime, done: int) -> dict[str, Any]:
    _until(lambda: type(asked).objects.get(pk=asked.pk).status == "done")
    ended_at = type(asked).objects.get(pk=asked.pk).finished_at
    name = asked.departure.user.user_name
    first = min(
        at
        for call in control.calls()
        if call["params"].get("UserName") == name
        and (at := datetime.fromisoformat(call["at"])) > asked_at
    )
    return {
        "done_of_20": done,
        "first_call": _seconds(asked_at, first),
        "ended": _seconds(asked_at, ended_at),
    }


def _seconds(since: datetime, until: datetime) -> float:
    return round((until - since).total_seconds(), 2)


def _until(check: Any) -> None:
    ends = time.monotonic() + _PATIENCE
    while not check():
        if time.monotonic() > ends:
            raise RuntimeError("It did not happen in time.")
        time.sleep(0.05)
