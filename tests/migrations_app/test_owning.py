"""Every word about who answers for a user is kept, row by row, and by whom it may be said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import IamUser, LedgerEntry, Team
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import ownership
from migrations_app.claims import claiming
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure, GivenAnswer, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    """A user of Payments."""
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def found(everybody: cast.Cast, name: str = "ci-new", **user: Any) -> Departure:
    """A discovered user that looks like Payments'."""
    return cast.departure(cast.iam_user(name, suggested_team=everybody.payments, **user))


def now(row: Departure) -> Departure:
    return Departure.objects.get(pk=row.pk)


def kept(row: Departure) -> tuple[str, Team | None, Any, str]:
    """The last answer: what, for whom, by whom, and why."""
    last = GivenAnswer.objects.filter(departure=row).latest("pk")
    return last.said, last.team, last.person, last.note


def entry(kind: str) -> LedgerEntry:
    return LedgerEntry.objects.get(kind=kind)


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────


def test_a_claim_is_kept_with_who_said_what(everybody: cast.Cast) -> None:
    row = changes.claim(found(everybody), everybody.payments, everybody.sara, "needed", " nightly ")
    assert kept(row) == ("needed", everybody.payments, everybody.sara, "nightly")
    assert (row.owner, row.answer, row.answered_by) == (
        everybody.payments, "needed", everybody.sara,
    )  # fmt: skip
    assert (row.owner_since is not None, row.answered_at is not None) == (True, True)
    assert entry("move.assign").data["owner"] == "payments"


