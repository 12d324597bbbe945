"""What a restore undoes and what it leaves, read from the journal's rows alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.aws.holdings import UserHoldings
from inventory.models import Alert, LedgerEntry, Person, Role
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws, changes
from migrations_app.changes import nudge, restoring
from migrations_app.changes.restoring import (
    made_by_us,
    may_be_restored,
    record_restore,
    restore_preview,
    saved_before,
)
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change, Departure, Hit, Holdings, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db

FENCED = aws.Made(policy_fence=True)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


@pytest.fixture
def off(everybody: cast.Cast) -> Departure:
    return cast.departure("ci-off", State.SOAKING, everybody.payments)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which restores a worker was told of."""
    said: list[int] = []
    monkeypatch.setattr(nudge, "restore", said.append)
    return said


def sent(change: Change, operation: str = "AttachUserPolicy", **params: Any) -> Call:
    return Call.objects.create(
        change=change,
        seq=change.calls.count() + 1,
        kind="write",
        operation=operation,
        params=params,
        sent_at=clock.now(),
        outcome="ok",
    )


def done(of: Departure, move: str = "disable", status: str = "done", **columns: Any) -> Change:
    columns.setdefault("finished_at", clock.now())
    return cast.change(of, move, status=status, **columns)


def saved(change: Change, ago: int = 0, **fields: Any) -> Holdings:
    held = replace(cast.everything_held(change.departure.user.user_name), **fields)
    return Holdings.objects.create(
        departure=change.departure,
        change=change,
        taken_at=clock.now() - timedelta(minutes=ago),
        document=held.document(),
    )


def again(change: Change) -> Change:
    return Change.objects.get(pk=change.pk)


# ── What is ours ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("operation", "params", "field"),
    [
        ("UpdateAccessKey", {"AccessKeyId": "it"}, "access_keys"),
        ("UpdateSSHPublicKey", {"SSHPublicKeyId": "it"}, "ssh_keys"),
        (
            "UpdateServiceSpecificCredential",
            {"ServiceSpecificCredentialId": "it"},
            "service_credentials",
        ),
        ("UpdateSigningCertificate", {"CertificateId": "it"}, "certificates"),
        ("DeleteLoginProfile", {}, "login_profile"),
        ("AttachUserPolicy", {}, "policy_fence"),
        ("PutUserPermissionsBoundary", {}, "boundary_fence"),
    ],
)
@pytest.mark.parametrize("move", ["disable", "soak"])
def test_each_call_of_a_fence_or_a_shut_is_ours(
    theirs: Departure, *, operation: str, params: dict[str, str], field: str, move: str
) -> None:
    change = done(theirs, move)
    sent(change, operation, **params)
    it: Any = frozenset({"it"}) if params else True
    assert made_by_us(theirs) == replace(aws.Made(), **{field: it})
    assert may_be_restored(theirs)
    assert made_by_us(cast.departure("other", State.OWNER_ASSIGNED)) == aws.Made()


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_a_restore_that_has_not_ended_has_undone_nothing_yet(
    theirs: Departure, status: str
) -> None:
    sent(done(theirs))
    cast.change(theirs, "restore", status=status)
    assert made_by_us(theirs) == FENCED
    assert may_be_restored(theirs)


@pytest.mark.parametrize(
    ("outcome", "ours"),
    [("ok", True), ("", True), ("unknown", True), ("refused", False), ("retry", False)],
)
def test_what_may_have_been_applied_is_ours(theirs: Departure, *, outcome: str, ours: bool) -> None:
    sent(done(theirs))
    Call.objects.update(outcome=outcome)
    assert (made_by_us(theirs) == FENCED) is ours


def test_a_look_and_the_calls_of_a_deletion_or_a_restore_are_not(theirs: Departure) -> None:
    sent(done(theirs, "delete"))
    sent(done(theirs, "restore", status="failed", finished_at=None))
    look = sent(done(theirs))
    Call.objects.filter(pk=look.pk).update(kind="look")
    assert made_by_us(theirs) == aws.Made()


@pytest.mark.parametrize(
    ("columns", "forgets"),
    [
        ({}, True),
        ({"status": "running"}, True),
        ({"status": "failed"}, True),
        ({"status": "withdrawn"}, False),
        ({"status": "queued", "finished_at": None}, False),
    ],
)
def test_what_was_restored_once_is_not_ours_any_more(
    theirs: Departure, *, columns: dict[str, Any], forgets: bool
) -> None:
    first = done(theirs)
    sent(first)
    saved(first)
    restore = done(theirs, "restore", **columns)
    assert (made_by_us(theirs) == aws.Made()) is forgets
    assert (saved_before(theirs) is None) is forgets
    # For the restore that asks, it is what it undoes, whatever was done after it.
    later = done(theirs, "soak")
    sent(later, "DeleteLoginProfile")
    assert made_by_us(theirs, restore) == FENCED
    assert made_by_us(theirs).login_profile


