"""Many users become facts in a few statements, with every shared statement and its resources."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import IamUser, PolicyText, TrailCoverage
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.plans.facts import PlanFacts
from migrations_app.plans.reading import facts_of
from tests import cast

pytestmark = pytest.mark.django_db
DEPLOY = "arn:aws:iam::123456789012:policy/deploy"


def read(user: IamUser) -> PlanFacts:
    row = cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments"))
    row = Departure.objects.select_related("user__account", "owner").get(pk=row.pk)
    return facts_of([row], clock.now())[row.pk]


def allow(action: str, resource: str) -> dict[str, object]:
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def row(name: str, kind: str, arn: str = "", group: str = "") -> dict[str, str]:
    return {"name": name, "kind": kind, "arn": arn, "group": group}


def test_every_policy_is_granted_with_its_resources_wherever_it_comes_from() -> None:
    account = cast.account()
    PolicyText.objects.create(
        account=account, arn=DEPLOY, name="deploy", document=allow("ecs:*", "arn:cluster")
    )
    PolicyText.objects.create(
        account=account, group="ci", name="logs", document=allow("logs:Put*", "arn:logs")
    )
    user = cast.iam_user(
        "deploy-prod",
        inline_policies={"own": allow("s3:GetObject", "arn:bucket")},
        attached_policies=[DEPLOY],
        groups=["ci"],
        privilege_facts={
            "policies": [
                row("own", "inline"),
                row("deploy", "managed", DEPLOY),
                row("logs", "inline", group="ci"),
            ]
        },
    )

    facts = read(user)

    found = {(one.origin.words, one.actions, one.resources) for one in facts.granted}
    assert found == {
        ("inline policy own", ("s3:GetObject",), ("arn:bucket",)),
        ("policy deploy", ("ecs:*",), ("arn:cluster",)),
        ("inline policy logs in group ci", ("logs:Put*",), ("arn:logs",)),
    }
    assert facts.unread == ()


def test_a_policy_without_a_document_is_said_to_be_unread_and_grants_nothing() -> None:
    facts = read(cast.iam_user("deploy-prod", attached_policies=[DEPLOY]))
    assert facts.granted == ()
    assert [one.arn for one in facts.unread] == [DEPLOY]


def test_the_policy_of_another_account_is_not_taken_for_this_ones() -> None:
    other = cast.account("999988887777", "other")
    PolicyText.objects.create(account=other, arn=DEPLOY, name="deploy", document=allow("*", "*"))
    assert read(cast.iam_user("deploy-prod", attached_policies=[DEPLOY])).granted == ()


def test_calls_that_succeeded_are_used_and_refused_ones_are_not() -> None:
    user = cast.iam_user("deploy-prod")
    today = clock.now().date()
    for day in (1, 2):
        cast.activity(user, today - timedelta(days=day), 3, service="ecs", action="UpdateService")
    cast.activity(user, today, 9, service="ec2", action="RunInstances", outcome="denied")

    [used] = read(user).used

    assert (used.service, used.action, used.count, used.days) == ("ecs", "UpdateService", 6, 2)
    assert used.regions == ("us-east-1",)


def test_a_service_that_only_access_advisor_saw_is_unlogged() -> None:
    at = clock.now() - timedelta(days=2)
    told = [
        {"service": "s3", "at": at.isoformat()},
        {"service": "cloudwatch", "at": at.isoformat()},
    ]
    user = cast.iam_user("deploy-prod", coverage={"services": told})
    cast.activity(user, at.date(), service="monitoring", action="PutMetricData")
    assert [one.service for one in read(user).unlogged] == ["s3"]


def test_key_ids_are_cut_before_they_reach_a_file() -> None:
    user = cast.iam_user("deploy-prod")
    cast.access_key(user, "AKIAIOSFODNN7EXAMPLE")
    assert read(user).key_ids == ("AKIA…MPLE",)


def test_the_evidence_is_what_every_region_was_read_for() -> None:
    user, now = cast.iam_user("deploy-prod"), clock.now()
    for region, days in (("us-east-1", 90), ("eu-west-1", 40)):
        TrailCoverage.objects.create(
            user=user,
            region=region,
            read_from=now - timedelta(days=days),
            read_to=now - timedelta(hours=days),
            looked_at=now,
        )
    facts = read(user)
    assert facts.evidence_from == now - timedelta(days=40)
    assert facts.evidence_to == now - timedelta(hours=90)


def test_a_region_that_was_never_read_leaves_no_evidence_period() -> None:
    user, now = cast.iam_user("deploy-prod"), clock.now()
    TrailCoverage.objects.create(
        user=user,
        region="us-east-1",
        read_from=now - timedelta(days=90),
        read_to=now,
        looked_at=now,
    )
    facts = read(user)
    assert facts.evidence_from == facts.evidence_to


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ({"repository": "acme/shop"}, ["acme/shop"]),
        ({"Repo": "https://github.com/acme/shop.git"}, ["acme/shop"]),
        ({"repository": "git@github.com:acme/shop.git"}, ["acme/shop"]),
        ({"repository": "shop"}, []),
        ({"repository": "a/b/c"}, []),
        ({"team": "acme/shop"}, []),
    ],
)
def test_a_repository_is_named_by_a_tag(tags: dict[str, str], names: list[str]) -> None:
    found = read(cast.iam_user("deploy-prod", tags=tags)).repositories
    assert [f"{one.owner}/{one.name}" for one in found] == names


@pytest.mark.parametrize(
    ("reference", "managed"),
    [
        ({"kind": "declared", "name": "Terraform", "blocks": True}, "aws_iam_user"),
        ({"kind": "declared", "name": "Terraform", "blocks": False}, ""),
        ({"kind": "declared", "name": "Pulumi", "blocks": True}, ""),
        ({"kind": "role", "name": "Terraform", "blocks": True}, ""),
    ],
)
def test_terraform_manages_a_user_as_long_as_its_sign_holds(
    reference: dict[str, object], managed: str
) -> None:
    assert read(cast.iam_user("deploy-prod", references=[reference])).terraform_managed == managed


def test_many_users_are_read_in_as_many_statements_as_one() -> None:
    rows = []
    for number in range(12):
        user = cast.iam_user(f"u{number}")
        cast.access_key(user)
        cast.activity(user, clock.now().date())
        rows.append(cast.departure(user, State.OWNER_ASSIGNED).pk)
    loaded = list(Departure.objects.filter(pk__in=rows).select_related("user__account", "owner"))

    def statements(some: list[Departure]) -> int:
        with CaptureQueriesContext(connection) as asked:
            facts_of(some, clock.now())
        return len(asked)

    assert statements(loaded[:1]) == statements(loaded) <= 7
