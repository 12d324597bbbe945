"""Each rail refuses by its name, with every reason user by user, and changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from inventory import clock
from inventory.models import Account, IamUser, LedgerEntry
from migrations_app import changes
from migrations_app.changes import batches
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure, Viewed
from tests import cast
from tests.migrations_app.api.programs import Answered, Program, program
from tests.migrations_app.stage import Stage
from tests.migrations_app.test_quarantined import leaked

pytestmark = pytest.mark.django_db
OVERRIDES = {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"}


@pytest.fixture
def engineer(stage: Stage) -> Program:
    return program(stage.people.jonas)


@pytest.fixture
def approver(stage: Stage) -> Program:
    return program(stage.people.mei)


def composing(*rows: Departure, **more: Any) -> dict[str, Any]:
    users = [row.user.user_id for row in rows]
    return {"account": cast.ACCOUNT_ID, "move": "disable", "user_ids": users, **more}


def asked(stage: Stage, move: str, *rows: Departure) -> Batch:
    """Asked by Jonas, opened by the leads, viewed by nobody."""
    batch = changes.ask(stage.draft(move, rows), stage.people.jonas)
    stage.open(batch)
    return batch


def approving(batch: Batch, **changed: Any) -> dict[str, Any]:
    whole = {
        "digest": batch.digest,
        "words": changes.words_for(batch),
        "acknowledged": changes.to_acknowledge(batch),
        "overrides": OVERRIDES,
    }
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


def approve(one: Program, batch: Batch, **changed: Any) -> Answered:
    return one.post(f"batches/{batch.number}/approve", approving(batch, **changed))


# ── Composing and asking ─────────────────────────────────────────────────────────────────────────


def test_a_batch_is_no_larger_than_the_policy_says(stage: Stage, engineer: Program) -> None:
    rows = [cast.departure(f"user-{number}", State.OWNER_ASSIGNED) for number in range(21)]
    answer = engineer.post("batches", composing(*rows))
    assert (answer.status, answer.rule) == (422, "batch-size")
    assert answer.body["rule_number"] == 12
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "how", [{"urgent": True}, {"urgent": True, "move": "delete", "reason": "leaked"}]
)
def test_an_urgent_batch_disables_for_a_reason(
    stage: Stage, engineer: Program, how: dict[str, Any]
) -> None:
    answer = engineer.post("batches", composing(stage.user(), **how))
    assert (answer.status, answer.rule) == (422, "urgent")


def test_an_urgent_batch_takes_five(stage: Stage, engineer: Program) -> None:
    rows = [stage.user(f"leaked-{number}", State.DISCOVERED) for number in range(6)]
    how = {"urgent": True, "reason": "keys on GitHub"}
    assert engineer.post("batches", composing(*rows, **how)).rule == "urgent"
    made = engineer.post("batches", composing(*rows[:5], **how))
    assert (made.status, made.body["method"]) == (201, "shut")
    rows[0].refresh_from_db()
    assert rows[0].owner == stage.people.security


def test_somebody_who_is_not_there_is_named(stage: Stage, engineer: Program) -> None:
    body = {"account": cast.ACCOUNT_ID, "move": "disable", "user_ids": ["AIDANOBODY"]}
    answer = engineer.post("batches", body)
    assert (answer.status, answer.rule) == (422, "not-found")
    assert "aidanobody" in answer.body["detail"].lower()


def test_nobody_asks_before_the_dry_run_has_looked(stage: Stage, engineer: Program) -> None:
    draft = engineer.post("batches", composing(stage.user()))
    answer = engineer.post(f"batches/{draft.body['number']}/ask")
    assert (answer.status, answer.rule) == (422, "dry-run")


def test_a_draft_that_moved_is_not_asked_for(stage: Stage, engineer: Program) -> None:
    batch = stage.draft("disable", [stage.user()])
    answer = engineer.post(f"batches/{batch.number}/ask", {"digest": "0" * 64})
    assert (answer.status, answer.rule) == (409, "digest")


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"verdict": "active"}, "in-use"),
        ({"verdict": "unknown"}, "unknown"),
        ({"coverage_whole": False}, "coverage"),
        ({"created_at": "young"}, "young"),
    ],
)
def test_whoever_may_not_go_is_told_with_each_blocker(
    stage: Stage, engineer: Program, columns: dict[str, Any], code: str
) -> None:
    row = stage.user()
    batch = stage.draft("disable", [row])
    if columns.get("created_at"):
        columns = {"created_at": clock.now() - timedelta(days=3)}
    IamUser.objects.filter(pk=row.user_id).update(**columns)
    answer = engineer.post(f"batches/{batch.number}/ask")
    assert (answer.status, answer.rule) == (422, code)
    (item,) = answer.body["items"]
    assert item["user_id"] == row.user.user_id
    assert [one["code"] for one in item["blockers"]] == [code]
    assert all(one["text"] for one in item["blockers"])


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"protection": "exempt"}, "protected"),
        ({"answer": "needed"}, "needed"),
        ({"disputed_until": "tomorrow"}, "disputed"),
    ],
)
def test_what_people_said_blocks_as_in_the_browser(
    stage: Stage, engineer: Program, columns: dict[str, Any], code: str
) -> None:
    row = stage.user()
    batch = stage.draft("disable", [row])
    if columns.get("disputed_until"):
        columns = {"disputed_until": clock.now().date() + timedelta(days=1)}
    Departure.objects.filter(pk=row.pk).update(**columns)
    assert engineer.post(f"batches/{batch.number}/ask").rule == code


def test_the_others_of_a_batch_are_asked_for(stage: Stage, engineer: Program) -> None:
    blocked, free = stage.user("in-use"), stage.user("quiet")
    batch = stage.draft("disable", [blocked, free])
    IamUser.objects.filter(pk=blocked.user_id).update(verdict="active")
    answer = engineer.post(f"batches/{batch.number}/ask")
    told = {item["user_name"]: item for item in answer.body["items"]}
    assert told["in-use"]["status"] == "left-out"
    assert told["in-use"]["blockers"][0]["code"] == "in-use"
    assert told["quiet"]["status"] == "asked"


def test_the_emergency_stop_refuses_by_its_name(stage: Stage, engineer: Program) -> None:
    batch = stage.draft("disable", [stage.user()])
    changes.pull(stage.people.mei, "look")
    answer = engineer.post(f"batches/{batch.number}/ask")
    assert (answer.status, answer.rule, answer.body["rule_number"]) == (422, "stopped", 12)
    assert answer.body["blockers"][0]["fix"]


# ── Approving ────────────────────────────────────────────────────────────────────────────────────


def test_the_digest_counts_as_having_viewed_everything(stage: Stage, approver: Program) -> None:
    batch = asked(stage, "disable", stage.user("one"), stage.user("two"))
    assert approve(approver, batch).body["status"] == "approved"
    batch.refresh_from_db()
    assert batch.approved_digest == batch.digest
    assert Viewed.objects.filter(person=stage.people.mei).count() == 2


def test_whoever_asked_does_not_approve(stage: Stage) -> None:
    batch = asked(stage, "disable", stage.user())
    answer = approve(program(stage.people.jonas, "approve"), batch)
    assert (answer.status, answer.rule, answer.body["rule_number"]) == (403, "four-eyes", 4)


def test_another_digest_approves_nothing(stage: Stage, approver: Program) -> None:
    batch = asked(stage, "disable", stage.user())
    answer = approve(approver, batch, digest="0" * 64)
    assert (answer.status, answer.rule) == (409, "digest")
    assert not Viewed.objects.exists()


def test_each_kind_of_warning_is_acknowledged(stage: Stage, approver: Program) -> None:
    batch = asked(stage, "disable", stage.user(owner=stage.people.security))
    assert "unclaimed" in changes.to_acknowledge(batch)
    answer = approve(approver, batch, acknowledged=[])
    assert (answer.status, answer.rule) == (422, "warnings")
    assert "unclaimed" in [one["code"] for one in answer.body["items"][0]["blockers"]]
    assert not Viewed.objects.exists()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.ASKED
    assert approve(approver, batch).status == 200


def test_what_may_be_overridden_needs_a_reason(stage: Stage, approver: Program) -> None:
    Account.objects.update(admin_seen_at=None)
    batch = asked(stage, "disable", stage.user())
    seen = approver.get(f"batches/{batch.number}").body
    open_ones = [one["code"] for one in seen["checks"] if one["overridable"] and not one["ok"]]
    assert open_ones == ["lock-out"]
    answer = approve(approver, batch, overrides={})
    assert (answer.status, answer.rule, answer.body["rule_number"]) == (422, "lock-out", 19)
    empty = approve(approver, batch, overrides={"lock-out": "  "})
    assert (empty.status, empty.rule) == (422, "input")
    done = approve(approver, batch, overrides={"lock-out": "drilled"})
    assert done.body["overrides"] == {"lock-out": "drilled"}


def test_nobody_overrides_what_is_not_overridable(stage: Stage, approver: Program) -> None:
    row = stage.user()
    batch = asked(stage, "disable", row)
    IamUser.objects.filter(pk=row.user_id).update(verdict="active")
    answer = approve(approver, batch, overrides={**OVERRIDES, "in-use": "I say so"})
    assert (answer.status, answer.rule) == (422, "in-use")
    assert answer.body["items"][0]["user_name"] == row.user.user_name


def test_a_second_approval_finds_nothing_to_approve(stage: Stage, approver: Program) -> None:
    batch = asked(stage, "disable", stage.user())
    first = approving(batch)
    address = f"batches/{batch.number}/approve"
    assert approver.post(address, first, "k").status == 200
    assert approver.post(address, first, "k").headers["Idempotency-Replayed"] == "true"
    assert approver.post(address, first, "another").status == 409
    assert LedgerEntry.objects.filter(kind="batch.approved").count() == 1


def test_a_delete_is_approved_by_token_only_where_that_is_allowed(
    stage: Stage, settings: LazySettings
) -> None:
    row = stage.user()
    stage.ready_to_delete(row)
    approver = program(stage.people.mei)
    batch = asked(stage, "delete", row)
    answer = approve(approver, batch)
    assert (answer.status, answer.rule) == (403, "api-approves-deletes")
    settings.IAMCLEANUP_API_APPROVES_DELETES = True
    for words in ("", "delete 2 users", "DELETE 1 USER"):
        answer = approve(approver, batch, words=words)
        assert (answer.status, answer.rule) == (422, "words")
    assert approve(approver, batch, words="delete 1 user").body["status"] == "approved"


def test_taking_off_a_quarantine_is_approved_user_by_user(
    stage: Stage, settings: LazySettings
) -> None:
    settings.IAMCLEANUP_API_APPROVES_DELETES = True
    row = stage.user(give=leaked)
    stage.ran("disable", [row], urgent=True, reason="It is on GitHub")
    stage.skip(days=15)
    stage.listen()
    approver = program(stage.people.mei)
    batch = asked(stage, "delete", row)
    answer = approve(approver, batch)
    code = f"quarantine:{row.user.user_id}"
    assert (answer.status, answer.rule, answer.body["rule_number"]) == (422, code, 6)
    assert answer.body["type"] == "/api/docs#rule-quarantine"
    because = "Support case 4711 is closed"
    answer = approve(approver, batch, overrides={**OVERRIDES, code: because})
    assert (answer.status, answer.body["overrides"][code]) == (200, because)


def test_only_whoever_asked_or_approved_withdraws(stage: Stage, approver: Program) -> None:
    batch = asked(stage, "disable", stage.user())
    answer = approver.post(f"batches/{batch.number}/withdraw")
    assert (answer.status, answer.rule) == (403, "requester")


# ── A run, a hit, a restore ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["pause", "resume", "abort", "withdraw"])
def test_a_draft_can_neither_be_steered_nor_withdrawn(
    stage: Stage, engineer: Program, verb: str
) -> None:
    batch = stage.draft("disable", [stage.user()])
    answer = engineer.post(f"batches/{batch.number}/{verb}")
    assert (answer.status, answer.rule) == (409, "stale")


def test_a_hit_closes_once(stage: Stage, engineer: Program) -> None:
    hit = cast.hit(cast.departure("called", State.DISABLED, stage.people.payments))
    address = f"hits/{hit.pk}/dismiss"
    assert engineer.post(address, {"reason": "a scanner"}).status == 200
    assert engineer.post(address, {"reason": "a scanner"}).status == 409


def test_an_extension_ends_ninety_days_after_the_fence(stage: Stage, engineer: Program) -> None:
    row = cast.departure("kept", State.DISABLED, stage.people.payments)
    hit = cast.hit(row)
    body = {"until": str(clock.now().date() + timedelta(days=120)), "reason": "a holiday"}
    assert engineer.post(f"hits/{hit.pk}/extend", body).status == 422


def test_what_has_access_is_not_restored(stage: Stage, engineer: Program) -> None:
    row = stage.user()
    body = {"account": cast.ACCOUNT_ID, "user_ids": [row.user.user_id]}
    answer = engineer.post("restores", body)
    assert (answer.status, answer.rule) == (422, "state")
    assert answer.body["items"][0]["user_name"] == row.user.user_name


def test_what_was_shut_as_compromised_is_restored_by_an_engineer_only(stage: Stage) -> None:
    row = cast.departure("leaked", State.SOAKING, stage.people.payments, compromised=True)
    body = {"account": cast.ACCOUNT_ID, "user_ids": [row.user.user_id]}
    answer = program(stage.people.sara).post("restores", body)
    assert (answer.status, answer.rule) == (403, "compromised")
    assert program(stage.people.jonas).post("restores", body).status == 202


def test_past_the_point_of_no_return_nothing_is_restored(stage: Stage, engineer: Program) -> None:
    row = cast.departure("half", State.SOAKING, irreversible_at=clock.now())
    body = {"account": cast.ACCOUNT_ID, "user_ids": [row.user.user_id]}
    answer = engineer.post("restores", body)
    assert (answer.status, answer.rule, answer.body["rule_number"]) == (422, "no-return", 18)


def test_one_that_cannot_be_restored_holds_up_nobody_else(stage: Stage) -> None:
    own = cast.departure("own", State.DISABLED, stage.people.payments)
    foreign = cast.departure("foreign", State.DISABLED, stage.people.platform)
    body = {"account": cast.ACCOUNT_ID, "user_ids": [foreign.user.user_id, own.user.user_id]}
    answer = program(stage.people.sara).post("restores", body)
    assert answer.status == 202
    assert [one["user_name"] for one in answer.body["items"]] == ["own"]
    (refused,) = answer.body["refused"]
    assert (refused["user_name"], refused["blockers"][0]["code"]) == ("foreign", "team")


def test_asking_again_gives_the_restore_that_is_under_way(stage: Stage) -> None:
    row = cast.departure("own", State.DISABLED, stage.people.payments)
    body = {"account": cast.ACCOUNT_ID, "user_ids": [row.user.user_id]}
    lead = program(stage.people.sara)
    first, second = (lead.post("restores", body).body["items"][0]["change"] for _ in range(2))
    assert first == second


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────


def answering(row: Departure, **said: Any) -> dict[str, Any]:
    return {
        "account": cast.ACCOUNT_ID,
        "user_id": row.user.user_id,
        "team": "payments",
        "said": "ours",
        **said,
    }


def test_a_claim_that_was_not_suggested_waits_for_security(stage: Stage) -> None:
    row = cast.departure("somebody", State.DISCOVERED)
    answer = program(stage.people.sara).post("claims", answering(row))
    assert (answer.status, answer.body["waits_for_security"]) == (200, True)


def test_another_team_is_not_answered_for(stage: Stage) -> None:
    row = cast.departure("somebody", State.DISCOVERED)
    answer = program(stage.people.priya).post("claims", answering(row))
    assert (answer.status, answer.rule) == (403, "team")


def test_an_answer_to_what_moved_meanwhile_is_refused(stage: Stage) -> None:
    row = cast.departure("somebody", State.OWNER_ASSIGNED, stage.people.payments, version=4)
    answer = program(stage.people.sara).post("claims", answering(row, version=3))
    assert (answer.status, answer.rule) == (409, "stale")


@pytest.mark.parametrize("said", ["dispute", "hand-over"])
def test_an_answer_says_all_that_it_needs(stage: Stage, said: str) -> None:
    row = cast.departure("somebody", State.OWNER_ASSIGNED, stage.people.payments)
    answer = program(stage.people.sara).post("claims", answering(row, said=said))
    assert (answer.status, answer.rule) == (422, "input")


def test_a_dispute_and_a_hand_over_are_taken(stage: Stage) -> None:
    row = cast.departure("somebody", State.OWNER_ASSIGNED, stage.people.payments)
    lead, until = program(stage.people.sara), clock.now().date() + timedelta(days=9)
    disputed = lead.post(
        "claims", answering(row, said="dispute", reason="payroll", until=str(until))
    )
    assert disputed.body["disputed_until"] == str(until)
    offered = lead.post("claims", answering(row, said="hand-over", whose="platform"))
    assert offered.body["handed_to"] == "platform"


def test_the_dry_run_of_a_batch_that_was_asked_for_is_frozen(
    stage: Stage, engineer: Program
) -> None:
    batch = asked(stage, "disable", stage.user())
    before = engineer.get(f"batches/{batch.number}").body
    batches.dry_run(batch.pk)
    after = engineer.get(f"batches/{batch.number}").body
    assert after["digest"] == before["digest"]
