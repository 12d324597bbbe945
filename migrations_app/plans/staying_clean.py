"""What keeps an account clean once its users are gone: a deny, and an ear for new ones. Pure.

The deny is an organization policy, since whoever may write IAM in the account could lift any
other. It does not act in the management account, and not on what exists already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from migrations_app.plans import hcl
from migrations_app.plans.facts import GeneratedFile
from migrations_app.plans.prose import bullets, code, day, fenced, page, steps

DENIED = ("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateUser")
BREAK_GLASS_PATH = "arn:*:iam::*:user/breakglass/*"
POLICY_NAME = "no-new-iam-users"
# AWS counts the white space of an organization policy that is not saved by the console.
POLICY_SIZE = 5_120
_FEW = 3
_SHARE = 0.05


@dataclass(frozen=True, slots=True, order=True)
class AccountCount:
    """One account: how many users it had, has, and which of those stay. `zero_at`: since when none
    is left to go.
    """

    account_id: str
    name: str
    at_start: int
    left: int
    break_glass: int = 0
    exempt: int = 0
    management: bool = False
    listed_whole: bool = True
    zero_at: datetime | None = None

    @property
    def to_go(self) -> int:
        return max(0, self.left - self.break_glass - self.exempt)

    @property
    def near_zero(self) -> bool:
        """At most three users, or one in twenty of those there were, are left to go.

        A listing that is not whole says nothing, and an account that never had any is no success.
        """
        few = max(_FEW, int(self.at_start * _SHARE))
        return self.listed_whole and self.at_start > 0 and self.to_go <= min(few, self.at_start - 1)


@dataclass(frozen=True, slots=True, order=True)
class Made:
    """An IAM user that came after its account was at zero."""

    account_id: str
    user_name: str
    user_id: str
    created_at: datetime

    @property
    def sentence(self) -> str:
        when = f"{day(self.created_at)}, {self.created_at:%H:%M} UTC"
        return f"{self.user_name} was made in {self.account_id} on {when}, which was at zero."


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Who may still make users and keys: the break-glass user, and roles that rotate keys."""

    break_glass_arn: str = ""
    role_arns: tuple[str, ...] = ()

    @property
    def arns(self) -> tuple[str, ...]:
        """Sorted; the break-glass path is always among them."""
        given = (self.break_glass_arn, *self.role_arns)
        return tuple(sorted({BREAK_GLASS_PATH, *(one for one in given if one)}))


def near_zero(accounts: Iterable[AccountCount]) -> tuple[AccountCount, ...]:
    """The accounts that the deny is offered for, those at zero first."""
    found = (one for one in accounts if one.near_zero)
    return tuple(sorted(found, key=lambda one: (one.to_go, one.account_id)))


def made_after(
    account: AccountCount, users: Iterable[tuple[str, str, datetime]], kept: Iterable[str] = ()
) -> tuple[Made, ...]:
    """Users (name, id, made at) that came after the zero date, but for those kept by id."""
    if account.zero_at is None:
        return ()
    ids = set(kept)
    return tuple(
        sorted(
            Made(account.account_id, name, user_id, at)
            for name, user_id, at in users
            if at > account.zero_at and user_id not in ids
        )
    )


def denying(exceptions: Exceptions) -> dict[str, object]:
    """The organization policy."""
    statement = {
        "Sid": "NoNewIamUsers",
        "Effect": "Deny",
        "Action": list(DENIED),
        "Resource": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": list(exceptions.arns)}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def files(
    accounts: Iterable[AccountCount], exceptions: Exceptions, now: datetime
) -> tuple[GeneratedFile, ...]:
    """Policy, Terraform that attaches it to each account, and how to bring it in."""
    held = [one for one in sorted(set(accounts)) if not one.management]
    managing = [one for one in sorted(set(accounts)) if one.management]
    policy = denying(exceptions)
    return tuple(
        sorted(
            [
                GeneratedFile("policy.json", json.dumps(policy, indent=2) + "\n", "json"),
                GeneratedFile("main.tf", _terraform(held, policy, now), "hcl"),
                _how(held, managing, exceptions),
            ]
        )
    )


def warnings(exceptions: Exceptions) -> tuple[str, ...]:
    size = len(json.dumps(denying(exceptions), separators=(",", ":")))
    if size <= POLICY_SIZE:
        return ()
    return (f"The policy has {size} signs, and {POLICY_SIZE} are allowed: name fewer roles.",)


def _terraform(held: list[AccountCount], policy: dict[str, object], now: datetime) -> str:
    made: list[hcl.Item] = [
        hcl.resource(
            "aws_organizations_policy",
            "no_new_iam_users",
            *hcl.attributes(
                name=POLICY_NAME,
                description="Nobody makes IAM users or their credentials any more.",
                type="SERVICE_CONTROL_POLICY",
                content=hcl.Json(policy),
            ),
        )
    ]
    for one in held:
        made.append(hcl.Comment(f"{one.name}: {_left(one)}"))
        told = hcl.attributes(
            policy_id=hcl.Expression("aws_organizations_policy.no_new_iam_users.id"),
            target_id=one.account_id,
        )
        label = hcl.name_of("account", one.account_id)
        made.append(hcl.resource("aws_organizations_policy_attachment", label, *told))
    header = (
        "Denies making IAM users, access keys and console passwords.",
        f"Generated on {day(now)}. Apply it in the management account, one account first.",
    )
    return hcl.document(made, header)


def _left(one: AccountCount) -> str:
    if not one.to_go:
        return f"at zero; {one.break_glass} break-glass, {one.exempt} exempt"
    return f"{one.to_go} of {one.at_start} left to go"


def _how(
    held: list[AccountCount], managing: list[AccountCount], exceptions: Exceptions
) -> GeneratedFile:
    outside = [
        f"{code(one.name)} is the management account: organization policies do not act there."
        " Deny it in its own roles, and listen."
        for one in managing
    ]
    return page(
        "README.md",
        "Stay clean",
        "No IAM user, access key or console password is made any more, but by:",
        bullets(code(one) for one in exceptions.arns),
        steps(
            [
                "Look who made users in the last 90 days: each of them will be refused.",
                "Attach the policy to one account, wait a week, then to the others.",
                "Services that make IAM users by themselves (SMTP credentials of SES, long-lived"
                " API keys of Bedrock) stop doing so: choose their other way first.",
            ]
        ),
        "Accounts:",
        bullets(f"{code(one.name)} ({one.account_id}): {_left(one)}" for one in held),
        bullets(outside) if outside else "In the management account no organization policy acts.",
        "To go back, detach it:",
        fenced(
            [
                "aws organizations detach-policy --policy-id=THE-POLICY"
                f" --target-id={one.account_id}"
                for one in held
            ]
        ),
        "What exists already is not touched: an old user's keys work on.",
    )
