"""Seeded worlds: thousands of accounts in which anything happens, against the reference model."""

from __future__ import annotations

import os

import pytest

from tests.migrations_app.worlds.driver import Ground, Tally, run

pytestmark = pytest.mark.django_db


def test_try(ground: Ground, pytestconfig: pytest.Config) -> None:
    import time
    seed = pytestconfig.getoption("--seed", default=None)
    tally = Tally()
    a, b = map(int, os.environ.get("SEEDS", "0-8").split("-"))
    began = time.process_time()
    failed = {}
    import cProfile, pstats
    prof = cProfile.Profile() if os.environ.get("PROF") else None
    if prof: prof.enable()
    for one in [seed] if seed is not None else range(a, b):
        try:
            run(ground, one, tally)
        except Exception as e:
            failed[one] = str(e)
            if seed is not None: raise
    if prof:
        prof.disable(); st = pstats.Stats(prof); st.sort_stats("cumulative").print_stats("w-worlds", 60); st.sort_stats("tottime").print_stats(25)
    if os.environ.get("TOLD"):
        from tests.migrations_app.worlds.driver import _LAST
        print("\n".join(_LAST[0].told))
    n = (1 if seed is not None else b - a)
    print()
    for one, text in failed.items(): print(one, text.split("\n")[0][:600])
    print(f"{n} seeds, {len(failed)} failed, {(time.process_time() - began)/n:.2f}s each, {tally.steps} steps")
    print(tally.actions); print(tally.transitions); print(tally.done)
