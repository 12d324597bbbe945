"""A batch from draft to approval: what is frozen, who is left out, and what each person may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import LedgerEntry, Role
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import batches, evidence
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, Notice
from tests import cast
from tests.migrations_app.stage import Stage, everything, of_user

pytestmark = pytest.mark.django_db


# ── Composing ────────────────────────────────────────────────────────────────────────────────────


def test_the_dry_run_plans_the_exact_calls_and_writes_nothing(stage: Stage) -> None:
    batch = stage.draft("disable", [stage.user("full.house", give=everything)])
    calls = batch.changes.get().facts["calls"]
    assert [(call["operation"], call["when"]) for call in calls] == [
        ("AttachUserPolicy", "now"),
        ("UpdateAccessKey", "shut"),
        ("UpdateAccessKey", "shut"),
        ("DeleteLoginProfile", "shut"),
        ("UpdateServiceSpecificCredential", "shut"),
        ("UpdateServiceSpecificCredential", "shut"),
        ("UpdateSSHPublicKey", "shut"),
        ("UpdateSigningCertificate", "shut"),
    ]
    assert stage.writes() == []


def test_what_runs_is_what_was_planned(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    batch = stage.started("disable", [departure], method="shut")
    planned = [(call["operation"], call["params"]) for call in batch.changes.get().facts["calls"]]
    stage.work(batch)
    sent = of_user(departure, "disable").calls.filter(kind="write").order_by("seq")
    assert [(line.operation, line.params) for line in sent] == planned


def test_equal_facts_have_equal_digests_and_any_difference_another(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.draft("disable", [departure])
    first = batch.changes.get().digest
    batches.dry_run(batch.pk)
    assert batch.changes.get().digest == first
    key = next(iter(stage.in_aws(departure).keys))
    stage.administrator(
        "UpdateAccessKey", UserName=departure.user.user_name, AccessKeyId=key, Status="Inactive"
    )
    batches.dry_run(batch.pk)
    assert batch.changes.get().digest != first


def test_counts_tags_and_times_are_judged_and_not_hashed(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.draft("disable", [departure])
    first = batch.changes.get().digest
    stage.in_aws(departure).tags = {"note": "changed"}
    stage.skip(hours=1)
    batches.dry_run(batch.pk)
    assert batch.changes.get().digest == first


def test_a_user_that_cannot_be_read_is_blocked_and_the_others_are_not(stage: Stage) -> None:
    good, bad = stage.user("good.one"), stage.user("bad.one")
    stage.fault("access-denied", "GetUser", match={"UserName": "bad.one"}, count=None)
    batch = stage.draft("disable", [good, bad])
    assert batch.changes.get(departure=bad).blockers[0]["code"] == "unreadable"
    assert batch.changes.get(departure=good).blockers == []


def test_an_account_that_cannot_be_read_says_so_on_the_batch(stage: Stage) -> None:
    departure = stage.user()
    stage.fault("access-denied", "AssumeRole", count=None)
    batch = stage.draft("disable", [departure])
    assert "AWS refused the read role" in batch.dry_run_error
    with pytest.raises(Refused, match="not finished"):
        changes.ask(batch, stage.people.jonas)


def test_blocked_users_are_left_out_with_their_reason(stage: Stage) -> None:
    good, bad = stage.user("good.one"), stage.user("bad.one")
    until = clock.now().date() + timedelta(days=3)
    bad = changes.dispute(bad, stage.people.sara, "It is in use", until)
    batch = stage.asked("disable", [good, bad])
    assert batch.changes.get(departure=good).status == Change.Status.ASKED
    left = batch.changes.get(departure=bad)
    assert left.status == Change.Status.LEFT_OUT
    assert "disputed until" in left.result


def test_a_user_is_asked_for_in_one_batch_at_a_time(stage: Stage) -> None:
    departure, other = stage.user("one"), stage.user("two")
    first, second = (stage.draft("disable", [departure, row]) for row in (other, stage.user("3")))
    changes.ask(first, stage.people.jonas)
    changes.ask(second, stage.people.jonas)
    assert second.changes.get(departure=departure).status == Change.Status.LEFT_OUT


def test_an_old_dry_run_is_not_asked_with(stage: Stage) -> None:
    batch = stage.draft("disable", [stage.user()])
    stage.skip(hours=1, minutes=1)
    with pytest.raises(Refused, match="older than an hour"):
        changes.ask(batch, stage.people.jonas)


def test_another_accounts_user_is_refused(stage: Stage) -> None:
    elsewhere = cast.account("210987654321", "staging")
    other = cast.departure(cast.iam_user("ci-x", elsewhere), State.OWNER_ASSIGNED)
    with pytest.raises(Refused, match="another account"):
        changes.compose(stage.people.account, "disable", [other], stage.people.jonas)


@pytest.mark.parametrize("who", ["sara", "vera", "ada"])
def test_only_an_engineer_composes(stage: Stage, who: str) -> None:
    with pytest.raises(NotAllowed):
        changes.compose(stage.people.account, "disable", [stage.user()], getattr(stage.people, who))


def test_removing_a_user_changes_the_digest(stage: Stage) -> None:
    first, second = stage.user("one"), stage.user("two")
    batch = stage.draft("disable", [first, second])
    before = batch.digest
    after = changes.remove_user(batch, first, stage.people.jonas)
    after.refresh_from_db()
    assert after.digest not in ("", before)


def test_an_asked_batch_is_frozen(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    for verb in (
        lambda: changes.add_users(batch, [stage.user("late.one")], stage.people.jonas),
        lambda: changes.set_method(batch, "shut", stage.people.jonas),
        lambda: changes.discard(batch, stage.people.jonas),
    ):
        with pytest.raises(Stale):
            verb()


# ── Asking and approving ─────────────────────────────────────────────────────────────────────────


def test_every_owner_is_told_which_of_its_users_go(stage: Stage) -> None:
    ours = stage.user("ours")
    theirs = stage.user("theirs", owner=stage.people.platform)
    batch = stage.asked("disable", [ours, theirs])
    told = {
        notice.team: list(notice.departures.all())
        for notice in Notice.objects.filter(kind="announce", batch=batch)
    }
    assert told == {stage.people.payments: [ours], stage.people.platform: [theirs]}


def test_each_user_must_have_been_viewed_as_it_is_now(stage: Stage) -> None:
    batch = changes.ask(stage.draft("disable", [stage.user()]), stage.people.jonas)
    with pytest.raises(Refused, match="not viewed yet"):
        changes.approve(batch, stage.people.mei, batch.digest)
    stage.see(batch)
    Change.objects.update(digest="0" * 64)
    with pytest.raises(Refused, match="not viewed yet"):
        changes.approve(batch, stage.people.mei, batch.digest)


@pytest.mark.parametrize("who", ["sara", "vera", "ada"])
def test_only_an_approver_approves(stage: Stage, who: str) -> None:
    batch = stage.asked("disable", [stage.user()])
    with pytest.raises(NotAllowed):
        changes.approve(batch, getattr(stage.people, who), batch.digest)


def test_a_delete_is_approved_by_typing_what_it_does(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.asked("delete", [departure])
    with pytest.raises(Refused, match="delete 1 user"):
        changes.approve(batch, stage.people.mei, batch.digest, "delete 1 users")


def test_old_evidence_is_not_approved_on(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    stage.skip(hours=25)
    with pytest.raises(Refused):
        changes.approve(batch, stage.people.mei, batch.digest)
    assert not next(
        check.ok for check in changes.checks(batch, stage.people.mei) if check.code == "evidence"
    )


def test_sent_back_is_a_draft_with_the_reason_as_a_comment(stage: Stage) -> None:
    batch = stage.asked("disable", [stage.user()])
    with pytest.raises(Refused, match="Say what should change"):
        changes.send_back(batch, stage.people.mei, " ")
    batch = changes.send_back(batch, stage.people.mei, "Leave out the vendor")
    assert batch.status == Batch.Status.DRAFT
    assert batch.comments.get().text == "Leave out the vendor"


@pytest.mark.parametrize(("who", "allowed"), [("jonas", True), ("mei", True), ("sara", False)])
def test_who_asked_and_who_approved_withdraw(stage: Stage, who: str, allowed: bool) -> None:
    batch = stage.approved("disable", [stage.user()])
    person = getattr(stage.people, who)
    if allowed:
        assert changes.withdraw(batch, person).approved_by is None
    else:
        with pytest.raises(NotAllowed):
            changes.withdraw(batch, person)


def test_a_third_approver_does_not_withdraw_what_others_did(stage: Stage) -> None:
    batch = stage.approved("disable", [stage.user()])
    third = cast.person("omar", "Omar Haddad", [Role.APPROVER])
    with pytest.raises(NotAllowed, match="Only"):
        changes.withdraw(batch, third)


def test_a_batch_is_approved_once(stage: Stage) -> None:
    batch = stage.approved("disable", [stage.user()])
    with pytest.raises(Stale):
        changes.approve(batch, stage.people.mei, batch.digest)
    assert LedgerEntry.objects.filter(kind="batch.approved").count() == 1


# ── Steering ─────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_batch_does_nothing_until_it_is_resumed(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.pause(batch, stage.people.jonas)
    stage.work(batch)
    assert stage.writes() == []
    changes.resume(batch, stage.people.jonas)
    stage.work(batch)
    departure.refresh_from_db()
    assert departure.state == State.DISABLED


def test_an_aborted_batch_leaves_the_queued_as_they_are(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.abort(batch, stage.people.jonas)
    stage.work(batch)
    assert stage.writes() == []
    assert of_user(departure, "disable").status == Change.Status.WITHDRAWN


def test_an_abort_can_restore_those_done(stage: Stage) -> None:
    first, second = stage.user("a.first"), stage.user("b.second")
    batch = stage.started("disable", [first, second])
    from migrations_app.changes import running

    running.run_change(of_user(first, "disable").pk)
    changes.abort(batch, stage.people.jonas, restore=True)
    stage.work_restore(of_user(first, "restore"))
    first.refresh_from_db()
    assert first.state == State.OWNER_ASSIGNED
    assert not second.changes.filter(move="restore").exists()


def test_a_skipped_user_is_left_out(stage: Stage) -> None:
    first, second = stage.user("a.first"), stage.user("b.second")
    batch = stage.started("disable", [first, second])
    changes.skip(of_user(first, "disable"), stage.people.jonas)
    stage.work(batch)
    assert stage.writes("a.first") == []
    assert of_user(second, "disable").status == Change.Status.DONE


# ── Urgent ───────────────────────────────────────────────────────────────────────────────────────


def test_an_urgent_batch_takes_five_users_and_a_reason(stage: Stage) -> None:
    rows = [cast.departure(f"leaked.{number}") for number in range(6)]
    compose = changes.compose
    with pytest.raises(Refused, match="Say why"):
        compose(stage.people.account, "disable", rows[:1], stage.people.jonas, urgent=True)
    with pytest.raises(Refused, match="so 5 more fit"):
        compose(
            stage.people.account, "disable", rows, stage.people.jonas, urgent=True, reason="leak"
        )
    with pytest.raises(Refused, match="Only a disable"):
        compose(
            stage.people.account, "delete", rows[:1], stage.people.jonas, urgent=True, reason="x"
        )


def test_an_urgent_batch_runs_at_once_on_a_user_in_use_that_nobody_claimed(stage: Stage) -> None:
    departure = stage.user(state=State.DISCOVERED)
    stage.people.account.policy |= {
        "notice": "2d",
        "disable_window": {
            "days": [(clock.now() + timedelta(days=3)).strftime("%a").lower()],
            "from": "00:00",
            "to": "00:01",
        },
    }
    stage.people.account.save()
    stage.act("call", departure)
    batch = stage.ran("disable", [departure], urgent=True, reason="The keys are on GitHub")
    departure.refresh_from_db()
    assert (departure.state, departure.owner) == (State.SOAKING, stage.people.security)
    assert (batch.status, departure.compromised) == (Batch.Status.DONE, True)


def test_an_urgent_batch_still_needs_a_second_person(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.asked("disable", [departure], urgent=True, reason="leak")
    with pytest.raises(NotAllowed):
        changes.approve(batch, stage.people.jonas, batch.digest)


def test_an_urgent_batch_never_touches_a_protected_user(stage: Stage) -> None:
    departure = stage.user()
    Departure.objects.filter(pk=departure.pk).update(protection="exempt")
    with pytest.raises(Refused, match="No user of this batch may go"):
        stage.asked("disable", [departure], urgent=True, reason="leak")


def test_a_user_that_nobody_looked_at_is_left_out_of_what_is_asked(stage: Stage) -> None:
    looked, unseen = stage.user("looked.at"), stage.user("not.seen")
    batch = stage.draft("disable", [looked])
    Change.objects.create(
        departure=unseen,
        batch=batch,
        move="disable",
        requested_by=stage.people.jonas,
        requested_at=clock.now(),
    )
    changes.ask(batch, stage.people.jonas)
    assert batch.changes.get(departure=unseen).status == Change.Status.LEFT_OUT


def test_a_dry_run_does_not_end_the_one_that_was_asked_for_while_it_ran(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stage.user("first.one"), stage.user("second.one")
    batch = changes.compose(stage.people.account, "disable", [first], stage.people.jonas)
    look = evidence.look

    def added_meanwhile(*args: Any) -> bool:
        if not batch.changes.filter(departure=second).exists():
            changes.add_users(batch, [second], stage.people.jonas)
        return look(*args)

    monkeypatch.setattr(evidence, "look", added_meanwhile)
    batches.dry_run(batch.pk)
    batch.refresh_from_db()
    assert batch.dry_run_at is None
    with pytest.raises(Refused, match="not finished"):
        changes.ask(batch, stage.people.jonas)


def test_asking_for_another_draft_than_was_shown_is_stale(stage: Stage) -> None:
    batch = stage.draft("disable", [stage.user()])
    with pytest.raises(Stale, match="changed since"):
        changes.ask(batch, stage.people.jonas, digest="what was shown")


def test_a_batch_of_nobody_is_refused(stage: Stage) -> None:
    with pytest.raises(Refused, match="at least one"):
        changes.compose(stage.people.account, "disable", [], stage.people.jonas)


def test_an_urgent_draft_leaves_the_owner_of_a_protected_user_alone(stage: Stage) -> None:
    departure = stage.user(state=State.DISCOVERED)
    Departure.objects.filter(pk=departure.pk).update(protection="break-glass")
    departure.refresh_from_db()
    stage.draft("disable", [departure], urgent=True, reason="leaked")
    departure.refresh_from_db()
    assert departure.owner is None
