"""How long event history of 206 users in 17 Regions takes, beside what AWS's limit allows.

    .venv/bin/python -m bench.event_history

writes docs/bench/event-history.md. The simulated account runs in this process and throttles as AWS
does, beyond two LookupEvents a second in a Region; the limiter is the product's own, in Redis.
"""

from __future__ import annotations

import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from bench.ground import DOCS, MONDAY, ROOT, product

if TYPE_CHECKING:
    from demo.aws.account import Simulator
    from inventory.models import Account

REPORT = DOCS / "bench" / "event-history.md"
COMMAND = ".venv/bin/python -m bench.event_history"
SYNC_EVERY = timedelta(hours=6)
USERS, REGIONS = 206, 17
# AWS: two requests a second for each account and Region.
LIMIT = 2.0
MOST = 1.1
STEPS = {"trail": "users in doubt", "describe": "users in use"}


@dataclass
class Measured:
    """One sync: by step its seconds and its calls in each Region, and how many were throttled."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    throttled: int = 0

    @property
    def asked(self) -> int:
        return sum(counted.total() for counted in self.calls.values())

    def floor(self, step: str) -> float:
        """Seconds that AWS's limit asks for the busiest Region of that step."""
        return max(self.calls[step].values(), default=0) / LIMIT

    @property
    def ratio(self) -> float:
        return sum(self.seconds.values()) / sum(self.floor(step) for step in STEPS)


class Watch:
    """Notes when a step begins and ends, over all its slices, and what AWS was asked meanwhile."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator, self.measured = simulator, Measured()
        self._began: dict[str, tuple[float, int]] = {}

    def watched(self, step: str, work: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def run(held: Any) -> bool:
            self._began.setdefault(step, (time.monotonic(), self.simulator.counts.total()))
            ended = work(held)
            if ended:
                began, before = self._began[step]
                self.measured.seconds[step] = time.monotonic() - began
                self._count(step, before)
            return ended

        return run

    def _count(self, step: str, before: int) -> None:
        notes = [
            note
            for note in self.simulator.calls
            if note["n"] > before and note["operation"] == "LookupEvents"
        ]
        self.measured.calls[step] = Counter(note["region"] for note in notes)
        self.measured.throttled += sum(note["outcome"] != "success" for note in notes)


@contextmanager
def unsent() -> Iterator[None]:
    """Messages for workers go nowhere: this process plays them."""
    from iamcleanup.celery import app  # noqa: PLC0415

    with patch.object(app, "send_task", lambda *_, **__: None):
        yield


def sync(account: Account, simulator: Simulator) -> Measured:
    """One whole sync, slice after slice."""
    from inventory import refresh  # noqa: PLC0415
    from inventory.refresh import syncing  # noqa: PLC0415

    watch = Watch(simulator)
    work = {
        step: watch.watched(step, done) if step in STEPS else done
        for step, done in syncing._WORK.items()
    }
    with patch.object(syncing, "_WORK", work), unsent():
        asked = refresh.ask_sync(account, None)
        while refresh.run_sync(asked.pk):
            pass
    asked.refresh_from_db()
    if asked.status != asked.Status.WHOLE:
        raise RuntimeError(f"The account was not read whole: {asked.error}")
    return watch.measured


def measure() -> tuple[Measured, Measured]:
    """The first sync of the account, and the one six hours later."""
    from django.core.management import call_command  # noqa: PLC0415

    from demo.aws.account import Simulator  # noqa: PLC0415
    from demo.aws.inprocess import simulated  # noqa: PLC0415
    from inventory import clock  # noqa: PLC0415
    from inventory.models import Account  # noqa: PLC0415

    simulator = Simulator(206, USERS, clock.now, regions=REGIONS)
    with simulated(simulator):
        call_command("organization", "apply", str(ROOT / "demo" / "iamcleanup.yaml"),
                     stdout=io.StringIO())  # fmt: skip
        account = Account.objects.get()
        first = sync(account, simulator)
        file = clock.clock_file()
        assert file is not None
        file.move(SYNC_EVERY)
        return first, sync(account, simulator)


def report(first: Measured, second: Measured) -> str:
    """The page."""
    share = 1 - second.asked / first.asked
    lines = [
        "# Event history: 206 users in 17 Regions",
        "",
        f"Generated by `{COMMAND}` on {datetime.now(UTC):%Y-%m-%d}; do not edit.",
        "",
        "AWS allows two LookupEvents a second for each account and Region. The limit asks for half",
        "a second a call in the busiest Region; Regions are asked side by side.",
        "",
        "| first sync | calls | in the busiest Region | the limit asks | took | ratio |",
        "|---|---:|---:|---:|---:|---:|",
        *(_row(STEPS[step], first, step) for step in STEPS),
        f"| both | {first.asked} | | {sum(map(first.floor, STEPS)):.1f} s | "
        f"{sum(first.seconds.values()):.1f} s | {first.ratio:.3f} |",
        "",
        f"- Lookups that AWS throttled: {first.throttled + second.throttled}",
        f"- Asked of everybody, in the first sync: {first.asked}",
        f"- Asked six hours later, of those in doubt only: {second.asked}"
        f" ({share:.0%} fewer), in {sum(second.seconds.values()):.0f} s",
        "",
        "Users plainly in use are described again once in about a day.",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, first: Measured, step: str) -> str:
    busiest = max(first.calls[step].values(), default=0)
    took, floor = first.seconds[step], first.floor(step)
    calls = first.calls[step].total()
    return f"| {name} | {calls} | {busiest} | {floor:.1f} s | {took:.1f} s | {took / floor:.3f} |"


def main() -> int:
    """Measure and write the page; 1 if it took longer than promised, or AWS throttled."""
    with product("event_history", MONDAY):
        first, second = measure()
    text = report(first, second)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text)
    print(text)
    return int(first.ratio > MOST or first.throttled + second.throttled > 0)


if __name__ == "__main__":
    sys.exit(main())
