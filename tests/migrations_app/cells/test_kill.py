"""SIGKILL of a real worker at every point of every write, commit and message of each change.

The points are those that an undisturbed run of the scene passes. After the death another process
goes on, and everything ends as if nobody had died: account, rows, ledger, notices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.migrations_app.cells.arena import Arena
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.points import COMMITS, WRITES
from tests.migrations_app.cells.scenes import SCENES, Scene, ending, took_effect
from tests.migrations_app.stage import lines, written

pytestmark = [pytest.mark.worker, pytest.mark.xdist_group("killed workers")]
Point = tuple[str, int, str]
FIRST_FINAL = "migrations_app_change migrations_app_departure"
KINDS = (*WRITES, *COMMITS)
# With each commit one or two kinds of point for each scene, so that every kind is seen.
SELECTED = {
    name: [kind for place, kind in enumerate(KINDS) if (place + number) % 4 == 0]
    for number, name in enumerate(SCENES)
}


def undisturbed(arena: Arena, scene: Scene) -> tuple[list[Point], dict[str, Any], int]:
    """The points that the run passes, where it ends, and how many writes it sends; put back."""
    with arena.again():
        sent = len(arena.stage.writes())
        arena.arm(do="tell")
        scene.nudge()
        arena.until(scene.ended, lambda: None)
        made = len(arena.stage.writes()) - sent
        return arena.passed(), ending(arena.stage, scene.departure), made


def die(arena: Arena, scene: Scene, point: Point, do: str = "kill") -> None:
    """A worker dies at this point of the scene, and another one goes on."""
    arena.arm(do=do, point=point[0], number=point[1])
    scene.nudge()
    arena.see_death()
    if do == "kill worker":
        arena.replace()
    kept = [(one.seq, one.operation, one.target) for one in lines(scene.change)]
    arena.until(scene.ended, scene.nudge)
    now = [(one.seq, one.operation, one.target) for one in lines(scene.change)]
    assert now[: len(kept)] == kept, "a journal line is lost"


def see_the_same(
    scene: Scene, point: Point, expected: dict[str, Any], calls: int, again: list[dict[str, Any]]
) -> None:
    """Nothing differs from the undisturbed run, nothing is silent, nothing was done twice."""
    found, told = ending(scene.stage, scene.departure), written(scene.change)
    differs = {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]}
    assert not differs, differs
    assert scene.gapless(), "journal or ledger has a gap"
    silent = [line for line in told if not line.outcome]
    # With the first final line the point of no return is passed, in the same commit.
    dies_unanswered = point[0] in WRITES[1:4] or point[::2] == ("after a commit", FIRST_FINAL)
    assert len(silent) == dies_unanswered, f"unanswered: {silent}"
    assert len(again) <= len(told), "AWS was asked for what no line tells of"
    assert took_effect(again) <= calls + 1, "more than the disturbed call was applied twice"


def kill(arena: Arena, name: str, kinds: Iterable[str], *, each: bool, do: str = "kill") -> None:
    """All cells of this scene and these kinds of point, or of each kind the one in the middle."""
    scene = arena.scene(name)
    points, expected, calls = undisturbed(arena, scene)
    who = "worker with its parent" if do == "kill worker" else "worker"
    with counted(f"{do} {name} {kinds} {each}") as count:
        for kind in kinds:
            found = [point for point in points if point[0] == kind]
            assert found, f"the undisturbed run passed no point {kind}"
            for point in found if each else found[len(found) // 2 :][:1]:
                with count.cell(f"{name} {point}"), arena.again():
                    sent = len(arena.stage.writes())
                    die(arena, scene, point, do)
                    see_the_same(scene, point, expected, calls, arena.stage.writes()[sent:])
                    count.ended(f"{who} killed in {name}: {kind}")


@pytest.mark.parametrize("name", SCENES)
def test_a_killed_worker_is_followed_by_one_that_ends_the_same(arena: Arena, name: str) -> None:
    kill(arena, name, SELECTED[name], each=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENES)
def test_a_worker_may_be_killed_at_every_point(arena: Arena, name: str, kind: str) -> None:
    kill(arena, name, [kind], each=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_worker_killed_with_its_parent_is_followed_by_another(arena: Arena, name: str) -> None:
    # Nobody gives the message back; the nudge of the next sweep is enough.
    kinds = ["applied, answer lost", "before a commit"]
    kill(arena, name, kinds, each=False, do="kill worker")
