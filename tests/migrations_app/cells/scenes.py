"""The five changes that are disturbed, each of a user that holds everything, ready for a worker.

`finish` is what workers and, after a refusal, a person do until the change has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from demo.aws.calls import OPERATIONS
from inventory import ledger
from inventory.models import Alert, LedgerEntry
from migrations_app import changes
from migrations_app.changes import nudge, running
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, Departure, Notice
from tests.migrations_app.stage import Stage, everything, lines

GOALS = {
    "fence": State.DISABLED,
    "shut at once": State.SOAKING,
    "automatic shut": State.SOAKING,
    "restore": State.OWNER_ASSIGNED,
    "delete": State.DELETED,
}
SCENES = tuple(GOALS)


@dataclass
class Scene:
    """One change that waits for a worker."""

    name: str
    stage: Stage
    departure: Departure
    change: Change

    def work(self) -> None:
        """What a worker of its queue does with one message."""
        if self.change.move == MoveName.RESTORE:
            running.run_restore(self.change.pk)
        elif self.change.follows_id:
            running.run_change(self.change.pk)
        elif self.change.batch_id:
            running.run_batch(self.change.batch_id)

    def nudge(self) -> None:
        """The message that a worker of its queue gets."""
        if self.change.move == MoveName.RESTORE:
            nudge.restore(self.change.pk)
        elif self.change.follows_id:
            nudge.run_change(self.change.pk)
        elif self.change.batch_id:
            nudge.run_batch(self.change.batch_id)

    def finish(self) -> Change:
        """Workers come again until it is done; a refusal is mended by hand and tried again."""
        for _ in range(12):
            self.stage.no_waiting()
            self.mend()
            if self.change.status in Change.ENDED:
                break
            self.work()
        self.change.refresh_from_db()
        return self.change

    def mend(self) -> None:
        """What a person does with a change that failed, and with a batch that holds for it."""
        self.change.refresh_from_db()
        if self.change.status == Change.Status.FAILED:
            self.stage.simulator.faults.clear()
            changes.retry(self.change, self.stage.people.jonas)
        if self.change.batch and self.change.follows_id is None:
            self.change.batch.refresh_from_db()
            if self.change.batch.status == Batch.Status.PAUSED:
                changes.resume(self.change.batch, self.stage.people.jonas)
        self.change.refresh_from_db()

    def ended(self) -> bool:
        """Whether the user is where the change leads, and nothing is open any more."""
        return settled(self.departure, GOALS[self.name])

    def gapless(self) -> bool:
        """Whether no journal line is missing and the ledger is whole."""
        told = [line.seq for line in lines(self.change)]
        return told == list(range(1, len(told) + 1)) and ledger.verify().intact


@dataclass(frozen=True)
class Usual:
    """What an undisturbed run of a scene does: its calls to AWS in order, and where it ends."""

    calls: list[dict[str, Any]]
    writes: int
    left: dict[str, Any]

    def call(self, number: int) -> str:
        """A call in words, for the name of a cell."""
        return f"call {number} {self.calls[number]['operation']}"

    @property
    def last_write(self) -> int:
        """The last call that changes anything."""
        return max(
            number
            for number, note in enumerate(self.calls)
            if OPERATIONS[note["service"], note["operation"]].writes
        )

    @property
    def looked(self) -> int:
        """The call at which judging is over: the first by a session that may write."""
        sessions = [str(note.get("session", "")) for note in self.calls]
        return next(n for n, one in enumerate(sessions) if one.endswith(("actor", "deleter")))

    @property
    def gone(self) -> int:
        """The call after which nobody is there any more."""
        operations = [note["operation"] for note in self.calls]
        return operations.index("DeleteUser") if "DeleteUser" in operations else len(operations)

    @property
    def missing(self) -> frozenset[str]:
        """Reads of single parts that are answered with "not there" anyhow while judging."""
        return frozenset(
            note["operation"]
            for note in self.calls[: self.looked]
            if note["outcome"] == "NoSuchEntity"
        )

    def ended_so(self, scene: Scene) -> bool:
        """Whether this run ended in the same place, with every journal line in its place."""
        return scene.stage.left(scene.departure) == self.left and scene.gapless()


def usual(scene: Scene) -> Usual:
    """Run the scene undisturbed, and undo it. The second run counts: it has signed in already."""
    _run(scene)
    return _run(scene)


def _run(scene: Scene) -> Usual:
    stage = scene.stage
    with stage.undone():
        heard, sent = len(stage.simulator.calls), len(stage.writes())
        assert scene.finish().status == Change.Status.DONE, scene.change.error
        return Usual(
            list(stage.simulator.calls)[heard:],
            len(stage.writes()) - sent,
            stage.left(scene.departure),
        )


def settled(departure: Departure, goal: State) -> bool:
    """Whether the user is in this state, and neither a change nor a batch runs or waits."""
    departure.refresh_from_db()
    busy = Change.objects.filter(status__in=[Change.Status.QUEUED, Change.Status.RUNNING])
    return (
        departure.state == goal
        and not busy.exists()
        and not Batch.objects.filter(status=Batch.Status.RUNNING).exists()
    )


def ending(stage: Stage, departure: Departure) -> dict[str, Any]:
    """Everything by which two ends are compared: AWS, the rows, what was recorded and told."""
    return {
        **stage.left(departure),
        "changes": list(Change.objects.order_by("pk").values_list("move", "status", "result")),
        "batches": list(Batch.objects.order_by("pk").values_list("status", "pause_reason")),
        "ledger": list(LedgerEntry.objects.order_by("seq").values_list("kind", flat=True)),
        "notices": sorted(Notice.objects.values_list("kind", "title")),
        "alerts": sorted(Alert.objects.values_list("kind", "title")),
    }


def took_effect(notes: Iterable[dict[str, Any]]) -> int:
    """How many of these calls did something.

    AWS answers a removal from a group with success also when the user is no longer in it, so the
    same removal counts once however often it was sent.
    """
    applied = [note for note in notes if note["applied"]]
    removals = [one["params"] for one in applied if one["operation"] == "RemoveUserFromGroup"]
    again = len(removals) - len({tuple(sorted(params.items())) for params in removals})
    return len(applied) - again


def scene(stage: Stage, name: str) -> Scene:
    """A user that holds everything, right before its fence, shut, restore or deletion."""
    departure = stage.user("full.house", give=everything)
    if name == "fence":
        batch = stage.started("disable", [departure])
    elif name == "shut at once":
        batch = stage.started("disable", [departure], method="shut")
    elif name == "automatic shut":
        stage.fenced(departure)
        stage.skip(days=8)
        stage.listen()
        return Scene(name, stage, departure, stage.shut_by_itself()[0])
    elif name == "restore":
        stage.shut(departure)
        departure.refresh_from_db()
        return Scene(name, stage, departure, changes.restore(departure, stage.people.sara))
    else:
        stage.ready_to_delete(departure)
        batch = stage.started("delete", [departure])
    return Scene(name, stage, departure, batch.changes.get())
