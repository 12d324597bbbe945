"""The reference case in one process: every verb as people and workers use it, and the counts.

AWS's limits are set aside. The clock is the product's own; whoever calls this has set its file, the
simulated account's credentials, and a database that may be filled.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.core.management import call_command

from bench.plans import Plans, measure
from demo.aws.account import Simulator
from demo.aws.calls import OPERATIONS
from demo.aws.inprocess import simulated
from iamcleanup.celery import app
from inventory import clock, refresh
from inventory.aws import identity, limiter
from inventory.models import Account, IamUser, Person, Sync
from migrations_app import changes, tripwire
from migrations_app.changes import batches, running
from migrations_app.models import Batch, Departure, Hit
from migrations_app.outgoing import notices

ORGANIZATION = Path(__file__).resolve().parent.parent / "demo" / "iamcleanup.yaml"
ACCOUNT = "123456789012"
BATCH = 20
_MOST_STEPS = 40
Table = Counter[tuple[str, str]]


@dataclass
class Result:
    """What came of the reference case: counts by (truth, product), batches, and the end."""

    users: int = 0
    categories: Table = field(default_factory=Counter)
    verdicts: Table = field(default_factory=Counter)
    quiet: int = 0
    batches: list[tuple[str, int, int, int]] = field(default_factory=list)
    settled: list[timedelta] = field(default_factory=list)
    noticed: list[timedelta] = field(default_factory=list)
    hits: int = 0
    gone: int = 0
    writes_to_break_glass: int = 0
    plans: Plans = field(default_factory=Plans)
    seconds: float = 0.0


@contextmanager
def in_a_hurry() -> Iterator[list[tuple[str, list[int]]]]:
    """Set the pacing of AWS calls aside, and keep messages for workers in the list given."""
    sent: list[tuple[str, list[int]]] = []

    def send(name: str, args: list[int], **_: Any) -> None:
        sent.append((name.rpartition(".")[2], list(args)))

    with (
        patch.object(limiter, "LOOKUPS_PER_SECOND", 10_000.0),
        patch.object(limiter, "READS_PER_SECOND", 10_000.0),
        patch.object(limiter, "LAST_ACCESSED_PER_SECOND", 10_000.0),
        patch.object(app, "send_task", send),
    ):
        yield sent


class ReferenceCase:
    """The account, the people, and the verbs they use; workers are played by this process."""

    def __init__(self, simulator: Simulator, sent: list[tuple[str, list[int]]]) -> None:

        call_command("organization", "apply", str(ORGANIZATION), stdout=io.StringIO())
        identity.report("reference case")
        self.simulator, self.sent, self.result = simulator, sent, Result()
        self.account = Account.objects.get()
        self.engineer = Person.objects.get(username="jonas")
        self.approver = Person.objects.get(username="mei")

    def run(self) -> Result:
        """Discover, own, plan, disable, soak, delete; the counts."""
        began = time.monotonic()
        self.discover()
        self.own()
        self.plan()
        self.disable()
        self.soak()
        self.delete()
        self.look_back()
        self.result.seconds = time.monotonic() - began
        return self.result

    def discover(self) -> None:
        """Sync, and hold what the product says against the truth."""
        self._sync()
        users = {user.user_id: user for user in IamUser.objects.select_related("departure")}
        self.result.users = len(users)
        for truth in self.simulator.truth:
            user = users[truth["user_id"]]
            self.result.categories[truth["category"], user.category] += 1
            self.result.verdicts[truth["status"], user.verdict] += 1
        self.result.quiet = sum(
            user.verdict in ("dormant", "never-used") and not user.departure.protection
            for user in users.values()
        )

    def _sync(self) -> None:
        sync = refresh.ask_sync(self.account, self.engineer)
        while refresh.run_sync(sync.pk):
            pass
        sync.refresh_from_db()
        if sync.status != Sync.Status.WHOLE:
            raise RuntimeError(f"The account was not read whole: {sync.error}")
        self.account.refresh_from_db()

    def own(self) -> None:
        """Nobody claims: the engineer adopts all for the custodian."""
        changes.adopt(Departure.objects.filter(state="discovered", protection=""), self.engineer)

    def plan(self) -> None:
        """Draft a new way in for everybody who is in use."""
        self.result.plans = measure(self.account, (self.engineer, self.approver))

    def disable(self) -> None:
        """Ask for all dormant users in batches of 20, each run when notice and settle are over."""
        while rows := list(changes.eligible(self.account, "disable")[:BATCH]):
            self._run(self._asked("disable", rows))

    def soak(self) -> None:
        """Skip ahead, listening, until nobody is watched any more and every soak is over."""

        for _ in range(_MOST_STEPS):
            rows = Departure.objects.switched_off()
            ahead = [row.due_at - clock.now() for row in rows if row.due_at]
            if all(row.state == "soaking" for row in rows) and max(ahead) < timedelta():
                return
            # The next watch that ends; with nobody watched any more, the last soak.
            watches = [
                row.due_at - clock.now() for row in rows.filter(state="disabled") if row.due_at
            ]
            self._skip(max(min(watches, default=max(ahead)), timedelta()) + timedelta(minutes=1))
            changes.sweep()
            self._work()
        raise RuntimeError("Somebody still soaks.")

    def delete(self) -> None:
        """Ask for all of them again in batches of 20, with the typed words."""
        # The product syncs every six hours; rule 19 asks who was seen within thirty days.
        self._sync()
        while rows := list(changes.eligible(self.account, "delete")[:BATCH]):
            self._run(self._asked("delete", rows))

    def look_back(self) -> None:
        """Count who is gone by AWS's own answer, and who touched the break-glass user."""
        kept = {user.id for user in self.simulator.account.users.values()}
        deleted = Departure.objects.filter(state="deleted").select_related("user")
        self.result.gone = sum(row.user.user_id not in kept for row in deleted)
        self.result.hits = Hit.objects.filter(kind=Hit.Kind.HIT).count()
        self.result.writes_to_break_glass = sum(
            OPERATIONS[call["service"], call["operation"]].writes
            and call["params"].get("UserName") == "break-glass"
            for call in self.simulator.calls
        )

    def due(self, move: str, rows: list[Any]) -> Batch:
        """A batch whose time has come, with no worker told of it yet."""
        batch = self._asked(move, rows)
        self._wait_for(batch)
        return batch

    def _asked(self, move: str, rows: list[Any]) -> Batch:
        """A batch composed, looked at, asked for, announced, viewed and approved."""
        batch = changes.compose(self.account, move, rows, self.engineer)
        self._work()
        batch = changes.ask(batch, self.engineer)
        for notice in batch.notices.filter(kind="announce").select_related("team"):
            for lead in notice.team.leads() if notice.team else ():
                notices.open_notice(notice, lead)
        for change in batch.changes.filter(status="asked"):
            changes.view(change, self.approver)
        return changes.approve(batch, self.approver, batch.digest, words=changes.words_for(batch))

    def _run(self, batch: Batch) -> None:
        """Skip ahead until nothing keeps the batch, and work until it is done."""
        self._wait_for(batch)
        self._work()
        batch.refresh_from_db()
        states = Counter(batch.changes.filter(follows=None).values_list("status", flat=True))
        if batch.status != "done" or batch.started_at is None:
            raise RuntimeError(f"Batch {batch} is {batch.status}: {changes.waits_for(batch)}")
        self._keep_times(batch)
        self.result.batches.append((batch.move, states.total(), states["done"], states["failed"]))

    def _wait_for(self, batch: Batch) -> None:
        for _ in range(_MOST_STEPS):
            changes.sweep()
            batch.refresh_from_db()
            if batch.status != "approved":
                break
            self._skip(timedelta(hours=24))

    def _keep_times(self, batch: Batch) -> None:
        assert batch.started_at is not None
        opened = [notice.reached_at for notice in batch.notices.filter(kind="announce")]
        self.result.noticed.append(batch.started_at - max(filter(None, opened)))
        before = (
            Batch.objects.filter(move="disable", finished_at__lt=batch.started_at)
            .order_by("-finished_at")
            .first()
        )
        if batch.move == "disable" and before and before.finished_at:
            self.result.settled.append(batch.started_at - before.finished_at)

    def _skip(self, by: timedelta) -> None:

        file = clock.clock_file()
        assert file is not None
        file.move(by)
        tripwire.listen(self.account)
        for hit in Hit.objects.filter(kind=Hit.Kind.HIT, closed=""):
            changes.dismiss(hit, self.engineer, "Its owner does not miss it")

    def _work(self) -> None:
        """Do what the workers were told, until no message is left."""

        def run_batch(pk: int) -> None:
            while running.run_batch(pk):
                pass

        doors: dict[str, Callable[[int], object]] = {
            "dry_run_batch": batches.dry_run,
            "run_batch": run_batch,
            "run_change": running.run_change,
            "run_restore": running.run_restore,
        }
        while self.sent:
            name, args = self.sent.pop(0)
            if name in doors:
                doors[name](*args)


def run() -> Result:
    """The whole case against a fresh simulated account in this process."""
    simulator = Simulator(206, 206, clock.now, lookup_rate=0)
    with simulated(simulator), in_a_hurry() as sent:
        return ReferenceCase(simulator, sent).run()
