"""What befalls a group of Identity Center from outside: the story's accident, and its mending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .identity_center import Assignment, Group, IdentityCenter

if TYPE_CHECKING:
    from .account import Simulator

Asks = Callable[[dict[str, Any]], dict[str, Any]]


def recreate(simulator: Simulator, name: str, asks: Asks) -> dict[str, Any]:
    """The group is deleted and pushed again with the same people; KeyError for no such group.

    The same name, a new id, and none of the assignments, which stay behind and point at nobody.
    """
    center, group = _found(simulator, name)
    _store(center, asks, "DeleteGroup", GroupId=group.id)
    made = _store(center, asks, "CreateGroup", DisplayName=name)["GroupId"]
    for person in group.members.values():
        _store(center, asks, "CreateGroupMembership", GroupId=made, MemberId={"UserId": person})
    return {"before": group.id, "now": made, "people": len(group.members)}


def give_back(simulator: Simulator, name: str, asks: Asks) -> dict[str, Any]:
    """Every assignment that points at no group is made for the group of this name instead."""
    center, group = _found(simulator, name)
    known = center.groups | center.people
    dead = [one for one in center.assignments if one.principal_id not in known]
    for one in dead:
        mended = replace(one, principal_id=group.id)
        _assignment(center, asks, "CreateAccountAssignment", mended)
        _assignment(center, asks, "DeleteAccountAssignment", one)
    return {"assignments": len(dead)}


def _found(simulator: Simulator, name: str) -> tuple[IdentityCenter, Group]:
    center = simulator.account.identity_center
    for group in center.groups.values() if center else ():
        if center and group.name == name:
            return center, group
    raise KeyError(f"There is no group {name}.")


def _store(center: IdentityCenter, asks: Asks, operation: str, **params: Any) -> dict[str, Any]:
    return asks(
        {
            "service": "identitystore",
            "operation": operation,
            "region": center.region,
            "agent": "Okta-SCIM",
            "params": {"IdentityStoreId": center.store_id, **params},
        }
    )


def _assignment(center: IdentityCenter, asks: Asks, operation: str, one: Assignment) -> None:
    asks(
        {
            "service": "sso",
            "operation": operation,
            "region": center.region,
            "params": {
                "InstanceArn": center.arn,
                "TargetId": one.account_id,
                "TargetType": "AWS_ACCOUNT",
                "PermissionSetArn": one.set_arn,
                "PrincipalType": one.principal_type,
                "PrincipalId": one.principal_id,
            },
        }
    )
