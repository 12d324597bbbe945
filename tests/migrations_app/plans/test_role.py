"""A role that stands where a user stood, within the limits of IAM."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.plans import role
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import FACTS, POLICY, long_policy, named

TRUST = role.trusting({"Service": "ec2.amazonaws.com"}, {}, "sts:AssumeRole")


def made(policy: role.Document, name: str = "app") -> role.Role:
    return role.Role(name, TRUST, policy, role.description(FACTS, "Assumed by EC2"), FACTS.user_id)


def test_a_short_policy_is_inline_in_terraform_and_in_the_commands() -> None:
    held = made(POLICY)
    found = parsing.hcl(role.terraform(FACTS, held).text)
    assert set(found) == {"aws_iam_role.app", "aws_iam_role_policy.app"}
    assert parsing.policy(found["aws_iam_role.app"]["assume_role_policy"]) == TRUST
    assert parsing.policy(found["aws_iam_role_policy.app"]["policy"]) == POLICY
    calls = parsing.calls(role.script(FACTS, held).text)
    assert [call[1] for call in calls] == ["create-role", "put-role-policy"]
    assert [one.path for one in role.documents(held)] == ["trust-policy.json", "policy.json"]
    assert json.loads(role.documents(held)[1].text) == POLICY


def test_a_long_policy_is_cut_into_managed_ones_and_loses_no_statement() -> None:
    policy = long_policy(12)
    held = made(policy)
    assert not held.inline
    assert all(role.size(part) <= role.MANAGED_SIZE for part in held.parts)
    assert [one for part in held.parts for one in part["Statement"]] == policy["Statement"]
    found = parsing.hcl(role.terraform(FACTS, held).text)
    numbers = range(1, len(held.parts) + 1)
    for number, part in zip(numbers, held.parts, strict=True):
        assert parsing.policy(found[f"aws_iam_policy.app_{number}"]["policy"]) == part
        assert f"aws_iam_role_policy_attachment.app_{number}" in found
    calls = parsing.calls(role.script(FACTS, held).text, "arn:made")
    assert [call for call in calls if call[1] == "attach-role-policy"] == [
        ["iam", "attach-role-policy", "--role-name=app", "--policy-arn=arn:made"]
    ] * len(held.parts)
    gone = parsing.calls("\n".join(role.undo(FACTS, held)))
    assert [call[1] for call in gone].count("delete-policy") == len(held.parts)
    assert gone[-1] == ["iam", "delete-role", "--role-name=app"]


def test_what_aws_would_refuse_is_said() -> None:
    assert any("longer than a managed" in one for one in made(_one_huge()).warnings)
    assert any("a role has 10" in one for one in made(long_policy(60)).warnings)
    assert any("grants nothing" in one for one in made({"Statement": []}).warnings)
    assert made(POLICY).warnings == made(long_policy(12)).warnings == ()


def _one_huge() -> dict[str, object]:
    (statement,) = long_policy(1)["Statement"]
    return {"Statement": [{**statement, "Resource": statement["Resource"] * 9}]}


@given(st.text(max_size=90), st.text(max_size=90))
def test_a_role_has_a_name_that_iam_takes_and_no_two_users_share_one(one: str, two: str) -> None:
    names = role.name_for("github-", one), role.name_for("github-", two)
    assert all(re.fullmatch(r"[A-Za-z0-9+=,.@_-]{1,64}", name) for name in names)
    assert (names[0] == names[1]) == (one == two)


@given(st.text(max_size=90))
def test_a_description_is_one_that_iam_takes(name: str) -> None:
    told = role.description(named(name), "Assumed by EC2")
    assert re.fullmatch(r"[\t\n\r -~\xa1-\xff]{1,1000}", told)


@pytest.mark.parametrize("name", parsing.TEMPLATES)
def test_a_policy_full_of_templates_is_a_text(name: str) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": name}]}
    told = role.terraform(named(name), made(policy)).text
    assert parsing.formatted(told) == told
    inside = told.split("aws_iam_role_policy")[1]
    assert json.dumps(name)[1:-1] in inside.replace("$${", "${").replace("%%{", "%{") or (
        "\\u00" in inside
    )
