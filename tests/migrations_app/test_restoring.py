"""Restore: it outranks, undoes exactly what was ours, is read back, and says what it cannot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.calls import Call as ApiCall
from inventory import clock
from inventory.models import Alert, IamUser
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws, changes
from migrations_app.changes import restoring, running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.stage import (
    Stage,
    everything,
    is_write,
    lines,
    of_user,
    ten_policies,
    written,
)

pytestmark = pytest.mark.django_db
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"


def urgent(stage: Stage, *rows: Departure) -> Batch:
    batch = changes.compose(
        stage.people.account,
        "disable",
        rows,
        stage.people.jonas,
        urgent=True,
        reason="The keys are on GitHub",
    )
    from migrations_app.changes import batches
    from migrations_app.changes.sweep import start_if_due

    batches.dry_run(batch.pk)
    batch.refresh_from_db()
    batch = changes.ask(batch, stage.people.jonas)
    stage.see(batch)
    batch = changes.approve(batch, stage.people.mei, batch.digest)
    assert start_if_due(batch)
    return stage.work(batch)


def check(stage: Stage, change: Change) -> Change:
    """The next read-back of a restore, once it is due."""
    change.refresh_from_db()
    assert change.check_at is not None
    stage.skip(seconds=max((change.check_at - clock.now()).total_seconds(), 0) + 2)
    running.run_restore(change.pk)
    change.refresh_from_db()
    return change


# ── What comes back ──────────────────────────────────────────────────────────────────────────────


def test_a_fenced_user_is_as_it_was(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    before = stage.left(departure)["user"]
    stage.fenced(departure)
    stage.restored(departure)
    assert stage.left(departure)["user"] == before
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED
    assert (departure.fence, departure.fenced_at, departure.clock_started_at) == ("", None, None)


def test_the_password_that_is_lost_is_said_before_and_after(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    departure.refresh_from_db()
    preview = changes.restore_preview(departure)
    assert any("old password cannot come back" in line for line in preview.lines)
    assert preview.password_command.startswith(
        "aws iam create-login-profile --user-name=full.house"
    )
    stage.restored(departure)
    assert "old password does not come back" in of_user(departure, "restore").result


def test_a_watched_user_loses_nothing_and_the_preview_says_so(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.fenced(departure)
    preview = changes.restore_preview(departure)
    assert "Nothing was lost, so nothing changes on the caller." in preview.lines
    assert preview.password_command == ""


def test_a_key_that_was_deleted_meanwhile_does_not_stand_in_the_way(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    key = next(iter(stage.in_aws(departure).keys))
    stage.administrator("DeleteAccessKey", UserName="full.house", AccessKeyId=key)
    change = stage.restored(departure)
    assert change.status == Change.Status.DONE
    assert DENY not in stage.in_aws(departure).attached


def test_a_restored_user_rests_and_its_owner_must_answer_again(stage: Stage) -> None:
    departure = stage.user(privilege="read")
    changes.claim(departure, stage.people.payments, stage.people.sara, "can-go")
    stage.fenced(departure)
    stage.restored(departure)
    stage.skip(days=29)
    departure.refresh_from_db()
    assert departure.answer == ""
    found = changes.blockers_for([departure], "disable")[departure.pk]
    assert "restored" in [one.code for one in found]


# ── It outranks ──────────────────────────────────────────────────────────────────────────────────


def test_a_waiting_change_is_superseded(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    departure.refresh_from_db()
    changes.restore(departure, stage.people.sara)
    assert of_user(departure, "delete").status == Change.Status.SUPERSEDED
    sent = len(stage.writes())
    stage.work(batch)
    assert len(stage.writes()) == sent


def test_a_claimed_change_stops_before_its_next_call_and_is_undone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    before = stage.holdings(departure)
    batch = stage.started("disable", [departure], method="shut")
    really = stage.simulator.perform
    sent: list[str] = []
    asked: list[Change] = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call):
            sent.append(call.operation)
            if len(sent) == 2:
                row = Departure.objects.get(pk=departure.pk)
                asked.append(changes.restore(row, stage.people.sara))
                # While the forward change holds the user, the restore waits.
                assert running.run_restore(asked[0].pk)
        return really(call)

    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "perform", perform)
        running.run_batch(batch.pk)
    assert len(sent) == 2
    assert of_user(departure, "disable").status == Change.Status.SUPERSEDED
    stage.work_restore(asked[0])
    assert stage.holdings(departure) == before


def test_a_restore_of_a_change_stopped_before_its_first_call_writes_nothing(stage: Stage) -> None:
    departure = stage.user()
    stage.started("disable", [departure])
    Change.objects.filter(departure=departure).update(
        status="running", claimed_by="w", lease_until=clock.real_now() - timedelta(seconds=1)
    )
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.sara)
    stage.work_restore(change)
    assert change.status == Change.Status.DONE
    assert stage.writes() == []


def test_drafts_lose_the_user(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.draft("delete", [departure])
    departure.refresh_from_db()
    changes.restore(departure, stage.people.sara)
    assert of_user(departure, "delete").status == Change.Status.SUPERSEDED


def test_a_second_request_gives_back_the_first(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    first = changes.restore(departure, stage.people.sara)
    assert changes.restore(departure, stage.people.jonas) == first


def test_a_user_with_access_has_nothing_to_restore(stage: Stage) -> None:
    with pytest.raises(Refused, match="nothing to restore"):
        changes.restore(stage.user(), stage.people.sara)


def test_a_deleted_user_is_never_restored(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    with pytest.raises(Refused, match="re-created, never restored"):
        changes.restore(departure, stage.people.jonas)


def test_the_emergency_stop_does_not_hold_a_restore(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    changes.pull(stage.people.ada, "Something is wrong")
    assert stage.restored(departure).status == Change.Status.DONE


def test_the_asking_person_is_named_to_aws(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    departure.refresh_from_db()
    stage.work_restore(changes.restore(departure, stage.people.sara))
    assert stage.writes()[-1]["operation"] == "DetachUserPolicy"
    told = [note for note in stage.simulator.calls if note["operation"] == "DetachUserPolicy"]
    assert told[-1]["source_identity"] == "sara"


# ── Read back ────────────────────────────────────────────────────────────────────────────────────


def test_it_is_read_back_at_once_after_five_minutes_and_after_an_hour(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    change = stage.restored(departure)
    done = change.finished_at
    assert done is not None
    assert change.check_at == done + timedelta(minutes=5)
    assert check(stage, change).check_at == done + timedelta(hours=1)
    assert check(stage, change).check_at is None
    assert change.checks == 2
    assert [line.operation for line in lines(change)].count("read back") == 3


def test_what_drifted_is_repaired_and_loud(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    change = stage.restored(departure)
    stage.administrator("AttachUserPolicy", UserName=departure.user.user_name, PolicyArn=DENY)
    check(stage, change)
    assert DENY not in stage.in_aws(departure).attached
    assert Alert.objects.filter(key__startswith="restore-repaired").exists()


@pytest.mark.parametrize("checks", [1, 2])
def test_a_repair_is_only_of_what_is_ours(stage: Stage, checks: int) -> None:
    """Somebody works on the user between two read-backs: only what we had done is undone again."""
    departure = stage.user("full.house", give=everything)
    name = departure.user.user_name
    stage.shut(departure)
    change = stage.restored(departure)
    for _ in range(checks - 1):
        check(stage, change)
    held = stage.holdings(departure)
    ours = next(key.id for key in held.access_keys if key.status == "Active")
    theirs = next(key.id for key in held.access_keys if key.status == "Inactive")
    other = "arn:aws:iam::aws:policy/SecurityAudit"
    stage.administrator("AttachUserPolicy", UserName=name, PolicyArn=DENY)
    stage.administrator("UpdateAccessKey", UserName=name, AccessKeyId=ours, Status="Inactive")
    stage.administrator("UpdateAccessKey", UserName=name, AccessKeyId=theirs, Status="Active")
    stage.administrator("AttachUserPolicy", UserName=name, PolicyArn=other)
    stage.administrator("RemoveUserFromGroup", UserName=name, GroupName="ops")
    stage.administrator("TagUser", UserName=name, Tags=[{"Key": "by", "Value": "hand"}])
    foreign = stage.holdings(departure)
    check(stage, change)
    after = stage.holdings(departure)
    assert DENY not in after.attached_policies
    assert {key.id: key.status for key in after.access_keys}[ours] == "Active"
    # Everything else is as the other hand left it.
    assert {key.id: key.status for key in after.access_keys}[theirs] == "Active"
    assert other in after.attached_policies
    assert (after.groups, after.tags) == (foreign.groups, foreign.tags)
    alert = Alert.objects.get(key__startswith="restore-repaired")
    assert "2 calls" in alert.text


def test_a_boundary_that_somebody_put_on_meanwhile_is_not_overwritten(stage: Stage) -> None:
    departure = stage.user(give=ten_policies)
    name = departure.user.user_name
    stage.fenced(departure)
    other = "arn:aws:iam::aws:policy/SecurityAudit"
    stage.administrator("PutUserPermissionsBoundary", UserName=name, PermissionsBoundary=other)
    assert stage.restored(departure).status == Change.Status.DONE
    assert stage.holdings(departure).boundary == other


def test_a_boundary_fence_that_comes_back_is_taken_off_again(stage: Stage) -> None:
    departure = stage.user(give=ten_policies)
    before = stage.holdings(departure)
    stage.fenced(departure)
    change = stage.restored(departure)
    assert stage.holdings(departure) == before
    stage.administrator(
        "PutUserPermissionsBoundary",
        UserName=departure.user.user_name,
        PermissionsBoundary=DENY,
    )
    check(stage, change)
    assert stage.holdings(departure) == before


def test_a_read_back_that_cannot_look_is_tried_again_and_then_loud(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    change = stage.restored(departure)
    stage.fault("access-denied", "GetUser", count=None)
    check(stage, change)
    assert change.status == Change.Status.FAILED
    assert Alert.objects.filter(kind="failed", user=departure.user).exists()
    stage.simulator.faults.clear()
    changes.retry(change, stage.people.jonas)
    stage.work_restore(change)
    assert (change.status, change.checks) == (Change.Status.DONE, 1)


def test_a_user_that_is_gone_at_a_read_back_is_loud(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    change = stage.restored(departure)
    user = stage.in_aws(departure)
    user.keys.clear()
    user.attached.clear()
    stage.administrator("DeleteUser", UserName=user.name)
    check(stage, change)
    assert change.status == Change.Status.FAILED
    assert Alert.objects.filter(kind="failed", user=departure.user).exists()


@pytest.mark.parametrize("path", ["/team/", "/it's/$(x)/"])
def test_a_user_that_was_given_another_path_since_is_restored(stage: Stage, path: str) -> None:
    departure = stage.user(give=everything)
    before = stage.holdings(departure)
    stage.shut(departure)
    stage.administrator("UpdateUser", UserName="ci-pay-old", NewPath=path)
    assert stage.restored(departure).status == Change.Status.DONE
    after = stage.holdings(departure)
    assert after.access_keys == before.access_keys
    assert after.attached_policies == before.attached_policies


def test_a_user_that_was_renamed_since_is_named_and_restored_after_a_sync(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.administrator("UpdateUser", UserName="ci-pay-old", NewUserName="ci-pay-new")
    change = stage.restored(departure)
    assert change.status == Change.Status.FAILED
    assert "ci-pay-old was renamed to ci-pay-new. Sync the account" in change.error
    # As the sync writes it down.
    arn = departure.user.arn.replace("ci-pay-old", "ci-pay-new")
    IamUser.objects.filter(pk=departure.user_id).update(user_name="ci-pay-new", arn=arn)
    again = changes.restore(departure, stage.people.sara)
    stage.work_restore(again)
    assert (again.pk, again.status) == (change.pk, Change.Status.DONE)


@pytest.mark.parametrize("listing", ["open", "closed"])
def test_a_user_that_no_listing_shows_under_another_name_is_said_to_be_gone(
    stage: Stage, listing: str
) -> None:
    departure = stage.user()
    stage.fenced(departure)
    user = stage.in_aws(departure)
    user.keys.clear()
    user.attached.clear()
    stage.administrator("DeleteUser", UserName=user.name)
    if listing == "closed":
        stage.fault("access-denied", "ListUsers", count=None)
    change = stage.restored(departure)
    assert change.status == Change.Status.FAILED
    assert "ci-pay-old is not there any more" in change.error


def test_a_read_back_never_undoes_what_was_approved_after_the_restore(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    change = stage.restored(departure)
    departure.refresh_from_db()
    urgent(stage, departure)
    assert aws.fenced(stage.holdings(departure))
    check(stage, change)
    after = stage.holdings(departure)
    assert aws.fenced(after)
    assert {key.status for key in after.access_keys} == {"Inactive"}
    assert change.check_at is None


def test_a_fence_that_aws_does_not_take_off_is_loud(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.sara)
    stage.fault("access-denied", "DetachUserPolicy", count=None)
    stage.work_restore(change)
    assert change.status == Change.Status.FAILED
    assert Alert.objects.filter(kind="failed", user=departure.user).exists()
    departure.refresh_from_db()
    assert departure.state == State.DISABLED
    stage.simulator.faults.clear()
    again = changes.restore(departure, stage.people.sara)
    assert again == change
    stage.work_restore(again)
    assert again.status == Change.Status.DONE


# ── Compromised ──────────────────────────────────────────────────────────────────────────────────


def test_a_user_shut_as_compromised_is_restored_by_an_engineer_only(stage: Stage) -> None:
    departure = stage.user()
    urgent(stage, departure)
    departure.refresh_from_db()
    assert departure.compromised
    with pytest.raises(NotAllowed, match="only an engineer"):
        changes.restore(departure, stage.people.sara)


def test_compromised_keys_stay_inactive_also_at_the_later_read_backs(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    urgent(stage, departure)
    change = stage.restored(departure)
    for _ in range(3):
        after = stage.holdings(departure)
        assert {key.status for key in after.access_keys} == {"Inactive"}
        assert any(key.status == "Active" for key in after.ssh_keys)
        assert not aws.fenced(after)
        change.refresh_from_db()
        if change.check_at is not None:
            check(stage, change)
    assert Alert.objects.filter(key__startswith="restore-repaired").count() == 0


def test_keys_stay_inactive_also_when_the_urgent_shut_was_stopped_half_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    stage.fault("access-denied", "DeleteLoginProfile", count=None)
    urgent(stage, departure)
    stage.simulator.faults.clear()
    assert of_user(departure, "disable").status == Change.Status.FAILED
    with pytest.raises(NotAllowed, match="only an engineer"):
        changes.restore(departure, stage.people.sara)
    stage.restored(departure)
    assert {key.status for key in stage.holdings(departure).access_keys} == {"Inactive"}


# ── What is ours ─────────────────────────────────────────────────────────────────────────────────


def test_what_aws_refused_is_not_ours(stage: Stage) -> None:
    departure = stage.user()
    stage.fault("access-denied", "AttachUserPolicy")
    stage.ran("disable", [departure])
    assert restoring.made_by_us(departure) == aws.Made()


def test_what_may_have_been_applied_is_ours(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    line = written(of_user(departure, "disable"))[0]
    line.outcome = ""
    line.save()
    assert restoring.made_by_us(departure).policy_fence


def test_after_a_restore_nothing_is_ours_any_more(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.restored(departure)
    assert restoring.made_by_us(departure) == aws.Made()
