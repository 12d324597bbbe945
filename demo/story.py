"""The batches of the demo's past, and when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from demo import progress

PATIENCE_SECONDS = 300.0
# Told on one of these days (Sunday to Wednesday), an owner has two calendar days of notice.
_SHORT_NOTICE = (6, 0, 1, 2)
_TIME_ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Story:
    """One batch of the past. `reason` finds it again after a restart."""

    reason: str
    move: str
    method: str
    users: int


EARLY = Story("Their owners have replaced them", "disable", "shut", 2)
LATER = Story("Their owners have moved on", "disable", "shut", 4)
WATCHED = Story("Their owners do not expect to miss them", "disable", "fence", 2)
GONE = Story("Two weeks of silence", "delete", "fence", 1)


def first_day(real_now: datetime) -> datetime:
    """When the demo's clock begins: about thirty days before, on a day of short notice."""
    return _short_notice_before(real_now - timedelta(days=28))


def second_question(real_now: datetime) -> datetime:
    """When the later batches are asked for: six to nine days before real time."""
    return _short_notice_before(real_now - timedelta(days=6))


def _short_notice_before(at: datetime) -> datetime:
    while at.astimezone(_TIME_ZONE).weekday() not in _SHORT_NOTICE:
        at -= timedelta(days=1)
    return at


def begin(home: Path, real_now: datetime) -> None:
    """Set the clock of a new demo back, before anything reads it; one that has begun is left."""
    clock = home / "clock"
    if not clock.exists():
        progress.file_in(home).write_text("The account is read for the first time")
        clock.write_text(str(int((first_day(real_now) - real_now).total_seconds())))


class Stuck(RuntimeError):
    """Something that the workers do within seconds did not happen."""


def wait_for(what: str, happened: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the workers have done it; Stuck after that many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise Stuck(f"{what}: nothing for {seconds:.0f} s")
        time.sleep(0.3)
