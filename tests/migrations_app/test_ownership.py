"""Who answers for an IAM user: every answer, who may give it, and what it may not break."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from inventory import clock
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def suggested(everybody: cast.Cast, **columns: Any) -> Departure:
    """A discovered user that looks like Payments'."""
    user = cast.iam_user("ci-pay-old", suggested_team=everybody.payments, **columns)
    return cast.departure(user)


def owned(everybody: cast.Cast, state: State = State.OWNER_ASSIGNED) -> Departure:
    return cast.departure("ci-pay-old", state, everybody.payments)


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "answer"),
    [("ours", ""), ("needed", "needed"), ("can-go", "can-go"), ("unsure", "unsure")],
)
def test_a_lead_claims_what_was_suggested(everybody: cast.Cast, said: str, answer: str) -> None:
    row = changes.claim(suggested(everybody), everybody.payments, everybody.sara, said)
    assert (row.state, row.owner, row.answer) == (
        State.OWNER_ASSIGNED,
        everybody.payments,
        answer,
    )
    assert row.answers.get().said == said


def test_an_answer_that_nobody_knows_is_refused(everybody: cast.Cast) -> None:
    with pytest.raises(Refused, match="Answer with"):
        changes.claim(suggested(everybody), everybody.payments, everybody.sara, "maybe")


@pytest.mark.parametrize("who", ["priya", "vera", "ada"])
def test_nobody_claims_for_another_team(everybody: cast.Cast, who: str) -> None:
    row = suggested(everybody)
    with pytest.raises(NotAllowed):
        changes.claim(row, everybody.payments, getattr(everybody, who))
    row.refresh_from_db()
    assert row.state == State.DISCOVERED


@pytest.mark.parametrize(
    "columns",
    [
        {"suggested_team": None},
        {"privilege": "admin"},
        {"privilege": "can-become-admin"},
        # Its policies were never read.
        {"privilege": ""},
        # One of them could not be read.
        {"privilege": "read", "privilege_facts": {"unread": ["Policy x was not given by AWS."]}},
    ],
)
def test_a_surprising_claim_waits_for_an_engineer(
    everybody: cast.Cast, columns: dict[str, Any]
) -> None:
    user = cast.iam_user("ci-pay-old", **({"suggested_team": everybody.payments} | columns))
    row = changes.claim(cast.departure(user), everybody.payments, everybody.sara, "can-go")
    assert (row.state, row.owner) == (State.DISCOVERED, None)
    assert row.claim_pending_team == everybody.payments
    with pytest.raises(NotAllowed):
        changes.confirm_claim(row, everybody.sara)
    row = changes.confirm_claim(row, everybody.jonas)
    assert (row.state, row.owner, row.answer) == (
        State.OWNER_ASSIGNED,
        everybody.payments,
        "can-go",
    )


def test_a_declined_claim_leaves_the_user_as_it_was(everybody: cast.Cast) -> None:
    row = changes.claim(cast.departure("ci-x"), everybody.payments, everybody.sara)
    row = changes.decline_claim(row, everybody.jonas)
    assert (row.state, row.claim_pending_team, row.answer) == (State.DISCOVERED, None, "")
    with pytest.raises(Refused, match="No claim"):
        changes.confirm_claim(row, everybody.jonas)


def test_not_ours_of_an_owned_user_makes_it_discovered_again(everybody: cast.Cast) -> None:
    row = changes.not_ours(owned(everybody), everybody.payments, everybody.sara)
    assert (row.state, row.owner) == (State.DISCOVERED, None)


@pytest.mark.parametrize("state", [State.DISABLED, State.SOAKING])
def test_a_switched_off_user_is_never_without_an_owner(everybody: cast.Cast, state: State) -> None:
    row = owned(everybody, state)
    with pytest.raises(Refused, match="needs an owner"):
        changes.not_ours(row, everybody.payments, everybody.sara)
    with pytest.raises(Refused):
        changes.release(row, everybody.sara)


