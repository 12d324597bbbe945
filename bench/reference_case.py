"""Takes the 76 dormant users of the reference case all the way, and counts what came of it.

    IAMCLEANUP_TEST=1 .venv/bin/python -m bench.reference_case

writes docs/reference-case.md. The simulated account runs in this process, the database is one made
for the run; AWS's limits are set aside and the clock starts on a fixed day, so that every run ends
with the same counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID

if TYPE_CHECKING:
    from demo.aws.account import Simulator
    from migrations_app.models import Batch

ROOT = Path(__file__).resolve().parent.parent
ORGANIZATION = ROOT / "demo" / "iamcleanup.yaml"
REPORT = ROOT / "docs" / "reference-case.md"
COMMAND = "IAMCLEANUP_TEST=1 .venv/bin/python -m bench.reference_case"
MONDAY = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
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
    seconds: float = 0.0


def environment(home: Path) -> dict[str, str]:
    """What the product needs to find the simulated account, with the clock on that Monday."""
    clock = home / "clock"
    clock.write_text(str(int((MONDAY - datetime.now(UTC)).total_seconds())))
    return {
        **PRODUCT_CREDENTIALS,
        "DEMO_EXTERNAL_ID": EXTERNAL_ID,
        "IAMCLEANUP_CLOCK_FILE": str(clock),
    }


@contextmanager
def in_a_hurry() -> Iterator[list[tuple[str, list[int]]]]:
    """Set the pacing of AWS calls aside, and keep messages for workers in the list given."""
    from iamcleanup.celery import app
    from inventory.aws import limiter

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
        from django.core.management import call_command

        from inventory.aws import identity
        from inventory.models import Account, Person

        call_command("organization", "apply", str(ORGANIZATION), stdout=open(os.devnull, "w"))
        identity.report("reference case")
        self.simulator, self.sent, self.result = simulator, sent, Result()
        self.account = Account.objects.get()
        self.engineer = Person.objects.get(username="jonas")
        self.approver = Person.objects.get(username="mei")

    def run(self) -> Result:
        """Discover, own, disable, soak, delete; the counts."""
        began = time.monotonic()
        self.discover()
        self.own()
        self.disable()
        self.soak()
        self.delete()
        self.look_back()
        self.result.seconds = time.monotonic() - began
        return self.result

    def discover(self) -> None:
        """Sync, and hold what the product says against the truth."""
        from inventory import refresh
        from inventory.models import IamUser, Sync
        from migrations_app import changes

        sync = refresh.ask_sync(self.account, self.engineer)
        while refresh.run_sync(sync.pk):
            pass
        sync.refresh_from_db()
        if sync.status != Sync.Status.WHOLE:
            raise RuntimeError(f"The account was not read whole: {sync.error}")
        self.account.refresh_from_db()
        users = {user.user_id: user for user in IamUser.objects.select_related("departure")}
        self.result.users = len(users)
        for truth in self.simulator.truth:
            user = users[truth["user_id"]]
            self.result.categories[truth["category"], user.category] += 1
            self.result.verdicts[truth["status"], user.verdict] += 1
        self.result.quiet = changes.eligible(self.account, "disable").count() or sum(
            user.verdict in ("dormant", "never-used") and not user.departure.protection
            for user in users.values()
        )

    def own(self) -> None:
        """Nobody claims: the engineer adopts all for the custodian."""
        from migrations_app import changes
        from migrations_app.models import Departure

        changes.adopt(Departure.objects.filter(state="discovered", protection=""), self.engineer)

    def disable(self) -> None:
        """Ask for all dormant users in batches of 20, each run when notice and settle are over."""
        from migrations_app import changes

        asked = []
        while rows := list(changes.eligible(self.account, "disable")[:BATCH]):
            asked.append(self._asked("disable", rows))
        for batch in asked:
            self._run(batch)

    def soak(self) -> None:
        """Skip ahead day by day, listening, until nobody is watched and every soak is over."""
        from inventory import clock
        from migrations_app import changes
        from migrations_app.models import Departure

        def every_soak_is_over() -> bool:
            rows = list(Departure.objects.switched_off())
            return all(
                row.state == "soaking" and row.due_at and row.due_at < clock.now() for row in rows
            )

        for _ in range(_MOST_STEPS):
            if every_soak_is_over():
                return
            self._skip(timedelta(days=1))
            changes.sweep()
            self._work()
        raise RuntimeError("Somebody still soaks after 40 days.")

    def delete(self) -> None:
        """Ask for all of them again in batches of 20, with the typed words."""
        from migrations_app import changes

        while rows := list(changes.eligible(self.account, "delete")[:BATCH]):
            self._run(self._asked("delete", rows))

    def look_back(self) -> None:
        """Count who is gone by AWS's own answer, and who touched the break-glass user."""
        from demo.aws.calls import OPERATIONS
        from migrations_app.models import Departure, Hit

        kept = {user.id for user in self.simulator.account.users.values()}
        deleted = Departure.objects.filter(state="deleted").select_related("user")
        self.result.gone = sum(row.user.user_id not in kept for row in deleted)
        self.result.hits = Hit.objects.filter(kind=Hit.Kind.HIT).count()
        self.result.writes_to_break_glass = sum(
            OPERATIONS[call["service"], call["operation"]].writes
            and call["params"].get("UserName") == "break-glass"
            for call in self.simulator.calls
        )

    def _asked(self, move: str, rows: list[Any]) -> Batch:
        """A batch composed, looked at, asked for, announced, viewed and approved."""
        from migrations_app import changes, notices

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
        from migrations_app import changes

        for _ in range(_MOST_STEPS):
            changes.sweep()
            batch.refresh_from_db()
            if batch.status != "approved":
                break
            self._skip(timedelta(hours=6))
        self._work()
        batch.refresh_from_db()
        states = Counter(batch.changes.filter(follows=None).values_list("status", flat=True))
        if batch.status != "done" or batch.started_at is None:
            raise RuntimeError(f"Batch {batch} is {batch.status}: {changes.waits_for(batch)}")
        self._keep_times(batch)
        self.result.batches.append((batch.move, states.total(), states["done"], states["failed"]))

    def _keep_times(self, batch: Batch) -> None:
        assert batch.started_at is not None
        opened = [notice.reached_at for notice in batch.notices.filter(kind="announce")]
        self.result.noticed.append(batch.started_at - max(filter(None, opened)))
        before = (
            type(batch)
            .objects.filter(move="disable", finished_at__lt=batch.started_at)
            .order_by("-finished_at")
            .first()
        )
        if batch.move == "disable" and before and before.finished_at:
            self.result.settled.append(batch.started_at - before.finished_at)

    def _skip(self, by: timedelta) -> None:
        from inventory import clock
        from migrations_app import changes, tripwire
        from migrations_app.models import Hit

        file = clock.clock_file()
        assert file is not None
        file.move(by)
        tripwire.listen(self.account)
        for hit in Hit.objects.filter(kind=Hit.Kind.HIT, closed=""):
            changes.dismiss(hit, self.engineer, "Its owner does not miss it")

    def _work(self) -> None:
        """Do what the workers were told, until no message is left."""
        from migrations_app.changes import batches, running

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


