"""Policies, groups, tags, boundaries and role trusts of a whole account in a few calls.

GetAccountAuthorizationDetails lacks last-used dates and credentials; ListUsers has the first and
`aws/credentials.py` reads the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from inventory.aws.paging import pages
from inventory.aws.session import AwsSession
from inventory.posture import allows_everything
from inventory.referrers.principals import let_in
from inventory.referrers.references import HeldPolicy, TrustedBy
from inventory.rights.escalation import Held, PowerfulRole
from inventory.rights.privilege import ADMIN, Privilege, held, is_powerful, privilege

_SERVICE_LINKED = "/aws-service-role/"


@dataclass(frozen=True, slots=True)
class UserDetails:
    """One user's permissions, with the documents of its own; `privilege` counts groups too."""

    user_id: str
    tags: dict[str, str]
    groups: tuple[str, ...]
    attached_policies: tuple[str, ...]
    inline_policies: dict[str, dict[str, Any]]
    boundary: str
    privilege: Privilege


@dataclass(frozen=True, slots=True)
class SharedPolicy:
    """A policy that several users may have: a managed one by `arn`, or an inline one of `group`.

    `document` is any JSON value; None where AWS gave none.
    """

    arn: str
    group: str
    name: str
    document: Any


@dataclass(frozen=True, slots=True)
class AccountDetails:
    """Users by user id, roles with their trust policies, the account's own identity policies, and
    the names of roles with admin rights.

    `full_admin`: the ARNs of managed `policies` and the names of `groups` that allow *:*.
    `shared`: the policies that are attached to users and groups, and the inline ones of groups.
    """

    users: Users
    trusts: tuple[TrustedBy, ...]
    policies: tuple[HeldPolicy, ...]
    admin_roles: tuple[str, ...]
    full_admin: dict[str, list[str]]
    shared: tuple[SharedPolicy, ...] = ()


def read(session: AwsSession) -> AccountDetails:
    """The details of the whole account; raises AwsFailure rather than giving a part."""
    iam = session.client("iam")
    raw: dict[str, list[dict[str, Any]]] = {"User": [], "Group": [], "Role": []}
    managed: dict[str, Any] = {}
    for page in pages(
        iam.get_account_authorization_details,
        "GetAccountAuthorizationDetails",
        Filter=["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"],
    ):
        for kind in ("User", "Group", "Role"):
            raw[kind] += page.get(f"{kind}DetailList", ())
        # Of up to five versions the one in force.
        managed |= {policy["Arn"]: _default_version(policy) for policy in page.get("Policies", ())}
    groups = {group["GroupName"]: group for group in raw["Group"]}
    powerful, admin_roles = _powerful(raw["Role"], managed)
    return AccountDetails(
        users=Users(raw["User"], groups, managed, powerful),
        trusts=tuple(_trust(role) for role in raw["Role"]),
        policies=tuple(_policies(raw, managed)),
        admin_roles=admin_roles,
        full_admin=_full_admin(raw["Group"], managed),
        shared=tuple(_shared([*raw["User"], *raw["Group"]], managed)),
    )


def role_policies(session: AwsSession, names: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """By name of role the documents of its inline policies and of those the account manages.

    A role that is not there is left out. Raises AwsFailure.
    """
    wanted = set(names)
    roles: dict[str, dict[str, Any]] = {}
    managed: dict[str, Any] = {}
    for page in pages(
        session.client("iam").get_account_authorization_details,
        "GetAccountAuthorizationDetails",
        Filter=["Role", "LocalManagedPolicy"],
    ):
        told = page.get("RoleDetailList", ())
        roles |= {one["RoleName"]: one for one in told if one["RoleName"] in wanted}
        managed |= {policy["Arn"]: _default_version(policy) for policy in page.get("Policies", ())}
    return {
        name: (*_inline(role, "RolePolicyList").values(), *map(managed.get, _attached(role)))
        for name, role in roles.items()
    }


class Users(Mapping[str, UserDetails]):
    """Users by user id; each one's rights are worked out when it is asked for, and not kept.

    Those of 5,000 users at once would be most of what a worker may hold.
    """

    def __init__(
        self,
        told: Iterable[Mapping[str, Any]],
        groups: Mapping[str, Mapping[str, Any]],
        managed: Mapping[str, Any],
        powerful: tuple[PowerfulRole, ...],
    ) -> None:
        self._told = {user["UserId"]: user for user in told}
        self._groups, self._managed, self._powerful = groups, managed, powerful

    def __getitem__(self, user_id: str) -> UserDetails:
        return _user(self._told[user_id], self._groups, self._managed, self._powerful)

    def __contains__(self, user_id: object) -> bool:
        return user_id in self._told

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def tags(self, user_id: str) -> dict[str, str]:
        """Its tags; none for a user that the details do not show."""
        return _tags(self._told.get(user_id, {}))


def _tags(user: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in user.get("Tags", ())}


def _user(
    user: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]],
    managed: Mapping[str, Any],
    powerful: tuple[PowerfulRole, ...],
) -> UserDetails:
    names = tuple(sorted(user.get("GroupList", ())))
    policies = _held(user, "UserPolicyList", managed)
    for name in names:
        if name in groups:
            policies += _held(groups[name], "GroupPolicyList", managed, group=name)
        else:
            # Made between two pages: what it grants is not known.
            policies.append(held("(not told)", "managed", None, group=name))
    inline = _inline(user, "UserPolicyList")
    return UserDetails(
        user_id=user["UserId"],
        tags=_tags(user),
        groups=names,
        attached_policies=_attached(user),
        inline_policies={
            name: document if isinstance(document, dict) else {}
            for name, document in inline.items()
        },
        boundary=user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        privilege=privilege(policies, powerful, user["Arn"]),
    )