def test_ours_keeps_the_answer_that_was_given_before(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.claim(theirs, everybody.payments, everybody.sara, "can-go")
    assert changes.claim(row, everybody.payments, everybody.sara, "ours").answer == "can-go"


@pytest.mark.parametrize(
    ("user", "waits"),
    [
        ({}, False),
        ({"privilege": "admin"}, True),
        ({"privilege": "can-become-admin"}, True),
        ({"privilege": ""}, True),
        ({"suggested_team": None}, True),
    ],
)
def test_a_surprising_claim_waits_for_an_engineer(
    everybody: cast.Cast, *, user: dict[str, Any], waits: bool
) -> None:
    of = found(everybody)
    IamUser.objects.filter(pk=of.user_id).update(**user)
    row = changes.claim(now(of), everybody.payments, everybody.sara, "can-go")
    assert (row.owner is None) is waits
    if waits:
        assert (row.claim_pending_team, row.claim_pending_by) == (
            everybody.payments, everybody.sara,
        )  # fmt: skip
        assert (row.answer, row.answered_by) == ("can-go", everybody.sara)
        assert entry("claim.pending").data == {"team": "payments", "said": "can-go"}
        row = changes.confirm_claim(row, everybody.jonas)
        assert (row.owner, row.claim_pending_team, row.answer) == (
            everybody.payments, None, "can-go",
        )  # fmt: skip


def test_an_engineer_or_the_owner_itself_needs_nobody_to_confirm(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.claim(found(everybody, privilege="admin"), everybody.payments, everybody.jonas)
    assert row.owner == everybody.payments
    IamUser.objects.filter(pk=theirs.user_id).update(privilege="admin")
    assert not changes.claim(now(theirs), everybody.payments, everybody.sara).claim_pending_team


def test_a_claim_that_waits_is_declined_and_one_that_does_not_is_neither(
    everybody: cast.Cast, theirs: Departure
) -> None:
    for verb in (changes.confirm_claim, changes.decline_claim):
        with pytest.raises(Refused, match="waits for a confirmation"):
            verb(theirs, everybody.jonas)
        with pytest.raises(NotAllowed):
            verb(theirs, everybody.sara)
    row = changes.claim(found(everybody, privilege="admin"), everybody.payments, everybody.sara)
    row = changes.decline_claim(row, everybody.jonas)
    assert (row.claim_pending_team, row.claim_pending_by, row.answer) == (None, None, "")
    assert (row.answered_by, row.answered_at) == (None, None)
    assert entry("claim.declined").data == {"team": "payments"}


def test_what_another_team_owns_is_contested_and_what_is_deleted_is_not_claimed(
    everybody: cast.Cast,
) -> None:
    other = cast.departure("plat", State.OWNER_ASSIGNED, everybody.platform)
    row = changes.claim(other, everybody.payments, everybody.sara)
    assert (row.owner, row.contested_by_team) == (everybody.platform, everybody.payments)
    with pytest.raises(Refused, match="was deleted"):
        changes.claim(cast.departure("gone", State.DELETED), everybody.security, everybody.jonas)


# ── Not ours ─────────────────────────────────────────────────────────────────────────────────────


def test_not_ours_is_kept_with_whose_it_is(everybody: cast.Cast, theirs: Departure) -> None:
    row = changes.not_ours(
        found(everybody), everybody.payments, everybody.sara, everybody.platform, "no"
    )
    assert (row.state, kept(row)) == (
        State.DISCOVERED, ("not-ours", everybody.payments, everybody.sara, "no"),
    )  # fmt: skip
    assert GivenAnswer.objects.get().whose == everybody.platform
    assert entry("claim.not-ours").data == {"team": "payments", "whose": "platform"}
    assert changes.not_ours(theirs, everybody.payments, everybody.sara).owner is None
    off = cast.departure("off", State.DISABLED, everybody.payments)
    with pytest.raises(Refused, match="needs an owner"):
        changes.not_ours(off, everybody.payments, everybody.sara)


# ── Taking it back ───────────────────────────────────────────────────────────────────────────────


def test_what_was_said_last_is_taken_back_once_and_by_its_team(everybody: cast.Cast) -> None:
    row = changes.claim(found(everybody), everybody.payments, everybody.sara, "can-go")
    with pytest.raises(NotAllowed):
        changes.undo_answer(row, everybody.priya)
    row = changes.undo_answer(row, everybody.sara)
    assert (row.state, row.owner, row.answer, row.answered_by) == (
        State.DISCOVERED, None, "", None,
    )  # fmt: skip
    assert kept(row)[:3] == ("undo", everybody.payments, everybody.sara)
    assert entry("move.release").data["note"] == "answer taken back"
    with pytest.raises(Refused, match="no answer"):
        changes.undo_answer(row, everybody.sara)


def test_a_claim_that_waits_is_taken_back_and_the_user_stays(everybody: cast.Cast) -> None:
    row = changes.claim(found(everybody, privilege="admin"), everybody.payments, everybody.sara)
    row = changes.undo_answer(row, everybody.sara)
    assert (row.state, row.claim_pending_team, row.claim_pending_by) == (
        State.DISCOVERED, None, None,
    )  # fmt: skip
    assert entry("claim.undone").user_id == row.user.user_id


def test_an_answer_about_one_that_is_off_or_another_teams_since_moves_nothing(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.claim(theirs, everybody.payments, everybody.sara, "can-go")
    Departure.objects.filter(pk=row.pk).update(owner=everybody.platform)
    row = changes.undo_answer(now(row), everybody.sara)
    assert (row.owner, row.answer, row.state) == (
        everybody.platform, "can-go", State.OWNER_ASSIGNED,
    )  # fmt: skip
    off = cast.departure("off", State.DISABLED, everybody.payments)
    row = changes.claim(off, everybody.payments, everybody.sara, "can-go")
    row = changes.undo_answer(row, everybody.sara)
    assert (row.owner, row.answer, row.state) == (everybody.payments, "", State.DISABLED)


def test_in_an_approved_batch_nothing_is_taken_back(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.claim(theirs, everybody.payments, everybody.sara, "can-go")
    batch = cast.batch(
        everybody.account, everybody.jonas, approved_by=everybody.mei, approved_digest="0" * 64
    )
    cast.change(theirs, batch=batch, status="queued")
    for status in ("approved", "running", "paused"):
        Batch.objects.update(status=status)
        with pytest.raises(Refused, match="in an approved batch"):
            changes.undo_answer(row, everybody.sara)


def test_what_a_batch_has_switched_off_since_is_restored_and_not_taken_back(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.claim(theirs, everybody.payments, everybody.sara, "can-go")
    Departure.objects.filter(pk=row.pk).update(
        state=State.DISABLED, fenced_at=clock.now() + timedelta(hours=1)
    )
    with pytest.raises(Refused, match="was switched off since"):
        changes.undo_answer(now(row), everybody.sara)
    (card,) = claiming.page_of(everybody.payments, clock.now()).cards
    assert (card.status, card.undo) == ("answered", False)


def test_not_ours_is_taken_back_and_changes_nothing_else(everybody: cast.Cast) -> None:
    row = changes.not_ours(found(everybody), everybody.payments, everybody.sara)
    assert changes.undo_answer(row, everybody.sara).state == State.DISCOVERED
    assert entry("claim.undone").user_id == row.user.user_id


# ── What Security said is told ───────────────────────────────────────────────────────────────────


def heard(kind: str) -> Notice:
    return Notice.objects.get(kind=kind)


@pytest.mark.parametrize("confirmed", [True, False])
def test_whoever_claimed_hears_what_security_said(everybody: cast.Cast, confirmed: bool) -> None:
    row = changes.claim(found(everybody, privilege="admin"), everybody.payments, everybody.sara)
    verb = changes.confirm_claim if confirmed else changes.decline_claim
    verb(row, everybody.jonas)
    notice = heard("claim-confirmed" if confirmed else "claim-declined")
    assert notice.team == everybody.payments
    assert ("is yours" if confirmed else "stays as it was") in notice.title
    assert str(everybody.jonas) in notice.text


def test_a_team_hears_securitys_answer_to_its_dispute(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.dispute(theirs, everybody.sara, "audit", clock.now().date() + DAY)
    changes.end_dispute(row, everybody.jonas, "The audit is over.")
    notice = heard("dispute-over")
    assert notice.team == everybody.payments
    assert "Jonas Weber ended it." in notice.text
    assert notice.text.endswith("Jonas Weber writes: The audit is over.")
    assert entry("dispute.ended").data["answer"] == "The audit is over."


def test_a_team_that_ends_its_own_dispute_is_told_nothing(
    everybody: cast.Cast, theirs: Departure
) -> None:
    row = changes.dispute(theirs, everybody.sara, "audit", clock.now().date() + DAY)
    changes.end_dispute(row, everybody.sara)
    assert not Notice.objects.filter(kind="dispute-over").exists()


def test_a_team_hears_once_that_the_day_of_its_dispute_has_passed(everybody: cast.Cast) -> None:
    today = clock.now().date()
    row = changes.dispute(
        found(everybody), everybody.sara, "audit", today + DAY, everybody.payments
    )

    def pass_days(number: int) -> None:
        Departure.objects.filter(pk=row.pk).update(disputed_until=today - number * DAY)
        for _ in range(2):
            ownership.tell_of_lapsed_disputes()

    pass_days(0)
    assert not Notice.objects.filter(kind="dispute-over").exists()
    # Long ago is no news any more.
    pass_days(8)
    assert not Notice.objects.filter(kind="dispute-over").exists()
    pass_days(1)
    notice = heard("dispute-over")
    assert (notice.team, notice.departures.get()) == (everybody.payments, row)
    # Disputed anew, it ends anew.
    Notice.objects.update(at=clock.now() - timedelta(days=30))
    pass_days(2)
    assert Notice.objects.filter(kind="dispute-over").count() == 2


# ── Disputes ─────────────────────────────────────────────────────────────────────────────────────


def test_a_dispute_lies_between_tomorrow_and_thirty_days_and_says_why(
    everybody: cast.Cast, theirs: Departure
) -> None:
    today = clock.now().date()
    last = f"{today + 30 * DAY:%d %B}"
    for until in (today, today + 31 * DAY):
        with pytest.raises(Refused, match=f"from tomorrow to {last}"):
            changes.dispute(theirs, everybody.sara, "audit", until)
    with pytest.raises(Refused, match="what is wrong"):
        changes.dispute(theirs, everybody.sara, " ", today + DAY)
    with pytest.raises(NotAllowed):
        changes.dispute(theirs, everybody.priya, "audit", today + DAY)
    row = changes.dispute(theirs, everybody.sara, " audit ", today + DAY)
    row = changes.dispute(row, everybody.sara, " audit ", today + 30 * DAY)
    assert (row.disputed_until, row.dispute_reason, row.disputed_by) == (
        today + 30 * DAY, "audit", everybody.sara,
    )  # fmt: skip
    assert kept(row) == ("dispute", everybody.payments, everybody.sara, "audit")
    row = changes.undo_answer(row, everybody.sara)
    assert (row.disputed_until, row.dispute_reason) == (None, "")


def test_a_dispute_is_ended_by_its_team_or_an_engineer(
    everybody: cast.Cast, theirs: Departure
) -> None:
    with pytest.raises(Refused, match="is not disputed"):
        changes.end_dispute(theirs, everybody.sara)
    row = changes.dispute(theirs, everybody.sara, "audit", clock.now().date() + DAY)
    with pytest.raises(NotAllowed):
        changes.end_dispute(row, everybody.priya)
    row = changes.end_dispute(row, everybody.jonas)
    assert (row.disputed_until, row.dispute_reason) == (None, "")
    assert entry("dispute.ended").user_id == row.user.user_id


# ── Given, let go, adopted ───────────────────────────────────────────────────────────────────────


def test_an_engineer_gives_a_user_to_a_team_in_whatever_state(
    everybody: cast.Cast, theirs: Departure
) -> None:
    cast.plan(theirs, status="confirmed", confirmed_at=clock.now(), confirmed_by=everybody.sara)
    with pytest.raises(NotAllowed):
        changes.assign(theirs, everybody.platform, everybody.priya)
    row = changes.assign(theirs, everybody.platform, everybody.jonas, " moved ")
    assert (row.owner, row.answer) == (everybody.platform, "")
    assert kept(row) == ("assign", everybody.platform, everybody.jonas, "moved")
    plan = Plan.objects.get()
    assert (plan.status, plan.confirmed_at, plan.confirmed_by) == ("draft", None, None)
    off = cast.departure("off", State.SOAKING, everybody.payments)
    row = changes.assign(off, everybody.platform, everybody.jonas, "moved")
    assert (row.owner, row.state) == (everybody.platform, State.SOAKING)
    assert entry("owner.changed").data == {"to": "platform", "note": "moved"}


def test_the_same_team_again_keeps_its_plan(everybody: cast.Cast, theirs: Departure) -> None:
    cast.plan(theirs, status="confirmed", confirmed_at=clock.now(), confirmed_by=everybody.sara)
    changes.assign(theirs, everybody.payments, everybody.jonas)
    assert Plan.objects.get().status == "confirmed"


def test_a_team_lets_go_of_what_is_not_protected_nor_in_a_batch(
    everybody: cast.Cast, theirs: Departure
) -> None:
    with pytest.raises(NotAllowed):
        changes.release(theirs, everybody.priya)
    change = cast.change(theirs, status="queued")
    with pytest.raises(Refused, match="Take it out first"):
        changes.release(theirs, everybody.sara)
    change.status = "done"
    change.save()
    Departure.objects.update(protection="exempt")
    with pytest.raises(Refused, match="keeps its owner"):
        changes.release(now(theirs), everybody.sara)
    Departure.objects.update(protection="", answer="can-go", answered_at=clock.now())
    row = changes.release(now(theirs), everybody.sara)
    assert (row.state, row.owner, row.owner_since, row.answer, row.answered_at) == (
        State.DISCOVERED, None, None, "", None,
    )  # fmt: skip
    assert kept(row)[:3] == ("release", everybody.payments, everybody.sara)


def test_an_engineer_adopts_who_is_discovered_and_forgets_a_claim_that_waits(
    everybody: cast.Cast, theirs: Departure
) -> None:
    waits = changes.claim(
        found(everybody, privilege="admin"), everybody.payments, everybody.sara, "can-go"
    )
    with pytest.raises(NotAllowed):
        changes.adopt([waits], everybody.sara)
    assert changes.adopt([waits, theirs, found(everybody, "third")], everybody.jonas) == 2
    row = now(waits)
    assert (row.owner, row.answer, row.claim_pending_team) == (everybody.security, "", None)
    assert kept(row)[:3] == ("adopt", everybody.security, everybody.jonas)
    assert now(theirs).owner == everybody.payments
    cast.organization(None)
    with pytest.raises(Refused, match="No custodian"):
        changes.adopt([found(everybody, "fourth")], everybody.jonas)


# ── Overruled, and the plan ──────────────────────────────────────────────────────────────────────


def test_a_verdict_is_overruled_by_an_engineer_who_says_why(
    everybody: cast.Cast, theirs: Departure
) -> None:
    with pytest.raises(NotAllowed):
        changes.overrule(theirs, everybody.sara, "it moved")
    with pytest.raises(Refused, match="Say why"):
        changes.overrule(theirs, everybody.jonas, " ")
    off = cast.departure("off", State.DISABLED, everybody.payments)
    with pytest.raises(Refused, match="nothing to overrule"):
        changes.overrule(off, everybody.jonas, "it moved")
    row = changes.overrule(theirs, everybody.jonas, " it moved ")
    assert (row.overruled_by, row.overruled_verdict, row.overruled_note) == (
        everybody.jonas, "dormant", "it moved",
    )  # fmt: skip
    assert row.overruled_at is not None
    assert entry("verdict.overruled").data == {"verdict": "dormant", "note": " it moved "}
    IamUser.objects.filter(pk=theirs.user_id).update(verdict="active")
    with pytest.raises(Refused, match="is in use"):
        changes.overrule(now(theirs), everybody.jonas, "it moved")
    row = changes.claim(now(theirs), everybody.payments, everybody.sara, "can-go")
    assert changes.overrule(row, everybody.jonas, "it moved").overruled_verdict == "active"


def test_a_plan_is_confirmed_once_and_by_its_owner(everybody: cast.Cast, theirs: Departure) -> None:
    with pytest.raises(Refused, match="no plan yet"):
        changes.confirm_plan(theirs, everybody.sara)
    cast.plan(theirs)
    with pytest.raises(NotAllowed):
        changes.confirm_plan(theirs, everybody.priya)
    plan = changes.confirm_plan(theirs, everybody.sara, "works")
    assert (plan.status, plan.confirmed_by, plan.note) == ("confirmed", everybody.sara, "works")
    assert plan.confirmed_at is not None
    assert entry("plan.confirmed").data["target"] == plan.target
    assert changes.confirm_plan(theirs, everybody.jonas, "again").confirmed_by == everybody.sara
