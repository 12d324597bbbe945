"""What a customer is handed: CloudFormation and Terraform that say the same, and lines of YAML."""

from __future__ import annotations

import json

import pytest

from demo.aws.state import Account as AwsAccount
from inventory.models import Person
from inventory.organization import read
from migrations_app import connecting
from migrations_app.connecting import Wanted
from migrations_app.iam_policies import ROLES, policy
from tests.migrations_app.plans import parsing
from tests.migrations_app.prospect import (
    PRODUCT,
    STAGING,
    WANTED,
    WITH_CHANGES,
)

pytestmark = pytest.mark.django_db


def test_each_account_gets_an_external_id_of_its_own_and_keeps_it(
    staging: AwsAccount, ada: Person
) -> None:
    first = connecting.prepare(WANTED, ada)
    again = connecting.prepare(WITH_CHANGES, ada)
    other = connecting.prepare(Wanted("111122223333", "lab"), ada)
    assert first.external_id == again.external_id != other.external_id
    assert len(first.external_id) >= 32
    assert again.actor_role == f"arn:aws:iam::{STAGING}:role/IamCleanupActor"


def test_the_template_and_the_terraform_say_the_same(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    template = json.loads(connecting.written("cloudformation.json", row, [PRODUCT]))
    text = connecting.written("iam-cleanup.tf", row, [PRODUCT])
    assert parsing.formatted(text) == text
    read = parsing.hcl(text)
    assert len(template["Resources"]) == 3
    for kind in ROLES:
        told = template["Resources"][f"{kind.capitalize()}Role"]["Properties"]
        role = read[f"aws_iam_role.iam_cleanup_{kind}"]
        held = read[f"aws_iam_role_policy.iam_cleanup_{kind}"]
        assert role["name"] == f'"{told["RoleName"]}"'
        assert parsing.policy(role["assume_role_policy"]) == told["AssumeRolePolicyDocument"]
        document = told["Policies"][0]["PolicyDocument"]
        assert parsing.policy(held["policy"]) == document == policy(kind, STAGING)


def test_nobody_is_trusted_without_the_external_id(staging: AwsAccount, ada: Person) -> None:
    row = connecting.prepare(WITH_CHANGES, ada)
    template = json.loads(connecting.written("cloudformation.json", row, [PRODUCT]))
    for told in template["Resources"].values():
        assuming = [
            one
            for one in told["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            if "sts:AssumeRole" in str(one["Action"])
        ]
        assert [one["Condition"] for one in assuming] == [
            {"StringEquals": {"sts:ExternalId": row.external_id}}
        ]
        assert all(one["Principal"] == {"AWS": [PRODUCT]} for one in assuming)


def test_an_inline_policy_of_each_role_fits(staging: AwsAccount, ada: Person) -> None:
    """IAM takes 10,240 characters of inline policies for a role, blanks not counted."""
    row = connecting.prepare(WITH_CHANGES, ada)
    template = json.loads(connecting.written("cloudformation.json", row, [PRODUCT]))
    for told in template["Resources"].values():
        text = json.dumps(told["Properties"]["Policies"], separators=(",", ":"))
        assert len(text) < 10_240


def test_the_lines_for_the_file_declare_the_account_as_it_was_prepared(
    staging: AwsAccount, ada: Person
) -> None:
    wanted = Wanted(STAGING, 'sta"ging: #1', "Europe/Berlin", ("eu-west-1",), changes=True)
    row = connecting.prepare(wanted, ada)
    (declared,) = read("accounts:\n" + "\n".join(connecting.yaml_lines(row))).accounts
    assert (declared.account_id, declared.name) == (STAGING, 'sta"ging: #1')
    assert declared.regions == ("eu-west-1",)
    assert declared.deleter_role == row.deleter_role
    assert declared.external_id == row.external_id
