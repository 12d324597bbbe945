"""A role that stands where a user stood, within the limits of IAM."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.plans import role, statements
from migrations_app.plans.policy import Policy
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import (
    DOCUMENT,
    FACTS,
    NOTHING,
    POLICY,
    SEEN,
    long_policy,
    named,
)

TRUST = role.trusting({"Service": "ec2.amazonaws.com"}, {}, "sts:AssumeRole")


def made(policy: Policy, name: str = "app") -> role.Role:
    about = role.description(FACTS, "Assumed by EC2")
    return role.Role(name, TRUST, policy.statements, about, FACTS.user_id)


def rendered(block: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of an `aws_iam_policy_document`, as IAM takes them."""
    return [
        {
            "Sid": parsing.meant(one["sid"]),
            "Effect": parsing.meant(one["effect"]),
            "Action": [parsing.meant(name) for name in one["actions"]],
            "Resource": [parsing.meant(name) for name in one["resources"]],
        }
        for one in block["statement"]
    ]


def test_a_short_policy_is_inline_in_terraform_and_in_the_commands() -> None:
    held = made(POLICY)
    terraform = role.terraform(FACTS, held)
    parsing.check((terraform,))
    found = parsing.hcl(terraform.text)
    document = "data.aws_iam_policy_document.app"
    assert set(found) == {"aws_iam_role.app", "aws_iam_role_policy.app", document}
    assert parsing.policy(found["aws_iam_role.app"]["assume_role_policy"]) == TRUST
    assert found["aws_iam_role_policy.app"]["policy"] == f"${{{document}.json}}"
    assert rendered(found[document]) == DOCUMENT["Statement"]
    calls = parsing.calls(role.script(FACTS, held).text)
    assert [call[1] for call in calls] == ["create-role", "put-role-policy"]
    files = {one.path: one.text for one in role.documents(held)}
    assert set(files) == {"trust-policy.json", "policy.json", "policy-reasons.json"}
    assert json.loads(files["policy.json"]) == DOCUMENT


def test_the_reasons_of_a_policy_stand_beside_it() -> None:
    (why,) = POLICY.statements[0].why
    assert f"  # {why}\n  statement {{" in role.terraform(FACTS, made(POLICY)).text
    reasons = role.documents(made(POLICY))[-1].text
    assert json.loads(reasons) == {"SeenS3": [why]}


def test_a_long_policy_is_cut_into_managed_ones_and_loses_no_statement() -> None:
    policy = long_policy(12)
    held = made(policy)
    assert not held.inline
    terraform = role.terraform(FACTS, held)
    parsing.check((terraform, *role.documents(held)))
    found = parsing.hcl(terraform.text)
    whole = []
    for number, part in enumerate(held.parts, start=1):
        assert statements.size(part) <= statements.MANAGED
        assert f"aws_iam_role_policy_attachment.app_{number}" in found
        whole += rendered(found[f"data.aws_iam_policy_document.app_{number}"])
    assert whole == statements.document(policy.statements)["Statement"]
    calls = parsing.calls(role.script(FACTS, held).text, "arn:made")
    assert [call for call in calls if call[1] == "attach-role-policy"] == [
        ["iam", "attach-role-policy", "--role-name=app", "--policy-arn=arn:made"]
    ] * len(held.parts)
    gone = parsing.calls("\n".join(role.undo(FACTS, held)))
    assert [call[1] for call in gone].count("delete-policy") == len(held.parts)
    assert gone[-1] == ["iam", "delete-role", "--role-name=app"]


def test_what_aws_would_refuse_is_said() -> None:
    assert any("a role has 10" in one for one in made(long_policy(60)).warnings)
    assert any("grants nothing" in one for one in made(NOTHING).warnings)
    uncut = replace(SEEN, actions=("s3:*",), resources=("x" * 11_000,))
    huge = made(replace(POLICY, statements=(uncut,)))
    assert any("longer than a managed" in one for one in huge.warnings)
    assert made(POLICY).warnings == made(long_policy(12)).warnings == ()


def test_a_role_without_a_policy_is_a_role_alone() -> None:
    held = made(NOTHING)
    assert set(parsing.hcl(role.terraform(FACTS, held).text)) == {"aws_iam_role.app"}
    assert [one.path for one in role.documents(held)] == ["trust-policy.json"]
    assert len(parsing.calls(role.script(FACTS, held).text)) == 1


def test_a_draft_carries_what_is_to_be_said_of_its_policy() -> None:
    told = role.drafted("eks", "x", [], POLICY, notes=["n"], warnings=["w"])
    assert told.notes == ("n", "A note of the policy.")
    assert told.warnings == ("w", "A warning of the policy.")
    assert (told.used_actions, told.granted_actions) == (POLICY.used, 1240)
    assert told.widened == POLICY.widened


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
    policy = replace(POLICY, statements=(replace(SEEN, resources=(name,), why=(name,)),))
    told = role.terraform(named(name), made(policy)).text
    assert parsing.formatted(told) == told
    literal = next(line for line in told.splitlines() if " resources " in line)
    assert parsing.meant(literal.split(" = ")[1].strip("[]")) == name