def test_the_last_answer_can_be_taken_back(everybody: cast.Cast) -> None:
    row = changes.claim(suggested(everybody), everybody.payments, everybody.sara, "can-go")
    row = changes.undo_answer(row, everybody.sara)
    assert (row.state, row.owner, row.answer) == (State.DISCOVERED, None, "")


def test_an_answer_stands_once_a_batch_was_approved_on_it(everybody: cast.Cast) -> None:
    row = changes.claim(suggested(everybody), everybody.payments, everybody.sara, "can-go")
    batch = cast.batch(
        everybody.account,
        everybody.jonas,
        status="approved",
        asked_by=everybody.jonas,
        approved_by=everybody.mei,
        approved_digest="d",
    )
    cast.change(row, "disable", batch=batch, status="queued")
    with pytest.raises(Refused, match="approved batch"):
        changes.undo_answer(row, everybody.sara)


def test_a_user_in_an_open_change_is_not_released(everybody: cast.Cast) -> None:
    row = owned(everybody)
    batch = cast.batch(everybody.account, everybody.jonas)
    cast.change(row, "disable", batch=batch, status="asked")
    with pytest.raises(Refused, match="Take it out first"):
        changes.release(row, everybody.sara)


def test_a_protected_user_keeps_its_owner(everybody: cast.Cast) -> None:
    row = owned(everybody)
    row = changes.protect(row, everybody.ada, "It signs the releases")
    with pytest.raises(Refused, match="keeps its owner"):
        changes.release(row, everybody.sara)


# ── Hand-over, adoption ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [State.OWNER_ASSIGNED, State.DISABLED, State.SOAKING])
def test_a_hand_over_changes_the_owner_in_any_state_but_not_the_state(
    everybody: cast.Cast, state: State
) -> None:
    row = changes.hand_over(owned(everybody, state), everybody.platform, everybody.sara)
    with pytest.raises(NotAllowed):
        changes.accept_hand_over(row, everybody.sara)
    row = changes.accept_hand_over(row, everybody.priya)
    assert (row.state, row.owner, row.handed_to) == (state, everybody.platform, None)


def test_a_declined_hand_over_stays_where_it_was(everybody: cast.Cast) -> None:
    row = changes.hand_over(owned(everybody), everybody.platform, everybody.sara)
    row = changes.decline_hand_over(row, everybody.priya)
    assert (row.owner, row.handed_to) == (everybody.payments, None)


def test_nothing_is_handed_to_who_has_it(everybody: cast.Cast) -> None:
    with pytest.raises(Refused, match="already"):
        changes.hand_over(owned(everybody), everybody.payments, everybody.sara)


def test_unclaimed_users_are_adopted_for_the_custodian(everybody: cast.Cast) -> None:
    rows = [cast.departure(f"ci-{number}") for number in range(3)]
    taken = owned(everybody)
    assert changes.adopt([*rows, taken], everybody.jonas) == 3
    owners = Departure.objects.filter(pk__in=[row.pk for row in rows]).values_list("owner__key")
    assert set(owners) == {("security",)}
    taken.refresh_from_db()
    assert taken.owner == everybody.payments
    with pytest.raises(NotAllowed):
        changes.adopt(rows, everybody.sara)


def test_without_a_custodian_nobody_is_adopted(everybody: cast.Cast) -> None:
    cast.organization(None)
    with pytest.raises(Refused, match="custodian"):
        changes.adopt([cast.departure("ci-1")], everybody.jonas)


def test_a_deleted_user_changes_hands_no_more(everybody: cast.Cast) -> None:
    row = owned(everybody, State.DELETED)
    verbs: tuple[Callable[[], object], ...] = (
        lambda: changes.assign(row, everybody.platform, everybody.jonas),
        lambda: changes.claim(row, everybody.payments, everybody.sara),
        lambda: changes.hand_over(row, everybody.platform, everybody.sara),
        lambda: changes.dispute(row, everybody.sara, "x", clock.now().date() + timedelta(days=2)),
    )
    for verb in verbs:
        with pytest.raises(Refused, match="was deleted"):
            verb()


