"""Once an account is near zero nobody makes users there any more, and whoever does is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings

from migrations_app.plans.staying_clean import (
    BREAK_GLASS_PATH,
    AccountCount,
    Exceptions,
    denying,
    files,
    made_after,
    near_zero,
    warnings,
)
from tests.migrations_app.plans import parsing

NOW = datetime(2025, 3, 6, 14, tzinfo=UTC)
PROD = AccountCount("123456789012", "production", at_start=206, left=5, break_glass=1, exempt=2)
ROTATOR = "arn:aws:iam::123456789012:role/rotate-legacy"


@pytest.mark.parametrize(
    ("values", "near"),
    [
        ({}, True),
        ({"left": 13}, True),  # ten to go: one in twenty of 206
        ({"left": 14}, False),
        ({"listed_whole": False}, False),
        ({"at_start": 0, "left": 0, "break_glass": 0, "exempt": 0}, False),
        ({"at_start": 2, "left": 2, "break_glass": 0, "exempt": 0}, False),
        ({"at_start": 2, "left": 1, "break_glass": 0, "exempt": 0}, True),
    ],
)
def test_an_account_is_near_zero_when_few_are_left_to_go(
    values: dict[str, Any], near: bool
) -> None:
    assert near_zero([replace(PROD, **values)]) == ((replace(PROD, **values),) if near else ())


def test_accounts_at_zero_come_first() -> None:
    zero = replace(PROD, account_id="999999999999", left=3)
    assert near_zero([PROD, zero]) == (zero, PROD)


def refused(action: str, principal: str, exceptions: Exceptions) -> bool:
    """As AWS judges the deny: the action matches and no exception is like the principal."""
    (statement,) = json.loads(json.dumps(denying(exceptions)))["Statement"]
    assert statement["Effect"] == "Deny"
    patterns = statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    return action in statement["Action"] and not any(fnmatchcase(principal, p) for p in patterns)


@pytest.mark.parametrize(
    "action", ["iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"]
)
def test_only_the_break_glass_path_and_named_roles_make_users_and_keys(action: str) -> None:
    exceptions = Exceptions("arn:aws:iam::123456789012:user/break-glass", (ROTATOR,))
    admin = "arn:aws:iam::123456789012:role/Admin"
    assert refused(action, admin, exceptions)
    assert refused(action, "arn:aws:iam::123456789012:user/dev/breakglass/x", exceptions)
    for one in (
        "arn:aws:iam::210987654321:user/breakglass/bg",
        "arn:aws:iam::123456789012:user/break-glass",
        ROTATOR,
    ):
        assert not refused(action, one, exceptions)
    assert not refused("iam:DeleteUser", admin, exceptions)


def test_the_policy_is_attached_to_each_account_but_the_one_it_does_not_act_in() -> None:
    root = AccountCount("111111111111", "management", 9, 1, 1, management=True)
    told = files([root, PROD], Exceptions(), NOW)
    parsing.check(told)
    terraform = next(one.text for one in told if one.path == "main.tf")
    found = parsing.hcl(terraform)
    attached = [one for name, one in found.items() if "attachment" in name]
    assert [parsing.meant(one["target_id"]) for one in attached] == ["123456789012"]
    policy = found["aws_organizations_policy.no_new_iam_users"]
    assert parsing.policy(policy["content"]) == denying(Exceptions())
    readme = next(one.text for one in told if one.path == "README.md")
    assert "`management` is the management account" in readme
    assert BREAK_GLASS_PATH in readme
    assert files([PROD, root], Exceptions(), NOW) == told


def test_a_policy_that_would_be_too_long_is_said() -> None:
    many = tuple(f"{ROTATOR}-{number:03}" for number in range(120))
    assert "are allowed" in warnings(Exceptions("", many))[0]
    assert warnings(Exceptions("", many[:50])) == ()


def test_a_user_made_after_zero_is_named_and_those_that_stay_are_not() -> None:
    zero = replace(PROD, zero_at=NOW)
    users = [
        ("old", "AIDA1", NOW - timedelta(days=900)),
        ("new", "AIDA2", NOW + timedelta(hours=3)),
        ("break-glass", "AIDA3", NOW + timedelta(days=1)),
    ]
    (made,) = made_after(zero, users, kept=["AIDA3"])
    assert made.sentence == (
        "new was made in 123456789012 on 6 Mar 2025, 17:00 UTC, which was at zero."
    )
    assert made_after(PROD, users) == ()


@settings(max_examples=20)
@given(parsing.NAMES)
def test_whatever_an_account_is_called_every_file_can_be_read(name: str) -> None:
    accounts = [replace(PROD, name=name), replace(PROD, name=name, management=True, left=9)]
    told = files(accounts, Exceptions(name, (name,)), NOW)
    parsing.check(tuple(one for one in told if one.language != "hcl"))
    assert parsing.hcl(next(one.text for one in told if one.language == "hcl"))