def test_keys_that_an_urgent_batch_shut_stay_inactive(
    everybody: cast.Cast, theirs: Departure
) -> None:
    batch = cast.batch(everybody.account, everybody.jonas, urgent=True, reason="leaked")
    change = done(theirs, batch=batch)
    sent(change, "UpdateAccessKey", AccessKeyId="it")
    sent(change, "UpdateSSHPublicKey", SSHPublicKeyId="it")
    made = made_by_us(theirs)
    assert not made.access_keys
    assert made.ssh_keys == {"it"}
    batch.urgent = False
    batch.save()
    assert made_by_us(theirs).access_keys == {"it"}


def test_the_boundary_that_comes_back_is_that_of_before_our_first_call(theirs: Departure) -> None:
    first = done(theirs)
    saved(first, 9, boundary="arn:before")
    saved(first, 1, boundary="arn:ours")
    sent(first, "PutUserPermissionsBoundary")
    later = done(theirs, "soak")
    saved(later, 0, boundary="arn:later")
    sent(later, "PutUserPermissionsBoundary")
    assert made_by_us(theirs).boundary_before == "arn:before"
    Holdings.objects.all().delete()
    assert made_by_us(theirs).boundary_before == ""


def test_a_rebuild_is_made_of_what_was_held_before_the_first_write(theirs: Departure) -> None:
    assert saved_before(theirs) is None
    first = done(theirs)
    before = saved(first, 9)
    saved(done(theirs, "delete"), 1)
    saved(done(cast.departure("other", State.OWNER_ASSIGNED)), 99)
    assert saved_before(theirs) == before


# ── What is said before ──────────────────────────────────────────────────────────────────────────


def test_the_preview_says_what_comes_back_and_what_does_not(off: Departure) -> None:
    assert restore_preview(off).lines == ["Nothing was lost, so nothing changes on the caller."]
    change = done(off)
    sent(change)
    sent(change, "UpdateAccessKey", AccessKeyId="one")
    sent(change, "UpdateAccessKey", AccessKeyId="two")
    sent(change, "UpdateSSHPublicKey", SSHPublicKeyId="it")
    preview = restore_preview(off)
    assert preview.lines == [
        "The deny is taken off.",
        "Its 2 access keys become Active again.",
        "Its SSH public key becomes Active again.",
        "Nothing was lost, so nothing changes on the caller.",
    ]
    assert preview.password_command == ""
    Call.objects.update(operation="PutUserPermissionsBoundary")
    sent(change, "DeleteLoginProfile")
    off.compromised = True
    preview = restore_preview(off)
    assert preview.lines[0] == "The deny is taken off."
    assert "compromised" in preview.lines[1]
    assert "cannot come back" in preview.lines[2]
    assert "ci-off" in preview.password_command


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────


def test_a_restore_is_queued_told_and_recorded(
    everybody: cast.Cast, off: Departure, told: list[int]
) -> None:
    change = changes.restore(off, everybody.sara, " it broke ")
    assert (change.move, change.status, change.requested_by, change.reason) == (
        "restore", "queued", everybody.sara, "it broke",
    )  # fmt: skip
    assert told == [change.pk]
    assert Notice.objects.filter(kind="restored", team=everybody.payments).count() == 1
    entry = LedgerEntry.objects.get(kind="restore.asked")
    assert (entry.user_id, entry.data["reason"]) == (off.user.user_id, " it broke ")
    assert changes.restore(off, everybody.jonas) == change
    assert told == [change.pk, change.pk]
    assert Change.objects.count() == 1


@pytest.mark.parametrize("who", ["priya", "vera", "ada"])
def test_who_does_not_feel_the_pain_asks_for_none(
    everybody: cast.Cast, off: Departure, who: str
) -> None:
    with pytest.raises(NotAllowed):
        changes.restore(off, getattr(everybody, who))
    # The product itself may.
    assert changes.restore(off, None).requested_by is None


def test_who_was_shut_as_compromised_is_restored_by_an_engineer(
    everybody: cast.Cast, off: Departure
) -> None:
    approver = cast.person("omar", "Omar", [Role.APPROVER])
    Departure.objects.update(compromised=True)
    for person in (everybody.sara, approver):
        with pytest.raises(NotAllowed) as refused:
            changes.restore(off, person)
        assert refused.value.rule == "compromised"
    Departure.objects.update(compromised=False)
    batch = cast.batch(everybody.account, everybody.jonas, urgent=True, reason="leaked")
    sent(done(off, batch=batch))
    with pytest.raises(NotAllowed):
        changes.restore(off, everybody.sara)
    changes.restore(off, everybody.jonas)


