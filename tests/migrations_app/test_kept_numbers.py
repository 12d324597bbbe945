"""What the database keeps counted is put right once a day, whatever became of it."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.core.cache import cache

from inventory import clock
from inventory.models import Observation, ObservationCount, Sync
from migrations_app import kept_numbers
from migrations_app.models import DayCount, DayTotal
from tests import cast
from tests.services import TestDatabase

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rows() -> None:
    """Two changes that one look saw, and two days."""
    account, now = cast.account(), clock.now()
    sync = Sync.objects.create(account=account, asked_at=now, status="whole")
    for key in "ab":
        Observation.objects.create(
            account=account, sync=sync, kind="key-made", key=key, seen_at=now
        )
    for ago in (1, 2):
        day = now.date() - timedelta(days=ago)
        DayCount.objects.create(account=account, day=day, left=5, with_access=4)


def kept() -> tuple[list[tuple[str, int]], list[tuple[int, int]]]:
    return (
        list(ObservationCount.objects.values_list("kind", "number")),
        list(DayTotal.objects.values_list("left", "with_access")),
    )


RIGHT = ([("key-made", 2)], [(5, 4), (5, 4)])


def test_right_numbers_stay_as_they_are() -> None:
    kept_numbers.put_right()

    assert kept() == RIGHT


def test_wrong_missing_and_left_over_numbers_are_put_right() -> None:
    ObservationCount.objects.update(number=9)
    ObservationCount.objects.create(
        account=cast.account(), kind="gone", seen_at=clock.now(), number=1
    )
    DayTotal.objects.order_by("day")[0].delete()
    DayTotal.objects.update(left=70)
    DayTotal.objects.create(day=clock.now().date(), left=1, with_access=1)
    assert kept() != RIGHT

    kept_numbers.put_right()

    assert kept() == RIGHT


def test_whoever_writes_is_not_held_up_for_long(
    monkeypatch: pytest.MonkeyPatch, test_database: TestDatabase
) -> None:
    """A waiting lock of a table makes all its writers wait behind it."""
    monkeypatch.setattr(kept_numbers, "_PATIENCE", "50ms")
    DayTotal.objects.update(left=70)
    ObservationCount.objects.update(number=9)
    with psycopg.connect(test_database.url) as other:
        other.execute("LOCK TABLE migrations_app_daycount IN ROW EXCLUSIVE MODE")

        kept_numbers.keep_up()

    # What nobody writes is counted all the same.
    assert kept()[0] == RIGHT[0]
    assert kept()[1] != RIGHT[1]
    cache.delete("kept-numbers-tried")
    kept_numbers.keep_up()
    assert kept() == RIGHT


def test_the_sweep_does_it_once_a_day() -> None:
    kept_numbers.keep_up()
    DayTotal.objects.update(left=70)
    kept_numbers.keep_up()

    assert kept() != RIGHT
