"""Buckets, queues, topics, keys, secrets and clusters, and which users their policies name.

Who is named to the point of blocking a deletion is in use; users that left are named in passing,
and one that was deleted long ago is still there as a bare id.
"""

from __future__ import annotations

import uuid
from typing import Any

from .ids import drawn_id
from .state import AccessEntry, Account, Document, Resource, User

_ACCESS = "arn:aws:eks::aws:cluster-access-policy/{}"
PARTNER, VENDOR, BUILDER = "ci-partner-feed", "vendor-upload=s3", "ci-plat-nightly-eu"


def resources(account: Account, seed: int) -> list[Resource]:
    """All of them; a user that this account is too small for is named nowhere."""
    return [
        *_buckets(account, seed),
        *_queues_and_topics(account),
        *_keys(account, seed),
        *_secrets(account, seed),
        *_clusters(account),
    ]


def statement(
    effect: str,
    action: str,
    principal: Any,
    condition: dict[str, Any] | None = None,
    resource: str = "*",
) -> Document:
    """A policy of one statement."""
    made: Document = {
        "Effect": effect,
        "Principal": principal if principal == "*" else {"AWS": principal},
        "Action": action,
        "Resource": resource,
    }
    if condition:
        made["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [made]}


def _user(account: Account, name: str) -> User | None:
    return account.users.get(name.lower())


def _root(account: Account) -> str:
    return account.arn("root")


def _naming(
    account: Account, name: str, action: str, effect: str = "Allow", condition: str = ""
) -> Document | None:
    """A policy that names the user as principal, or in a condition on `condition`."""
    user = _user(account, name)
    if user is None:
        return None
    if not condition:
        return statement(effect, action, user.id)
    operator, _, key = condition.partition(" ")
    value = user.id if key == "aws:userid" else user.arn if key == "aws:PrincipalArn" else user.name
    return statement(effect, action, "*", {operator: {key: value}})


def _buckets(account: Account, seed: int) -> list[Resource]:
    gone = drawn_id("AIDA", 17, seed, "left-in-2022")
    ci = {"ArnLike": {"aws:PrincipalArn": account.arn("user/ci/ci-partner-*")}}
    tagged = {"StringEquals": {"aws:PrincipalTag/Workspace": "infra-prod"}}
    policies: list[tuple[str, str, Document | None]] = [
        ("acme-artifacts-prod", "eu-west-1", _naming(account, PARTNER, "s3:GetObject")),
        ("acme-ci-cache", "eu-central-1", statement("Allow", "s3:*", _root(account), ci)),
        ("acme-data-lake", "us-east-1", None),
        ("acme-infra-state", "us-west-2", statement("Allow", "s3:*", "*", tagged)),
        ("acme-legacy-exports", "us-east-1", statement("Allow", "s3:GetObject", gone)),
        ("acme-logs", "us-east-1", statement("Allow", "s3:PutObject", _root(account))),
        ("acme-public-assets", "us-east-1", statement("Allow", "s3:GetObject", "*")),
        (
            "acme-vendor-drop",
            "eu-west-1",
            _naming(account, VENDOR, "s3:*", "Deny", "StringNotEquals aws:userid"),
        ),
    ]
    return [
        Resource("bucket", name, f"arn:aws:s3:::{name}", region, policy)
        for name, region, policy in policies
    ]


def _queues_and_topics(account: Account) -> list[Resource]:
    owner = {"StringEquals": {"AWS:SourceOwner": account.id}}
    rows: list[tuple[str, str, str, Document | None]] = [
        ("queue", "jobs", "us-east-1", None),
        ("queue", "partner-events", "eu-west-1", _naming(account, PARTNER, "sqs:SendMessage")),
        ("queue", "year-end", "us-east-1", _naming(account, "fin-year-end", "sqs:SendMessage")),
        ("topic", "alerts", "us-east-1", statement("Allow", "sns:Publish", "*", owner)),
        (
            "topic",
            "build-status",
            "eu-central-1",
            _naming(account, BUILDER, "sns:Publish", condition="StringEquals aws:username"),
        ),
    ]
    return [
        Resource(
            kind,
            name,
            f"arn:aws:{'sqs' if kind == 'queue' else 'sns'}:{region}:{account.id}:{name}",
            region,
            policy,
        )
        for kind, name, region, policy in rows
    ]


def _keys(account: Account, seed: int) -> list[Resource]:
    """One that the account administers, one that AWS does, one that only a user does."""
    via = {"StringEquals": {"kms:CallerAccount": account.id}}
    rows = [
        ("payments", "us-east-1", statement("Allow", "kms:*", _root(account))),
        ("aws-managed", "us-east-1", statement("Allow", "kms:Decrypt", "*", via)),
        (
            "partner-feed",
            "eu-west-1",
            _naming(account, PARTNER, "kms:*") or statement("Allow", "kms:*", _root(account)),
        ),
    ]
    made = []
    for name, region, policy in rows:
        key_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}/key/{name}"))
        arn = f"arn:aws:kms:{region}:{account.id}:key/{key_id}"
        made.append(Resource("key", key_id, arn, region, policy))
    return made


def _secrets(account: Account, seed: int) -> list[Resource]:
    rows = [
        ("prod/payments/db", "us-east-1", None),
        ("prod/vendor/upload", "eu-west-1", _naming(account, VENDOR, "secretsmanager:Get*")),
    ]
    return [
        Resource(
            "secret",
            name,
            f"arn:aws:secretsmanager:{region}:{account.id}:secret:{name}-"
            f"{drawn_id('', 6, seed, 'secret', name)}",
            region,
            policy,
        )
        for name, region, policy in rows
    ]


def _clusters(account: Account) -> list[Resource]:
    """One with access entries, one that still keeps them in its aws-auth config map."""
    entries = [AccessEntry(account.arn("role/ci-runner"), groups=("system:nodes",))]
    if builder := _user(account, BUILDER):
        admin = (_ACCESS.format("AmazonEKSClusterAdminPolicy"),)
        entries.append(AccessEntry(builder.arn, admin))
    if viewer := _user(account, "vendor-scanner"):
        entries.append(AccessEntry(viewer.arn, (_ACCESS.format("AmazonEKSViewPolicy"),)))
    rows = [("platform", entries, False), ("platform-old", [], True)]
    return [
        Resource(
            "cluster",
            name,
            f"arn:aws:eks:eu-central-1:{account.id}:cluster/{name}",
            "eu-central-1",
            entries={one.principal_arn: one for one in held},
            entries_in_config_map=in_map,
        )
        for name, held, in_map in rows
    ]
