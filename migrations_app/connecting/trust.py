"""Who may assume an account's roles: the workers' own identity, and only with the external id.

The web process holds no AWS credentials; who the workers are, each of them reports at its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from inventory.aws import identity
from migrations_app.iam_policies import RoleName

_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/.+", re.ASCII)
_PERSON = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(user/.+|root)", re.ASCII)
_ANY = re.compile(r"arn:(aws[a-z-]*):(?:iam|sts)::(\d{12}):", re.ASCII)


def principals() -> list[str]:
    """The ARNs that a trust policy names for the workers, sorted; empty where none reported.

    Raises RedisError.
    """
    found = {_principal(one.identity.arn) for one in identity.reported()}
    return sorted(found - {""})


def partition_of(arns: Iterable[str]) -> str:
    """The partition the workers are in: roles cannot be assumed from one into another."""
    return next((arn.split(":")[1] for arn in arns), "aws")


def trust(role: RoleName, arns: Iterable[str], external_id: str) -> dict[str, Any]:
    """The trust policy of one role.

    A session's tags and source identity have no condition key for the external id (Service
    Authorization Reference, STS), so they stand in a statement of their own; without AssumeRole
    they open nothing. Tags come along unasked where the workers' own session has transitive ones,
    as EKS Pod Identity gives them, and then AWS asks for TagSession.
    """
    principal = {"AWS": sorted(arns)}
    more = ["sts:TagSession"] if role == "reader" else ["sts:SetSourceIdentity", "sts:TagSession"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyWithTheExternalId",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            },
            {
                "Sid": "SessionsBearNames",
                "Effect": "Allow",
                "Principal": principal,
                "Action": more,
            },
        ],
    }


def allowance(roles: Iterable[str]) -> dict[str, Any]:
    """What the workers' own identity has to be allowed: to assume `roles` (ARNs)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AssumeTheRolesOfIamCleanup",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
                "Resource": sorted(roles),
            }
        ],
    }


def _principal(arn: str) -> str:
    """What to trust so that whoever is `arn` may assume: of a session its role, without the path
    that the session's ARN does not tell."""
    if session := _SESSION.fullmatch(arn):
        partition, account, name = session.groups()
        return f"arn:{partition}:iam::{account}:role/{name}"
    if _PERSON.fullmatch(arn):
        return arn
    # A federated session is no principal of its own that lasts.
    other = _ANY.match(arn)
    return f"arn:{other[1]}:iam::{other[2]}:root" if other else ""
