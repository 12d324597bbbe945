"""The shipped policies hold what the tables of calls need, and nothing that gives access."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inventory.aws import actions
from migrations_app import aws
from migrations_app.iam_policies import ROLES, RoleName, policy
from tests import cast

ROOT = Path(__file__).resolve().parents[2]
# Operations whose action in a policy has another name.
ACTION_OF = {"ListBuckets": "ListAllMyBuckets", "ListObjectsV2": "ListBucket"}
GIVES_ACCESS = {
    "iam:CreateLoginProfile",
    "iam:UpdateLoginProfile",
    "iam:PutUserPolicy",
    "iam:CreateAccessKey",
    "iam:AddUserToGroup",
    "iam:UpdateUser",
    "iam:CreateUser",
}


ARCHIVES: tuple[dict[str, str], ...] = (
    {},
    {"s3": "s3://acme-logs/trails"},
    {"lake": "arn:aws:cloudtrail:eu-west-1:123456789012:eventdatastore/3fd21f2e-7b0c"},
)


def allowed(
    role: RoleName, archive: dict[str, str] | None = None, *, center: bool = False
) -> set[str]:
    return {
        action
        for statement in policy(role, archive=archive, center=center)["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


def test_the_reader_may_do_exactly_what_the_readers_call() -> None:
    named = {
        operation
        for file in (ROOT / "inventory" / "aws").glob("*.py")
        for operation in re.findall(
            r'"((?:Get|List|Describe|Generate|Lookup|Start)[A-Za-z0-9]+)"', file.read_text()
        )
    } - {"GetCallerIdentity", "GeneratedTime", "LookupAttributes", "StartTime"}
    named = {ACTION_OF.get(operation, operation) for operation in named}
    needed = set().union(*(allowed("reader", archive, center=True) for archive in ARCHIVES))
    # What S3 and Identity Center do with a key of KMS for whoever reads.
    needed = needed - {"kms:Decrypt"}
    assert {action.partition(":")[2] for action in needed} == named


def test_a_longer_history_is_readable_only_where_an_account_declares_one() -> None:
    nowhere, bucket, store = (allowed("reader", archive) for archive in ARCHIVES)
    assert bucket - nowhere == {"s3:ListBucket", "s3:GetObject", "kms:Decrypt"}
    assert store - nowhere == {
        "cloudtrail:StartQuery",
        "cloudtrail:DescribeQuery",
        "cloudtrail:GetQueryResults",
    }


@pytest.mark.django_db
def test_identity_center_is_readable_only_where_it_is_declared() -> None:
    account, organization = cast.account(), cast.organization()
    organization.identity_center = {"account": account.account_id, "region": "eu-west-1"}
    organization.save()
    found = []
    for account_id in (account.account_id, "999999999999"):
        out = StringIO()
        call_command("iam_policy", "reader", account=account_id, stdout=out)
        sids = {one["Sid"]: one for one in json.loads(out.getvalue())["Statement"]}
        found.append(sids.get("ReadIdentityCenter"))
    assert found[0] is not None
    assert found[0]["Action"] == list(actions.ON_IDENTITY_CENTER)
    assert found[1] is None


def test_a_key_of_the_organization_decrypts_for_identity_center_and_nothing_else() -> None:
    assert "kms:Decrypt" not in allowed("reader")
    told = policy("reader", "123456789012", "aws-us-gov", center=True)["Statement"]
    conditions = [one["Condition"] for one in told if "kms:Decrypt" in one["Action"]]
    context = "kms:EncryptionContext:aws"
    store = "arn:aws-us-gov:identitystore::*:identitystore/*"
    assert conditions == [
        {
            "StringLike": {"kms:ViaService": "sso.*.amazonaws.com"},
            "ArnLike": {f"{context}:sso:instance-arn": "arn:aws-us-gov:sso:::instance/*"},
        },
        {
            "StringLike": {"kms:ViaService": "identitystore.*.amazonaws.com"},
            "ArnLike": {f"{context}:identitystore:identitystore-arn": store},
        },
    ]


def test_only_the_accounts_own_logs_of_the_bucket_are_readable() -> None:
    statements = policy("reader", "123456789012", archive=ARCHIVES[1])["Statement"]
    of = {statement["Sid"]: statement for statement in statements}
    assert of["ListTrailLogs"]["Resource"] == "arn:aws:s3:::acme-logs"
    assert of["ListTrailLogs"]["Condition"] == {"StringLike": {"s3:prefix": "trails/AWSLogs/*"}}
    assert of["ReadTrailLogs"]["Resource"] == [
        "arn:aws:s3:::acme-logs/trails/AWSLogs/123456789012/CloudTrail/*",
        "arn:aws:s3:::acme-logs/trails/AWSLogs/o-*/123456789012/CloudTrail/*",
    ]
    assert of["DecryptTrailLogs"]["Condition"]


@pytest.mark.django_db
def test_the_command_reads_where_the_account_keeps_its_logs() -> None:
    account = cast.account(trail_archive={"s3": "s3://acme-logs"})
    out = StringIO()
    call_command("iam_policy", "reader", account=account.account_id, stdout=out)
    sids = {statement["Sid"] for statement in json.loads(out.getvalue())["Statement"]}
    assert "ReadTrailLogs" in sids


def test_the_actor_may_do_every_step_of_fence_shut_and_restore() -> None:
    steps = (*aws.FENCE, *aws.SHUT, *aws.RESTORE)
    assert {action for step in steps for action in step.actions} <= allowed("actor")


def test_the_deleter_may_do_every_step_of_a_deletion() -> None:
    assert {action for step in aws.DELETE for action in step.actions} <= allowed("deleter")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_give_anybody_access(role: RoleName) -> None:
    assert not allowed(role) & GIVES_ACCESS


def test_the_actor_attaches_and_detaches_nothing_but_the_fence() -> None:
    for statement in policy("actor")["Statement"]:
        if {"iam:AttachUserPolicy", "iam:DetachUserPolicy"} & set(statement.get("Action", ())):
            if statement["Effect"] == "Deny":
                continue
            arn = statement["Condition"]["ArnEquals"]["iam:PolicyARN"]
            assert arn.endswith(":iam::aws:policy/AWSDenyAll")


def test_every_writing_role_is_denied_the_break_glass_path_and_its_group_and_devices() -> None:
    for role in ("actor", "deleter"):
        deny = next(s for s in policy(role)["Statement"] if s["Sid"] == "NeverTouchBreakGlass")
        assert {"user", "mfa", "group"} <= {
            arn.split(":")[-1].split("/")[0] for arn in deny["Resource"]
        }


def test_the_tables_name_every_operation_that_their_calls_use() -> None:
    held = cast.everything_held()
    for steps in (aws.FENCE, aws.SHUT, aws.DELETE):
        for step in steps:
            for call in step.plan(held, aws.Made()):
                assert f"iam:{call.operation}" in step.actions


def test_needed_lists_do_not_overlap() -> None:
    assert not set(actions.ACCOUNT_WIDE) & set(actions.ON_USERS)


@pytest.mark.django_db
def test_the_command_denies_the_declared_users_of_that_account() -> None:
    everybody = cast.cast()
    everybody.account.protected_entries.create(user_name="vendor-scanner", kind="exempt")
    out = StringIO()
    call_command("iam_policy", "deleter", account=everybody.account.account_id, stdout=out)
    deny = json.loads(out.getvalue())["Statement"][-2]
    assert f"arn:aws:iam::{everybody.account.account_id}:user/vendor-scanner" in deny["Resource"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("declared", "asked", "printed"),
    [
        ("arn:aws-cn:iam::111122223333:role/reader", None, "aws-cn"),
        ("arn:aws-cn:iam::111122223333:role/reader", "aws-us-gov", "aws-us-gov"),
        ("", "aws-us-gov", "aws-us-gov"),
        ("", None, "aws"),
    ],
)
def test_the_command_writes_the_partition_of_the_accounts_roles(
    declared: str, asked: str | None, printed: str
) -> None:
    account = cast.account(reader_role=declared)
    out = StringIO()
    call_command("iam_policy", "actor", account=account.account_id, partition=asked, stdout=out)
    arns = re.findall(r"arn:[a-z-]+:", out.getvalue())
    assert set(arns) == {f"arn:{printed}:"}


@pytest.mark.django_db
def test_the_command_denies_a_declared_user_as_aws_writes_its_name() -> None:
    everybody = cast.cast()
    account = everybody.account
    account.protected_entries.create(user_name="Vendor-Scanner", kind="exempt")
    account.protected_entries.create(
        user_name="old-name", kind="exempt", bound_user_id="AIDARENAMED"
    )
    cast.iam_user("vendor-scanner", account)
    cast.iam_user("new-name", account, user_id="AIDARENAMED")
    cast.iam_user("bystander", account)
    out = StringIO()
    call_command("iam_policy", "actor", account=account.account_id, stdout=out)
    deny = json.loads(out.getvalue())["Statement"][-2]
    named = {arn.rpartition("/")[2] for arn in deny["Resource"]} - {"*"}
    assert named == {"Vendor-Scanner", "vendor-scanner", "old-name", "new-name"}


@pytest.mark.django_db
@pytest.mark.parametrize(("declared", "told"), [(1, False), (60, True)])
def test_the_command_tells_of_a_policy_that_no_managed_one_can_hold(
    *, declared: int, told: bool
) -> None:
    everybody = cast.cast()
    for number in range(declared):
        name = f"vendor-scanner-{number}"
        everybody.account.protected_entries.create(user_name=name, kind="exempt")
    out, err = StringIO(), StringIO()
    account_id = everybody.account.account_id
    call_command("iam_policy", "deleter", account=account_id, stdout=out, stderr=err)
    assert json.loads(out.getvalue())
    assert ("6,144 in a managed policy" in err.getvalue()) is told


def test_the_command_refuses_what_is_no_account_id() -> None:
    with pytest.raises(CommandError, match="12 digits"):
        call_command("iam_policy", "reader", account="12ab")
