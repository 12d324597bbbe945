"""What each verb on a plan keeps, forgets, records and refuses."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock, ledger
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app.changes import plans
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Departure, Plan, PlanAccess
from migrations_app.replacement import plan_drafts
from migrations_app.replacement.plan_drafts import Made
from migrations_app.replacement.planning import names_of
from tests import cast

pytestmark = pytest.mark.django_db
UNTIL = "2099-01-01"


def planned(everybody: cast.Cast, target: str = "github-oidc", **columns: Any) -> Plan:
    """A plan of Payments."""
    user = cast.iam_user("deploy-prod", tags={"repository": "acme/shop"})
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments, answer="needed")
    return cast.plan(row, target, **columns)


def proven(everybody: cast.Cast, **columns: Any) -> Plan:
    """One that was seen in use and that its owner confirmed, drafted a week ago."""
    now = clock.now()
    plan = planned(
        everybody,
        status=Plan.Status.CONFIRMED,
        drafted_at=now - timedelta(days=7),
        tested_at=now,
        seen={"count": 3},
        access_read_to=now,
        access_error="ThrottlingException",
        confirmed_at=now,
        confirmed_by=everybody.sara,
        note="run 881 is green",
        figures={"files": 3},
        figures_at=now,
        **columns,
    )
    PlanAccess.objects.create(plan=plan, day=now.date(), count=3, first_at=now, last_at=now)
    return plan


def entry(kind: str) -> LedgerEntry:
    return LedgerEntry.objects.get(kind=kind)


def is_as_new(plan: Plan) -> bool:
    return (
        plan.status, plan.tested_at, plan.seen, plan.access_read_to, plan.access_error,
        plan.confirmed_at, plan.confirmed_by, plan.note, plan.figures, plan.figures_at,
        plan.access.exists(), plan.drafted_at > clock.now() - timedelta(days=1),
    ) == ("draft", None, {}, None, "", None, None, "", {}, None, False, True)  # fmt: skip


def made(plan: Plan) -> Made:
    rows = Plan.objects.select_related("departure__user__account", "departure__owner")
    (found,) = plan_drafts.made(rows.filter(pk=plan.pk))
    return found


# ── The way ──────────────────────────────────────────────────────────────────────────────────────


def test_another_way_begins_without_anything_of_the_one_before(everybody: cast.Cast) -> None:
    plan = proven(everybody, choices={"repository": "acme/shop"}, held_reason="It is gone.")

    told = plans.choose_way(plan, everybody.sara, "eks")

    plan.refresh_from_db()
    assert told == plan
    assert (plan.target, plan.choices, plan.held_reason) == ("eks", {}, "")
    assert plan.reason == "Sara Lindqvist chose it."
    assert is_as_new(plan)
    assert entry("plan.target").data["target"] == "eks"
    assert entry("plan.target").user_id == plan.departure.user.user_id


def test_the_same_way_again_changes_nothing(everybody: cast.Cast) -> None:
    plan = proven(everybody, choices={"repository": "acme/shop"})
    plans.choose_way(plan, everybody.sara, "github-oidc")
    plan.refresh_from_db()
    assert (plan.status, plan.choices) == ("confirmed", {"repository": "acme/shop"})
    assert not LedgerEntry.objects.exists()


# ── Choices ──────────────────────────────────────────────────────────────────────────────────────


def test_what_leads_to_another_role_begins_anew(everybody: cast.Cast) -> None:
    plan = plans.choose(proven(everybody), everybody.sara, {"role_name": "shop", "branch": "main"})
    plan.refresh_from_db()
    assert plan.choices == {"role_name": "shop", "branch": "main"}
    assert is_as_new(plan)
    data = entry("plan.chosen").data
    assert (data["target"], data["choices"]) == ("github-oidc", ["branch", "role_name"])
    assert entry("plan.chosen").user_id == plan.departure.user.user_id


def test_what_leads_to_the_same_role_keeps_what_was_seen_and_counts_anew(
    everybody: cast.Cast,
) -> None:
    plan = plans.choose(proven(everybody), everybody.sara, {"branch": "main"})
    plan.refresh_from_db()
    assert (plan.status, plan.choices, plan.figures_at) == ("confirmed", {"branch": "main"}, None)
    assert plan.access.exists()


def test_the_same_choices_again_change_nothing(everybody: cast.Cast) -> None:
    plan = proven(everybody, choices={"branch": "main"})
    assert plans.choose(plan, everybody.sara, {"branch": "main"}) == plan
    plan.refresh_from_db()
    assert plan.figures_at is not None
    assert not LedgerEntry.objects.exists()


def test_an_external_id_has_24_random_bytes_and_one_that_was_told_stays(
    everybody: cast.Cast,
) -> None:
    plan = planned(everybody, "cross-account-role")
    drawn = plans.choose(plan, everybody.sara, {"external_id": ""}).choices["external_id"]
    assert len(drawn) == 32
    plan = plans.choose(plan, everybody.sara, {"vendor_account": "999988887777"})
    assert plan.choices["external_id"] == drawn
    plan = plans.choose(plan, everybody.sara, {"external_id": "theirs"})
    assert plan.choices == {"external_id": "theirs"}


def test_no_other_way_has_an_external_id_or_somebody_who_asked(everybody: cast.Cast) -> None:
    assert plans.choose(planned(everybody), everybody.sara, {"branch": "a"}).choices == {
        "branch": "a"
    }


def test_whoever_says_why_a_key_stays_is_the_one_who_asked(everybody: cast.Cast) -> None:
    told = {"reason": "vendor", "until": UNTIL, "asked_by": "mei"}
    plan = plans.choose(planned(everybody, "secrets-manager"), everybody.jonas, told)
    assert plan.choices == {**told, "asked_by": "jonas"}


# ── Files ────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_kept_with_whose_and_when(everybody: cast.Cast) -> None:
    draft = made(planned(everybody))

    plan = plans.keep_files(draft, everybody.sara)

    plan.refresh_from_db()
    assert plan.generated_at == draft.facts.generated_at
    assert (plan.generated_by, plan.generated_digest) == (everybody.sara, draft.digest)
    assert plan.generated_files == {one.path: one.text for one in draft.draft.files} != {}
    assert entry("plan.files-kept").data["digest"] == draft.digest
    assert entry("plan.files-kept").user_id == plan.departure.user.user_id


@pytest.mark.parametrize("columns", [{"target": "eks"}, {"choices": {"branch": "b"}}])
def test_files_of_a_plan_that_changed_meanwhile_are_not_kept(
    everybody: cast.Cast, columns: dict[str, object]
) -> None:
    plan = planned(everybody, choices={"branch": "a"})
    draft = made(plan)
    Plan.objects.update(**columns)
    with pytest.raises(Refused, match="changed meanwhile"):
        plans.keep_files(draft, everybody.sara)
    plan.refresh_from_db()
    assert (plan.generated_at, plan.generated_files) == (None, {})


# ── A key that stays ─────────────────────────────────────────────────────────────────────────────


def exception(everybody: cast.Cast, **choices: str) -> Plan:
    told = {"reason": "vendor", "until": UNTIL, "asked_by": "jonas", **choices}
    return planned(everybody, "secrets-manager", choices=told, figures_at=clock.now())


def test_a_second_engineer_who_agrees_makes_its_user_exempt_until_then(
    everybody: cast.Cast,
) -> None:
    plan = exception(everybody)

    row = plans.agree_to_key(plan, everybody.mei)

    assert (row.protection, row.protection_until) == (Protection.EXEMPT, date(2099, 1, 1))
    assert row.protection_reason == "vendor"
    plan.refresh_from_db()
    assert (plan.choices["approved_by"], plan.figures_at) == ("mei", None)
    assert plan.choices["reason"] == "vendor"
    data = entry("plan.exception").data
    assert (data["reason"], data["until"], data["asked_by"]) == ("vendor", UNTIL, "jonas")
    assert entry("plan.exception").user_id == plan.departure.user.user_id


def test_who_is_no_person_here_any_more_is_called_by_username(everybody: cast.Cast) -> None:
    plan = exception(everybody, approved_by="gone")
    assert names_of([plan]) == {"jonas": "Jonas Weber", "gone": "gone"}


def test_what_was_asked_before_askers_were_kept_can_be_agreed_to(everybody: cast.Cast) -> None:
    plan = exception(everybody)
    del plan.choices["asked_by"]
    plan.save()
    plans.agree_to_key(plan, everybody.mei)
    assert entry("plan.exception").data["asked_by"] == ""


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"until": ""}, "Say first"),
        ({"asked_by": "mei"}, "somebody else agrees"),
        ({"approved_by": "sam"}, "sam agreed already"),
    ],
)
def test_nobody_agrees_to_what_is_not_said_or_is_their_own_or_agreed(
    everybody: cast.Cast, columns: dict[str, str], message: str
) -> None:
    plan = exception(everybody, **columns)
    with pytest.raises((Refused, NotAllowed), match=message):
        plans.agree_to_key(plan, everybody.mei)
    assert not Departure.objects.exclude(protection="").exists()


def test_only_a_key_that_rotates_is_agreed_to(everybody: cast.Cast) -> None:
    plan = exception(everybody)
    Plan.objects.update(target="eks")
    with pytest.raises(Refused, match="Say first"):
        plans.agree_to_key(plan, everybody.mei)


def test_a_lead_agrees_to_no_key(everybody: cast.Cast) -> None:
    with pytest.raises(NotAllowed):
        plans.agree_to_key(exception(everybody), everybody.sara)


# ── Who and when ─────────────────────────────────────────────────────────────────────────────────


def test_only_the_owners_people_choose(everybody: cast.Cast) -> None:
    plan = planned(everybody)
    with pytest.raises(NotAllowed):
        plans.choose(plan, everybody.priya, {"branch": "main"})
    with pytest.raises(NotAllowed):
        plans.choose_way(plan, everybody.priya, "eks")
    with pytest.raises(NotAllowed):
        plans.keep_files(made(plan), everybody.vera)


def test_nothing_replaces_a_user_that_is_deleted(everybody: cast.Cast) -> None:
    plan = cast.plan(cast.departure("gone", State.DELETED, everybody.payments))
    with pytest.raises(Refused, match="is deleted"):
        plans.choose(plan, everybody.sara, {"branch": "main"})
    with pytest.raises(Refused, match="is deleted"):
        plans.choose_way(plan, everybody.sara, "eks")
    assert not LedgerEntry.objects.exists()


def test_two_who_choose_at_once_wait_for_each_other(everybody: cast.Cast) -> None:
    plan = planned(everybody)
    with CaptureQueriesContext(connection) as asked:
        plans.choose(plan, everybody.sara, {"branch": "main"})
    first = next(one["sql"] for one in asked if "migrations_app_plan" in one["sql"])
    assert 'FOR UPDATE OF "migrations_app_plan"' in first


def test_a_plan_is_commented_on_by_who_may_see_its_files(everybody: cast.Cast) -> None:
    plan = planned(everybody)
    for person in (everybody.sara, everybody.jonas, everybody.mei):
        plans.comment(plan, person, " Which role? ")
    for person in (everybody.priya, everybody.vera):
        with pytest.raises(NotAllowed):
            plans.comment(plan, person, "Mine?")
    with pytest.raises(Refused, match="Write something"):
        plans.comment(plan, everybody.sara, " ")
    entries = LedgerEntry.objects.filter(kind="plan.commented").order_by("seq")
    # Who on what, and nothing of what was said.
    assert [(one.actor, one.user_id) for one in entries] == [
        (ledger.person_hash(one.person), plan.departure.user.user_id) for one in plan.comments.all()
    ]
    assert [one.data for one in entries] == [{}] * len(entries)
    assert [(one.person, one.text) for one in plan.comments.all()] == [
        (person, "Which role?") for person in (everybody.sara, everybody.jonas, everybody.mei)
    ]
