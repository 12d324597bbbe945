"""Rows become the facts of a plan: what was done, what no event shows, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.models import Credential, IamUser, TrailCoverage
from migrations_app.plans import reading
from migrations_app.plans.facts import Origin, PlanFacts, Unlogged
from tests import cast
from tests.migrations_app.plans.people import allow

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 6, 14, tzinfo=UTC)
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def facts(user: IamUser, *shared: tuple[Origin, object]) -> PlanFacts:
    return reading.facts(user, team=cast.team("payments"), shared=shared, generated_at=NOW)


def advisor(**used: datetime | None) -> dict[str, object]:
    return {
        "services": [
            {"service": name, "at": at.isoformat() if at else None} for name, at in used.items()
        ]
    }


def test_calls_of_all_days_and_regions_are_one_use_and_denied_ones_none() -> None:
    user = cast.iam_user("deploy")
    cast.activity(user, NOW.date(), 2)
    cast.activity(user, NOW.date() - timedelta(days=9), 3, region="eu-west-1")
    cast.activity(user, NOW.date(), action="DeleteBucket", outcome="denied")
    (used,) = facts(user).used
    assert (used.service, used.action, used.count, used.days) == ("s3", "ListBuckets", 5, 2)
    assert used.regions == ("eu-west-1", "us-east-1")


def test_resources_count_only_where_every_event_of_a_call_named_some() -> None:
    user = cast.iam_user("deploy-bot")
    days = [NOW.date(), NOW.date() - timedelta(days=1)]
    for action, named in (
        ("GetBucketAcl", [["arn:aws:s3:::a"], ["arn:aws:s3:::b", "arn:aws:s3:::a"]]),
        ("GetBucketCors", [["arn:aws:s3:::a"], None]),
    ):
        for day, resources in zip(days, named, strict=True):
            cast.activity(user, day, service="s3", action=action, resources=resources)
    found = {one.action: one.resources for one in facts(user).used}
    assert found == {"GetBucketAcl": ("arn:aws:s3:::a", "arn:aws:s3:::b"), "GetBucketCors": ()}


def test_a_service_used_after_its_last_event_is_used_without_one() -> None:
    user = cast.iam_user(
        "deploy",
        coverage=advisor(s3=NOW + timedelta(days=2), ec2=NOW, sqs=NOW, kms=None),
    )
    cast.activity(user, NOW.date())
    cast.activity(user, NOW.date(), service="ec2", action="DescribeVpcs")
    cast.access_key(user, last_used_at=NOW + timedelta(days=1), last_used_service="sqs")
    assert facts(user).unlogged == (
        Unlogged("s3", NOW + timedelta(days=2)),
        Unlogged("sqs", NOW + timedelta(days=1), "Access key last used"),
    )


def test_a_policy_without_a_document_is_not_known() -> None:
    user = cast.iam_user(
        "deploy", inline_policies={"own": allow("s3:*")}, attached_policies=[READ_ONLY]
    )
    without = facts(user)
    assert without.unread == (Origin("ReadOnlyAccess", "aws-managed", READ_ONLY),)
    assert [one.actions for one in without.granted] == [("s3:*",)]
    given = (Origin("ReadOnlyAccess", "aws-managed", READ_ONLY), allow("ec2:Describe*"))
    whole = facts(user, given, (Origin("team", group="ci"), None))
    assert whole.unread == (Origin("team", group="ci"),)
    assert {one.actions for one in whole.granted} == {("s3:*",), ("ec2:Describe*",)}


def test_the_evidence_is_what_was_read_in_every_region() -> None:
    user = cast.iam_user("deploy")
    for number, region in enumerate(user.account.enabled_regions):
        assert (facts(user).evidence_from, facts(user).evidence_to) == (NOW, NOW)
        TrailCoverage.objects.create(
            user=user,
            region=region,
            read_from=NOW - timedelta(days=90 - number),
            read_to=NOW - timedelta(hours=number),
            looked_at=NOW,
        )
    told = facts(user)
    assert told.evidence_from == NOW - timedelta(days=89)
    assert told.evidence_to == NOW - timedelta(hours=1)


def test_keys_are_shortened_and_those_that_are_gone_left_out() -> None:
    user = cast.iam_user("deploy")
    cast.access_key(user, "AKIAABCDEFGHIJKLMNOP")
    cast.access_key(user, "AKIAGONEGONEGONEGONE", gone_at=NOW)
    Credential.objects.create(user=user, kind="ssh-key", credential_id="APKAX", status="Active")
    assert facts(user).key_ids == ("AKIA…MNOP",)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("acme/shop", [("acme", "shop")]),
        ("https://github.com/acme/shop.git", [("acme", "shop")]),
        ("git@github.com:acme/shop", [("acme", "shop")]),
        ("https://evil.example/acme/shop", []),
        ("shop", []),
    ],
)
def test_a_repository_is_read_from_its_tag(value: str, found: list[tuple[str, str]]) -> None:
    user = cast.iam_user("deploy", tags={"Repository": value, "note": "acme/other"})
    assert [(one.owner, one.name) for one in facts(user).repositories] == found


def test_a_user_in_terraform_is_said_until_somebody_recorded_its_removal() -> None:
    sign = {"kind": "declared", "name": "Terraform", "blocks": True}
    assert facts(cast.iam_user("a", references=[sign])).terraform_managed == "aws_iam_user"
    recorded = sign | {"blocks": False}
    assert facts(cast.iam_user("b", references=[recorded])).terraform_managed == ""
