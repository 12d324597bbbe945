"""Every way in which a change can be disturbed, and the change that is disturbed.

A `Scene` is one change of a user that holds everything, ready for a worker. `struck` and `killed`
disturb one of its writes; `finish` is what workers and, after a refusal, a person do then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from demo.aws.calls import Call as ApiCall
from migrations_app import aws, changes
from migrations_app.changes import running
from migrations_app.changes.journal import RowJournal
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Call, Change, Departure
from tests.migrations_app.stage import Killed, Stage, everything, is_write, written

FAULTS = (
    "throttling",
    "error",
    "error-after",
    "reset",
    "reset-after",
    "temporarily-unmodifiable",
    "access-denied",
)
DEATHS = ("before the journal", "before the send", "before the answer", "after the answer")
SCENES = ("fence", "shut at once", "automatic shut", "restore", "delete")


@dataclass
class Scene:
    """One change that waits for a worker."""

    stage: Stage
    departure: Departure
    change: Change

    def work(self) -> None:
        """What a worker of its queue does."""
        if self.change.move == MoveName.RESTORE:
            running.run_restore(self.change.pk)
        elif self.change.follows_id:
            running.run_change(self.change.pk)
        elif self.change.batch_id:
            running.run_batch(self.change.batch_id)

    def finish(self) -> Change:
        """Workers come again until it is done; a refusal is mended by hand and tried again."""
        for _ in range(12):
            self.stage.no_waiting()
            self.change.refresh_from_db()
            if self.change.status == Change.Status.FAILED:
                self.stage.simulator.faults.clear()
                changes.retry(self.change, self.stage.people.jonas)
            if self.change.batch and self.change.follows_id is None:
                self.change.batch.refresh_from_db()
                if self.change.batch.status == Batch.Status.PAUSED:
                    changes.resume(self.change.batch, self.stage.people.jonas)
            if self.change.status in Change.ENDED:
                break
            self.work()
        self.change.refresh_from_db()
        return self.change

    def undisturbed(self) -> tuple[dict[str, Any], list[Call]]:
        """Where a run that nothing disturbs ends, and its writes; undone again."""
        with self.stage.undone():
            assert self.finish().status == Change.Status.DONE, self.change.error
            return self.stage.left(self.departure), written(self.change)


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
        return Scene(stage, departure, stage.shut_by_itself()[0])
    elif name == "restore":
        stage.shut(departure)
        departure.refresh_from_db()
        return Scene(stage, departure, changes.restore(departure, stage.people.sara))
    else:
        stage.ready_to_delete(departure)
        batch = stage.started("delete", [departure])
    return Scene(stage, departure, batch.changes.get())


def struck(stage: Stage, kind: str, line: Call) -> None:
    """Let a fault strike exactly this call, once."""
    match = {name: str(value) for name, value in line.params.items()}
    stage.fault(kind, line.operation, match=match)


@contextmanager
def killed(stage: Stage, number: int, moment: str) -> Iterator[None]:
    """The worker dies at its write `number`, counted from 0, at this moment."""
    count = -1
    really_perform = stage.simulator.perform
    really_before, really_after = RowJournal.before, RowJournal.after

    def before(journal: RowJournal, call: aws.PlannedCall, attempt: int) -> int:
        nonlocal count
        count += 1
        if count == number and moment == "before the journal":
            raise Killed
        return really_before(journal, call, attempt)

    def perform(call: ApiCall) -> dict[str, Any]:
        mine = count == number and is_write(call)
        if mine and moment == "before the send":
            raise Killed
        answer = really_perform(call)
        if mine and moment == "before the answer":
            raise Killed
        return answer

    def after(journal: RowJournal, line: int, answer: aws.Answer) -> None:
        really_after(journal, line, answer)
        if count == number and moment == "after the answer":
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowJournal, "before", before)
        patch.setattr(RowJournal, "after", after)
        patch.setattr(stage.simulator, "perform", perform)
        with pytest.raises(Killed):
            yield
