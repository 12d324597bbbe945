"""How far an IAM user's permissions reach, and which roles still name it. Pure.

Only what is allowed is read: denies, boundaries and conditions can narrow it, so this errs towards
"more". The fence itself therefore changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

Document = Mapping[str, Any]

ADMIN, WRITE, READ, NONE = "admin", "write", "read", ""
# Whoever may do one of these to everything can make itself an administrator.
_ESCALATIONS = (
    "iam:attachuserpolicy",
    "iam:attachgrouppolicy",
    "iam:attachrolepolicy",
    "iam:putuserpolicy",
    "iam:putgrouppolicy",
    "iam:putrolepolicy",
    "iam:createpolicyversion",
    "iam:setdefaultpolicyversion",
    "iam:addusertogroup",
    "iam:createloginprofile",
    "iam:updateloginprofile",
    "iam:createaccesskey",
    "iam:updateassumerolepolicy",
)
_READING = ("get", "list", "describe", "view", "lookup", "search", "batchget", "head", "select")
_READING_POLICIES = ("readonly", "viewonly", "securityaudit")
_IN_USE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class TrustedBy:
    """A role whose trust policy names a user. `principals`: everybody whom it names."""

    role_name: str
    principals: tuple[str, ...]
    last_used_at: datetime | None


def privilege(documents: Iterable[Document], policy_arns: Iterable[str]) -> str:
    """admin, write, read or "" from policy documents and, where those lack, the policies' names."""
    level = NONE
    for arn in policy_arns:
        level = _higher(level, _by_name(arn))
    for document in documents:
        level = _higher(level, _by_document(document))
    return level


def references(
    user_arn: str, user_id: str, roles: Iterable[TrustedBy], now: datetime
) -> list[dict[str, Any]]:
    """Who still names this user, as rows for `IamUser.references`.

    Only a trust policy in use whose sole principal is this user blocks its deletion.
    """
    found: list[dict[str, Any]] = []
    for role in roles:
        if user_arn not in role.principals and user_id not in role.principals:
            continue
        in_use = role.last_used_at is not None and role.last_used_at > now - _IN_USE
        alone = len(role.principals) == 1
        text = "Role trust policy"
        if alone:
            text += ", its only principal"
        if role.last_used_at:
            text += f", last assumed {role.last_used_at:%d %b %Y}"
        found.append(
            {"kind": "role-trust", "name": role.role_name, "text": text, "blocks": alone and in_use}
        )
    return found


def declared_elsewhere(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Signs in the tags that code made this user and its next apply may make it again."""
    lower = {key.lower(): value for key, value in tags.items()}
    if stack := lower.get("aws:cloudformation:stack-name"):
        text = "Made by a CloudFormation stack; remove it there first"
        return [{"kind": "cloudformation", "name": stack, "text": text, "blocks": False}]
    managed = next((lower[key] for key in ("managedby", "managed-by") if key in lower), "")
    if managed:
        text = "Tagged as managed by code; remove it there first, or the next apply makes it again"
        return [{"kind": "declared", "name": managed, "text": text, "blocks": False}]
    return []


def principals(trust: Document) -> tuple[str, ...]:
    """Every AWS, service and federated principal that a trust policy allows."""
    named: set[str] = set()
    for statement in _allows(trust):
        principal = statement.get("Principal", {})
        if isinstance(principal, str):
            named.add(principal)
            continue
        for value in principal.values():
            named.update(_as_list(value))
    return tuple(sorted(named))


def _higher(one: str, other: str) -> str:
    order = (NONE, READ, WRITE, ADMIN)
    return max(one, other, key=order.index)


def _by_name(arn: str) -> str:
    name = arn.rpartition("/")[2].lower()
    if name in {"administratoraccess", "iamfullaccess"}:
        return ADMIN
    if name == "awsdenyall" or name.startswith("awscompromisedkeyquarantine"):
        return NONE
    return READ if any(part in name for part in _READING_POLICIES) else NONE


def _by_document(document: Document) -> str:
    level = NONE
    for statement in _allows(document):
        everywhere = "*" in _as_list(statement.get("Resource"))
        if "NotAction" in statement:
            level = _higher(level, ADMIN if everywhere else WRITE)
        for action in _as_list(statement.get("Action")):
            level = _higher(level, _by_action(action.lower(), everywhere=everywhere))
    return level


def _by_action(action: str, *, everywhere: bool) -> str:
    if everywhere and any(fnmatchcase(target, action) for target in _ESCALATIONS):
        return ADMIN
    verb = action.partition(":")[2]
    return READ if verb.startswith(_READING) else WRITE


def _allows(document: Document) -> Iterator[Document]:
    statements = document.get("Statement", ())
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        if statement.get("Effect") == "Allow":
            yield statement


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(one) for one in value]
