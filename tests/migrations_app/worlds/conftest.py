"""The ground of the worlds, and `--seed=N`, which runs one of them."""

from __future__ import annotations

import pytest

from inventory import clock
from inventory.aws import cloudtrail, limiter, session
from inventory.refresh import listening
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import Stage
from tests.migrations_app.worlds.clients import LentCore
from tests.migrations_app.worlds.driver import Ground, StillTime, lay


class OneByOne:
    """In place of a pool of threads: the same, in an order that a seed determines."""

    def __init__(self, workers: int) -> None:
        self.map = map

    def __enter__(self) -> OneByOne:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="run this world only")


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch, pace: Pace) -> StillTime:
    """Real time stands still, and nobody waits for anything."""
    time = StillTime()
    monkeypatch.setattr(clock, "real_now", time)
    monkeypatch.setattr(limiter.Limiter, "wait", lambda self, first=False: None)
    monkeypatch.setattr(listening, "ThreadPoolExecutor", OneByOne)
    monkeypatch.setattr(session, "_core", LentCore)
    monkeypatch.setattr(cloudtrail, "time", pace)
    return time


@pytest.fixture
def ground(still: StillTime, stage: Stage, pace: Pace) -> Ground:
    """Five users on their way, from which every world begins."""
    return lay(stage, pace, still)
