"""A plan is tested when its own way in was seen used in CloudTrail, and by nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.acts import act
from inventory import clock
from inventory.models import LedgerEntry
from migrations_app import changes
from migrations_app.changes import plans
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Plan
from migrations_app.replacement import proving
from tests import cast
from tests.migrations_app.stage import Stage

SUB = "repo:acme/shop:ref:refs/heads/main"
WEB = "AssumeRoleWithWebIdentity"
TRUST = '{"Version": "2012-10-17", "Statement": []}'


def needed(stage: Stage, name: str = "deploy-prod") -> Departure:
    """A user whose owner still needs it."""
    row = stage.user(name)
    Departure.objects.filter(pk=row.pk).update(answer="needed")
    row.refresh_from_db()
    return row


def planned(stage: Stage, target: str = "github-oidc", **columns: Any) -> Plan:
    """A plan for a user that is still needed."""
    return cast.plan(needed(stage), target, **columns)


def role(stage: Stage, name: str, path: str = "/") -> None:
    stage.administrator("CreateRole", RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)


def assumed(stage: Stage, name: str, event: str = WEB, who: str = SUB, **how: Any) -> None:
    act(stage.simulator, {"act": "assumed", "role": name, "event": event, "who": who, **how})


def looked(stage: Stage, plan: Plan) -> Plan:
    """The plan after a look, once event history shows what happened."""
    stage.skip(minutes=10)
    assert proving.look(stage.people.account) == 0
    plan.refresh_from_db()
    return plan


def test_a_draft_becomes_tested_when_its_role_is_assumed_by_the_pipeline(stage: Stage) -> None:
    plan = planned(stage)
    role(stage, "github-deploy-prod")
    assumed(stage, "github-deploy-prod", session="run-881")

    looked(stage, plan)

    assert plan.status == Plan.Status.TESTED
    assert plan.seen["role"] == "github-deploy-prod"
    assert (plan.seen["count"], plan.seen["who"], plan.seen["session"]) == (1, SUB, "run-881")
    assert LedgerEntry.objects.filter(kind="plan.tested").count() == 1


def test_a_role_that_nobody_made_proves_nothing(stage: Stage) -> None:
    plan = looked(stage, planned(stage))
    assert (plan.status, plan.tested_at, plan.seen) == (Plan.Status.DRAFT, None, {})
    assert plan.access_read_to is not None


@pytest.mark.parametrize(
    ("target", "name", "event", "who", "counts"),
    [
        ("github-oidc", "github-deploy-prod", WEB, SUB, True),
        # An administrator tries the role by hand.
        (
            "github-oidc",
            "github-deploy-prod",
            "AssumeRole",
            "arn:aws:iam::123456789012:role/x",
            False,
        ),
        ("github-oidc", "github-deploy-prod", WEB, "system:serviceaccount:a:b", False),
        ("eks", "eks-deploy-prod", "AssumeRole", "pods.eks.amazonaws.com", True),
        ("eks", "eks-deploy-prod", WEB, "system:serviceaccount:pay:api", True),
        ("eks", "eks-deploy-prod", "AssumeRole", "ec2.amazonaws.com", False),
        ("instance-profile", "ec2-deploy-prod", "AssumeRole", "ec2.amazonaws.com", True),
        ("instance-profile", "ec2-deploy-prod", WEB, SUB, False),
        (
            "cross-account-role",
            "vendor-deploy-prod",
            "AssumeRole",
            "arn:aws:sts::999988887777:assumed-role/etl/run",
            True,
        ),
        (
            "cross-account-role",
            "vendor-deploy-prod",
            "AssumeRole",
            "arn:aws:sts::123456789012:assumed-role/ours/run",
            False,
        ),
    ],
)
def test_only_the_way_in_that_the_plan_is_about_counts(
    stage: Stage, target: str, name: str, event: str, who: str, *, counts: bool
) -> None:
    plan = planned(stage, target)
    role(stage, name)
    assumed(stage, name, event, who)
    assert (looked(stage, plan).status == Plan.Status.TESTED) == counts


@pytest.mark.parametrize(
    ("session", "counts"), [("Nina.Haas@acme.example", True), ("tom.okafor@acme.example", False)]
)
def test_a_shared_permission_set_proves_only_whose_session_it_is(
    stage: Stage, session: str, counts: bool
) -> None:
    row = needed(stage, "nina.haas")
    plan = cast.plan(row, "identity-center", choices={"permission_set": "DeveloperAccess"})
    name = "AWSReservedSSO_DeveloperAccess_0123456789abcdef"
    role(stage, name, "/aws-reserved/sso.amazonaws.com/")
    assumed(stage, name, "AssumeRoleWithSAML", session, session=session)
    assert (looked(stage, plan).status == Plan.Status.TESTED) == counts


@pytest.mark.parametrize(
    ("session", "counts"),
    [("Nina.Haas@acme.example", True), ("nhaas@acme.example", False), ("tom@acme.example", False)],
)
def test_a_person_whom_the_directory_knows_under_another_name_signs_in_as_that(
    stage: Stage, session: str, counts: bool
) -> None:
    figures = {"person": "u-1", "signs_in_as": "nina.haas@acme.example", "name": "DeveloperAccess"}
    plan = cast.plan(needed(stage, "nhaas"), "identity-center", figures=figures)
    name = "AWSReservedSSO_DeveloperAccess_0123456789abcdef"
    role(stage, name, "/aws-reserved/sso.amazonaws.com/")
    assumed(stage, name, "AssumeRoleWithSAML", session, session=session)
    assert (looked(stage, plan).status == Plan.Status.TESTED) == counts


def test_what_was_seen_is_counted_by_day_and_a_second_look_counts_nothing_twice(
    stage: Stage,
) -> None:
    plan = planned(stage)
    role(stage, "github-deploy-prod")
    for region in ("us-east-1", "eu-west-1"):
        assumed(stage, "github-deploy-prod", region=region)
    looked(stage, plan)
    stage.skip(days=1)
    assumed(stage, "github-deploy-prod")
    looked(stage, plan)
    looked(stage, plan)

    assert [row.count for row in plan.access.all()] == [2, 1]
    assert plan.seen["count"] == 3
    week = proving.weeks_access([plan], clock.now().date())[plan.pk]
    assert (len(week), sum(week)) == (7, 3)
    assert LedgerEntry.objects.filter(kind="plan.tested").count() == 1


def test_what_cannot_be_read_proves_nothing_is_said_and_is_read_again(stage: Stage) -> None:
    plan = planned(stage)
    role(stage, "github-deploy-prod")
    assumed(stage, "github-deploy-prod", region="eu-west-1")
    stage.fault("access-denied", "LookupEvents", count=2)

    looked(stage, plan)

    assert (plan.status, plan.access_read_to) == (Plan.Status.DRAFT, None)
    assert "eu-west-1" in plan.access_error
    assert "not authorized" in plan.access_error

    looked(stage, plan)
    assert (plan.status, plan.access_error) == (Plan.Status.TESTED, "")


def test_choosing_another_role_forgets_what_was_seen_of_the_one_before(stage: Stage) -> None:
    plan = planned(stage)
    role(stage, "github-deploy-prod")
    assumed(stage, "github-deploy-prod")
    looked(stage, plan)

    plans.choose(plan, stage.people.sara, {"role_name": "shop-deployer"})

    plan.refresh_from_db()
    assert (plan.status, plan.tested_at, plan.seen) == (Plan.Status.DRAFT, None, {})
    assert not plan.access.exists()


def test_the_owners_word_falls_but_what_was_seen_stays_seen(stage: Stage) -> None:
    plan = planned(stage)
    role(stage, "github-deploy-prod")
    assumed(stage, "github-deploy-prod")
    looked(stage, plan)
    row = Departure.objects.get(pk=plan.departure_id)
    changes.confirm_plan(row, stage.people.sara, "run 881 is green")

    Plan.objects.filter(pk=plan.pk).unconfirm()

    plan.refresh_from_db()
    assert (plan.status, plan.confirmed_by) == (Plan.Status.TESTED, None)


def test_from_draft_to_fenced_a_user_in_use_passes_every_step(stage: Stage) -> None:
    """Rule 6 (b): needed and in use; only plan, the owner's word and quiet let it go."""
    now = clock.now()
    row = needed(stage)
    user = row.user
    user.verdict, user.last_activity_at = "active", now
    user.save()
    plan = cast.plan(row)

    def codes() -> set[str]:
        fresh = Departure.objects.select_related("user__account", "owner").get(pk=row.pk)
        fresh.user.evidence_at = clock.now()
        return {one.code for one in changes.blockers_for([fresh], "disable")[row.pk]}

    assert codes() == {"needed"}
    role(stage, "github-deploy-prod")
    assumed(stage, "github-deploy-prod")
    looked(stage, plan)
    assert codes() == {"needed"}
    changes.confirm_plan(Departure.objects.get(pk=row.pk), stage.people.sara)
    assert codes() == {"not-quiet"}
    stage.skip(days=14)
    assert codes() == set()
    Plan.objects.update(held_reason="The group was re-created.")
    assert codes() == {"plan-held"}
    Plan.objects.update(held_reason="")
    type(user).objects.update(coverage_whole=False)
    assert codes() == {"coverage"}
    assert row.state == State.OWNER_ASSIGNED
    assert now + timedelta(days=14) <= clock.now()
