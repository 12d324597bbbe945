"""Whoever is done by half stays in sight: a restore outranks it, and nothing forgets the fence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import Alert, Role
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws, changes, tripwire
from migrations_app.changes import batches, hits, nudge, running
from migrations_app.changes.restoring import made_by_us
from migrations_app.changes.sweep import dry_run_what_was_lost
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Hit
from tests import cast
from tests.migrations_app.stage import Stage, of_user

pytestmark = pytest.mark.django_db
FENCED = aws.Made(policy_fence=True)


def fenced_and_given_back(stage: Stage) -> tuple[Departure, Batch]:
    """The fence is on in AWS, and its read-back failed: the change waits to be tried again."""
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.fault("access-denied", "ListAttachedUserPolicies", skip=1, count=None)
    running.run_batch(batch.pk)
    stage.simulator.faults.clear()
    Change.objects.filter(departure=departure).update(
        status=Change.Status.QUEUED, error="", try_after=None
    )
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.RUNNING)
    departure.refresh_from_db()
    batch.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED
    assert made_by_us(departure) == FENCED
    return departure, batch


def failed_restore(stage: Stage, departure: Departure) -> Change:
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.sara, "it broke")
    Change.objects.filter(pk=change.pk).update(status=Change.Status.FAILED)
    return change


def test_a_failed_restore_holds_the_automatic_shut(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    failed_restore(stage, departure)
    stage.skip(days=8)
    stage.listen()
    assert stage.shut_by_itself() == []


def test_a_failed_restore_keeps_a_user_out_of_a_delete_batch(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    failed_restore(stage, departure)
    batch = stage.draft("delete", [departure])
    assert [one["code"] for one in batch.changes.get().blockers] == ["busy"]


def test_a_restore_asked_while_a_delete_waits_stops_it_at_the_gate(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    before = len(stage.writes("ci-pay-old"))
    changes.restore(Departure.objects.get(pk=departure.pk), stage.people.sara)
    stage.work(batch)
    assert len(stage.writes("ci-pay-old")) == before


def test_an_abort_keeps_a_half_done_user_in_sight(stage: Stage) -> None:
    departure, batch = fenced_and_given_back(stage)
    changes.abort(batch, stage.people.jonas)
    change = of_user(departure, "disable")
    assert change.status == Change.Status.FAILED
    assert "by half" in change.error
    assert changes.may_be_restored(departure)


def test_an_abort_with_restore_takes_the_fence_off_a_half_done_user(stage: Stage) -> None:
    departure, batch = fenced_and_given_back(stage)
    changes.abort(batch, stage.people.jonas, restore=True)
    stage.work_restore(of_user(departure, "restore"))
    assert not aws.fenced(stage.holdings(departure))


def test_a_half_done_user_that_was_restored_rests_like_any_other(stage: Stage) -> None:
    departure, batch = fenced_and_given_back(stage)
    changes.abort(batch, stage.people.jonas, restore=True)
    stage.work_restore(of_user(departure, "restore"))
    departure.refresh_from_db()
    assert departure.restored_at is not None
    stage.skip(days=2)
    again = stage.draft("disable", [departure])
    assert "restored" in [one["code"] for one in again.changes.get().blockers]


def test_an_abort_withdraws_whoever_was_not_begun(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.abort(batch, stage.people.jonas)
    assert of_user(departure, "disable").status == Change.Status.WITHDRAWN


def test_protecting_a_half_done_user_restores_it(stage: Stage) -> None:
    departure, _ = fenced_and_given_back(stage)
    departure.refresh_from_db()
    changes.protect(departure, stage.people.jonas, "a vendor needs it")
    stage.work_restore(of_user(departure, "restore"))
    assert not aws.fenced(stage.holdings(departure))


def test_only_an_engineer_protects_a_compromised_user(stage: Stage) -> None:
    departure = stage.user()
    stage.ran("disable", [departure], urgent=True, reason="leaked")
    departure.refresh_from_db()
    with pytest.raises(NotAllowed, match="engineer"):
        changes.protect(departure, stage.people.ada, "keep it")


def test_a_lost_change_of_an_ended_batch_is_ended(stage: Stage) -> None:
    departure, batch = fenced_and_given_back(stage)
    Change.objects.filter(departure=departure).update(
        status=Change.Status.RUNNING, lease_until=clock.real_now() - timedelta(minutes=2)
    )
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.ABORTED)
    running.end_what_is_stuck()
    assert of_user(departure, "disable").status == Change.Status.FAILED
    assert Alert.objects.filter(key__startswith="change-stuck:").exists()


def test_a_change_that_ends_every_worker_is_given_up_loudly(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    Change.objects.filter(departure=departure).update(attempts=running.MOST_CLAIMS)
    running.run_batch(batch.pk)
    assert of_user(departure, "disable").status == Change.Status.QUEUED
    running.end_what_is_stuck()
    assert of_user(departure, "disable").status == Change.Status.FAILED


def test_a_failed_change_of_an_aborted_batch_is_not_tried_again(stage: Stage) -> None:
    departure, batch = fenced_and_given_back(stage)
    changes.abort(batch, stage.people.jonas)
    with pytest.raises(Refused, match="has ended"):
        changes.retry(of_user(departure, "disable"), stage.people.jonas)


def test_nothing_is_tried_again_while_the_stop_is_pulled(stage: Stage) -> None:
    departure, _ = fenced_and_given_back(stage)
    Change.objects.filter(departure=departure).update(status=Change.Status.FAILED)
    changes.pull(stage.people.mei, "looking")
    with pytest.raises(Refused, match="emergency stop"):
        changes.retry(of_user(departure, "disable"), stage.people.jonas)


def test_an_approval_is_void_with_the_role_until_the_batch_has_begun(stage: Stage) -> None:
    batch = stage.approved("disable", [stage.user()])
    omar = cast.person("omar", "Omar Farouk", [Role.APPROVER])
    stage.people.mei.roles = [Role.ENGINEER]
    stage.people.mei.save()
    batch.refresh_from_db()
    taken = changes.take_over(batch, omar)
    assert taken.status == Batch.Status.DRAFT
    assert taken.approved_digest == ""


def test_a_use_that_was_dismissed_does_not_open_again(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(hours=1)
    stage.act("call", departure)
    stage.skip(hours=1)
    stage.listen()
    hit = departure.hits.get()
    changes.dismiss(hit, stage.people.jonas, "a scan of ours")
    stage.skip(hours=1)
    stage.listen()
    assert not departure.hits.filter(closed="").exists()
    assert departure.hits.count() == 1


def test_a_later_use_opens_a_dismissed_hit_anew(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(hours=1)
    stage.act("call", departure)
    stage.skip(hours=1)
    stage.listen()
    changes.dismiss(departure.hits.get(), stage.people.jonas, "a scan of ours")
    stage.act("call", departure)
    stage.skip(hours=1)
    stage.listen()
    assert departure.hits.filter(kind=Hit.Kind.HIT, closed="").count() == 1


def test_what_the_account_shows_is_told_once_per_fence(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    departure.refresh_from_db()
    attempt = hits.Attempt(Hit.Kind.HIT, "fence", "the fence was taken off in AWS", clock.now())
    [hit] = hits.record(departure, [attempt])
    changes.dismiss(hit, stage.people.jonas, "we know")
    again = hits.Attempt(Hit.Kind.HIT, "fence", attempt.what, clock.now() + timedelta(hours=1))
    assert hits.record(departure, [again]) == []


def test_whoever_was_heard_lately_does_not_starve_the_others(stage: Stage) -> None:
    due, fresh = stage.user("due.one"), stage.user("fresh.one")
    stage.fenced(due, fresh)
    stage.skip(days=8)
    now = clock.now()
    Departure.objects.filter(pk=due.pk).update(last_used_read_at=now - timedelta(minutes=1))
    Departure.objects.filter(pk=fresh.pk).update(
        last_used_read_at=now - timedelta(minutes=20), watch=timedelta(days=30)
    )
    assert tripwire.in_order(stage.people.account)[0].pk == fresh.pk


def test_a_dry_run_that_comes_late_leaves_what_was_asked_alone(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.asked("disable", [departure])
    before = of_user(departure, "disable").digest
    stage.in_aws(departure).groups.append("developers")
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.DRAFT)
    stale = Batch.objects.get(pk=batch.pk)
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.ASKED)
    assert stale.status == Batch.Status.DRAFT
    batches.dry_run(batch.pk)
    assert of_user(departure, "disable").digest == before


def test_a_dry_run_whose_worker_died_is_asked_for_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = changes.compose(stage.people.account, "disable", [stage.user()], stage.people.jonas)
    nudged: list[int] = []
    monkeypatch.setattr(nudge, "dry_run", nudged.append)
    stage.skip(minutes=6)
    dry_run_what_was_lost()
    assert nudged == [batch.pk]


def test_a_confirmed_plan_does_not_outlive_a_restore(stage: Stage) -> None:
    departure = stage.user()
    plan = cast.plan(departure, status="confirmed", confirmed_at=clock.now())
    stage.fenced(departure)
    stage.restored(departure)
    plan.refresh_from_db()
    assert plan.status == "draft"


def test_who_could_only_become_admin_is_no_way_in(stage: Stage) -> None:
    one = stage.user("admin.one", privilege="admin", last_activity_at=clock.now())
    stage.user("climber", privilege="can-become-admin", last_activity_at=clock.now())
    account = stage.people.account
    account.admin_seen_at = None
    account.save()
    assert "lock-out" in [found.code for found in changes.lock_out(account, [one])]


def test_two_admins_in_two_batches_do_not_count_for_each_other(stage: Stage) -> None:
    one = stage.user("admin.one", privilege="admin", last_activity_at=clock.now())
    two = stage.user("admin.two", privilege="admin", last_activity_at=clock.now())
    account = stage.people.account
    account.admin_seen_at = None
    account.save()
    assert [found.code for found in changes.lock_out(account, [one])] == []
    cast.change(two, status=Change.Status.QUEUED)
    assert "lock-out" in [found.code for found in changes.lock_out(account, [one])]


@pytest.mark.parametrize("aborted", [False, True])
def test_what_stopped_at_its_very_first_call_is_finished_whatever_the_window(
    stage: Stage, *, aborted: bool
) -> None:
    """Nothing is gone yet, but the point of no return is passed."""
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.fault("access-denied", "DeleteAccessKey", count=None)
    batch = stage.ran("delete", [departure])
    stage.simulator.faults.clear()
    if aborted:
        changes.abort(batch, stage.people.jonas)
    opens = f"{clock.now() + timedelta(days=3):%a}".lower()
    account = stage.people.account
    account.policy |= {"delete_window": {"days": [opens], "from": "09:00", "to": "16:00"}}
    account.save()
    departure.refresh_from_db()
    assert departure.partly_deleted
    change = changes.finish_deleting(departure, stage.people.jonas)
    running.run_change(change.pk)
    departure.refresh_from_db()
    assert departure.state == State.DELETED
