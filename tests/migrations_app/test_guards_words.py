"""What a blocker says and until when, one reason at a time; and that nothing known blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from migrations_app import guards
from migrations_app.guards import AccountSituation, Blocker, Situation, StillNamed
from migrations_app.lifecycle import MoveName, State
from tests.migrations_app.test_guards import (
    DAY,
    NOW,
    RULES,
    SECOND,
    account,
    assigned,
    codes,
    soaked,
    watched,
)


def only(situation: Situation, move: MoveName = MoveName.DISABLE) -> Blocker:
    (found,) = guards.blockers(situation, move, NOW)
    return found


# ── What is not known never lets a user go ───────────────────────────────────────────────────────


def bare(state: State = State.OWNER_ASSIGNED, **facts: Any) -> Situation:
    """A user of whom nobody knows anything yet."""
    return Situation(user_name="ci-pay-old", state=state, rules=RULES, **facts)


def test_a_user_of_whom_nothing_is_known_is_not_disabled() -> None:
    found = guards.blockers(bare(), MoveName.DISABLE, NOW)
    assert [one.code for one in found] == ["ownerless", "evidence-age", "unknown"]
    assert found[-1].text == "It cannot be told whether ci-pay-old is used."


def test_an_owner_of_whom_nothing_is_known_cannot_be_reached() -> None:
    assert codes(bare(has_owner=True), MoveName.DISABLE)[0] == "unreachable"


def test_a_verdict_of_which_nobody_says_how_it_was_made_is_not_believed() -> None:
    assert codes(bare(verdict="dormant"), MoveName.DISABLE)[-1] == "coverage"


def test_a_shut_user_of_whom_nothing_is_known_is_not_deleted() -> None:
    assert codes(bare(State.SOAKING), MoveName.DELETE) == ["early"]


def test_an_account_of_which_nothing_is_known_takes_no_write() -> None:
    bare_account = AccountSituation(name="production", has_role=True, break_glass_seen_at=NOW)
    for unseen in (bare_account, replace(bare_account, break_glass_seen_at=None)):
        found = guards.account_blockers(unseen, MoveName.DISABLE, NOW)
        assert [one.code for one in found] == ["break-glass"]


# ── The most fundamental reason stands alone ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("protected", {"protection": "exempt", "quarantined": True, "has_owner": False}),
        ("needed", {"answer": "needed", "verdict": "active"}),
        ("young", {"created_at": NOW - DAY, "verdict": "active"}),
    ],
)
def test_no_lesser_reason_stands_beside_it(code: str, facts: dict[str, Any]) -> None:
    assert codes(assigned(**facts), MoveName.DISABLE) == [code]


@pytest.mark.parametrize("move", [MoveName.SOAK, MoveName.DELETE, MoveName.RESTORE])
def test_a_discovered_user_is_taken_by_an_urgent_disable_and_by_nothing_else(
    move: MoveName,
) -> None:
    assert codes(assigned(state=State.DISCOVERED), move) == ["state"]


def test_times_that_are_not_known_do_not_hold_a_confirmed_plan() -> None:
    planned = assigned(plan_confirmed_at=NOW, created_at=None, last_activity_at=None)
    assert codes(planned, MoveName.DISABLE) == []


def test_a_user_made_at_an_unknown_time_is_judged_by_its_verdict() -> None:
    assert codes(assigned(created_at=None), MoveName.DISABLE) == []
    assert codes(assigned(created_at=None, verdict="active"), MoveName.DISABLE) == ["in-use"]


# ── Listening ────────────────────────────────────────────────────────────────────────────────────


def test_listening_may_begin_at_the_very_instant_of_the_fence() -> None:
    assert codes(watched(listened_from=NOW - 8 * DAY), MoveName.SOAK) == []


def test_listening_that_began_at_an_unknown_time_is_not_whole() -> None:
    assert codes(watched(listened_from=None), MoveName.SOAK) == ["listening"]


def test_what_could_not_be_heard_yet_holds_the_user_and_is_named() -> None:
    found = only(watched(unheard=("eu-west-1", "us-east-1")), MoveName.SOAK)
    assert found.code == "listening"
    assert "did in eu-west-1, us-east-1 could not be read yet" in found.text


# ── Numbers and names that others rely on ────────────────────────────────────────────────────────


def test_an_urgent_batch_takes_five_users_at_most() -> None:
    assert guards.URGENT_USERS == 5


def test_only_listening_ends_by_itself() -> None:
    assert {"listening", "last-used"} == guards.PASSING


# ── Until when, and what to do ───────────────────────────────────────────────────────────────────


def test_a_restored_user_is_told_until_when_it_rests() -> None:
    found = only(assigned(restored_at=NOW - DAY))
    assert found.text == "ci-pay-old was restored on 28 Mar."
    assert "until 27 Apr" in found.fix


def test_a_user_that_is_not_quiet_is_told_until_when() -> None:
    found = only(assigned(plan_confirmed_at=NOW, last_activity_at=NOW - DAY))
    assert "were used on 28 Mar" in found.text
    assert "until 11 Apr" in found.fix


def test_old_evidence_and_no_evidence_are_told_apart() -> None:
    assert "too old" in only(assigned(evidence_at=NOW - DAY - SECOND)).text
    assert "not looked at yet" in only(assigned(evidence_at=None)).text


@pytest.mark.parametrize(
    ("verdict", "text", "fix"),
    [
        ("active", "ci-pay-old is in use.", "Plan a replacement first."),
        ("unknown", "It cannot be told whether ci-pay-old is used.", "overrule with a note"),
        ("odd", "The verdict on ci-pay-old is odd.", "overrule with a note"),
    ],
)
def test_a_verdict_is_told_with_what_helps(verdict: str, text: str, fix: str) -> None:
    found = only(assigned(verdict=verdict))
    assert found.text == text
    assert fix in found.fix


def test_a_user_in_use_and_one_that_nobody_can_judge_have_codes_of_their_own() -> None:
    assert only(assigned(verdict="active")).code == "in-use"
    assert only(assigned(verdict="odd")).code == "unknown"


def test_the_watch_and_the_soak_are_named() -> None:
    assert only(watched(due_at=NOW + DAY), MoveName.SOAK).text == (
        "The watch of ci-pay-old lasts until 30 Mar 01:30 UTC."
    )
    assert only(soaked(due_at=None), MoveName.DELETE).text == (
        "The soak of ci-pay-old lasts until it has started."
    )
    assert "since the watch ended" in only(watched(last_used_read_at=None), MoveName.SOAK).text
    assert "since the soak ended" in only(soaked(last_used_read_at=None), MoveName.DELETE).text


@pytest.mark.parametrize(
    ("fix", "told"), [("", "Edit it first."), ("Add another one.", "Add another one.")]
)
def test_a_reference_is_told_with_its_own_way_out(fix: str, told: str) -> None:
    named = soaked(references_that_block=(StillNamed("It is the only administrator.", fix),))
    assert only(named, MoveName.DELETE) == Blocker(
        "reference", "It is the only administrator.", told
    )


@pytest.mark.parametrize(
    ("called", "told"),
    [
        (("a",), ("a was called and the hit is open.", "Close it first.")),
        (("a", "b"), ("a, b were called and the hits are open.", "Close them first.")),
    ],
)
def test_an_open_hit_is_told_with_the_names(called: tuple[str, ...], told: tuple[str, str]) -> None:
    (found,) = guards.account_blockers(account(open_hits=called), MoveName.DISABLE, NOW)
    assert (found.text, found.fix) == told


# ── Whose it is, and by which way ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("one", "move"),
    [
        (assigned(contested=True), MoveName.DISABLE),
        (watched(contested=True), MoveName.SOAK),
        (soaked(contested=True), MoveName.DELETE),
    ],
)
def test_what_two_teams_claim_goes_no_further(one: Situation, move: MoveName) -> None:
    found = only(one, move)
    assert (found.code, found.text) == ("contest", "Two teams claim ci-pay-old.")


@pytest.mark.parametrize("facts", [{}, {"verdict": "active"}, {"plan_confirmed_at": NOW}])
def test_a_plan_on_hold_holds_its_user_with_the_reason(facts: dict[str, Any]) -> None:
    found = only(assigned(plan_held="Group eng is gone.", **facts))
    assert (found.code, found.fix) == ("plan-held", "Group eng is gone.")
