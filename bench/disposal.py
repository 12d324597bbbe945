"""The 76 dormant users of the reference case, disabled and deleted over HTTP, and what that took.

For `bench.engine`. Everything but the timed work is done in a hurry: AWS's limits are set aside,
and the clock skips notice, settling and soak. Timed are the batches themselves, from the first look
at a user to the last proof, with as many users at a time as a write worker takes.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from bench.case import ReferenceCase, in_a_hurry
from demo.aws.calls import OPERATIONS
from demo.aws.control import Control
from inventory import clock
from inventory.aws import limiter
from inventory.aws.session import shared_reader
from inventory.models import Account, IamUser
from migrations_app import changes, tripwire
from migrations_app.changes import ahead
from migrations_app.models import Batch, Change, Departure, Hit

# As they are outside a measurement.
_PACE = {name: getattr(limiter, name) for name in ("LOOKUPS_PER_SECOND", "READS_PER_SECOND")}


@dataclass
class Work:
    """One move of all users: seconds of work, every call that the account received, users."""

    seconds: float = 0.0
    users: int = 0
    failed: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(call["operation"] for call in self.calls)

    @property
    def iam_calls(self) -> int:
        return sum(call["service"] == "iam" for call in self.calls)

    @property
    def writes(self) -> int:
        return sum(OPERATIONS[call["service"], call["operation"]].writes for call in self.calls)


class Disposal(ReferenceCase):
    """The reference case against an account that is a process of its own."""

    def __init__(
        self, control: Control, sent: list[tuple[str, list[int]]], *, rate: int, latency: float
    ) -> None:
        super().__init__(None, sent)  # type: ignore[arg-type]
        self.control, self.rate, self.latency = control, rate, latency
        self.work = {"disable": Work(), "delete": Work()}
        self.names: list[str] = []
        self.listening = False

    def discover(self) -> None:
        """Sync; the names of the users that will go."""
        self._sync()
        quiet = IamUser.objects.filter(verdict__in=["dormant", "never-used"])
        self.names = sorted(
            quiet.filter(departure__protection="").values_list("user_name", flat=True)
        )

    def look_back(self) -> None:
        """Nothing: the account itself is asked afterwards."""

    def _asked(self, move: str, rows: list[Any]) -> Batch:
        if move == "delete":
            return super()._asked(move, rows)
        # Shut at once: what the others do when they disable.
        at_once = partial(changes.compose, method="shut")
        with patch.object(changes, "compose", at_once):
            return super()._asked(move, rows)

    def delete(self) -> None:
        """Listen from here on; before it nobody asks what the quiet users do."""
        self.listening = True
        self._listen()
        super().delete()

    def _skip(self, by: timedelta) -> None:
        file = clock.clock_file()
        assert file is not None
        file.move(by)
        if self.listening:
            self._listen()
        else:
            ahead.read_ahead(self.account, shared_reader(self.account), lambda: True)

    def _listen(self) -> None:
        began = clock.now()
        while tripwire.listen(self.account, began):
            continue
        for hit in Hit.objects.filter(kind=Hit.Kind.HIT, closed=""):
            changes.dismiss(hit, self.engineer, "Its owner does not miss it")

    def _run(self, batch: Batch) -> None:
        """The batch, its work timed at the pace that AWS and the account allow."""
        working = self._work

        def timed() -> None:
            done = self.work[batch.move]
            Account.objects.update(write_rate=self.rate)
            self.control.set_fault("latency", count=None, seconds=self.latency)
            before = self.control.counts()
            since = sum(before.values())
            with ExitStack() as pace:
                for name, value in _PACE.items():
                    pace.enter_context(patch.object(limiter, name, value))
                began = time.monotonic()
                working()
                done.seconds += time.monotonic() - began
            self.control.clear_faults()
            done.calls += self.control.calls(since)
            mine = Change.objects.filter(batch=batch, follows=None)
            done.users += mine.filter(status="done").count()
            done.failed += mine.filter(status="failed").count()

        with patch.object(self, "_work", timed):
            super()._run(batch)


def dispose(control: Control, *, rate: int, latency: float) -> Disposal:
    """Disable and delete everybody quiet; the work and the calls it took.

    `rate`: IAM writes a second; `latency`: seconds that each answer takes longer.
    """
    control.settings(lookup_rate=0)
    with in_a_hurry() as sent:
        case = Disposal(control, sent, rate=rate, latency=latency)
        case.run()
    left = Departure.objects.exclude(state="deleted").filter(user__user_name__in=case.names)
    if left.exists():
        raise RuntimeError(f"{left.count()} users are left: {list(left)}")
    return case
