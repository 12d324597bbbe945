"""A process is killed around the commit of a request and around its message; the sweep finds it.

Also messages that come twice, late or never: they cost time, never truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery import current_app

from migrations_app import changes
from migrations_app.changes import nudge, running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.cells.arena import Arena
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.points import COMMITS, ENQUEUES
from tests.migrations_app.cells.scenes import ending, settled
from tests.migrations_app.stage import Stage, everything, of_user

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("killed workers")]
KINDS = (*COMMITS, *ENQUEUES)


@dataclass
class Request:
    """Something that enqueues a message: a person's request, or a part of the sweep."""

    departure: Departure
    goal: State
    task: str = ""
    queue: str = "read"
    arguments: list[Any] = field(default_factory=list)
    # Whether the database knows nothing of the request, so that who asked saw an error.
    unheard: Callable[[], bool] = lambda: not Change.objects.filter(status="queued").exists()

    def send(self) -> None:
        current_app.send_task(self.task, args=self.arguments, queue=self.queue)


def _part(departure: Departure, goal: State, name: str) -> Request:
    return Request(departure, goal, "migrations_app.tasks.sweep_part", "read", [name])


def _verb(departure: Departure, goal: State, name: str, pk: int) -> Request:
    return Request(departure, goal, "cells.verb", "write", [name, pk, "jonas"])


def a_batch_is_started(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    stage.approved("disable", [departure])
    return _part(departure, State.DISABLED, "start")


def a_shut_is_due(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    return _part(departure, State.SOAKING, "shut")


def a_restore_is_asked(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    return _verb(departure, State.OWNER_ASSIGNED, "restore", departure.pk)


def a_batch_is_resumed(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure])
    changes.pause(batch, stage.people.jonas)
    request = _verb(departure, State.DISABLED, "resume", batch.pk)
    request.unheard = Batch.objects.filter(status=Batch.Status.PAUSED).exists
    return request


def a_change_is_tried_again(stage: Stage) -> Request:
    a_shut_is_due(stage)
    departure = Departure.objects.get(user__user_name="full.house")
    change = stage.shut_by_itself()[0]
    stage.fault("access-denied", "UpdateAccessKey")
    running.run_change(change.pk)
    assert of_user(departure, "soak").status == Change.Status.FAILED
    return _verb(departure, State.SOAKING, "retry", change.pk)


def a_deletion_is_finished(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    stage.fault("access-denied", "DeleteAccessKey", skip=1)
    running.run_batch(batch.pk)
    assert of_user(departure, "delete").status == Change.Status.FAILED
    return _verb(departure, State.DELETED, "finish_deleting", departure.pk)


def a_slice_ends(stage: Stage) -> Request:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure])
    return Request(departure, State.DISABLED, "migrations_app.tasks.run_batch", "write", [batch.pk])


REQUESTS: tuple[Callable[[Stage], Request], ...] = (
    a_batch_is_started,
    a_shut_is_due,
    a_restore_is_asked,
    a_batch_is_resumed,
    a_change_is_tried_again,
    a_deletion_is_finished,
    a_slice_ends,
)
ALL = [
    pytest.param(
        request,
        id=request.__name__.replace("_", " "),
        marks=[] if request is a_restore_is_asked else [pytest.mark.slow],
    )
    for request in REQUESTS
]


def prepared(arena: Arena, request_of: Callable[[Stage], Request]) -> Request:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nudge, "_send", lambda *_, **__: None)
        return request_of(arena.stage)


def order(request: Request, **how: Any) -> dict[str, Any]:
    # The slice that ends is one without any time.
    return how | ({"slice": 0.0} if request.task.endswith("run_batch") else {})


@pytest.mark.parametrize("request_of", ALL)
def test_the_sweep_finds_what_a_killed_process_did_not_enqueue(
    arena: Arena, request_of: Callable[[Stage], Request]
) -> None:
    request = prepared(arena, request_of)

    def ended() -> bool:
        return settled(request.departure, request.goal)

    with arena.again():
        arena.arm(**order(request, do="tell"))
        request.send()
        arena.until(ended, lambda: None)
        points = [point for point in arena.passed() if point[0] in KINDS]
        expected = ending(arena.stage, request.departure)
    assert any(point[0] == ENQUEUES[0] for point in points)
    with counted(f"messages {request_of.__name__}") as count:
        for kind, number, label in points:
            with count.cell(f"{kind} {number} {label}"), arena.again():
                arena.arm(**order(request, do="kill", point=kind, number=number))
                request.send()
                arena.see_death()
                arena.quiet()
                if request.unheard():
                    request.send()
                arena.until(ended, arena.sweep)
                assert ending(arena.stage, request.departure) == expected
                count.ended(f"process killed, {request_of.__name__.replace('_', ' ')}: {kind}")


@pytest.mark.parametrize("request_of", ALL)
def test_a_message_that_comes_twice_is_one(
    arena: Arena, request_of: Callable[[Stage], Request]
) -> None:
    request = prepared(arena, request_of)

    def ended() -> bool:
        return settled(request.departure, request.goal)

    with arena.again():
        sent = len(arena.stage.writes())
        request.send()
        arena.until(ended, lambda: None)
        expected = ending(arena.stage, request.departure)
        calls = len(arena.stage.writes()) - sent
    with counted(f"twice {request_of.__name__}") as count, arena.again():
        sent = len(arena.stage.writes())
        request.send()
        for _ in range(2):
            for pk in Batch.objects.values_list("pk", flat=True):
                nudge.run_batch(pk)
            for pk in Change.objects.filter(move="restore").values_list("pk", flat=True):
                nudge.restore(pk)
        arena.until(ended, arena.sweep)
        arena.sweep()
        arena.quiet()
        assert ending(arena.stage, request.departure) == expected
        assert len(arena.stage.writes()) - sent == calls
        count.ended(f"message twice and late, {request_of.__name__.replace('_', ' ')}")
