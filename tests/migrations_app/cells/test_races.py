"""Two at once: a second worker, a worker believed dead, an old message, a restore at any moment.

What happens meanwhile happens while a call of the first worker is on its way to AWS, at each call
of the undisturbed run in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from demo.aws.calls import Call as ApiCall
from demo.aws.state import User
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Change, Departure
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.scenes import (
    GOALS,
    SCENES,
    Scene,
    Usual,
    scene,
    settled,
    took_effect,
    usual,
)
from tests.migrations_app.stage import Stage, everything, written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_kept_sessions")]
# With each commit the first, the middle and the last call of each run; else all.
THOROUGH = [False, pytest.param(True, marks=pytest.mark.slow)]


def moments(run: Usual, *, thorough: bool) -> list[int]:
    last = len(run.calls) - 1
    return list(range(last + 1)) if thorough else sorted({0, last // 2, last})


def meanwhile(scene: Scene, number: int, happens: Callable[[], None]) -> None:
    """A worker runs; while its call `number`, counted from 0, is on its way, this happens."""
    really, seen = scene.stage.simulator.perform, -1

    def perform(call: ApiCall) -> dict[str, Any]:
        nonlocal seen
        seen += 1
        if seen == number:
            happens()
        return really(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.stage.simulator, "perform", perform)
        scene.work()
    assert seen >= number, "the run did not come so far"


@pytest.mark.parametrize("thorough", THOROUGH)
@pytest.mark.parametrize("name", SCENES)
def test_a_second_worker_finds_nothing_to_do(stage: Stage, name: str, thorough: bool) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)
    with counted(f"second worker {name} {thorough}") as count:
        for number in moments(run, thorough=thorough):
            with count.cell(run.call(number)), stage.undone():
                meanwhile(disturbed, number, disturbed.work)
                assert disturbed.finish().status == Change.Status.DONE
                assert run.ended_so(disturbed)
                assert len(written(disturbed.change)) == run.writes
                count.ended(f"second worker during {name}")


@pytest.mark.parametrize("thorough", THOROUGH)
@pytest.mark.parametrize("name", SCENES)
def test_a_worker_believed_dead_does_no_more_than_its_call_on_the_way(
    stage: Stage, name: str, thorough: bool
) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)

    def taken_over() -> None:
        stage.no_waiting()
        disturbed.work()

    with counted(f"believed dead {name} {thorough}") as count:
        for number in moments(run, thorough=thorough):
            with count.cell(run.call(number)), stage.undone():
                sent = len(stage.writes())
                meanwhile(disturbed, number, taken_over)
                assert disturbed.finish().status == Change.Status.DONE
                assert run.ended_so(disturbed)
                assert took_effect(stage.writes()[sent:]) <= run.writes + 1
                count.ended(f"worker taken for dead during {name}")


@pytest.mark.parametrize("name", SCENES)
def test_an_old_message_does_nothing_again(stage: Stage, name: str) -> None:
    disturbed = scene(stage, name)
    disturbed.finish()
    sent = len(stage.writes())
    for _ in range(3):
        stage.no_waiting()
        disturbed.work()
    assert len(stage.writes()) == sent
    with counted(f"old message {name}") as count:
        count.ended("old message")


@pytest.mark.parametrize("thorough", THOROUGH)
@pytest.mark.parametrize("name", [one for one in SCENES if one != "restore"])
def test_a_restore_wins_up_to_the_point_of_no_return(
    stage: Stage, name: str, thorough: bool
) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)
    untouched = as_given(stage, disturbed.departure)
    with counted(f"restore against {name} {thorough}") as count:
        for number in moments(run, thorough=thorough):
            what = run.call(number)
            with count.cell(what), stage.undone():
                answers: list[Change | Refused] = []

                def ask(answers: list[Change | Refused] = answers) -> None:
                    row = Departure.objects.get(pk=disturbed.departure.pk)
                    try:
                        answers.append(changes.restore(row, stage.people.sara))
                    except Refused as refused:
                        answers.append(refused)

                meanwhile(disturbed, number, ask)
                if isinstance(answers[0], Refused):
                    see_refused(disturbed, answers[0], run)
                    count.ended(f"restore asked during {name}", "refused")
                else:
                    see_restored(disturbed, answers[0], untouched)
                    forward = Change.objects.get(pk=disturbed.change.pk)
                    assert forward.status in after(run, number), forward.status
                    count.ended(f"restore asked during {name}")


def as_given(stage: Stage, departure: Departure) -> User:
    """The user as it was before anything of ours, but for its password, which never comes back."""
    with stage.undone():
        del stage.simulator.account.users[departure.user.user_name]
        twin = stage.in_aws(stage.user("twin", give=everything))
        return replace(deepcopy(twin), login=None)


def after(run: Usual, number: int) -> tuple[str, ...]:
    """How a forward change may end when a restore was asked for during this call of it."""
    if number >= run.last_write:
        # No call is out any more: it is recorded as done, or taken over before that.
        return (Change.Status.SUPERSEDED, Change.Status.DONE)
    if number < run.looked:
        # Judging it finds the restore.
        return (Change.Status.LEFT_OUT, Change.Status.SUPERSEDED)
    return (Change.Status.SUPERSEDED,)


def see_refused(disturbed: Scene, refused: Refused, run: Usual) -> None:
    """Only a deletion that has begun refuses, in words, and it goes on to its end."""
    assert disturbed.name == "delete"
    assert "partly deleted" in str(refused)
    assert disturbed.finish().status == Change.Status.DONE
    assert run.ended_so(disturbed)


def see_restored(disturbed: Scene, restore: Change, untouched: User) -> None:
    stage, departure = disturbed.stage, disturbed.departure
    for _ in range(3):
        disturbed.work()
        stage.work_restore(restore)
    assert restore.status == Change.Status.DONE, restore.error
    assert settled(departure, State.OWNER_ASSIGNED)
    found = stage.in_aws(departure)
    assert {one.status for one in found.keys.values()} == {"Active", "Inactive"}
    for kind in ("ssh_keys", "certificates", "service_credentials", "keys"):
        assert statuses(found, kind) == statuses(untouched, kind), kind
    for kind in ("groups", "inline", "boundary", "tags"):
        assert getattr(found, kind) == getattr(untouched, kind), kind
    assert sorted(found.attached) == sorted(untouched.attached)
    assert len(found.mfa) == len(untouched.mfa)
    assert GOALS[disturbed.name] != departure.state


def statuses(user: User, kind: str) -> list[str]:
    return [one.status for one in getattr(user, kind).values()]