def report(result: Result) -> str:
    """The page: counts only, nothing that differs from run to run."""
    return "\n".join(
        [
            "# The reference case",
            "",
            f"Generated by `{COMMAND}`; do not edit.",
            "",
            f"One simulated account of {result.users} IAM users, and what the product says of",
            "them beside what is true. Rows are the truth, columns the product.",
            "",
            "## Verdict",
            "",
            *_table(result.verdicts, ["active", "dormant", "never-used", "young", "break-glass"]),
            "",
            "A young user is never dormant, whatever it did not do; the break-glass user is",
            "protected and keeps its verdict for information only.",
            "",
            "## Category",
            "",
            *_table(result.categories, sorted({truth for truth, _ in result.categories})),
            "",
            "## From dormant to deleted",
            "",
            "| batch | users | done | failed |",
            "|---|---:|---:|---:|",
            *(
                f"| {number} ({move}) | {users} | {done} | {failed} |"
                for number, (move, users, done, failed) in enumerate(result.batches, 1)
            ),
            "",
            f"- Dormant or never used, and not protected: {result.quiet}",
            f"- Gone by AWS's own answer: {result.gone}",
            f"- Hits while they were off: {result.hits}",
            f"- Writes to the break-glass user: {result.writes_to_break_glass}",
            f"- Shortest settle between two disable batches: {_hours(result.settled)} h",
            f"- Shortest notice to an owner: {_hours(result.noticed)} h",
            "",
        ]
    )


def _hours(spans: list[timedelta]) -> int:
    return int(min(spans).total_seconds() // 3600)


def _table(counts: Table, rows: list[str]) -> list[str]:
    columns = sorted({product for _, product in counts})
    lines = [
        f"| | {' | '.join(columns)} | all |",
        f"|---|{'---:|' * (len(columns) + 1)}",
    ]
    for row in rows:
        numbers = [counts[row, column] for column in columns]
        shown = " | ".join(str(number or "·") for number in numbers)
        lines.append(f"| {row} | {shown} | {sum(numbers)} |")
    totals = [sum(counts[row, column] for row in rows) for column in columns]
    lines.append(f"| all | {' | '.join(map(str, totals))} | {sum(totals)} |")
    return lines


def main() -> int:
    """Run it on a database of its own and write the page; 1 if a dormant user is not gone."""
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(environment(Path(home)))
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
        from tests import services

        services.choose()
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection

        database = services.TestDatabase(os.environ["DATABASE_URL"], "reference")

        def migrate(url: str) -> None:
            connection.close()
            connection.settings_dict["NAME"] = url.rpartition("/")[2]
            call_command("migrate", verbosity=0, interactive=False)
            connection.close()

        database.make_template(migrate)
        database.renew()
        connection.settings_dict["NAME"] = database.name
        try:
            result = run()
        finally:
            connection.close()
            database.drop()
    assert settings.IAMCLEANUP_TEST
    text = report(result)
    REPORT.write_text(text)
    print(text)
    print(f"{result.seconds:.0f} s")
    return int(result.gone != result.quiet)


def run() -> Result:
    """The whole case against a fresh simulated account in this process."""
    from demo.aws.account import Simulator
    from demo.aws.inprocess import simulated
    from inventory import clock

    simulator = Simulator(206, 206, clock.now, lookup_rate=0)
    with simulated(simulator), in_a_hurry() as sent:
        return ReferenceCase(simulator, sent).run()


if __name__ == "__main__":
    sys.exit(main())
