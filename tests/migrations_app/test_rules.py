"""The rules that never break (DESIGN.md section 4), each seen to trip.

Each test is named after the rule that it holds: `test_rule_NN_…`. Where one rule needs many, the
rest stand elsewhere:

1 tests/ground · 2, 7, 8, 10, 18 test_running · 3 test_protecting · 4, 12, 13 test_batches ·
5 tests/inventory · 6, 19 test_guards · 9, 14 test_restoring · 11, 12 test_stop ·
15 tests/inventory/test_ledger · 17 tests/inventory/test_exports · 20 tests/iamcleanup/test_play
"""

from __future__ import annotations

import io
import logging
import shlex
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError

from demo.aws.calls import Call as ApiCall
from inventory import clock, ledger, refresh
from inventory.aws import limiter
from inventory.models import Account, Alert, IamUser, LedgerEntry, Person, ProtectedEntry, Role
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import nudge, protecting, running
from migrations_app.changes.journal import RowJournal
from migrations_app.changes.sweep import start_if_due, waits_for
from migrations_app.changes.undo import script as undo_script
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Holdings
from migrations_app.outgoing import notices
from tests import cast
from tests.migrations_app.stage import Stage, everything, is_write, of_user, written

pytestmark = pytest.mark.django_db
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"
NEVER = {"days": ["sun"], "from": "00:00", "to": "00:01"}


def policy(stage: Stage, **declared: Any) -> None:
    account = stage.people.account
    account.policy = account.policy | declared
    account.save()


def closed_now() -> dict[str, Any]:
    """A window that is not open today."""
    other = (clock.now() + timedelta(days=3)).strftime("%a").lower()
    return {"days": [other], "from": "00:00", "to": "00:01"}


def result(departure: Departure, move: str = "disable") -> tuple[str, str]:
    change = of_user(departure, move)
    return change.status, change.result


# ── 1 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_01_the_shipped_roles_refuse_a_protected_user_whatever_the_product_says(
    stage: Stage,
) -> None:
    from inventory.aws.session import open_session

    iam = open_session(stage.people.account, "actor").client("iam")
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.attach_user_policy(UserName="break-glass", PolicyArn=DENY)


def test_rule_01_an_account_without_an_actor_role_is_never_written_to(stage: Stage) -> None:
    departure = stage.user()
    Account.objects.update(actor_role="")
    stage.people.account.refresh_from_db()
    with pytest.raises(Refused, match="read-only"):
        stage.asked("disable", [departure])
    assert stage.writes() == []


# ── 2 ────────────────────────────────────────────────────────────────────────────────────────────


def recreate(stage: Stage, name: str) -> None:
    account = stage.simulator.account
    old = account.users.pop(name.lower())
    for key in old.keys:
        account.key_owner.pop(key)
    account.by_user_id.pop(old.id)
    stage.administrator("CreateUser", UserName=name)


