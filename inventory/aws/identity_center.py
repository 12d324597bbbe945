"""Identity Center: who is in its directory and its groups, and who has which permission set.

It is read in the management account or a delegated administrator's, in its own Region. AWS keeps
the assignments of a deleted group, and what a listing does not show may only be late: that
something is gone is asked for by its id before anybody believes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask, token_listing
from inventory.aws.session import AwsSession

GROUP, USER = "GROUP", "USER"
# AWS allows 20 a second to all callers of an account; deployments share them.
CALLS_PER_SECOND = 12.0


@dataclass(frozen=True, slots=True)
class Instance:
    """Identity Center itself with its directory."""

    arn: str
    store_id: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the directory. `emails`: the first one first; `active`: not disabled there."""

    id: str
    user_name: str
    display_name: str = ""
    given_name: str = ""
    family_name: str = ""
    emails: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A group; `external_id` is the identity provider's own id, "" where there is none.

    `created_at`: ISO 8601 in UTC, "" where AWS does not tell it.
    """

    id: str
    name: str
    external_id: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """A permission set. `managed`: ARNs of AWS's policies; `customer_managed`: path and name.

    `inline`: any JSON value, None where there is none; `inline_unread`: there is one that is no
    JSON. `boundary`: what limits it, in a word or an ARN.
    """

    arn: str
    name: str
    description: str = ""
    session: str = ""
    managed: tuple[str, ...] = ()
    customer_managed: tuple[tuple[str, str], ...] = ()
    inline: Any = None
    inline_unread: bool = False
    boundary: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A permission set in an account for a group or a person. `principal_type`: GROUP or USER."""

    account_id: str
    set_arn: str
    principal_id: str
    principal_type: str = GROUP


