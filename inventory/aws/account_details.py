"""Policies, groups, tags, boundaries and role trusts of a whole account in a few calls.

GetAccountAuthorizationDetails lacks last-used dates and credentials; ListUsers has the first and
`aws/credentials.py` reads the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from inventory.aws.paging import pages
from inventory.aws.session import AwsSession
from inventory.privilege import ADMIN, TrustedBy, principals, privilege


@dataclass(frozen=True, slots=True)
class UserDetails:
    """One user's permissions, with their documents; `privilege` counts groups too."""

    user_id: str
    tags: dict[str, str]
    groups: tuple[str, ...]
    attached_policies: tuple[str, ...]
    inline_policies: dict[str, dict[str, Any]]
    boundary: str
    privilege: str


@dataclass(frozen=True, slots=True)
class AccountDetails:
    """Users by user id, roles that trust somebody, and the names of roles with admin rights."""

    users: Mapping[str, UserDetails]
    trusts: tuple[TrustedBy, ...]
    admin_roles: tuple[str, ...]


def read(session: AwsSession) -> AccountDetails:
    """The details of the whole account; raises AwsFailure rather than giving a part."""
    iam = session.client("iam")
    raw: dict[str, list[dict[str, Any]]] = {"User": [], "Group": [], "Role": [], "Policies": []}
    for page in pages(
        iam.get_account_authorization_details,
        "GetAccountAuthorizationDetails",
        Filter=["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"],
    ):
        for kind in ("User", "Group", "Role"):
            raw[kind] += page.get(f"{kind}DetailList", ())
        raw["Policies"] += page.get("Policies", ())
    managed = {policy["Arn"]: _default_version(policy) for policy in raw["Policies"]}
    groups = {group["GroupName"]: group for group in raw["Group"]}
    users = (_user(user, groups, managed) for user in raw["User"])
    return AccountDetails(
        users={user.user_id: user for user in users},
        trusts=tuple(_trust(role) for role in raw["Role"]),
        admin_roles=tuple(
            sorted(role["RoleName"] for role in raw["Role"] if _is_admin(role, managed))
        ),
    )


def _user(
    user: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]],
    managed: Mapping[str, dict[str, Any]],
) -> UserDetails:
    inline = _inline(user, "UserPolicyList")
    attached = _attached(user)
    names = tuple(sorted(user.get("GroupList", ())))
    documents = list(inline.values())
    arns = list(attached)
    for name in names:
        group = groups.get(name, {})
        documents += _inline(group, "GroupPolicyList").values()
        arns += _attached(group)
    documents += [managed[arn] for arn in arns if arn in managed]
    return UserDetails(
        user_id=user["UserId"],
        tags={tag["Key"]: tag["Value"] for tag in user.get("Tags", ())},
        groups=names,
        attached_policies=attached,
        inline_policies=inline,
        boundary=user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        privilege=privilege(documents, arns),
    )


def _trust(role: Mapping[str, Any]) -> TrustedBy:
    used: datetime | None = role.get("RoleLastUsed", {}).get("LastUsedDate")
    trust = _document(role.get("AssumeRolePolicyDocument", {}))
    return TrustedBy(role["RoleName"], principals(trust), used)


def _is_admin(role: Mapping[str, Any], managed: Mapping[str, dict[str, Any]]) -> bool:
    attached = _attached(role)
    documents = [*_inline(role, "RolePolicyList").values()]
    documents += [managed[arn] for arn in attached if arn in managed]
    return privilege(documents, attached) == ADMIN


def _inline(entity: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {one["PolicyName"]: _document(one["PolicyDocument"]) for one in entity.get(key, ())}


def _attached(entity: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(one["PolicyArn"] for one in entity.get("AttachedManagedPolicies", ())))


def _default_version(policy: Mapping[str, Any]) -> dict[str, Any]:
    for version in policy.get("PolicyVersionList", ()):
        if version.get("IsDefaultVersion"):
            return _document(version.get("Document", {}))
    return {}


def _document(told: Any) -> dict[str, Any]:
    """A policy document; botocore decodes it already, but for some of the fields it may not."""
    return dict(json.loads(unquote(told)) if isinstance(told, str) else told)
