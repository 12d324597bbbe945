"""Ten faults that an engine might have: the worlds find each of them in a few seeds."""

from __future__ import annotations

import pytest

from tests.migrations_app.worlds.driver import Ground, Tally, run
from tests.migrations_app.worlds.known_faults import KNOWN
from tests.migrations_app.worlds.world import Broken

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.mark.parametrize("name", KNOWN)
def test_the_worlds_find_a_known_fault(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault = KNOWN[name]
    fault.put(monkeypatch)
    found = ""
    for seed in range(fault.seeds):
        try:
            run(ground, seed, Tally(), fault.emphasis)
        except Broken as broken:
            found = str(broken)
            break
    assert fault.words in found, f"{fault.seeds} seeds did not show that {name}. {found[:500]}"
