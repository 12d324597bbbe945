"""A small simulated account that the product reads, in process and without waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import botocore.endpoint
import pytest

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.aws.inprocess import simulated


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Twenty-four users on the product's clock, read with the product's own credentials."""
    from inventory import clock
    from inventory.aws import cloudtrail, last_accessed, limiter
    from inventory.refresh import report

    for name, value in PRODUCT_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PRODUCTION_EXTERNAL_ID", EXTERNAL_ID)
    # The limiter has its own tests; here nobody waits.
    monkeypatch.setattr(limiter.Limiter, "wait", lambda self, *, first=False: None)
    # The SDK waits up to half a minute between its tries, and AWS takes its time for reports.
    hasty = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    for module in (botocore.endpoint, report, cloudtrail, last_accessed):
        monkeypatch.setattr(module, "time", hasty)
    with simulated(Simulator(7, 24, clock.now, lookup_rate=0)) as running:
        yield running
