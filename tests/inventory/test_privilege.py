"""Privilege errs towards more, and a trust policy blocks only as a sole principal in use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory.privilege import TrustedBy, principals, references

NOW = datetime(2025, 3, 6, tzinfo=UTC)
ARN, USER_ID = "arn:aws:iam::123456789012:user/ci", "AIDA1"


def allow(action: object, resource: object = "*") -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


@pytest.mark.parametrize(
    ("document", "level"),
    [
        (allow("*"), "admin"),
        (allow("iam:*"), "admin"),
        (allow(["s3:GetObject", "iam:PutUserPolicy"]), "admin"),
        (allow("iam:Create*"), "admin"),
        ({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}, "admin"),
        (allow("s3:*"), "write"),
        (allow("iam:CreateAccessKey", "arn:aws:iam::1:user/${aws:username}"), "write"),
        (allow(["s3:GetObject", "ec2:Describe*"]), "read"),
        ({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}, ""),
        ({}, ""),
    ],
)
def test_a_document_reaches_as_far_as_its_widest_statement(
    document: dict[str, Any], level: str
) -> None:
    assert privilege([document], ()) == level


def test_the_fence_takes_no_privilege_away() -> None:
    fence = "arn:aws:iam::aws:policy/AWSDenyAll"
    assert privilege([allow("*")], [fence]) == "admin"


def test_administrator_access_is_known_by_name() -> None:
    assert privilege([], ["arn:aws:iam::aws:policy/AdministratorAccess"]) == "admin"


def test_a_sole_principal_in_use_blocks() -> None:
    role = TrustedBy("deployer", (ARN,), NOW - timedelta(days=3))
    assert [found["blocks"] for found in references(ARN, USER_ID, [role], NOW)] == [True]


@pytest.mark.parametrize(
    "role",
    [
        TrustedBy("deployer", (ARN, "ec2.amazonaws.com"), NOW - timedelta(days=3)),
        TrustedBy("deployer", (ARN,), NOW - timedelta(days=200)),
        TrustedBy("deployer", (ARN,), None),
    ],
)
def test_other_trust_policies_only_warn(role: TrustedBy) -> None:
    assert [found["blocks"] for found in references(ARN, USER_ID, [role], NOW)] == [False]


def test_a_principal_stored_as_an_id_is_found() -> None:
    role = TrustedBy("deployer", (USER_ID,), None)
    assert [found["name"] for found in references(ARN, USER_ID, [role], NOW)] == ["deployer"]


def test_principals_of_every_spelling_are_read() -> None:
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [ARN], "Service": "ec2.amazonaws.com"}},
            {"Effect": "Deny", "Principal": "*"},
        ]
    }
    assert principals(trust) == (ARN, "ec2.amazonaws.com")