class Reader:
    """Questions to one Identity Center; each raises AwsFailure rather than giving a part."""

    def __init__(self, session: AwsSession, region: str, instance: Instance | None = None) -> None:
        self._session, self._region = session, region
        self._sets = session.client("sso-admin", region)
        self._store = session.client("identitystore", region)
        self.instance = instance or self._found()
        self._of: dict[str, Any] = {"InstanceArn": self.instance.arn}
        self._in: dict[str, Any] = {"IdentityStoreId": self.instance.store_id}

    def _found(self) -> Instance:
        """The organization's instance. One of this account alone knows no permission sets."""
        rows = token_listing(self._sets.list_instances, "ListInstances", "Instances")
        others = [o for o in rows if o.get("OwnerAccountId") != self._session.account_id]
        for row in others or rows:
            return Instance(str(row["InstanceArn"]), str(row["IdentityStoreId"]))
        message = f"Identity Center answers in {self._region} that it is not there."
        raise AwsFailure("NoInstance", message, operation="ListInstances")

    def people(self) -> list[Person]:
        told = token_listing(self._store.list_users, "ListUsers", "Users", **self._in)
        return [_person(one) for one in told]

    def groups(self) -> list[Group]:
        told = token_listing(self._store.list_groups, "ListGroups", "Groups", **self._in)
        return [_group(one) for one in told]

    def members(self, group_id: str) -> list[str]:
        """The ids of the people in a group."""
        told = token_listing(
            self._store.list_group_memberships,
            "ListGroupMemberships",
            "GroupMemberships",
            GroupId=group_id,
            **self._in,
        )
        found = (one.get("MemberId", {}).get("UserId") for one in told)
        return sorted({str(one) for one in found if one})

    def set_arns(self) -> list[str]:
        told = token_listing(
            self._sets.list_permission_sets, "ListPermissionSets", "PermissionSets", **self._of
        )
        return [str(one) for one in told]

    def permission_set(self, arn: str) -> PermissionSet:
        """One permission set with its policies."""
        sets, of = self._sets, {"PermissionSetArn": arn, **self._of}
        told = ask(sets.describe_permission_set, "DescribePermissionSet", **of)["PermissionSet"]
        managed = token_listing(
            sets.list_managed_policies_in_permission_set,
            "ListManagedPoliciesInPermissionSet",
            "AttachedManagedPolicies",
            **of,
        )
        own = token_listing(
            sets.list_customer_managed_policy_references_in_permission_set,
            "ListCustomerManagedPolicyReferencesInPermissionSet",
            "CustomerManagedPolicyReferences",
            **of,
        )
        inline = ask(
            sets.get_inline_policy_for_permission_set, "GetInlinePolicyForPermissionSet", **of
        )
        document, unread = _document(str(inline.get("InlinePolicy") or ""))
        return PermissionSet(
            arn=arn,
            name=str(told.get("Name") or ""),
            description=str(told.get("Description") or ""),
            session=str(told.get("SessionDuration") or ""),
            managed=tuple(sorted(str(one["Arn"]) for one in managed)),
            customer_managed=tuple(
                sorted((str(o.get("Path") or "/"), str(o["Name"])) for o in own)
            ),
            inline=document,
            inline_unread=unread,
            boundary=self._boundary(of),
        )

    def _boundary(self, of: dict[str, Any]) -> str:
        call = self._sets.get_permissions_boundary_for_permission_set
        try:
            told = ask(call, "GetPermissionsBoundaryForPermissionSet", **of)["PermissionsBoundary"]
        except AwsFailure as refused:
            if refused.code == "ResourceNotFoundException":
                return ""
            raise
        named = told.get("CustomerManagedPolicyReference") or {}
        return str(told.get("ManagedPolicyArn") or named.get("Name") or "unknown")

    def accounts(self, set_arn: str) -> list[str]:
        """The accounts in which a permission set is in use."""
        told = token_listing(
            self._sets.list_accounts_for_provisioned_permission_set,
            "ListAccountsForProvisionedPermissionSet",
            "AccountIds",
            PermissionSetArn=set_arn,
            **self._of,
        )
        return [str(one) for one in told]

    def assignments(self, set_arn: str, account_id: str) -> list[Assignment]:
        """To whom a permission set is given in an account, groups that are gone among them."""
        told = token_listing(
            self._sets.list_account_assignments,
            "ListAccountAssignments",
            "AccountAssignments",
            PermissionSetArn=set_arn,
            AccountId=account_id,
            **self._of,
        )
        return [
            Assignment(account_id, set_arn, str(o["PrincipalId"]), str(o["PrincipalType"]))
            for o in told
        ]

    def group_is_gone(self, group_id: str) -> bool:
        """Whether AWS knows no group of this id any more."""
        return self._is_gone(self._store.describe_group, "DescribeGroup", GroupId=group_id)

    def person_is_gone(self, user_id: str) -> bool:
        """Whether AWS knows no person of this id any more."""
        return self._is_gone(self._store.describe_user, "DescribeUser", UserId=user_id)

    def set_is_gone(self, arn: str) -> bool:
        """Whether AWS knows no permission set of this ARN any more."""
        call = self._sets.describe_permission_set
        try:
            ask(call, "DescribePermissionSet", PermissionSetArn=arn, **self._of)
        except AwsFailure as refused:
            if refused.code == "ResourceNotFoundException":
                return True
            raise
        return False

    def _is_gone(self, call: Any, operation: str, **named: str) -> bool:
        try:
            ask(call, operation, **named, **self._in)
        except AwsFailure as refused:
            cause = refused.__cause__
            told = cause.response if isinstance(cause, ClientError) else {}
            # With a reason it is the key of the store that could not be used: nothing is gone.
            if refused.code == "ResourceNotFoundException" and not told.get("Reason"):
                return True
            raise
        return False

    def managed_policy(self, arn: str) -> Any:
        """The document of one of AWS's own policies, as any JSON value."""
        iam = self._session.client("iam")
        told = ask(iam.get_policy, "GetPolicy", PolicyArn=arn)["Policy"]
        version = ask(
            iam.get_policy_version,
            "GetPolicyVersion",
            PolicyArn=arn,
            VersionId=str(told["DefaultVersionId"]),
        )
        return version["PolicyVersion"].get("Document")


def _person(told: dict[str, Any]) -> Person:
    name = told.get("Name") or {}
    # The primary one first, then as they come.
    emails = sorted(told.get("Emails") or (), key=lambda one: not one.get("Primary"))
    return Person(
        id=str(told["UserId"]),
        user_name=str(told.get("UserName") or ""),
        display_name=str(told.get("DisplayName") or ""),
        given_name=str(name.get("GivenName") or ""),
        family_name=str(name.get("FamilyName") or ""),
        emails=tuple(str(one["Value"]) for one in emails if one.get("Value")),
        # An older endpoint tells no status.
        active=told.get("UserStatus") != "DISABLED",
    )


def _group(told: dict[str, Any]) -> Group:
    external = [str(one.get("Id") or "") for one in told.get("ExternalIds") or ()]
    made = told.get("CreatedAt")
    return Group(
        str(told["GroupId"]),
        str(told.get("DisplayName") or ""),
        next(filter(None, external), ""),
        made.astimezone(UTC).isoformat() if isinstance(made, datetime) else "",
    )


def _document(text: str) -> tuple[Any, bool]:
    """A policy's text as JSON, and whether there is one that cannot be read."""
    if not text:
        return None, False
    try:
        return json.loads(text), False
    except ValueError:
        return None, True
