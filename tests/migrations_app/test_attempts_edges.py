"""Attempts at the very edge: the two hundredth caller, and the last moment of a day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from inventory import clock
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.changes.hits import Attempt, record
from migrations_app.lifecycle import State
from migrations_app.models import HitCaller
from tests import cast

pytestmark = pytest.mark.django_db


def test_two_hundred_callers_have_rows_of_their_own(everybody: cast.Cast) -> None:
    row = cast.departure("ci-pay-old", State.DISABLED, everybody.payments)
    now = clock.now()

    def call(number: int) -> Attempt:
        at = now - timedelta(seconds=300 - number)
        return Attempt("hit", "trail", "s3:ListBuckets", at, {"where": f"10.0.0.{number}"})

    record(row, [call(0)])
    hit = row.hits.get()
    HitCaller.objects.bulk_create(
        HitCaller(hit=hit, caller=str(n), source="trail", what="x", first_at=now, last_at=now)
        for n in range(198)
    )
    record(row, [call(1)])
    assert hit.callers.count() == 200
    record(row, [call(2)])
    assert hit.callers.count() == 200


def test_a_day_that_ends_at_this_moment_holds_nothing(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = cast.departure("ci-pay-old", State.DISABLED, everybody.payments)
    today = clock.now().date()
    end = datetime.combine(today, time.max, UTC)
    monkeypatch.setattr(clock, "now", lambda: end)
    with pytest.raises(Refused, match="Choose a date"):
        changes.extend(row, everybody.sara, today, "the audit")
    monkeypatch.setattr(clock, "now", lambda: end - timedelta(microseconds=1))
    assert changes.extend(row, everybody.sara, today, "the audit").not_before == end
