"""The whole life of an IAM user by the API alone; only the workers and the inbox are played."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings

from inventory import clock
from migrations_app.changes import batches, running
from migrations_app.changes.sweep import start_if_due
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests import cast
from tests.migrations_app.api.programs import Answered, Program, program
from tests.migrations_app.stage import Stage

pytestmark = pytest.mark.django_db
OVERRIDES = {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"}


@pytest.fixture(autouse=True)
def _deletes_by_token(settings: LazySettings) -> None:
    settings.IAMCLEANUP_API_APPROVES_DELETES = True


def worked(stage: Stage, number: int) -> None:
    batch = Batch.objects.get(number=number)
    assert start_if_due(batch)
    batch.refresh_from_db()
    stage.work(batch)


def composed(stage: Stage, engineer: Program, move: str, row: Departure) -> Answered:
    """Composed, looked at by the read worker, asked for, and opened by the owner's lead."""
    draft = engineer.post(
        "batches",
        {"account": cast.ACCOUNT_ID, "move": move, "user_ids": [row.user.user_id]},
    )
    assert draft.status == 201, draft.body
    number = draft.body["number"]
    assert draft.body["dry_run"]["at"] is None
    batches.dry_run(Batch.objects.get(number=number).pk)
    looked = engineer.get(f"batches/{number}")
    assert looked.body["dry_run"]["at"] is not None
    asked = engineer.post(f"batches/{number}/ask", {"digest": looked.body["digest"]})
    assert asked.status == 200, asked.body
    stage.open(Batch.objects.get(number=number))
    return asked


def approved(approver: Program, asked: Answered) -> Answered:
    """Approved by what the batch itself says is needed."""
    number = asked.body["number"]
    seen = approver.get(f"batches/{number}").body
    answer = approver.post(
        f"batches/{number}/approve",
        {
            "digest": seen["digest"],
            "words": seen["words"],
            "acknowledged": seen["to_acknowledge"],
            "overrides": {
                one["code"]: OVERRIDES[one["code"]]
                for one in seen["checks"]
                if one["overridable"] and not one["ok"]
            },
        },
    )
    assert answer.status == 200, answer.body
    return answer


def test_a_user_goes_from_discovered_to_deleted(stage: Stage) -> None:
    row = stage.user(state=State.DISCOVERED, suggested_team=stage.people.payments)
    lead, engineer = program(stage.people.sara), program(stage.people.jonas)
    approver = program(stage.people.mei)
    address = f"users/{cast.ACCOUNT_ID}/{row.user.user_id}"

    claimed = lead.post(
        "claims",
        {
            "account": cast.ACCOUNT_ID,
            "user_id": row.user.user_id,
            "team": "payments",
            "said": "can-go",
        },
    )
    assert (claimed.status, claimed.body["owner"]) == (200, "payments")

    asked = composed(stage, engineer, "disable", row)
    assert approved(approver, asked).body["status"] == "approved"
    worked(stage, asked.body["number"])
    ran = engineer.get(f"batches/{asked.body['number']}").body
    assert ran["status"] == "done"
    assert "AttachUserPolicy" in [line["operation"] for line in ran["items"][0]["journal"]]
    assert engineer.get(address).body["state"] == "disabled"

    stage.skip(minutes=10)
    stage.act("call", row)
    stage.skip(hours=1)
    stage.listen()
    (hit,) = engineer.get("hits").body["items"]
    fixed = lead.post(f"hits/{hit['id']}/fixed", {"reason": "the job is off"})
    assert (fixed.status, fixed.body["closed"]) == (200, "fixed")

    restored = lead.post(
        "restores",
        {"account": cast.ACCOUNT_ID, "user_ids": [row.user.user_id], "reason": "not yet"},
    )
    assert restored.status == 202
    running.run_restore(restored.body["items"][0]["change"])
    assert engineer.get(address).body["state"] == "owner-assigned"


def test_a_shut_user_is_deleted_with_the_typed_words(stage: Stage) -> None:
    row = stage.user()
    stage.ready_to_delete(row)
    engineer, approver = program(stage.people.jonas), program(stage.people.mei)
    asked = composed(stage, engineer, "delete", row)
    approved(approver, asked)
    worked(stage, asked.body["number"])
    told = engineer.get(f"users/{cast.ACCOUNT_ID}/{row.user.user_id}").body
    assert told["state"] == "deleted"
    kinds = [entry["kind"] for entry in engineer.get("ledger").body["items"]]
    assert "move.delete" in kinds


def test_a_whole_batch_is_restored_at_once(stage: Stage) -> None:
    rows = [stage.user("one"), stage.user("two")]
    batch = stage.fenced(*rows)
    answer = program(stage.people.mei).post("restores", {"batch": batch.number})
    assert {one["user_name"] for one in answer.body["items"]} == {"one", "two"}
    assert Change.objects.filter(move="restore", status="queued").count() == 2


def test_a_batch_of_which_nobody_is_off_says_so(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    answer = program(stage.people.mei).post("restores", {"batch": batch.number})
    assert (answer.status, answer.rule) == (422, "state")


def test_a_run_is_paused_resumed_and_aborted(stage: Stage) -> None:
    batch = stage.started("disable", [stage.user("one"), stage.user("two")])
    engineer = program(stage.people.jonas)
    said = [
        engineer.post(f"batches/{batch.number}/{verb}").body["status"]
        for verb in ("pause", "resume", "abort")
    ]
    assert said == ["paused", "running", "aborted"]


def test_a_batch_is_withdrawn_by_whoever_asked_for_it(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    answer = program(stage.people.jonas).post(f"batches/{batch.number}/withdraw")
    assert (answer.status, answer.body["status"]) == (200, "draft")


def test_the_stop_is_pulled_and_lifted_by_another(stage: Stage) -> None:
    jonas, mei = program(stage.people.jonas), program(stage.people.mei)
    assert jonas.post("emergency-stop", {"reason": "look"}).body["lifted_at"] is None
    own = jonas.post("emergency-stop/lift", {"reason": "all is well"})
    assert (own.status, own.rule) == (403, "another-person")
    assert mei.post("emergency-stop/lift", {"reason": "all is well"}).body["lifted_by"]


def test_a_hit_is_dismissed_and_its_user_kept_longer(stage: Stage) -> None:
    row = stage.user()
    stage.fenced(row)
    row.refresh_from_db()
    hit = cast.hit(row)
    until = (clock.now() + timedelta(days=20)).date()
    engineer = program(stage.people.jonas)
    kept = engineer.post(f"hits/{hit.pk}/extend", {"until": str(until), "reason": "a holiday"})
    assert kept.status == 200
    row.refresh_from_db()
    assert row.not_before is not None
    assert row.not_before.date() == until
    dismissed = engineer.post(f"hits/{hit.pk}/dismiss", {"reason": "a scanner of ours"})
    assert dismissed.body["closed"] == "dismissed"


def test_a_sync_is_asked_for_and_joined(stage: Stage) -> None:
    engineer = program(stage.people.jonas)
    first, second = engineer.post("syncs"), engineer.post("syncs", {"account": cast.ACCOUNT_ID})
    assert first.status == second.status == 202
    assert first.body["items"][0]["id"] == second.body["items"][0]["id"]
