"""Ten faults that an engine might have: the worlds find each of them in a bounded number of seeds."""

from __future__ import annotations

import pytest

from tests.migrations_app.worlds.driver import Broken, Ground, Tally, run
from tests.migrations_app.worlds.known_faults import KNOWN

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.mark.parametrize("name", KNOWN)
def test_the_worlds_find_a_known_fault(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault = KNOWN[name]
    fault.put(monkeypatch)
    for seed in range(fault.seeds):
        try:
            run(ground, seed, Tally(), fault.emphasis)
        except Broken as found:
            print(f"{name}: seed {seed}: {str(found).splitlines()[0]}")
            return
    pytest.fail(f"{fault.seeds} seeds did not find that {name}.")