# ── Disputes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("days", "allowed"), [(0, False), (1, True), (30, True), (31, False)])
def test_a_dispute_lasts_from_tomorrow_to_thirty_days(
    everybody: cast.Cast, days: int, allowed: bool
) -> None:
    until = clock.now().date() + timedelta(days=days)
    if allowed:
        row = changes.dispute(owned(everybody), everybody.sara, "It is in use", until)
        assert row.disputed_until == until
    else:
        with pytest.raises(Refused, match="Choose a date"):
            changes.dispute(owned(everybody), everybody.sara, "It is in use", until)


def test_disputes_that_follow_one_another_are_one(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments)
    today = clock.now().date()
    row = changes.dispute(row, everybody.sara, "In use.", today + timedelta(days=20))
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(days=15))
    with pytest.raises(Refused, match="30 days at most"):
        changes.dispute(row, everybody.sara, "Still.", today + timedelta(days=31))
    row = changes.dispute(row, everybody.sara, "Still.", today + timedelta(days=30))
    row = changes.dispute(row, everybody.jonas, "I know of it.", today + timedelta(days=40))
    file.move(timedelta(days=120))
    again = clock.now().date() + timedelta(days=30)
    row = changes.dispute(row, everybody.sara, "Something else.", again)
    assert row.disputed_until == again


def test_a_dispute_needs_a_reason_and_blocks_until_it_ends(everybody: cast.Cast) -> None:
    row, until = owned(everybody), clock.now().date() + timedelta(days=3)
    with pytest.raises(Refused, match="Say what is wrong"):
        changes.dispute(row, everybody.sara, " ", until)
    row = changes.dispute(row, everybody.sara, "It is in use", until)
    assert [b.code for b in changes.blockers_for([row], "disable")[row.pk]] == ["disputed"]
    row = changes.end_dispute(row, everybody.jonas)
    assert changes.blockers_for([row], "disable")[row.pk] == []


# ── Overruling, plans ────────────────────────────────────────────────────────────────────────────


def test_only_an_engineer_overrules_and_says_why(everybody: cast.Cast) -> None:
    row = cast.departure(
        cast.iam_user("ci-x", verdict="unknown"), State.OWNER_ASSIGNED, everybody.payments
    )
    with pytest.raises(NotAllowed):
        changes.overrule(row, everybody.sara, "I know it")
    with pytest.raises(Refused, match="Say why"):
        changes.overrule(row, everybody.jonas, "  ")
    row = changes.overrule(row, everybody.jonas, "The box it ran on is gone")
    assert changes.blockers_for([row], "disable")[row.pk] == []
    assert LedgerEntry.objects.get(kind="verdict.overruled").data["verdict"] == "unknown"


def test_active_is_overruled_only_with_the_owners_word(everybody: cast.Cast) -> None:
    row = cast.departure(
        cast.iam_user("ci-x", verdict="active", suggested_team=everybody.payments),
        State.OWNER_ASSIGNED,
        everybody.payments,
    )
    with pytest.raises(Refused, match="it can go"):
        changes.overrule(row, everybody.jonas, "I think so")
    row = changes.claim(row, everybody.payments, everybody.sara, "can-go")
    assert changes.overrule(row, everybody.jonas, "Sara said so").overruled_verdict == "active"


def test_the_owner_confirms_a_plan_once(everybody: cast.Cast) -> None:
    row = owned(everybody)
    with pytest.raises(Refused, match="no plan"):
        changes.confirm_plan(row, everybody.sara)
    cast.plan(row)
    first = changes.confirm_plan(row, everybody.sara)
    assert first.status == Plan.Status.CONFIRMED
    assert changes.confirm_plan(row, everybody.jonas).confirmed_by == everybody.sara
    assert LedgerEntry.objects.filter(kind="plan.confirmed").count() == 1


