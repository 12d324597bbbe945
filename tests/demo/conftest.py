"""One small simulated account for each test, in process; no limit on LookupEvents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.aws.account import Simulator
from demo.aws.inprocess import simulated
from tests.demo.cast import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[Simulator]:
    """The reference case at a fixed Wednesday morning."""
    with simulated(Simulator(206, 206, clock, lookup_rate=0)) as running:
        yield running
