"""Attempts at the very edge: the two hundredth caller, and the last moment of a day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from inventory import clock
from inventory.models import Activity
from inventory.refusals import Refused
from migrations_app import changes, tripwire
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


def test_what_ends_five_minutes_after_the_fence_was_under_way_and_later_is_a_use(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("ci-pay-old", State.DISABLED, everybody.payments)
    assert row.fenced_at is not None
    settled = row.fenced_at + timedelta(minutes=5)
    used = cast.activity(row.user, settled.date())
    for moment, uses in ((settled, 0), (settled + timedelta(microseconds=1), 1)):
        Activity.objects.filter(pk=used.pk).update(last_at=moment)
        assert len(list(tripwire._overlooked(row))) == uses


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