def _held(
    entity: Mapping[str, Any], inline: str, managed: Mapping[str, Any], *, group: str = ""
) -> list[Held]:
    """The policies of a user, group or role: inline ones first, then attached ones."""
    found = [
        held(name, "inline", document, group=group)
        for name, document in _inline(entity, inline).items()
    ]
    for arn in _attached(entity):
        kind = "aws-managed" if ":iam::aws:" in arn else "managed"
        name = arn.rpartition("/")[2]
        found.append(held(name, kind, managed.get(arn), arn=arn, group=group))
    return found


def _powerful(
    roles: list[dict[str, Any]], managed: Mapping[str, Any]
) -> tuple[tuple[PowerfulRole, ...], tuple[str, ...]]:
    """Roles that are, or can make themselves, administrator; and the names of those that are.

    Whoever can take a powerful role is powerful too, so this goes round until nobody joins.
    Service-linked roles can be passed to nobody.
    """
    policies = {
        role["Arn"]: _held(role, "RolePolicyList", managed)
        for role in roles
        if not role.get("Path", "/").startswith(_SERVICE_LINKED)
    }
    trusts = {
        role["Arn"]: let_in(_trust(role).document) for role in roles if role["Arn"] in policies
    }
    found: dict[str, PowerfulRole] = {}
    admins: set[str] = set()
    while True:
        before = tuple(found.values())
        for arn, held_ones in policies.items():
            if arn in found:
                continue
            judged = privilege(held_ones, before, arn)
            if is_powerful(judged):
                found[arn] = PowerfulRole(arn, trusts[arn])
            if judged.level == ADMIN:
                admins.add(arn.rpartition("/")[2])
        if len(found) == len(before):
            return tuple(found.values()), tuple(sorted(admins))


def _trust(role: Mapping[str, Any]) -> TrustedBy:
    used: datetime | None = role.get("RoleLastUsed", {}).get("LastUsedDate")
    trust = _document(role.get("AssumeRolePolicyDocument", {}))
    return TrustedBy(role["RoleName"], trust, used)


def _policies(
    raw: Mapping[str, list[dict[str, Any]]], managed: Mapping[str, dict[str, Any]]
) -> Iterator[HeldPolicy]:
    """Every policy document of the account's own; AWS's name no user."""
    for arn, document in managed.items():
        if not arn.partition(":iam::")[2].startswith("aws:"):
            yield HeldPolicy(arn.rpartition("/")[2], document)
    for kind in ("User", "Group", "Role"):
        for holder in raw[kind]:
            own = holder["UserId"] if kind == "User" else ""
            for name, document in _inline(holder, f"{kind}PolicyList").items():
                yield HeldPolicy(f"{holder[f'{kind}Name']}/{name}", document, own)


def _shared(
    holders: Iterable[Mapping[str, Any]], managed: Mapping[str, Any]
) -> Iterator[SharedPolicy]:
    arns: set[str] = set()
    for holder in holders:
        arns.update(_attached(holder))
        for name, document in _inline(holder, "GroupPolicyList").items():
            yield SharedPolicy("", holder["GroupName"], name, document)
    for arn in sorted(arns):
        yield SharedPolicy(arn, "", arn.rpartition("/")[2], managed.get(arn))


def _full_admin(
    groups: list[dict[str, Any]], managed: Mapping[str, dict[str, Any]]
) -> dict[str, list[str]]:
    arns = {arn for arn, document in managed.items() if allows_everything(document)}
    names = [
        group["GroupName"]
        for group in groups
        if arns & set(_attached(group))
        or any(map(allows_everything, _inline(group, "GroupPolicyList").values()))
    ]
    return {"policies": sorted(arns), "groups": sorted(names)}


def _inline(entity: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {one["PolicyName"]: _document(one["PolicyDocument"]) for one in entity.get(key, ())}


def _attached(entity: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(one["PolicyArn"] for one in entity.get("AttachedManagedPolicies", ())))


def _default_version(policy: Mapping[str, Any]) -> Any:
    """The document in force; None where AWS did not tell it."""
    for version in policy.get("PolicyVersionList", ()):
        if version.get("IsDefaultVersion") and version.get("Document"):
            return _document(version["Document"])
    return None


def _document(told: Any) -> Any:
    """A policy document; botocore decodes it already, but for some of the fields it may not.

    What is no JSON stays the text that it is: the analysis says that it could not be read.
    """
    if not isinstance(told, str):
        return told
    try:
        return json.loads(unquote(told))
    except (ValueError, RecursionError):
        return told