@pytest.mark.parametrize(
    ("state", "answer", "words"),
    [
        (State.DELETED, "", "ci-pay-old was deleted. Its plan can no longer be confirmed"),
        (State.DISABLED, "needed", "ci-pay-old is disabled, so nothing waits for its plan"),
        (State.SOAKING, "", "ci-pay-old is soaking, so nothing waits for its plan"),
        (State.OWNER_ASSIGNED, "can-go", "said that ci-pay-old can go"),
    ],
)
def test_a_plan_is_confirmed_only_while_somebody_waits_for_it(
    everybody: cast.Cast, state: State, answer: str, words: str
) -> None:
    row = cast.departure("ci-pay-old", state, everybody.payments, answer=answer)
    plan = cast.plan(row)
    with pytest.raises(Refused, match=words):
        changes.confirm_plan(row, everybody.sara)
    plan.refresh_from_db()
    assert (plan.status, plan.confirmed_by) == ("draft", None)


# ── Who may speak of it ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("said", ["not-ours", "dispute", "hand-over"])
def test_a_team_that_nobody_asked_holds_nothing_up(everybody: cast.Cast, said: str) -> None:
    row, until = suggested(everybody), clock.now().date() + timedelta(days=30)
    how = {"whose": everybody.security, "reason": "It must stay.", "until": until}
    with pytest.raises(Refused, match="Nobody asked Platform about ci-pay-old"):
        changes.answer(row, everybody.platform, everybody.priya, said, **how)  # type: ignore[arg-type]
    row.refresh_from_db()
    assert (row.disputed_until, row.handed_to, row.answers.count()) == (None, None, 0)
    changes.answer(row, everybody.payments, everybody.sara, said, **how)  # type: ignore[arg-type]


def test_a_team_that_was_named_may_send_it_on(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    row = changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    row = changes.not_ours(row, everybody.platform, everybody.priya, everybody.security)
    assert row.answers.count() == 2


def test_nobody_says_that_it_is_theirs_and_not_theirs(everybody: cast.Cast) -> None:
    with pytest.raises(Refused, match="Choose another team"):
        changes.not_ours(
            suggested(everybody), everybody.payments, everybody.sara, everybody.payments
        )


def test_each_team_that_a_user_is_offered_to_hears_of_it(everybody: cast.Cast) -> None:
    row = owned(everybody)
    for team in (everybody.platform, everybody.security):
        row = changes.hand_over(row, team, everybody.sara)
    told = Notice.objects.filter(kind="hand-over")
    assert {notice.team for notice in told} == {everybody.platform, everybody.security}


# ── To the letter ────────────────────────────────────────────────────────────────────────────────


def test_whoever_takes_an_offer_back_has_it_alone_again(everybody: cast.Cast) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED, everybody.payments)
    row = changes.hand_over(row, everybody.platform, everybody.sara)
    row = changes.undo_answer(row, everybody.sara)
    assert (row.owner, row.handed_to, row.handed_at) == (everybody.payments, None, None)
    assert LedgerEntry.objects.filter(kind="hand-over.undone").count() == 1


def test_until_when_it_is_disputed_is_in_the_ledger(everybody: cast.Cast) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED, everybody.payments)
    until = clock.now().date() + timedelta(days=3)
    changes.dispute(row, everybody.sara, "In use", until)
    assert LedgerEntry.objects.get(kind="dispute.asked").data["until"] == str(until)


def test_what_a_team_can_still_answer_is_left_to_it_beside_what_is_adopted(
    everybody: cast.Cast,
) -> None:
    asked = cast.departure(cast.iam_user("asked", suggested_team=everybody.payments))
    changes.start_campaign(everybody.jonas)
    with pytest.raises(Refused, match="Payments can still answer until"):
        changes.adopt([asked], everybody.jonas)
    assert changes.adopt([asked, cast.departure("alone")], everybody.jonas) == 1
    owners = Departure.objects.values_list("user__user_name", "owner__key")
    assert dict(owners) == {"asked": None, "alone": "security"}