def test_rule_02_a_namesake_made_anew_is_not_touched(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    recreate(stage, departure.user.user_name)
    stage.work(batch)
    status, why = result(departure)
    assert status == Change.Status.LEFT_OUT
    assert "another user now" in why
    assert stage.writes() == []


def test_rule_02_a_namesake_that_comes_between_look_and_write_is_not_touched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    really = RowJournal.gate
    gates: list[None] = []

    def gate(journal: RowJournal) -> None:
        gates.append(None)
        if len(gates) == 1:
            recreate(stage, departure.user.user_name)
        really(journal)

    monkeypatch.setattr(RowJournal, "gate", gate)
    stage.work(batch)
    change = of_user(departure, "disable")
    assert (change.status, change.error_code) == (Change.Status.FAILED, "NamesakeFound")
    assert stage.writes() == []
    assert DENY not in stage.in_aws(departure).attached
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED


# ── 3 ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def entry(stage: Stage) -> ProtectedEntry:
    return ProtectedEntry.objects.create(
        account=stage.people.account, user_name="BREAK-Glass", kind="break-glass"
    )


def test_rule_03_an_entry_that_matches_nobody_holds_the_account(
    stage: Stage, entry: ProtectedEntry
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    ProtectedEntry.objects.filter(pk=entry.pk).update(user_name="nobody")
    assert protecting.bind_protection(stage.people.account)
    stage.work(batch)
    assert stage.writes() == []
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert "matches nobody" in batch.pause_reason


def test_rule_03_a_name_with_another_id_holds_the_account_until_an_engineer_binds_it(
    stage: Stage, entry: ProtectedEntry
) -> None:
    ProtectedEntry.objects.filter(pk=entry.pk).update(bound_user_id="AIDAOLDONE")
    protecting.bind_protection(stage.people.account)
    with pytest.raises(Refused, match="is another user now"):
        stage.asked("disable", [stage.user()])
    keeper = IamUser.objects.get(user_name="break-glass")
    entry.refresh_from_db()
    protecting.bind_entry(entry, keeper, stage.people.jonas)
    stage.people.account.refresh_from_db()
    assert stage.people.account.hold_reason == ""


def test_rule_03_an_entry_protects_by_name_in_any_case_and_by_id(
    stage: Stage, entry: ProtectedEntry
) -> None:
    renamed = stage.user("renamed.keeper")
    ProtectedEntry.objects.filter(pk=entry.pk).update(bound_user_id=renamed.user.user_id)
    protecting.bind_protection(stage.people.account)
    renamed.refresh_from_db()
    assert renamed.protection == "break-glass"


def test_rule_03_a_user_protected_after_the_approval_receives_no_write(stage: Stage) -> None:
    departure, other = stage.user(), stage.user("another.one")
    batch = stage.started("disable", [departure, other])
    changes.protect(departure, stage.people.ada, "It signs the releases")
    stage.work(batch)
    assert stage.writes(departure.user.user_name) == []
    assert len(stage.writes("another.one")) == 1


def test_rule_03_protection_is_read_again_before_every_write(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure], method="shut")
    really = stage.simulator.perform
    sent = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call):
            sent.append(call.operation)
            if len(sent) == 3:
                # Straight into the row, as another process would.
                Departure.objects.filter(pk=departure.pk).update(protection="exempt")
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    assert len(sent) == 3
    departure.refresh_from_db()
    assert departure.state == State.DISABLED


