"""A small simulated account that the engine changes, in process and without waiting."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import botocore.endpoint
import botocore.loaders
import botocore.session
import pytest

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.aws.inprocess import simulated

if TYPE_CHECKING:
    from demo.aws.state import Account as AwsAccount
    from inventory.models import Person
    from tests.cast import Cast
    from tests.migrations_app.stage import Stage

_create_loader = functools.cache(botocore.loaders.create_loader)


class Pace:
    """Real time, but whoever sleeps wakes at once and finds that the time has passed."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Patience and deadlines of the writer end at once instead of after seconds."""
    from migrations_app import aws
    from migrations_app.changes import forward

    pace = Pace()
    # Both compare when GetUser was last asked.
    for one in (aws, forward):
        monkeypatch.setattr(one, "time", pace)
    return pace


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A dozen users on the product's clock, and the product's base credentials."""
    from inventory import clock
    from inventory.aws import limiter
    from tests.migrations_app.stage import REGIONS

    for name, value in PRODUCT_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PRODUCTION_EXTERNAL_ID", EXTERNAL_ID)
    for rate in ("LOOKUPS_PER_SECOND", "READS_PER_SECOND", "LAST_ACCESSED_PER_SECOND"):
        monkeypatch.setattr(limiter, rate, 10_000.0)
    # The SDK waits up to half a minute between its tries, and reads its models anew each time.
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(botocore.session, "create_loader", _create_loader)
    made = Simulator(7, 12, clock.now, regions=len(REGIONS), lookup_rate=0)
    with simulated(made) as running:
        yield running


@pytest.fixture
def everybody(db: None) -> Cast:
    """The cast with its account `production`."""
    from tests.cast import cast

    return cast()


@pytest.fixture
def ada(everybody: Cast) -> Person:
    """The admin."""
    return everybody.ada


@pytest.fixture
def staging(simulator: Simulator) -> AwsAccount:
    """An account without a role of ours, while the workers have told who they are."""
    from inventory.aws import identity
    from tests.migrations_app.prospect import STAGING

    identity.report("read@test")
    found = simulator.add_account(STAGING, "acme-staging", 11, 2)
    for name in ("iamcleanupreader", "iamcleanupactor", "iamcleanupdeleter"):
        del found.roles[name]
    return found


@pytest.fixture
def stage(simulator: Simulator, pace: Pace, db: None) -> Stage:
    """The account with the cast, ready for a first batch."""
    from tests.migrations_app.stage import set_stage

    return set_stage(simulator)