def test_one_that_failed_is_tried_again_from_the_start(
    everybody: cast.Cast, off: Departure, told: list[int]
) -> None:
    failed = cast.change(off, "restore", status="failed", attempts=3, try_after=clock.now())
    asked = changes.restore(off, everybody.sara)
    assert (asked.pk, asked.status, asked.attempts, asked.try_after) == (
        failed.pk, "queued", 0, None,
    )  # fmt: skip
    Change.objects.update(status="running", attempts=2)
    assert changes.restore(off, everybody.sara).attempts == 2
    assert told == [failed.pk, failed.pk]


def test_one_that_a_worker_takes_at_that_moment_is_left_to_it(
    everybody: cast.Cast, off: Departure, told: list[int]
) -> None:
    failed = cast.change(off, "restore", status="failed", attempts=3)
    Change.objects.update(status="running", attempts=4)
    asked = restoring._again(failed)
    assert (asked.status, asked.attempts) == ("running", 4)


def test_what_is_only_read_back_gives_way_to_a_new_one_where_there_is_something_to_undo(
    everybody: cast.Cast, off: Departure, theirs: Departure
) -> None:
    old = done(off, "restore", status="running", claimed_by="w", lease_until=clock.real_now())
    new = changes.restore(off, everybody.sara)
    assert new.pk != old.pk
    let_go = again(old)
    assert (let_go.status, let_go.check_at, let_go.claimed_by, let_go.lease_until) == (
        "done", None, "", None,
    )  # fmt: skip
    same = done(theirs, "restore", status="running", claimed_by="w")
    assert changes.restore(theirs, everybody.sara) == same
    assert again(same).claimed_by == "w"


def refused(of: Departure, by: Person) -> str:
    with pytest.raises(Refused) as why:
        changes.restore(of, by)
    return why.value.rule


def test_nothing_to_undo_nothing_to_bring_back_and_nothing_that_is_gone(
    everybody: cast.Cast, theirs: Departure, off: Departure
) -> None:
    jonas = everybody.jonas
    assert (refused(theirs, jonas), may_be_restored(theirs)) == ("state", False)
    gone = cast.departure("gone", State.DELETED)
    assert (refused(gone, jonas), may_be_restored(gone)) == ("state", False)
    assert may_be_restored(off)
    Departure.objects.filter(pk=off.pk).update(irreversible_at=clock.now())
    off.refresh_from_db()
    assert (refused(off, jonas), may_be_restored(off)) == ("no-return", False)


@pytest.mark.parametrize(
    ("move", "status", "ok"),
    [
        ("disable", "running", True),
        ("disable", "failed", True),
        ("disable", "queued", False),
        ("disable", "done", False),
    ],
)
def test_whoever_may_be_touched_by_half_may_be_restored(
    everybody: cast.Cast, theirs: Departure, *, move: str, status: str, ok: bool
) -> None:
    cast.change(theirs, move, status=status)
    if ok:
        assert changes.restore(theirs, everybody.sara).status == "queued"
    else:
        assert refused(theirs, everybody.sara) == "state"


# ── Afterwards ───────────────────────────────────────────────────────────────────────────────────


def held(of: Departure, **fields: Any) -> UserHoldings:
    quiet = {"attached_policies": (), **fields}
    return replace(cast.everything_held(of.user.user_name), **quiet)


def restoring_change(of: Departure, everybody: cast.Cast) -> Change:
    return cast.change(
        of,
        "restore",
        status="running",
        claimed_by="w",
        lease_until=clock.real_now(),
        requested_by=everybody.sara,
        reason="it broke",
    )


def test_a_restored_user_has_no_clock_no_fence_and_no_answer(
    everybody: cast.Cast, off: Departure
) -> None:
    Departure.objects.update(
        answer="can-go",
        compromised=True,
        overruled_at=clock.now(),
        overruled_verdict="active",
        overruled_note="x",
        not_before=clock.now(),
        not_before_reason="x",
        last_used_read_at=clock.now(),
    )
    off.refresh_from_db()
    change = restoring_change(off, everybody)
    record_restore(off, change, held(off))
    row = Departure.objects.get(pk=off.pk)
    assert (row.state, row.fence, row.fenced_at, row.clock_started_at) == (
        "owner-assigned", "", None, None,
    )  # fmt: skip
    assert (row.watch, row.soak, row.not_before, row.not_before_reason) == (None, None, None, "")
    assert (row.answer, row.compromised, row.last_used_read_at) == ("", False, None)
    assert (row.overruled_at, row.overruled_verdict, row.overruled_note) == (None, "", "")
    assert row.restored_at is not None
    entry = LedgerEntry.objects.get(kind="move.restore")
    assert entry.data["note"] == "it broke"
    ended = again(change)
    assert (ended.status, ended.claimed_by, ended.lease_until) == ("done", "", None)
    assert ended.result == "Restored and read back."
    assert ended.proof == {"user_id": "AIDAEVERYTHINGHELD00"}
    assert ended.finished_at is not None
    assert ended.check_at == ended.finished_at + timedelta(minutes=5)
    assert Notice.objects.filter(kind="restored", team=everybody.payments).exists()


