"""What listening could not read: it holds while that may help, then it lengthens the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.events import Event
from inventory import clock
from inventory.models import TrailGap
from inventory.refresh import gaps, listening
from migrations_app import changes
from migrations_app.models import Departure
from tests.migrations_app.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def watched(stage: Stage) -> Departure:
    """Fenced, and listened to once."""
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(minutes=6)
    return heard(stage, departure)


def heard(stage: Stage, departure: Departure, *, rounds: int = 1) -> Departure:
    for _ in range(rounds):
        stage.skip(minutes=15)
        stage.listen()
    departure.refresh_from_db()
    return departure


def unreadable(monkeypatch: pytest.MonkeyPatch, stage: Stage, departure: Departure) -> None:
    """From now on an event of this user, in one Region, is no JSON object."""
    shown, region, name = Event.shown, "eu-west-1", departure.user.user_name

    def broken(event: Event) -> dict[str, Any]:
        mine = event.region == region and event.username == name
        return shown(event) | ({"CloudTrailEvent": "7"} if mine else {})

    monkeypatch.setattr(Event, "shown", broken)
    stage.act("call", departure, region=region)


def test_more_than_a_look_reads_is_read_on_in_the_next_rounds(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (listening, gaps):
        monkeypatch.setattr(module, "_PAGES", 1)
    stage.skip(hours=2)
    for _ in range(170):
        stage.act("call", watched, region="eu-west-1")
        stage.skip(seconds=1)
    before = watched.due_at
    # What the first look reached is told at once, what lies below holds.
    heard(stage, watched)
    (hit,) = watched.hits.all()
    assert 0 < hit.count < 170
    stage.skip(days=8)
    heard(stage, watched)
    changes.dismiss(watched.hits.get(), stage.people.jonas, "A drill")
    assert any("eu-west-1 could not be read yet" in why for why in changes.shut_waits_for(watched))
    heard(stage, watched, rounds=2)
    assert not TrailGap.objects.exists()
    assert watched.due_at == before
    assert changes.shut_waits_for(watched) == []
    assert sum(row.count for row in watched.user.activity.all()) == 170


def test_what_stays_unreadable_holds_for_its_tries_and_then_lengthens_the_clock(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.skip(hours=3)
    unreadable(monkeypatch, stage, watched)
    before = watched.due_at
    assert before is not None
    heard(stage, watched)
    # Its key's last use moved all the same.
    changes.dismiss(watched.hits.get(), stage.people.jonas, "A drill")
    gap = TrailGap.objects.get()
    assert "cannot be read" in gap.why
    heard(stage, watched, rounds=gaps.TRIES - 2)
    assert watched.lengthened_by == timedelta()
    stage.skip(days=8)
    stage.listen()
    watched.refresh_from_db()
    gap.refresh_from_db()
    assert gap.lost_at is not None
    # AWS dates events in whole seconds.
    assert watched.lengthened_by == gap.until_at - gap.from_at > timedelta(hours=2, minutes=59)
    assert watched.due_at == before + watched.lengthened_by
    # It holds nobody any more, and is not found again.
    heard(stage, watched)
    assert TrailGap.objects.count() == 1
    assert changes.shut_waits_for(watched) == []


def test_a_gap_is_found_once_though_a_later_look_begins_within_its_second(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable(monkeypatch, stage, watched)
    dated = clock.now().replace(microsecond=0)
    stage.skip(hours=2)
    # The next look goes back over an hour, to the last moment of the second in which it happened.
    for minutes in (60, 75):
        until = dated + timedelta(minutes=minutes, microseconds=999_999)
        listening.listen_user(watched.user, stage.reader(), until)
    gap = TrailGap.objects.get()
    assert gap.until_at == dated


def test_beside_what_cannot_be_read_the_rest_is_heard(
    stage: Stage, watched: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable(monkeypatch, stage, watched)
    stage.act("call", watched, region="us-east-1", ip="203.0.113.8")
    heard(stage, watched, rounds=2)
    assert "203.0.113.8" in {row.details.get("where") for row in watched.hits.get().callers.all()}


def test_a_region_that_refused_for_longer_than_aws_keeps_events_lengthens_the_clock(
    stage: Stage, watched: Departure
) -> None:
    stage.fault("access-denied", "LookupEvents", region="eu-west-1", count=None)
    before = watched.due_at
    assert before is not None
    for _ in range(2):
        stage.skip(days=50)
        heard(stage, watched)
    assert any("not read whole" in why for why in changes.shut_waits_for(watched))
    assert not TrailGap.objects.exists()
    stage.simulator.faults.clear()
    heard(stage, watched, rounds=2)
    lost = watched.lengthened_by
    assert timedelta(days=10) < lost < timedelta(days=11)
    assert watched.due_at == before + lost
    assert changes.shut_waits_for(watched) == []


def test_two_regions_lost_at_once_count_once_and_a_new_clock_forgets_them(
    stage: Stage, watched: Departure
) -> None:
    now = clock.now()
    for region, since, until in (
        ("us-east-1", now, now + timedelta(hours=3)),
        ("eu-west-1", now + timedelta(hours=1), now + timedelta(hours=4)),
    ):
        TrailGap.objects.create(
            user=watched.user,
            region=region,
            from_at=since,
            until_at=until,
            read_from=now - timedelta(days=80),
            why="too many",
            lost_at=now + timedelta(hours=5),
        )
    stage.skip(hours=6)
    assert heard(stage, watched).lengthened_by == timedelta(hours=4)
    stage.act("call", watched)
    heard(stage, watched, rounds=2)
    fixed = changes.caller_fixed(watched.hits.get(), stage.people.sara)
    assert heard(stage, fixed.departure).lengthened_by == timedelta()


def test_a_gap_before_the_fence_is_not_its_clocks(stage: Stage, watched: Departure) -> None:
    assert watched.fenced_at is not None
    TrailGap.objects.create(
        user=watched.user,
        region="us-east-1",
        from_at=watched.fenced_at - timedelta(hours=3),
        until_at=watched.fenced_at - timedelta(hours=1),
        read_from=watched.fenced_at - timedelta(days=80),
        why="too many",
    )
    stage.skip(days=8)
    assert heard(stage, watched).lengthened_by == timedelta()
    assert changes.shut_waits_for(watched) == []
