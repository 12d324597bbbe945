"""A worker's runs: what it does in which order, and that any disturbance ends in the same place."""

from __future__ import annotations

from typing import Any

import pytest

from iamcleanup.health import redis_client
from inventory.aws import identity
from inventory.aws import session as sessions
from inventory.aws.holdings import UserHoldings
from inventory.models import LedgerEntry
from migrations_app import aws, changes
from migrations_app.changes import running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Call, Change
from tests.migrations_app.cells.scenes import SCENES, scene
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import (
    BOUNDARY,
    Stage,
    everything,
    lines,
    of_user,
    ten_policies,
    written,
)

pytestmark = pytest.mark.django_db
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"


# ── What a run does ──────────────────────────────────────────────────────────────────────────────


def test_a_fence_is_one_call_and_loses_nothing(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    before = stage.holdings(departure)

    stage.fenced(departure)

    departure.refresh_from_db()
    after = stage.holdings(departure)
    assert (departure.state, departure.fence) == (State.DISABLED, "policy")
    assert set(after.attached_policies) == {*before.attached_policies, DENY}
    assert after.access_keys == before.access_keys
    assert [line.operation for line in written(of_user(departure, "disable"))] == [
        "AttachUserPolicy"
    ]


def test_the_clock_starts_when_the_fence_was_read_back(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.fenced(departure)
    departure.refresh_from_db()
    attached = written(of_user(departure, "disable"))[0]
    assert attached.answered_at is not None
    assert departure.clock_started_at is not None
    assert departure.clock_started_at >= attached.answered_at
    assert departure.fenced_at == departure.clock_started_at
    assert (departure.watch.days, departure.soak.days) == (7, 14)  # type: ignore[union-attr]
    assert batch.status == Batch.Status.DONE


def test_at_the_quota_the_fence_is_the_boundary_and_the_old_one_comes_back(stage: Stage) -> None:
    departure = stage.user("ten.policies", give=ten_policies)
    before = stage.holdings(departure)
    stage.fenced(departure)
    departure.refresh_from_db()
    assert departure.fence == "boundary"
    assert stage.holdings(departure).boundary == DENY

    stage.restored(departure)

    assert stage.holdings(departure) == before
    assert before.boundary == BOUNDARY


def test_a_quota_that_only_aws_knows_of_falls_back_to_the_boundary(stage: Stage) -> None:
    departure = stage.user()
    stage.fault("limit-exceeded", "AttachUserPolicy")
    stage.fenced(departure)
    departure.refresh_from_db()
    assert (departure.state, departure.fence) == (State.DISABLED, "boundary")


def test_shut_makes_every_credential_inactive_and_keeps_the_fence(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    departure.refresh_from_db()
    after = stage.holdings(departure)
    parts: list[Any] = [
        *after.access_keys,
        *after.ssh_keys,
        *after.certificates,
        *after.service_credentials,
    ]
    assert departure.state == State.SOAKING
    assert {part.status for part in parts} == {"Inactive"}
    assert not after.has_login_profile
    assert DENY in after.attached_policies
    assert len(after.mfa) == 3


def test_the_automatic_shut_follows_the_watch_under_the_same_approval(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    change = stage.shut_by_itself()[0]
    running.run_change(change.pk)
    departure.refresh_from_db()
    change.refresh_from_db()
    assert (change.status, departure.state) == (Change.Status.DONE, State.SOAKING)
    assert change.batch == batch
    assert change.follows == of_user(departure, "disable")


def test_a_deletion_takes_the_parts_in_order_and_the_fence_last(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    operations = [line.operation for line in written(of_user(departure, "delete"))]
    order = list(dict.fromkeys(operations))
    assert order == [
        "DeleteAccessKey",
        "DeleteServiceSpecificCredential",
        "DeleteSSHPublicKey",
        "DeleteSigningCertificate",
        "DeactivateMFADevice",
        "DeleteVirtualMFADevice",
        "RemoveUserFromGroup",
        "DeleteUserPolicy",
        "DetachUserPolicy",
        "DeleteUser",
    ]
    detached = [
        line for line in written(of_user(departure, "delete")) if "Detach" in line.operation
    ]
    assert detached[-1].target == DENY


def test_only_virtual_devices_are_deleted(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    told = written(of_user(departure, "delete"))
    deleted = [line.target for line in told if line.operation == "DeleteVirtualMFADevice"]
    assert deleted == [f"arn:aws:iam::{stage.simulator.account.id}:mfa/full.house"]
    assert deleted[0] not in stage.simulator.account.virtual_mfa


def test_a_deletion_is_proven_and_recorded_with_every_request_id(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    departure.refresh_from_db()
    change = of_user(departure, "delete")
    entry = LedgerEntry.objects.get(kind="user.deleted")
    assert departure.state == State.DELETED
    assert change.proof["get_user"] == "NoSuchEntity"
    assert change.proof["by"] == "DeleteUser"
    assert entry.data["request_ids"] == [line.request_id for line in written(change)]
    assert all(entry.data["request_ids"])


def test_a_deletion_looks_at_the_user_id_right_before_delete_user(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    told = lines(of_user(departure, "delete"))
    last = next(i for i, line in enumerate(told) if line.operation == "DeleteUser")
    assert told[last - 1].operation == "GetUser"
    assert departure.user.user_id in told[last - 1].target


def test_the_journal_has_no_gap_and_names_every_answer(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.shut(departure)
    told = lines(of_user(departure, "disable"))
    assert [line.seq for line in told] == list(range(1, len(told) + 1))
    for line in written(of_user(departure, "disable")):
        assert line.answered_at is not None
        assert line.sent_at <= line.answered_at
        assert (line.outcome, line.http_status) == ("ok", 200)
        assert line.request_id


def test_the_request_ids_are_those_of_aws(stage: Stage) -> None:
    departure = stage.user()
    stage.shut(departure)
    told = [line.request_id for line in written(of_user(departure, "disable"))]
    assert told == [note["request_id"] for note in stage.writes()]


@pytest.mark.parametrize("name", SCENES[:3])
def test_holdings_are_saved_before_the_first_write(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed = scene(stage, name)
    live = stage.holdings(disturbed.departure)
    saved: list[int] = []
    really = aws.Writer.send

    def send(writer: aws.Writer, call: aws.PlannedCall) -> aws.Answer:
        saved.append(disturbed.change.holdings.count())
        return really(writer, call)

    monkeypatch.setattr(aws.Writer, "send", send)
    disturbed.finish()
    assert saved
    assert set(saved) == {1}
    document = disturbed.change.holdings.get().document
    assert UserHoldings.from_document(document) == live


def test_the_actor_names_the_approver_to_aws(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    told = [note for note in stage.simulator.calls if note["operation"] == "AttachUserPolicy"]
    assert told[-1]["source_identity"] == stage.people.mei.username


def test_the_narrowed_session_cannot_touch_another_user(stage: Stage) -> None:
    departure, other = stage.user(), stage.user("someone.else")
    live = stage.holdings(departure)
    narrowed = sessions.open_session(
        stage.people.account, "actor", session_policy=aws.session_policy(aws.FENCE, live)
    )
    iam = narrowed.client("iam")
    iam.attach_user_policy(UserName=departure.user.user_name, PolicyArn=DENY)
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.attach_user_policy(UserName=other.user.user_name, PolicyArn=DENY)


# ── Failing loudly ───────────────────────────────────────────────────────────────────────────────


def test_a_call_that_never_gets_through_fails_after_three_tries(stage: Stage) -> None:
    disturbed = scene(stage, "fence")
    stage.fault("throttling", "AttachUserPolicy", count=None)
    for _ in range(3):
        disturbed.work()
        stage.no_waiting()
    disturbed.change.refresh_from_db()
    assert disturbed.change.status == Change.Status.FAILED
    assert disturbed.change.error_code == "Throttling"
    assert disturbed.change.attempts == running.ATTEMPTS
    assert "Rate exceeded" in disturbed.change.error


def test_one_call_with_its_re_sends_ends_before_the_lease_does(stage: Stage, pace: Pace) -> None:
    disturbed = scene(stage, "fence")
    stage.fault("throttling", "AttachUserPolicy", count=None)
    disturbed.work()
    assert 10 < pace.slept <= aws.CALL_DEADLINE < 60


def test_a_refusal_is_told_in_aws_s_own_words(stage: Stage) -> None:
    disturbed = scene(stage, "fence")
    stage.fault("access-denied", "AttachUserPolicy")
    disturbed.work()
    disturbed.change.refresh_from_db()
    line = written(disturbed.change)[-1]
    assert (line.outcome, line.error_code, line.http_status) == ("refused", "AccessDenied", 403)
    assert line.request_id
    assert "is not authorized to perform: iam:AttachUserPolicy" in disturbed.change.error
    assert LedgerEntry.objects.get(kind="change.failed").data["code"] == "AccessDenied"


def test_a_batch_waits_while_redis_has_forgotten_whose_the_workers_are(stage: Stage) -> None:
    disturbed = scene(stage, "fence")
    redis_client().flushdb()
    disturbed.work()
    assert stage.writes() == []
    assert Batch.objects.get().status == Batch.Status.RUNNING
    identity.see_reported("a worker")
    assert disturbed.finish().status == Change.Status.DONE


def test_a_failure_neither_undoes_nor_hides_another_users_result(stage: Stage) -> None:
    good, bad = stage.user("good.one"), stage.user("bad.one")
    batch = stage.started("disable", [good, bad])
    stage.fault("no-such-entity", "AttachUserPolicy", match={"UserName": "bad.one"}, count=None)
    stage.work(batch)
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == (State.DISABLED, State.OWNER_ASSIGNED)
    assert of_user(good, "disable").status == Change.Status.DONE
    assert of_user(bad, "disable").status == Change.Status.FAILED


def test_a_failed_user_of_a_finished_batch_can_be_tried_again(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.fault("no-such-entity", "AttachUserPolicy")
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DONE
    changes.retry(of_user(departure, "disable"), stage.people.jonas)
    stage.work(batch)
    departure.refresh_from_db()
    assert departure.state == State.DISABLED
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DONE


def test_nothing_is_written_by_a_dry_run(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    stage.draft("disable", [departure])
    assert stage.writes() == []
    assert Call.objects.count() == 0
