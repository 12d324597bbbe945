"""Seeded worlds: thousands of accounts in which anything happens, against the reference model."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from migrations_app.lifecycle import MOVES
from tests.migrations_app.worlds import proof
from tests.migrations_app.worlds.driver import ACTIONS, EMPHASES, Ground, Tally, run

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("worlds")]

# Seeds of each emphasis in `make test`, and of all in `make test-all`.
EACH = 2
THOUSANDS = int(os.environ.get("IAMCLEANUP_WORLDS", "3000"))
CHUNK = 50
# So many must show everything that can happen.
ENOUGH = 400
TABLE = {f"{one.name}: {each} -> {one.target}" for one in MOVES.values() for each in one.sources}

_selection, _thousands = Tally(), Tally()


def live(ground: Ground, seeds: Iterable[int], tally: Tally) -> None:
    seeds = list(seeds)
    with proof.counted(tally, seeds):
        for seed in seeds:
            run(ground, seed, tally)


@pytest.mark.parametrize(
    ("seeds", "told"), [([], ""), ([4], "4"), ([3, 0, 1, 2, 7, 9, 8], "0-3 7-9")]
)
def test_seeds_are_told_as_spans_and_read_again(seeds: list[int], told: str) -> None:
    assert proof.spans(seeds) == told
    assert proof.seeds_of(told) == set(seeds)


def test_the_world_of_a_seed(ground: Ground, pytestconfig: pytest.Config) -> None:
    """With `--seed=N` that world alone; without, the first one."""
    seed = pytestconfig.getoption("--seed", default=None)
    run(ground, 0 if seed is None else seed, Tally())


@pytest.mark.parametrize("emphasis", EMPHASES)
def test_a_selection_of_worlds_holds(ground: Ground, emphasis: str) -> None:
    first = list(EMPHASES).index(emphasis)
    seeds = range(first, len(EMPHASES) * EACH, len(EMPHASES))
    live(ground, seeds, _selection)


def test_the_selection_is_not_dull() -> None:
    """It fences, shuts and restores, and workers die on the way."""
    if _selection.tried.total() < len(EMPHASES) * EACH:
        pytest.skip("Only part of the selection ran.")
    written = {name for name in TABLE if name.startswith(("disable", "soak", "restore"))}
    assert written - set(_selection.transitions) == set()
    assert _selection.done["killed"] > 0
    assert _selection.done["restored"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, THOUSANDS, CHUNK))
def test_thousands_of_worlds_hold(ground: Ground, first: int) -> None:
    live(ground, range(first, min(first + CHUNK, THOUSANDS)), _thousands)


@pytest.mark.slow
def test_in_thousands_everything_happens() -> None:
    """Every action, and every row of the lifecycle's table."""
    if _thousands.tried.total() < ENOUGH:
        pytest.skip(f"Fewer than {ENOUGH} worlds ran.")
    assert set(ACTIONS) - set(_thousands.actions) == set()
    assert TABLE - set(_thousands.transitions) == set()
