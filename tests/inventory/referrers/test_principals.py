"""Whom a policy names, in every spelling that AWS takes, and whom it only seems to name."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.referrers.principals import (
    Directory,
    Known,
    allowed,
    dead,
    mentions,
    only_administrators,
)

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
CI_ID, VENDOR_ID, DEAD_ID = "AIDACIDEPLOY00000001", "AIDAVENDOR0000000002", "AIDALEFTLONGAGO00003"
CI, VENDOR = f"{IAM}:user/ci/deploy", f"{IAM}:user/Vendor=x"
DIRECTORY = Directory(
    [
        Known(CI_ID, CI, "deploy", {"team": "payments"}),
        Known(VENDOR_ID, VENDOR, "Vendor=x", {"team": "data"}),
    ]
)


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(principal: Any, action: Any = "s3:GetObject", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **more}


def when(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


def how(document: dict[str, Any]) -> dict[str, str]:
    return {user: one.how for user, one in mentions(document, DIRECTORY).items()}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (allow({"AWS": CI}), {CI_ID: "principal"}),
        (allow({"AWS": [CI, VENDOR]}), {CI_ID: "principal", VENDOR_ID: "principal"}),
        (allow({"AWS": CI_ID}), {CI_ID: "principal"}),
        (allow({"AWS": CI.replace("deploy", "DEPLOY")}), {CI_ID: "principal"}),
        (allow("*", **when("StringEquals", "aws:userid", CI_ID)), {CI_ID: "pinned"}),
        (allow("*", **when("StringEquals", "AWS:UserName", "vendor=X")), {VENDOR_ID: "pinned"}),
        (allow("*", **when("ArnEquals", "aws:PrincipalArn", CI)), {CI_ID: "pinned"}),
        (
            allow("*", **when("ForAnyValue:StringLike", "aws:PrincipalArn", [CI])),
            {CI_ID: "pinned"},
        ),
        (
            allow("*", **when("ArnLike", "aws:PrincipalArn", f"{IAM}:user/ci/*")),
            {CI_ID: "pattern"},
        ),
        (allow("*", **when("StringLike", "aws:username", "dep*")), {CI_ID: "pattern"}),
        (
            allow("*", **when("StringEquals", "aws:PrincipalTag/Team", "payments")),
            {CI_ID: "tag"},
        ),
        (
            {"Effect": "Deny", "NotPrincipal": {"AWS": CI}, "Action": "*", "Resource": "*"},
            {CI_ID: "all-but"},
        ),
        (
            {**allow("*"), "Effect": "Deny", **when("StringNotLike", "aws:userid", [CI_ID])},
            {CI_ID: "all-but"},
        ),
        ({"Effect": "Deny", "Action": "iam:*", "Resource": CI}, {CI_ID: "resource"}),
    ],
)
def test_every_spelling_is_read(statement: dict[str, Any], expected: dict[str, str]) -> None:
    assert how(policy(statement)) == expected


@pytest.mark.parametrize(
    "statement",
    [
        allow("*"),
        allow({"AWS": "*"}),
        allow({"AWS": f"{IAM}:root"}),
        allow({"AWS": ACCOUNT}),
        allow({"Service": "ec2.amazonaws.com"}),
        allow({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/deploy"}),
        allow({"AWS": "arn:aws:iam::999999999999:user/ci/deploy"}),
        allow({"AWS": f"arn:aws-cn:iam::{ACCOUNT}:user/ci/deploy"}),
        # The path is part of the ARN: this is another user.
        allow({"AWS": f"{IAM}:user/deploy"}),
        allow({"AWS": DEAD_ID}),
        allow("*", **when("ArnLike", "aws:PrincipalArn", f"{IAM}:user/*")),
        allow("*", **when("StringLike", "aws:userid", "AIDA*")),
        allow("*", **when("StringLike", "aws:username", "*")),
        allow("*", **when("ArnLike", "aws:PrincipalArn", "*")),
        allow("*", **when("Null", "aws:username", "true")),
        allow("*", **when("StringEquals", "aws:SourceOwner", "deploy")),
        {"Effect": "Allow", "Action": "iam:*", "Resource": f"{IAM}:user/${{aws:username}}"},
        "no statement at all",
    ],
)
def test_who_is_not_named_is_not_found(statement: Any) -> None:
    assert how({"Statement": [statement]}) == {}


@pytest.mark.parametrize("document", [{}, {"Statement": None}, {"Statement": "x"}])
def test_a_document_without_statements_names_nobody(document: dict[str, Any]) -> None:
    assert mentions(document, DIRECTORY) == {}


def test_a_single_statement_need_not_be_a_list() -> None:
    assert how({"Statement": allow({"AWS": CI})}) == {CI_ID: "principal"}


def test_the_most_consequential_way_counts() -> None:
    tagged = allow("*", **when("StringEquals", "aws:PrincipalTag/team", "payments"))
    assert how(policy(tagged, allow({"AWS": CI}))) == {CI_ID: "principal"}


def test_brackets_in_a_pattern_mean_themselves() -> None:
    odd = allow("*", **when("StringLike", "aws:username", "[d]eplo*"))
    assert how(policy(odd)) == {}


def test_a_bare_id_that_nobody_bears_is_somebody_who_is_gone() -> None:
    document = policy(allow({"AWS": [DEAD_ID, CI_ID, "AROAROLETHATWENT0001"]}))
    assert dead(document, DIRECTORY) == (DEAD_ID,)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow({"AWS": CI})], {CI_ID}),
        # Both spellings of one user are one principal, and a dead id is nobody.
        ([allow({"AWS": [CI, CI_ID, DEAD_ID]})], {CI_ID}),
        ([allow({"AWS": [CI, f"{IAM}:role/ops"]})], {CI_ID, f"{IAM}:role/ops"}),
        # A condition on who it is narrows the account to one user.
        ([allow({"AWS": f"{IAM}:root"}, **when("ArnEquals", "aws:PrincipalArn", CI))], {CI_ID}),
        ([allow("*", **when("StringEquals", "aws:username", "deploy"))], {CI_ID}),
        ([allow({"AWS": f"{IAM}:root"})], {f"{IAM}:root"}),
        ([{**allow({"AWS": CI}), "Effect": "Deny"}], set()),
    ],
)
def test_who_a_trust_policy_lets_in(statements: list[Any], expected: set[str]) -> None:
    assert allowed(policy(*statements), DIRECTORY) == expected


ROOT = {"AWS": f"{IAM}:root"}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow({"AWS": CI}, "kms:*")], CI_ID),
        ([allow({"AWS": CI}, ["kms:Encrypt", "kms:Put*"])], CI_ID),
        ([allow({"AWS": CI}, "*"), allow(ROOT, "kms:Decrypt")], CI_ID),
        ([{**allow({"AWS": CI}), "Action": None, "NotAction": "kms:Decrypt"}], CI_ID),
        # What is gone administers nothing.
        ([allow({"AWS": [CI, DEAD_ID, "AROAROLETHATWENT0001"]}, "kms:*")], CI_ID),
        # The root only under a condition that may never hold.
        (
            [
                allow({"AWS": CI}, "kms:*"),
                allow(ROOT, "kms:*", **when("StringEquals", "kms:ViaService", "s3.amazonaws.com")),
            ],
            CI_ID,
        ),
        ([allow({"AWS": CI}, "kms:*"), allow(ROOT, "kms:*")], None),
        ([allow({"AWS": CI}, "kms:*"), allow({"AWS": ACCOUNT}, "kms:PutKeyPolicy")], None),
        ([allow({"AWS": [CI, f"{IAM}:role/ops"]}, "kms:*")], None),
        ([allow({"AWS": CI}, ["kms:Encrypt", "kms:Decrypt"])], None),
        ([{**allow({"AWS": CI}, "kms:*"), "Effect": "Deny"}], None),
        # A deny of everybody but it: what the root is allowed no longer helps.
        (
            [
                allow(ROOT, "kms:*"),
                {"Effect": "Deny", "NotPrincipal": {"AWS": CI}, "Action": "kms:*"},
            ],
            CI_ID,
        ),
        (
            [
                allow(ROOT, "kms:*"),
                {
                    **allow(
                        "*", "kms:PutKeyPolicy", **when("ArnNotEquals", "aws:PrincipalArn", CI)
                    ),
                    "Effect": "Deny",
                },
            ],
            CI_ID,
        ),
        (
            [
                allow(ROOT, "kms:*"),
                {
                    "Effect": "Deny",
                    "NotPrincipal": {"AWS": [CI, f"{IAM}:role/ops"]},
                    "Action": "kms:*",
                },
            ],
            None,
        ),
        (
            [
                allow(ROOT, "kms:*"),
                {"Effect": "Deny", "NotPrincipal": {"AWS": CI}, "Action": "kms:Decrypt"},
            ],
            None,
        ),
    ],
)
def test_the_only_administrator_of_a_key(statements: list[Any], expected: str | None) -> None:
    found = only_administrators(policy(*statements), DIRECTORY)
    assert found == (frozenset({expected}) if expected else frozenset())


def test_two_users_may_be_the_only_administrators_together() -> None:
    both = policy(allow({"AWS": [CI, VENDOR]}, "kms:*"))
    assert only_administrators(both, DIRECTORY) == {CI_ID, VENDOR_ID}
    spared = {"Effect": "Deny", "NotPrincipal": {"AWS": [CI, VENDOR]}, "Action": "kms:*"}
    both = policy(allow(ROOT, "kms:*"), spared)
    assert only_administrators(both, DIRECTORY) == {CI_ID, VENDOR_ID}


def test_one_user_more_costs_no_comparison_with_each_resource() -> None:
    many = Directory(
        Known(f"AIDA{number:016d}", f"{IAM}:user/u{number}", f"u{number}", {})
        for number in range(5000)
    )
    document = policy(*(allow({"AWS": f"{IAM}:user/u{number}"}) for number in range(4000)))
    assert len(mentions(document, many)) == 4000
