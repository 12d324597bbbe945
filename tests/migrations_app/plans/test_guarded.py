"""The user counts as guarded only if no change of it is left that somebody could make."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_app.iam_policies import policy
from migrations_app.plans.break_glass import TAG, BreakGlass
from migrations_app.plans.break_glass_files import keeping
from migrations_app.plans.guarded import CHANGES, denied

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:user/breakglass/break-glass"
ACTOR = f"arn:aws:iam::{ACCOUNT}:role/IamCleanupActor"
TAGS = dict([TAG])


def deny(**more: Any) -> dict[str, Any]:
    statement = {"Effect": "Deny", "Action": "iam:*", "Resource": ARN} | more
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize("role", ["actor", "deleter"])
def test_the_shipped_roles_are_denied_changing_it(role: Any) -> None:
    assert denied([policy(role, ACCOUNT)], ARN, {}, ACTOR)


def test_the_guard_that_we_generate_denies_it_to_everybody_but_itself() -> None:
    guard = keeping(BreakGlass(ACCOUNT, "break-glass", arn=ARN))
    assert denied([guard], ARN, {}, ACTOR)
    assert not denied([guard], ARN, {}, ARN)


def test_the_reader_is_not_denied_it_and_needs_not_be() -> None:
    assert not denied([policy("reader", ACCOUNT)], ARN, TAGS, ACTOR)


@pytest.mark.parametrize(
    ("document", "is_denied"),
    [
        (deny(), True),
        (deny(Action=list(CHANGES)), True),
        (deny(Action=list(CHANGES[1:])), False),
        (deny(Effect="Allow"), False),
        (deny(Resource=f"arn:aws:iam::{ACCOUNT}:user/other"), False),
        (deny(Resource="*", Condition={"StringEquals": {"aws:ResourceTag/iam-retire": "never"}}),
         True),
        (deny(Condition={"StringEquals": {"aws:ResourceTag/iam-retire": "soon"}}), False),
        (deny(Condition={"ArnNotLike": {"aws:PrincipalArn": ACTOR}}), False),
        (deny(Condition={"ArnNotLike": {"aws:PrincipalArn": "arn:*:iam::*:role/Other"}}), True),
        (deny(Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}), False),
        ("no document", False),
        (None, False),
    ],
)  # fmt: skip
def test_only_a_deny_that_is_sure_to_hold_counts(document: Any, is_denied: bool) -> None:
    assert denied([document], ARN, TAGS, ACTOR) is is_denied


def test_several_policies_deny_it_together() -> None:
    half = len(CHANGES) // 2
    parts = [deny(Action=list(CHANGES[:half])), deny(Action=list(CHANGES[half:]))]
    assert denied(parts, ARN, TAGS, ACTOR)
    assert not denied(parts[:1], ARN, TAGS, ACTOR)