def test_who_had_access_all_the_time_stays_in_its_state(
    everybody: cast.Cast, theirs: Departure
) -> None:
    change = restoring_change(theirs, everybody)
    record_restore(theirs, change, None)
    ended = again(change)
    assert (ended.result, ended.check_at, ended.proof) == (
        "Nothing had been changed yet.",
        None,
        {},
    )
    assert LedgerEntry.objects.get(kind="restore.done").user_id == theirs.user.user_id
    theirs.refresh_from_db()
    assert theirs.restored_at is None


def test_what_does_not_come_back_and_what_another_put_on_is_said(
    everybody: cast.Cast, off: Departure
) -> None:
    sent(done(off, "soak"), "DeleteLoginProfile")
    change = restoring_change(off, everybody)
    record_restore(off, change, held(off, attached_policies=(cast.FENCE,)))
    said = again(change).result
    assert "its old password does not come back" in said
    assert "a deny that somebody else put on is still there" in said


def test_hits_are_closed_and_a_confirmed_plan_is_a_draft_again(
    everybody: cast.Cast, off: Departure
) -> None:
    other = cast.departure("other", State.SOAKING)
    cast.plan(off, status="confirmed", confirmed_at=clock.now(), confirmed_by=everybody.sara)
    cast.plan(other, status="confirmed", confirmed_at=clock.now(), confirmed_by=everybody.sara)
    hit, knock = cast.hit(off), cast.hit(off, kind="knock")
    dismissed, theirs = cast.hit(off, closed="dismissed"), cast.hit(other)
    record_restore(off, restoring_change(off, everybody), held(off))
    plan = Plan.objects.get(departure=off)
    assert (plan.status, plan.confirmed_at, plan.confirmed_by) == ("draft", None, None)
    assert Plan.objects.get(departure=other).status == "confirmed"
    closed = {one.pk: one.closed for one in Hit.objects.all()}
    assert closed == {
        hit.pk: "restored", knock.pk: "", dismissed.pk: "dismissed", theirs.pk: "",
    }  # fmt: skip
    hit.refresh_from_db()
    assert hit.closed_by == everybody.sara
    assert hit.closed_at is not None


def test_who_is_off_is_looked_at_in_aws_even_where_the_journal_knows_of_no_call(
    everybody: cast.Cast, theirs: Departure, off: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Departure] = []

    def look(departure: Departure, change: Change, journal: Any) -> UserHoldings:
        looked.append(departure)
        return held(departure)

    monkeypatch.setattr(restoring, "_restored_in_aws", look)
    for of, fence in ((off, False), (theirs, False), (theirs, True)):
        if fence:
            Change.objects.update(status="withdrawn")
            sent(done(of))
        change = restoring_change(of, everybody)
        restoring.apply_restore(change, "w")
        assert again(change).status == "done"
    assert looked == [off, theirs]


def test_whoever_asks_holds_the_row_of_the_user(everybody: cast.Cast, off: Departure) -> None:
    with CaptureQueriesContext(connection) as asked:
        changes.restore(off, everybody.sara)
    assert 'FOR UPDATE OF "migrations_app_departure"' in asked[1]["sql"]


def test_a_later_forward_change_that_wrote_ends_the_read_backs(theirs: Departure) -> None:
    before = done(theirs)
    sent(before)
    change = done(theirs, "restore", status="running", claimed_by="w", check_at=clock.now())
    assert not restoring._fenced_again(theirs, change)
    later = done(theirs, "soak")
    assert not restoring._fenced_again(theirs, change)
    look = sent(later)
    Call.objects.filter(pk=look.pk).update(kind="look")
    assert not restoring._fenced_again(theirs, change)
    sent(later)
    restoring.check_restore(change, "w")
    assert (again(change).status, again(change).check_at) == ("done", None)
    Change.objects.filter(pk=change.pk).update(status="running", claimed_by="another")
    restoring.check_restore(change, "w")
    assert again(change).status == "running"


def test_an_alert_is_open_once_and_about_its_user(off: Departure) -> None:
    for _ in range(2):
        restoring.raise_alert("k", "failed", "t" * 300, "Look at it.", off)
    alert = Alert.objects.get()
    assert (alert.kind, alert.title, alert.text) == ("failed", "t" * 200, "Look at it.")
    assert (alert.user, alert.account) == (off.user, off.user.account)
    Alert.objects.update(closed_at=clock.now())
    restoring.raise_alert("k", "failed", "t", "Look at it.", off)
    assert Alert.objects.count() == 2
