"""The identity store of Identity Center: people, groups, who is in which."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .calls import Context, operation
from .errors import AwsError
from .identity_center import Group, IdentityCenter, Person, as_uuid, okta_id

Row = TypeVar("Row")
PAGE = 100


def center(context: Context) -> IdentityCenter:
    """The instance that this call may see, which is in one Region and one account.

    AccessDeniedException elsewhere, as AWS answers for a store that is not there.
    """
    found = context.account.identity_center
    if found is None or context.call.region != found.region:
        raise AwsError("AccessDeniedException", "You do not have access to this instance.", 400)
    return found


def some(
    context: Context, key: str, rows: Iterable[Row], shown: Callable[[Row], Any]
) -> dict[str, Any]:
    """A page of rows; the token says where the next one begins. ValidationException."""
    every = list(rows)
    size = min(int(context.params.get("MaxResults") or PAGE), PAGE, context.page_limit)
    token = str(context.params.get("NextToken") or "0")
    if not token.isdigit():
        raise AwsError("ValidationException", "The NextToken is invalid.", 400)
    start = int(token)
    answer: dict[str, Any] = {key: [shown(one) for one in every[start : start + size]]}
    if start + size < len(every):
        answer["NextToken"] = str(start + size)
    return answer


def _store(context: Context) -> IdentityCenter:
    found = center(context)
    if context.params["IdentityStoreId"] != found.store_id:
        raise _missing("IDENTITY_STORE", str(context.params["IdentityStoreId"]))
    return found


def _missing(kind: str, resource: str, reason: str = "") -> AwsError:
    told = {"ResourceType": kind, "ResourceId": resource}
    if reason:
        told["Reason"] = reason
    return AwsError("ResourceNotFoundException", f"{kind} not found.", 400, told)


def _group(context: Context) -> tuple[IdentityCenter, Group]:
    found, group_id = _store(context), str(context.params["GroupId"])
    if group_id in found.locked:
        raise _missing("GROUP", group_id, "KMS_ACCESS_DENIED")
    if group_id not in found.groups:
        raise _missing("GROUP", group_id)
    return found, found.groups[group_id]


@operation("identitystore", "ListUsers")
def list_users(context: Context) -> dict[str, Any]:
    found = _store(context)
    return some(context, "Users", found.people.values(), lambda one: _person(found, one))


@operation("identitystore", "DescribeUser")
def describe_user(context: Context) -> dict[str, Any]:
    found, user_id = _store(context), str(context.params["UserId"])
    if user_id not in found.people:
        raise _missing("USER", user_id)
    return _person(found, found.people[user_id])


def _person(found: IdentityCenter, one: Person) -> dict[str, Any]:
    return {
        "IdentityStoreId": found.store_id,
        "UserId": one.id,
        "UserName": one.user_name,
        "DisplayName": f"{one.given_name} {one.family_name}",
        "Name": {"GivenName": one.given_name, "FamilyName": one.family_name},
        "Emails": [{"Value": one.user_name, "Type": "work", "Primary": True}],
        "ExternalIds": [{"Issuer": "https://scim.aws.com/okta", "Id": one.external_id}],
        "UserStatus": "ENABLED" if one.enabled else "DISABLED",
    }


@operation("identitystore", "ListGroups")
def list_groups(context: Context) -> dict[str, Any]:
    found = _store(context)
    return some(context, "Groups", found.groups.values(), lambda one: _shown(found, one))


@operation("identitystore", "DescribeGroup")
def describe_group(context: Context) -> dict[str, Any]:
    """ResourceNotFoundException; with a `Reason` it is the key that fails, and nothing is gone."""
    return _shown(*_group(context))


def _shown(found: IdentityCenter, one: Group) -> dict[str, Any]:
    told: dict[str, Any] = {
        "IdentityStoreId": found.store_id,
        "GroupId": one.id,
        "DisplayName": one.name,
        "CreatedAt": one.created_at,
        "UpdatedAt": one.created_at,
    }
    if one.external_id:
        told["ExternalIds"] = [{"Issuer": "https://scim.aws.com/okta", "Id": one.external_id}]
    return told


@operation("identitystore", "ListGroupMemberships")
def list_group_memberships(context: Context) -> dict[str, Any]:
    found, group = _group(context)
    return some(
        context,
        "GroupMemberships",
        group.members.items(),
        lambda one: {
            "IdentityStoreId": found.store_id,
            "MembershipId": one[0],
            "GroupId": group.id,
            "MemberId": {"UserId": one[1]},
        },
    )


@operation("identitystore", "CreateGroup", writes=True)
def create_group(context: Context) -> dict[str, Any]:
    """As SCIM does it: the provider's own id comes along."""
    found, name = _store(context), str(context.params["DisplayName"])
    if any(one.name == name for one in found.groups.values()):
        raise AwsError("ConflictException", "Duplicate GroupDisplayName", 400)
    made = context.new_id("", 26)
    group = Group(as_uuid(made), name, okta_id(made), context.now)
    found.groups[group.id] = group
    return {"IdentityStoreId": found.store_id, "GroupId": group.id}


@operation("identitystore", "DeleteGroup", writes=True)
def delete_group(context: Context) -> dict[str, Any]:
    """Its assignments stay (AWS_FACTS.md 7)."""
    found, group = _group(context)
    del found.groups[group.id]
    return {}


@operation("identitystore", "CreateGroupMembership", writes=True)
def create_group_membership(context: Context) -> dict[str, Any]:
    found, group = _group(context)
    person = str(context.params["MemberId"]["UserId"])
    if person not in found.people:
        raise _missing("USER", person)
    membership = as_uuid(context.new_id("", 26))
    group.members[membership] = person
    return {"IdentityStoreId": found.store_id, "MembershipId": membership}


@operation("identitystore", "DeleteGroupMembership", writes=True)
def delete_group_membership(context: Context) -> dict[str, Any]:
    found, membership = _store(context), str(context.params["MembershipId"])
    for group in found.groups.values():
        if group.members.pop(membership, None):
            return {}
    raise _missing("GROUP_MEMBERSHIP", membership)
