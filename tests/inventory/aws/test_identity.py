"""Every worker tells whose credentials it runs on; who says nothing cannot be told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from inventory import clock
from inventory.aws import identity

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient


def test_nobody_reported_at_first() -> None:
    assert identity.reported() == frozenset()


def test_what_a_worker_reports_is_told(iam: IAMClient) -> None:
    identity.report("write@one")
    identity.report("read@one")
    told = identity.reported()
    assert {one.worker for one in told} == {"write@one", "read@one"}
    assert {one.identity.account_id for one in told} == {"123456789012"}


def test_an_old_report_tells_nothing(iam: IAMClient, monkeypatch: pytest.MonkeyPatch) -> None:
    identity.report("write@one")
    later = clock.real_now() + timedelta(days=31)
    monkeypatch.setattr(clock, "real_now", lambda: later)
    assert identity.reported() == frozenset()