def test_rule_03_without_the_break_glass_user_seen_today_nothing_moves(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    IamUser.objects.filter(user_name="break-glass").update(
        last_seen_at=clock.now() - timedelta(hours=25)
    )
    stage.work(batch)
    assert stage.writes() == []
    assert result(departure)[0] != Change.Status.DONE


# ── 4 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_04_who_asked_cannot_approve(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    with pytest.raises(NotAllowed, match="somebody else"):
        changes.approve(batch, stage.people.jonas, batch.digest)


def test_rule_04_a_batch_that_changed_since_it_was_shown_is_not_approved(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    with pytest.raises(Stale, match="changed since you looked"):
        changes.approve(batch, stage.people.mei, "0" * 64)


@pytest.mark.parametrize("key", ["user_id", "method", "calls", "watch", "owner"])
def test_rule_04_facts_that_were_tampered_with_do_not_run(stage: Stage, key: str) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    change = of_user(departure, "disable")
    change.facts[key] = "something else"
    change.save()
    stage.work(batch)
    assert result(departure)[0] == Change.Status.LEFT_OUT
    assert stage.writes() == []


def test_rule_04_facts_tampered_with_together_with_their_digest_do_not_run(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    change = of_user(departure, "disable")
    change.facts["watch"] = 1.0
    change.digest = ledger.digest(change.facts)
    change.save()
    stage.work(batch)
    assert result(departure) == (
        Change.Status.LEFT_OUT,
        "The batch is not the one that was approved.",
    )
    assert stage.writes() == []


def test_rule_04_a_changed_owner_leaves_that_user_out_and_no_other(stage: Stage) -> None:
    departure, other = stage.user(), stage.user("another.one")
    batch = stage.started("disable", [departure, other])
    changes.assign(departure, stage.people.platform, stage.people.jonas)
    stage.work(batch)
    assert "changed owner" in result(departure)[1]
    assert result(other)[0] == Change.Status.DONE


def test_rule_04_changed_holdings_leave_that_user_out(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.administrator("CreateAccessKey", UserName=departure.user.user_name)
    stage.work(batch)
    assert result(departure) == (
        Change.Status.LEFT_OUT,
        "Its access keys changed since it was approved.",
    )
    assert stage.writes(departure.user.user_name) == []


def test_rule_04_an_approver_who_lost_the_role_stops_the_run(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    Person.objects.filter(pk=stage.people.mei.pk).update(roles=[Role.VIEWER])
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert "no approver any more" in batch.pause_reason
    assert stage.writes() == []


def test_rule_04_an_automatic_shut_waits_for_another_approver(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.fenced(departure)
    Person.objects.filter(pk=stage.people.mei.pk).update(is_active=False)
    stage.skip(days=8)
    stage.listen()
    assert stage.shut_by_itself() == []
    third = cast.person("omar", "Omar Haddad", [Role.APPROVER])
    changes.take_over(batch, third)
    assert len(stage.shut_by_itself()) == 1


def test_rule_04_an_approval_holds_seven_days(stage: Stage) -> None:
    batch = stage.approved("disable", [stage.user()])
    stage.skip(days=7, minutes=1)
    assert not start_if_due(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DRAFT


def test_rule_04_a_batch_paused_past_its_approval_begins_nobody_new(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.pause(batch, stage.people.jonas)
    stage.skip(days=7, minutes=1)
    changes.resume(batch, stage.people.jonas)
    stage.work(batch)
    assert result(departure)[0] == Change.Status.LEFT_OUT
    assert stage.writes() == []


def test_rule_04_what_aws_refused_is_judged_again_when_it_is_tried_again(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.fault("access-denied", "AttachUserPolicy")
    stage.work(batch)
    stage.administrator("CreateAccessKey", UserName=departure.user.user_name)
    changes.retry(of_user(departure, "disable"), stage.people.jonas)
    batch.refresh_from_db()
    changes.resume(batch, stage.people.jonas)
    stage.work(batch)
    assert result(departure)[0] == Change.Status.LEFT_OUT
    assert DENY not in stage.in_aws(departure).attached


# ── 5 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_05_a_listing_that_lost_many_users_changes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        stage.user(f"listed.{number}")
    for number in range(6):
        stage.simulator.account.users.pop(f"listed.{number}")
    sync = refresh.ask_sync(stage.people.account, None)
    while refresh.run_sync(sync.pk):
        pass
    gone = Departure.objects.filter(state=State.DELETED)
    assert not gone.exists()
    assert IamUser.objects.filter(user_name__startswith="listed", gone_at=None).count() == 6
    assert Alert.objects.filter(account=stage.people.account).exists()


def test_rule_05_a_source_that_cannot_be_read_leaves_the_user_out(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    # The look of the dry run serves no longer.
    stage.skip(minutes=20)
    stage.fault("access-denied", "LookupEvents", region="eu-west-1", count=None)
    stage.work(batch)
    assert result(departure) == (
        Change.Status.LEFT_OUT,
        "A source could not be read, and unknown is never unused.",
    )
    assert stage.writes() == []


# ── 6 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_06_use_after_the_approval_leaves_the_user_out(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.skip(minutes=20)
    stage.act("call", departure)
    stage.skip(minutes=20)
    stage.work(batch)
    assert result(departure)[0] == Change.Status.LEFT_OUT
    assert stage.writes() == []


def test_rule_06_a_user_in_use_cannot_be_asked_for(stage: Stage) -> None:
    departure = stage.user()
    stage.act("call", departure)
    stage.skip(minutes=20)
    with pytest.raises(Refused, match="No user of this batch may go"):
        stage.asked("disable", [departure])


# ── 7 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_07_deleted_is_not_written_while_aws_still_shows_the_user(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    really = stage.simulator.perform
    kept: dict[str, Any] = {}

    def perform(call: ApiCall) -> dict[str, Any]:
        if call.operation == "DeleteUser":
            kept["answer"] = stage.simulator.account.user(departure.user.user_name)
            answer = really(call)
            stage.simulator.account.add_user(kept["answer"])
            return answer
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    departure.refresh_from_db()
    change = of_user(departure, "delete")
    assert departure.state == State.SOAKING
    assert change.status != Change.Status.DONE
    assert "NotProven" in change.error


def test_rule_07_a_user_gone_before_our_delete_is_deleted_outside(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    stage.simulator.account.users.pop(departure.user.user_name)
    stage.work(batch)
    departure.refresh_from_db()
    assert (departure.state, departure.deleted_outside) == (State.DELETED, True)
    assert result(departure, "delete")[0] == Change.Status.LEFT_OUT
    assert not LedgerEntry.objects.filter(kind="user.deleted").exists()
    assert stage.writes(departure.user.user_name)[1:] == stage.writes(departure.user.user_name)[1:]


def test_rule_07_a_renamed_user_is_refused_by_its_new_name(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    stage.administrator(
        "UpdateUser", UserName=departure.user.user_name, NewUserName="somebody.else"
    )
    stage.work(batch)
    departure.refresh_from_db()
    assert departure.state == State.SOAKING
    assert result(departure, "delete")[0] == Change.Status.LEFT_OUT
    assert "renamed to somebody.else" in result(departure, "delete")[1]


def test_rule_07_one_look_is_no_proof_that_a_user_vanished(stage: Stage) -> None:
    departure = stage.user()
    stage.fault("no-such-entity", "GetUser", count=None)
    assert changes.prove_missing(stage.people.account, [departure.user_id]) == 0
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED


# ── 8 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_08_nothing_is_written_when_the_holdings_cannot_be_saved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])

    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError("no space left on device")

    monkeypatch.setattr(Holdings.objects, "create", refuse)
    assert not running.run_batch(batch.pk)
    assert stage.writes() == []
    assert of_user(departure, "disable").error_code == "NotRecorded"
    assert Alert.objects.filter(kind="failed", closed_at=None).exists()


# ── 9 ────────────────────────────────────────────────────────────────────────────────────────────


def test_rule_09_only_what_was_active_becomes_active(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    before = stage.holdings(departure)
    stage.shut(departure)
    stage.restored(departure)
    after = stage.holdings(departure)
    assert after.access_keys == before.access_keys
    assert after.ssh_keys == before.ssh_keys
    assert after.certificates == before.certificates
    assert after.service_credentials == before.service_credentials
    assert after.attached_policies == before.attached_policies
    assert after.boundary == before.boundary
    assert not after.has_login_profile


def test_rule_09_a_fence_that_somebody_else_put_on_stays(stage: Stage) -> None:
    departure = stage.user()
    stage.administrator("AttachUserPolicy", UserName=departure.user.user_name, PolicyArn=DENY)
    stage.fenced(departure)
    stage.restored(departure)
    assert DENY in stage.in_aws(departure).attached
    assert "somebody else" in of_user(departure, "restore").result


# ── 10 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_10_a_journal_that_cannot_be_written_sends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])

    def refuse(*_: Any, **__: Any) -> int:
        raise DatabaseError("the journal is full")

    monkeypatch.setattr(RowJournal, "before", refuse)
    assert not running.run_batch(batch.pk)
    assert stage.writes() == []
    assert of_user(departure, "disable").error_code == "NotRecorded"
    assert Alert.objects.filter(kind="failed", closed_at=None).exists()


# ── 11 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_11_a_second_worker_finds_nothing_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    really = stage.simulator.perform
    met: list[str] = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call) and not met:
            met.append(call.operation)
            # A redelivered message reaches another worker in the middle of it.
            running.run_change(of_user(departure, "disable").pk)
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    assert len(written(of_user(departure, "disable"))) == 1
    assert of_user(departure, "disable").attempts == 1


def test_rule_11_a_worker_that_lost_its_lease_writes_nothing_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure], method="shut")
    really = stage.simulator.perform
    sent = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call):
            sent.append(call.operation)
            if len(sent) == 2:
                Change.objects.filter(departure=departure).update(claimed_by="another worker")
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_change(of_user(departure, "disable").pk)
    assert len(sent) == 2
    change = of_user(departure, "disable")
    assert (change.status, change.claimed_by) == (Change.Status.RUNNING, "another worker")
    assert batch.pk


def test_rule_11_the_emergency_stop_halts_between_two_calls(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure], method="shut")
    really = stage.simulator.perform
    sent = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call):
            sent.append(call.operation)
            if len(sent) == 2:
                changes.pull(stage.people.ada, "Something is wrong")
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    assert len(sent) == 2
    batch.refresh_from_db()
    assert (batch.status, batch.resume_needed) == (Batch.Status.PAUSED, True)


# ── 12 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_12_a_batch_holds_no_more_than_the_policy_says(stage: Stage) -> None:
    policy(stage, batch_size=2)
    rows = [stage.user(f"one.{number}") for number in range(3)]
    with pytest.raises(Refused, match="so 2 more fit"):
        changes.compose(stage.people.account, "disable", rows, stage.people.jonas)


def test_rule_12_the_next_disable_batch_waits_until_the_last_has_settled(stage: Stage) -> None:
    stage.fenced(stage.user())
    second = stage.approved("disable", [stage.user("another.one")])
    assert any("settles until" in why for why in waits_for(second))
    stage.skip(hours=24, minutes=1)
    assert waits_for(second) == []


def test_rule_12_the_next_disable_batch_waits_for_an_open_hit(stage: Stage) -> None:
    first = stage.user()
    stage.fenced(first)
    stage.skip(days=2)
    second = stage.approved("disable", [stage.user("another.one")])
    cast.hit(first)
    assert any("was called" in why for why in waits_for(second))


@pytest.mark.parametrize("declared", ["window", "freeze"])
def test_rule_12_a_run_pauses_when_its_window_closes(stage: Stage, declared: str) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    today = clock.now().date().isoformat()
    if declared == "window":
        policy(stage, disable_window=closed_now())
    else:
        policy(stage, freezes=[{"from": today, "to": today, "reason": "Black Friday"}])
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert "window closed" in batch.pause_reason
    assert stage.writes() == []


@pytest.mark.parametrize("declared", ["window", "freeze"])
def test_rule_12_a_batch_starts_in_its_window_only(stage: Stage, declared: str) -> None:
    batch = stage.approved("disable", [stage.user()])
    today = clock.now().date().isoformat()
    if declared == "window":
        policy(stage, disable_window=closed_now())
    else:
        policy(stage, freezes=[{"from": today, "to": today}])
    batch.refresh_from_db()
    assert "The change window is closed." in waits_for(batch)
    assert not start_if_due(batch)


def test_rule_12_an_automatic_shut_keeps_to_the_window_also_once_queued(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    change = stage.shut_by_itself()[0]
    policy(stage, disable_window=closed_now())
    sent = len(stage.writes())
    running.run_change(change.pk)
    change.refresh_from_db()
    assert change.status == Change.Status.QUEUED
    assert len(stage.writes()) == sent


def test_rule_12_a_retry_keeps_to_the_window(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    stage.fault("no-such-entity", "AttachUserPolicy")
    stage.work(batch)
    sent = len(stage.writes())
    policy(stage, disable_window=closed_now())
    changes.retry(of_user(departure, "disable"), stage.people.jonas)
    running.run_change(of_user(departure, "disable").pk)
    stage.work(batch)
    assert len(stage.writes()) == sent


def test_rule_12_a_refusal_for_want_of_rights_pauses_at_once(stage: Stage) -> None:
    first, second = stage.user("a.first"), stage.user("b.second")
    batch = stage.started("disable", [first, second])
    stage.fault("access-denied", "AttachUserPolicy", count=None)
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert len(stage.writes()) == 1
    assert of_user(second, "disable").status == Change.Status.QUEUED


def test_rule_12_the_second_failure_of_another_kind_pauses(stage: Stage) -> None:
    rows = [stage.user(f"one.{number}") for number in range(4)]
    batch = stage.started("disable", rows)
    stage.fault("no-such-entity", "AttachUserPolicy", count=None)
    stage.work(batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert batch.changes.filter(status=Change.Status.FAILED).count() == 2
    assert batch.changes.filter(status=Change.Status.QUEUED).count() == 2


def test_rule_12_a_hit_on_one_of_its_users_pauses_the_run(stage: Stage) -> None:
    first, second = stage.user("a.first"), stage.user("b.second")
    batch = stage.started("disable", [first, second])
    running.run_change(of_user(first, "disable").pk)
    stage.skip(minutes=6)
    stage.act("call", first)
    stage.skip(minutes=15)
    stage.listen()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.PAUSED
    assert "was called" in batch.pause_reason


# ── 13 ───────────────────────────────────────────────────────────────────────────────────────────


def approved_without_telling(stage: Stage) -> Batch:
    policy(stage, notice="2d")
    batch = changes.ask(stage.draft("disable", [stage.user()]), stage.people.jonas)
    stage.see(batch)
    return changes.approve(batch, stage.people.mei, batch.digest)


def test_rule_13_a_message_that_nobody_opened_reaches_nobody(stage: Stage) -> None:
    batch = approved_without_telling(stage)
    stage.skip(days=5)
    assert waits_for(batch) == ["A lead of Payments has not opened the message yet."]


def test_rule_13_somebody_elses_look_does_not_count(stage: Stage) -> None:
    batch = approved_without_telling(stage)
    for notice in batch.notices.filter(kind="announce"):
        notices.open_notice(notice, stage.people.vera)
        notices.open_notice(notice, stage.people.jonas)
    assert notices.unreached(batch) == [stage.people.payments]


def test_rule_13_a_late_opening_moves_the_date(stage: Stage) -> None:
    batch = approved_without_telling(stage)
    stage.skip(days=2)
    stage.open(batch)
    assert any("notice to the owners ends" in why for why in waits_for(batch))
    stage.skip(days=4)
    assert waits_for(batch) == []


def test_rule_13_a_team_that_nobody_leads_is_a_blocker(stage: Stage) -> None:
    orphan = cast.team("orphans")
    departure = stage.user(owner=orphan)
    with pytest.raises(Refused, match="No user of this batch may go"):
        stage.asked("disable", [departure])
    batch = Batch.objects.get()
    assert batch.changes.get().blockers[0]["code"] == "unreachable"


# ── 14 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_14_a_lead_of_the_owning_team_restores_at_once(stage: Stage) -> None:
    departure = stage.user()
    before = stage.holdings(departure)
    stage.fenced(departure)
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.sara, "The month end runs")
    stage.work_restore(change)
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED
    assert stage.holdings(departure) == before


@pytest.mark.parametrize("who", ["priya", "vera", "ada"])
def test_rule_14_others_are_refused(stage: Stage, who: str) -> None:
    departure = stage.user()
    stage.fenced(departure)
    with pytest.raises(NotAllowed):
        changes.restore(departure, getattr(stage.people, who))


def test_rule_14_a_broker_that_is_down_does_not_undo_the_request(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    departure = stage.user()
    stage.fenced(departure)

    def down(*_: Any, **__: Any) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(current_app, "send_task", down)
    with django_capture_on_commit_callbacks(execute=True):
        change = changes.restore(departure, stage.people.sara)
    assert change.pk in running.waiting_restores()


def test_rule_14_the_command_restores_without_redis_and_workers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    departure = stage.user()
    before = stage.holdings(departure)
    stage.fenced(departure)

    def down(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Connection refused")

    monkeypatch.setattr(limiter, "_script", lambda: down)
    out = io.StringIO()
    call_command("restore", cast.ACCOUNT_ID, departure.user.user_id, "--as", "sara", stdout=out)
    assert stage.holdings(departure) == before
    assert "Restored and read back." in out.getvalue()
    assert of_user(departure, "restore").requested_by == stage.people.sara


def test_rule_14_the_command_restores_a_whole_batch(stage: Stage) -> None:
    rows = [stage.user(f"one.{number}") for number in range(2)]
    batch = stage.fenced(*rows)
    call_command("restore", "--batch", str(batch.number), stdout=io.StringIO())
    assert set(Departure.objects.filter(pk__in=[row.pk for row in rows]).values_list("state")) == {
        (State.OWNER_ASSIGNED,)
    }


def test_rule_14_the_command_says_what_it_could_not_restore(stage: Stage) -> None:
    departure = stage.user()
    with pytest.raises(CommandError, match="1 not restored"):
        call_command("restore", cast.ACCOUNT_ID, departure.user.user_id, stderr=io.StringIO())
    with pytest.raises(CommandError, match="has no AIDANOBODY"):
        call_command("restore", cast.ACCOUNT_ID, "AIDANOBODY")


# ── 15 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_15_a_change_of_an_entry_is_found_and_named(stage: Stage) -> None:
    stage.fenced(stage.user())
    head = LedgerEntry.objects.order_by("-seq").values_list("seq", "hash").first()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE inventory_ledgerentry SET data = '{}' WHERE kind = 'batch.approved'")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert ledger.verify(head).broken_at == LedgerEntry.objects.get(kind="batch.approved").seq


# ── 16 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_16_no_secret_of_aws_is_stored_or_logged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secrets: set[str] = set()
    really = stage.simulator.perform

    def perform(call: ApiCall) -> dict[str, Any]:
        answer = really(call)
        if call.operation == "AssumeRole":
            secrets.update(
                (answer["Credentials"]["SecretAccessKey"], answer["Credentials"]["SessionToken"])
            )
        return answer

    monkeypatch.setattr(stage.simulator, "perform", perform)
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    kept = " ".join(
        str(row)
        for app in ("inventory", "migrations_app")
        for model in apps.get_app_config(app).get_models()
        for row in model.objects.values_list()  # type: ignore[attr-defined]
    )
    assert secrets
    assert not [one for one in secrets if one in kept or one in caplog.text]


# ── 17 ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["--help", "a=b@c,d+e.f", "-rf"])
def test_rule_17_the_undo_script_quotes_what_aws_calls_its_users(stage: Stage, name: str) -> None:
    departure = stage.user(name, give=everything)
    batch = stage.started("disable", [departure], method="shut")
    commands = [
        shlex.split(line, comments=True)
        for line in undo_script(batch).splitlines()
        if line.startswith("aws ")
    ]
    assert len(commands) == 7
    for command in commands:
        assert command[:2] == ["aws", "iam"]
        assert f"--user-name={name}" in command


def test_rule_17_a_line_break_in_a_name_begins_no_new_line(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    change = of_user(departure, "disable")
    change.facts["user_name"] = "x\nrm -rf /"
    change.save()
    assert not [line for line in undo_script(batch).splitlines() if line.startswith("rm")]


# ── 18 ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_rule_18_the_point_of_no_return_is_committed_before_the_first_final_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What commits here is nudged for real, and another test's worker might still be listening.
    monkeypatch.setattr(nudge, "_send", lambda *_, **__: None)
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    really = stage.simulator.perform
    seen: list[Any] = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if is_write(call) and not seen:
            named = connection.settings_dict
            with psycopg.connect(
                dbname=named["NAME"],
                user=named["USER"],
                host=named["HOST"],
                port=named["PORT"],
            ) as other:
                seen.append(
                    other.execute(
                        "SELECT irreversible_at FROM migrations_app_departure WHERE id = %s",
                        [departure.pk],
                    ).fetchone()
                )
                seen.append(
                    other.execute(
                        "SELECT operation, outcome FROM migrations_app_call WHERE kind = 'write'"
                        " ORDER BY id DESC LIMIT 1"
                    ).fetchone()
                )
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    assert seen[0][0] is not None
    assert seen[1] == ("DeleteAccessKey", "")


def half_deleted(stage: Stage) -> Departure:
    """Its key is gone, and then AWS refused."""
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    stage.fault("access-denied", "DeleteSSHPublicKey", count=None)
    stage.ran("delete", [departure])
    stage.simulator.faults.clear()
    departure.refresh_from_db()
    assert departure.partly_deleted
    return departure


def test_rule_18_past_it_a_restore_is_refused(stage: Stage) -> None:
    departure = half_deleted(stage)
    with pytest.raises(Refused, match="partly deleted"):
        changes.restore(departure, stage.people.jonas)


def test_rule_18_finish_deleting_goes_on_whatever_the_window(stage: Stage) -> None:
    departure = half_deleted(stage)
    policy(stage, delete_window=closed_now())
    change = changes.finish_deleting(departure, stage.people.jonas)
    running.run_change(change.pk)
    departure.refresh_from_db()
    assert departure.state == State.DELETED


def test_rule_18_stop_and_rebuild_gives_the_holdings_and_keeps_the_fence(stage: Stage) -> None:
    departure = half_deleted(stage)
    saved = changes.stop_and_rebuild(departure, stage.people.jonas)
    assert len(saved.document["access_keys"]) == 3
    assert saved.document["inline_policies"]
    assert DENY in stage.in_aws(departure).attached
    departure.refresh_from_db()
    assert departure.state == State.SOAKING
    assert departure.partly_deleted


def test_rule_18_both_are_an_engineers(stage: Stage) -> None:
    departure = half_deleted(stage)
    for verb in (changes.finish_deleting, changes.stop_and_rebuild):
        with pytest.raises(NotAllowed):
            verb(departure, stage.people.sara)


def test_rule_18_a_restore_asked_for_an_instant_before_wins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    really = RowJournal.gate
    gates: list[None] = []

    def gate(journal: RowJournal) -> None:
        really(journal)
        gates.append(None)
        if len(gates) == 2:
            row = Departure.objects.get(pk=departure.pk)
            changes.restore(row, stage.people.sara)

    sent = len(stage.writes())
    monkeypatch.setattr(RowJournal, "gate", gate)
    running.run_batch(batch.pk)
    assert len(stage.writes()) == sent
    assert result(departure, "delete")[0] == Change.Status.SUPERSEDED


def test_rule_18_a_pause_waits_for_a_user_past_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stage.user("a.first"), stage.user("b.second")
    stage.ready_to_delete(first, second)
    batch = stage.started("delete", [first, second])
    really = stage.simulator.perform

    def perform(call: ApiCall) -> dict[str, Any]:
        if call.operation == "DeleteAccessKey":
            changes.pause(batch, stage.people.jonas)
        return really(call)

    monkeypatch.setattr(stage.simulator, "perform", perform)
    running.run_batch(batch.pk)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.DELETED, State.SOAKING)


# ── 19 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_19_the_last_admin_is_not_approved_away_without_a_reason(stage: Stage) -> None:
    Account.objects.update(admin_seen_at=None)
    stage.people.account.refresh_from_db()
    batch = stage.asked("disable", [stage.user(privilege="admin")])
    with pytest.raises(Refused, match="no identity with admin rights"):
        changes.approve(batch, stage.people.mei, batch.digest)
    with pytest.raises(Refused, match="no identity with admin rights"):
        changes.approve(batch, stage.people.mei, batch.digest, overrides={"lock-out": "  "})
    approved = changes.approve(
        batch, stage.people.mei, batch.digest, overrides={"lock-out": "Drilled on Monday"}
    )
    assert approved.overrides == {"lock-out": "Drilled on Monday"}


def test_rule_19_no_other_check_can_be_overridden(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    changes.pull(stage.people.ada, "Wait")
    with pytest.raises(Refused, match="emergency stop"):
        changes.approve(batch, stage.people.mei, batch.digest, overrides={"stopped": "hurry"})


# ── 20 ───────────────────────────────────────────────────────────────────────────────────────────


def test_rule_20_a_real_account_that_says_sandbox_takes_no_write(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    Account.objects.update(sandbox=True)
    stage.work(batch)
    batch.refresh_from_db()
    assert stage.writes() == []
    assert batch.status == Batch.Status.PAUSED
    assert "can never become a sandbox" in batch.pause_reason


def test_rule_20_a_sandbox_keeps_four_eyes_size_and_typed_words(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "IAMCLEANUP_SANDBOX_ACCOUNTS", [cast.ACCOUNT_ID])
    Account.objects.update(sandbox=True)
    stage.people.account.refresh_from_db()
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.asked("delete", [departure])
    with pytest.raises(NotAllowed):
        changes.approve(batch, stage.people.jonas, batch.digest, changes.words_for(batch))
    with pytest.raises(Refused, match="Type “delete 1 user”"):
        changes.approve(batch, stage.people.mei, batch.digest, "yes")


def test_rule_20_an_approval_outside_a_sandbox_is_remembered_for_good(stage: Stage) -> None:
    assert not stage.people.account.batched_for_real
    stage.approved("disable", [stage.user()])
    stage.people.account.refresh_from_db()
    assert stage.people.account.batched_for_real
