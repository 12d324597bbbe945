"""Each reason why not, alone and at its edges: pure tables, no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from migrations_app import guards
from migrations_app.guards import AccountSituation, Rules, Situation, StillNamed, WayIn
from migrations_app.lifecycle import MoveName, State

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # the night in which Berlin's clocks go forward
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
RULES = Rules(dormant_after=90 * DAY, quiet=14 * DAY, evidence_max_age=DAY)


def assigned(**facts: Any) -> Situation:
    """A dormant user of Payments against which nothing speaks."""
    base = Situation(
        user_name="ci-pay-old",
        state=State.OWNER_ASSIGNED,
        rules=RULES,
        has_owner=True,
        owner_name="Payments",
        owner_can_be_reached=True,
        created_at=NOW - 800 * DAY,
        verdict="dormant",
        coverage_whole=True,
        evidence_at=NOW,
    )
    return replace(base, **facts)


def watched(**facts: Any) -> Situation:
    """A fenced user whose watch is over and was listened to whole."""
    base = assigned(
        state=State.DISABLED,
        fenced_at=NOW - 8 * DAY,
        due_at=NOW - DAY,
        listened_from=NOW - 98 * DAY,
        listened_to=NOW,
        last_used_read_at=NOW,
    )
    return replace(base, **facts)


def soaked(**facts: Any) -> Situation:
    """A shut user whose soak is over and was listened to whole."""
    return replace(watched(), state=State.SOAKING, **facts)


def codes(situation: Situation, move: MoveName, **how: Any) -> list[str]:
    return [one.code for one in guards.blockers(situation, move, NOW, **how)]


DISABLE: list[tuple[str, dict[str, Any]]] = [
    ("gone", {"gone": True}),
    ("protected", {"protection": "break-glass"}),
    ("protected", {"protection": "exempt"}),
    ("protected", {"protection": "self"}),
    ("state", {"state": State.SOAKING}),
    ("state", {"state": State.DELETED}),
    ("busy", {"other_change": "batch #4"}),
    ("ownerless", {"has_owner": False}),
    ("unreachable", {"owner_can_be_reached": False}),
    ("contest", {"claim_pending": True}),
    ("contest", {"contested": True}),
    ("contest", {"contested": True, "claim_pending": True}),
    ("hand-over", {"handed_over": True}),
    ("disputed", {"disputed_until": NOW.date()}),
    ("disputed", {"disputed_until": NOW.date() + DAY}),
    ("quarantined", {"quarantined": True}),
    ("restored", {"restored_at": NOW - 29 * DAY, "answered_at": NOW}),
    ("restored", {"restored_at": NOW - 31 * DAY}),
    ("restored", {"restored_at": NOW - 31 * DAY, "answered_at": NOW - 31 * DAY}),
    ("evidence-age", {"evidence_at": None}),
    ("evidence-age", {"evidence_at": NOW - DAY - SECOND}),
    ("young", {"created_at": NOW - 90 * DAY + SECOND}),
    ("in-use", {"verdict": "active"}),
    ("unknown", {"verdict": "unknown"}),
    ("coverage", {"coverage_whole": False}),
    ("needed", {"answer": "needed"}),
    ("plan-held", {"plan_held": "Group eng is gone.", "answer": "needed"}),
]


@pytest.mark.parametrize(("code", "facts"), DISABLE)
def test_a_disable_is_blocked(code: str, facts: dict[str, Any]) -> None:
    assert codes(assigned(**facts), MoveName.DISABLE) == [code]


ALLOWED: list[dict[str, Any]] = [
    {},
    {"verdict": "never-used"},
    {"evidence_at": NOW - DAY},
    {"created_at": NOW - 90 * DAY},
    {"disputed_until": NOW.date() - DAY},
    {"restored_at": NOW - 30 * DAY, "answered_at": NOW - 29 * DAY},
    {"answer": "can-go"},
    {"answer": "unsure"},
]


@pytest.mark.parametrize("facts", ALLOWED)
def test_a_disable_may_happen(facts: dict[str, Any]) -> None:
    assert codes(assigned(**facts), MoveName.DISABLE) == []


SKIPPED_WHEN_URGENT = {
    "ownerless",
    "unreachable",
    "contest",
    "hand-over",
    "disputed",
    "quarantined",
    "restored",
    "evidence-age",
    "young",
    "in-use",
    "unknown",
    "coverage",
    "needed",
    "plan-held",
}


@pytest.mark.parametrize(("code", "facts"), DISABLE)
def test_an_urgent_disable_skips_what_waits_and_nothing_that_protects(
    code: str, facts: dict[str, Any]
) -> None:
    expected = [] if code in SKIPPED_WHEN_URGENT else [code]
    assert codes(assigned(**facts), MoveName.DISABLE, urgent=True) == expected


def test_an_urgent_disable_takes_a_discovered_user() -> None:
    one = assigned(state=State.DISCOVERED, has_owner=False)
    assert codes(one, MoveName.DISABLE, urgent=True) == []
    assert codes(one, MoveName.DISABLE) == ["ownerless"]


# ── Rule 6: who may be fenced ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", ["", "needed", "can-go", "unsure"])
@pytest.mark.parametrize("plan", [None, NOW - DAY])
@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("overruled", ["", "active", "unknown"])
@pytest.mark.parametrize("young", [True, False])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("verdict", ["dormant", "never-used", "active", "unknown"])
def test_rule_6_in_every_combination(
    *,
    answer: str,
    plan: datetime | None,
    quiet: bool,
    overruled: str,
    young: bool,
    whole: bool,
    verdict: str,
) -> None:
    used_at = NOW - (20 if quiet else 3) * DAY
    one = assigned(
        answer=answer,
        plan_confirmed_at=plan,
        last_activity_at=used_at,
        overruled_at=NOW - DAY if overruled else None,
        overruled_verdict=overruled,
        created_at=NOW - (60 if young else 800) * DAY,
        coverage_whole=whole,
        verdict=verdict,
    )
    may = not list(guards.may_be_fenced(one, NOW))
    if plan is not None:
        expected = quiet and whole
    elif answer == "needed":
        expected = False
    elif overruled == "active" and answer == "can-go":
        expected = True
    elif overruled == "unknown" and verdict != "active":
        # Seen in use since it was overruled as something else: that lapses.
        expected = True
    else:
        expected = not young and whole and verdict in ("dormant", "never-used")
    assert may == expected


@pytest.mark.parametrize(("since", "blocked"), [(14 * DAY, False), (14 * DAY - SECOND, True)])
def test_replaced_credentials_must_be_quiet_to_the_second(since: timedelta, blocked: bool) -> None:
    one = assigned(verdict="active", plan_confirmed_at=NOW - DAY, last_activity_at=NOW - since)
    assert (codes(one, MoveName.DISABLE) == ["not-quiet"]) == blocked


def test_a_replaced_user_that_was_never_used_is_quiet_from_its_making_on() -> None:
    one = assigned(plan_confirmed_at=NOW, created_at=NOW - 3 * DAY)
    assert codes(one, MoveName.DISABLE) == ["not-quiet"]


@pytest.mark.parametrize(
    ("used_at", "holds"), [(NOW - DAY, True), (NOW - DAY + SECOND, False), (None, True)]
)
def test_overruling_lapses_with_any_later_activity(used_at: datetime | None, holds: bool) -> None:
    one = assigned(
        verdict="unknown",
        overruled_at=NOW - DAY,
        overruled_verdict="unknown",
        last_activity_at=used_at,
    )
    assert guards.overrule_holds(one) == holds


def test_overruling_active_needs_the_owners_word() -> None:
    one = assigned(
        verdict="active",
        overruled_at=NOW,
        overruled_verdict="active",
        last_activity_at=NOW - DAY,
    )
    assert not guards.overrule_holds(one)
    assert guards.overrule_holds(replace(one, answer="can-go"))


def test_nothing_is_overruled_without_an_engineer() -> None:
    assert not guards.overrule_holds(assigned())


# ── Shut and delete ──────────────────────────────────────────────────────────────────────────────

LATER: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["protected"], {"protection": "exempt"}),
    (["busy"], {"other_change": "batch #4"}),
    (["hit"], {"open_hit": True}),
    (["disputed"], {"disputed_until": NOW.date()}),
    ([], {"disputed_until": NOW.date() - DAY}),
    (["hand-over"], {"handed_over": True}),
    (["early"], {"due_at": NOW + SECOND}),
    (["early"], {"due_at": None}),
    ([], {"due_at": NOW}),
    (["listening"], {"listened_from": None, "listened_to": None}),
    (["listening"], {"listened_from": NOW - 8 * DAY + SECOND}),
    (["listening"], {"listened_to": NOW - timedelta(hours=1) - SECOND}),
    ([], {"listened_to": NOW - timedelta(hours=1)}),
    (["listening"], {"fenced_at": None}),
    (["last-used"], {"last_used_read_at": None}),
    (["last-used"], {"last_used_read_at": NOW - DAY - SECOND}),
    (["listening", "last-used"], {"listened_to": None, "last_used_read_at": None}),
]


@pytest.mark.parametrize(("expected", "facts"), LATER)
def test_a_shut_waits_for_the_watch(expected: list[str], facts: dict[str, Any]) -> None:
    assert codes(watched(**facts), MoveName.SOAK) == expected


@pytest.mark.parametrize(("expected", "facts"), LATER)
def test_a_delete_waits_for_the_soak(expected: list[str], facts: dict[str, Any]) -> None:
    assert codes(soaked(**facts), MoveName.DELETE) == expected


def test_a_reference_blocks_a_delete_only() -> None:
    named = {"references_that_block": (StillNamed("It is the only administrator."),)}
    assert codes(soaked(**named), MoveName.DELETE) == ["reference"]
    assert codes(watched(**named), MoveName.SOAK) == []


def test_a_fenced_user_is_not_deleted() -> None:
    assert codes(watched(), MoveName.DELETE) == ["state"]


def test_what_is_partly_deleted_is_held_by_protection_alone() -> None:
    half = soaked(partly_deleted=True, open_hit=True, due_at=NOW + DAY, disputed_until=NOW.date())
    assert codes(half, MoveName.DELETE) == []
    assert codes(replace(half, protection="exempt"), MoveName.DELETE) == ["protected"]


@pytest.mark.parametrize("state", [State.DISABLED, State.SOAKING])
@pytest.mark.parametrize(
    "facts", [{}, {"protection": "exempt"}, {"open_hit": True}, {"other_change": "batch #4"}]
)
def test_nothing_stands_in_the_way_of_a_restore(state: State, facts: dict[str, Any]) -> None:
    assert (
        codes(
            watched(
                **facts,
            )
            if state is State.DISABLED
            else soaked(**facts),
            MoveName.RESTORE,
        )
        == []
    )


@pytest.mark.parametrize("code", sorted(guards.PASSING))
def test_what_passes_by_itself_is_only_about_listening(code: str) -> None:
    assert code in ("listening", "last-used")


def test_every_blocker_is_a_sentence() -> None:
    for code, facts in DISABLE:
        found = guards.blockers(assigned(**facts), MoveName.DISABLE, NOW)
        assert [one.code for one in found] == [code]
        assert found[0].text.endswith(".")
        assert "None" not in found[0].text


# ── Accounts ─────────────────────────────────────────────────────────────────────────────────────


def account(**facts: Any) -> AccountSituation:
    base = AccountSituation(
        name="production",
        has_role=True,
        break_glass_seen_at=NOW - timedelta(hours=1),
        break_glass_has_mfa=True,
    )
    return replace(base, **facts)


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("stopped", {"stopped": True}),
        ("hold", {"hold_reason": "Protected entry break-glass matches nobody."}),
        ("read-only", {"has_role": False}),
        ("self-unknown", {"self_known": False}),
        ("break-glass", {"break_glass_seen_at": None}),
        ("break-glass", {"break_glass_seen_at": NOW - timedelta(hours=24) - SECOND}),
        ("break-glass", {"break_glass_has_mfa": False}),
        ("open-hit", {"open_hits": ("ci-plat-nightly",)}),
    ],
)
def test_an_account_is_blocked(code: str, facts: dict[str, Any]) -> None:
    found = guards.account_blockers(account(**facts), MoveName.DISABLE, NOW)
    assert [one.code for one in found] == [code]


def test_an_account_in_order_takes_writes_to_the_last_second_of_a_day() -> None:
    seen = account(break_glass_seen_at=NOW - timedelta(hours=24))
    assert guards.account_blockers(seen, MoveName.DISABLE, NOW) == []


def test_a_sandbox_needs_no_break_glass_user() -> None:
    one = account(sandbox=True, break_glass_seen_at=None)
    assert guards.account_blockers(one, MoveName.DISABLE, NOW) == []


@pytest.mark.parametrize(
    ("move", "urgent"),
    [(MoveName.DELETE, False), (MoveName.SOAK, False), (MoveName.DISABLE, True)],
)
def test_an_open_hit_of_another_user_holds_only_the_next_disable_batch(
    move: MoveName, urgent: bool
) -> None:
    one = account(open_hits=("ci-plat-nightly",))
    assert guards.account_blockers(one, move, NOW, urgent=urgent) == []


@pytest.mark.parametrize("urgent", [True, False])
def test_nothing_is_so_urgent_that_the_stop_would_not_count(urgent: bool) -> None:
    found = guards.account_blockers(account(stopped=True), MoveName.DISABLE, NOW, urgent=urgent)
    assert [one.code for one in found] == ["stopped"]


# ── Rule 19 ──────────────────────────────────────────────────────────────────────────────────────

MONTH = 30 * DAY


@pytest.mark.parametrize(
    ("ways", "federated", "humans", "expected"),
    [
        ([NOW - MONTH], None, False, []),
        ([NOW - MONTH - SECOND], None, False, ["lock-out"]),
        ([None], None, False, ["lock-out"]),
        ([], None, False, ["lock-out"]),
        ([None, NOW], NOW - MONTH, True, []),
        ([NOW], NOW - MONTH - SECOND, True, ["no-federation"]),
        ([NOW], None, True, ["no-federation"]),
        ([], None, True, ["lock-out", "no-federation"]),
    ],
)
def test_somebody_with_admin_rights_and_a_way_in_remains(
    ways: list[datetime | None], federated: datetime | None, humans: bool, expected: list[str]
) -> None:
    left = tuple(WayIn(name=str(number), seen_at=at) for number, at in enumerate(ways))
    found = guards.lock_out(left, federated, humans, NOW)
    assert [one.code for one in found] == expected


def test_a_dispute_lasts_through_its_whole_day() -> None:
    last_second = datetime(2026, 3, 29, 23, 59, 59, tzinfo=UTC)
    one = assigned(disputed_until=date(2026, 3, 29), evidence_at=last_second)
    assert [b.code for b in guards.blockers(one, MoveName.DISABLE, last_second)] == ["disputed"]
    assert guards.blockers(one, MoveName.DISABLE, last_second + SECOND) == []
