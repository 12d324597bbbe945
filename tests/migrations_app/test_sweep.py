"""The sweep starts what is due, picks up what was lost, and twice in a row does nothing twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import IamUser
from migrations_app import changes
from migrations_app.changes import nudge, running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Notice
from tests import cast
from tests.migrations_app.stage import Stage, of_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What workers were told, at once instead of on commit."""
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(nudge, "_on_commit", lambda task, _, pk: told.append((task, pk)))
    return told


def test_an_approved_batch_whose_time_has_come_is_started_once(
    stage: Stage, nudged: list[tuple[str, int]]
) -> None:
    batch = stage.approved("disable", [stage.user()])
    changes.sweep()
    changes.sweep()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.RUNNING
    assert batch.undo_script.startswith("#!/bin/sh")
    assert ("run_batch", batch.pk) in nudged
    assert Notice.objects.filter(kind="started", batch=batch).count() == 1


def test_of_two_batches_the_first_approved_starts_and_the_other_settles(stage: Stage) -> None:
    first, second = (stage.approved("disable", [stage.user(name)]) for name in ("one", "two"))
    changes.sweep()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Batch.Status.RUNNING, Batch.Status.APPROVED)


def test_a_shut_that_is_due_is_queued_once(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    changes.sweep()
    changes.sweep()
    assert departure.changes.filter(move="soak").count() == 1


def test_a_shut_before_its_time_is_not_queued(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(days=6, hours=23)
    stage.listen()
    changes.sweep()
    assert not departure.changes.filter(move="soak").exists()


def test_a_shut_that_was_left_out_is_not_tried_every_minute(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    (change,) = stage.shut_by_itself()
    stage.administrator(
        "AttachUserPolicy",
        UserName=departure.user.user_name,
        PolicyArn="arn:aws:iam::aws:policy/SecurityAudit",
    )
    running.run_change(change.pk)
    change.refresh_from_db()
    assert change.status == Change.Status.LEFT_OUT
    for _ in range(3):
        stage.skip(minutes=5)
        changes.sweep()
    assert departure.changes.filter(move="soak").count() == 1
    departure.refresh_from_db()
    assert any("managed policies changed" in why for why in changes.shut_waits_for(departure))


def test_owners_hear_of_a_shut_the_day_before_and_once(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    changes.sweep()
    assert not Notice.objects.filter(kind="shut-tomorrow").exists()
    stage.skip(days=6, hours=1)
    changes.sweep()
    changes.sweep()
    told = Notice.objects.get(kind="shut-tomorrow")
    assert told.team == stage.people.payments


def test_a_batch_whose_worker_died_is_woken(stage: Stage, nudged: list[tuple[str, int]]) -> None:
    batch = stage.started("disable", [stage.user()])
    nudged.clear()
    changes.sweep()
    assert ("run_batch", batch.pk) in nudged


def test_a_shut_whose_worker_died_is_woken(stage: Stage, nudged: list[tuple[str, int]]) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    (change,) = stage.shut_by_itself()
    Change.objects.filter(pk=change.pk).update(
        status="running", claimed_by="dead", lease_until=clock.real_now() - timedelta(seconds=1)
    )
    nudged.clear()
    changes.sweep()
    assert ("run_change", change.pk) in nudged
    running.run_change(change.pk)
    departure.refresh_from_db()
    assert departure.state == State.SOAKING


def test_a_restore_whose_worker_died_is_found(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.sara)
    Change.objects.filter(pk=change.pk).update(
        status="running", claimed_by="dead", lease_until=clock.real_now() - timedelta(seconds=1)
    )
    assert list(running.waiting_restores()) == [change.pk]


def test_a_living_worker_is_left_alone(stage: Stage) -> None:
    departure = stage.user()
    stage.started("disable", [departure])
    change = of_user(departure, "disable")
    Change.objects.filter(pk=change.pk).update(
        status="running", claimed_by="alive", lease_until=clock.real_now() + timedelta(seconds=30)
    )
    running.run_change(change.pk)
    assert of_user(departure, "disable").claimed_by == "alive"
    assert stage.writes() == []


def test_who_is_new_is_enrolled_and_an_ended_exemption_cleared(stage: Stage) -> None:
    new = cast.iam_user("ci-new", stage.people.account)
    over = cast.departure(
        "ci-over",
        State.OWNER_ASSIGNED,
        protection="exempt",
        protection_until=clock.now().date() - timedelta(days=1),
    )
    changes.sweep()
    assert Departure.objects.get(user=new).state == State.DISCOVERED
    over.refresh_from_db()
    assert over.protection == ""


def test_a_lapsed_approval_gives_the_users_free(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.approved("disable", [departure])
    stage.skip(days=8)
    changes.sweep()
    batch.refresh_from_db()
    assert (batch.status, batch.approved_by) == (Batch.Status.DRAFT, None)
    assert of_user(departure, "disable").status == Change.Status.DRAFT
    assert IamUser.objects.filter(pk=departure.user_id).exists()
