"""Permission sets and their assignments, as the API of Identity Center (sso-admin) gives them.

It is asked in its own Region, in the management account or a delegated administrator's.
"""

from __future__ import annotations

import json
from typing import Any

from .calls import Context, operation
from .errors import AwsError
from .identity_center import Assignment, IdentityCenter, PermissionSet
from .identity_store import center, some


@operation("sso", "ListInstances")
def list_instances(context: Context) -> dict[str, Any]:
    """Nothing in other Regions and accounts."""
    found = context.account.identity_center
    here = [found] if found and found.region == context.call.region else []
    return some(context, "Instances", here, _instance)


def _instance(found: IdentityCenter) -> dict[str, Any]:
    return {
        "InstanceArn": found.arn,
        "IdentityStoreId": found.store_id,
        "OwnerAccountId": found.owner,
        "Status": "ACTIVE",
    }


def _instance_of(context: Context) -> IdentityCenter:
    found = center(context)
    if context.params["InstanceArn"] != found.arn:
        raise AwsError("ResourceNotFoundException", "Instance not found.", 400)
    return found


def _set(context: Context) -> tuple[IdentityCenter, PermissionSet]:
    found, arn = _instance_of(context), str(context.params["PermissionSetArn"])
    if arn not in found.sets:
        raise AwsError("ResourceNotFoundException", f"PermissionSet {arn} not found.", 400)
    return found, found.sets[arn]


@operation("sso", "ListPermissionSets")
def list_permission_sets(context: Context) -> dict[str, Any]:
    return some(context, "PermissionSets", sorted(_instance_of(context).sets), str)


@operation("sso", "DescribePermissionSet")
def describe_permission_set(context: Context) -> dict[str, Any]:
    _, one = _set(context)
    return {
        "PermissionSet": {
            "PermissionSetArn": one.arn,
            "Name": one.name,
            "Description": one.description,
            "CreatedDate": one.created_at,
            "SessionDuration": one.session,
        }
    }


@operation("sso", "ListManagedPoliciesInPermissionSet")
def list_managed_policies(context: Context) -> dict[str, Any]:
    _, one = _set(context)
    return some(
        context,
        "AttachedManagedPolicies",
        one.managed,
        lambda arn: {"Name": arn.rpartition("/")[2], "Arn": arn},
    )


@operation("sso", "ListCustomerManagedPolicyReferencesInPermissionSet")
def list_customer_managed(context: Context) -> dict[str, Any]:
    _, one = _set(context)
    return some(
        context,
        "CustomerManagedPolicyReferences",
        one.customer_managed,
        lambda each: {"Path": each[0], "Name": each[1]},
    )


@operation("sso", "GetInlinePolicyForPermissionSet")
def get_inline_policy(context: Context) -> dict[str, Any]:
    """An empty text where there is none."""
    _, one = _set(context)
    return {"InlinePolicy": json.dumps(one.inline) if one.inline else ""}


@operation("sso", "GetPermissionsBoundaryForPermissionSet")
def get_boundary(context: Context) -> dict[str, Any]:
    """ResourceNotFoundException where there is none."""
    _, one = _set(context)
    if not one.boundary:
        raise AwsError("ResourceNotFoundException", "No permissions boundary is attached.", 400)
    return {"PermissionsBoundary": {"ManagedPolicyArn": one.boundary}}


@operation("sso", "ListAccountsForProvisionedPermissionSet")
def list_accounts(context: Context) -> dict[str, Any]:
    found, one = _set(context)
    ids = sorted({each.account_id for each in found.assignments if each.set_arn == one.arn})
    return some(context, "AccountIds", ids, str)


@operation("sso", "ListAccountAssignments")
def list_account_assignments(context: Context) -> dict[str, Any]:
    """Those of a deleted group among them (AWS_FACTS.md 7)."""
    found, one = _set(context)
    account = context.params["AccountId"]
    rows = [o for o in found.assignments if (o.account_id, o.set_arn) == (account, one.arn)]
    return some(context, "AccountAssignments", sorted(rows), _shown)


def _shown(one: Assignment) -> dict[str, Any]:
    return {
        "AccountId": one.account_id,
        "PermissionSetArn": one.set_arn,
        "PrincipalType": one.principal_type,
        "PrincipalId": one.principal_id,
    }


def _named(context: Context) -> tuple[IdentityCenter, Assignment]:
    found, one = _set(context)
    params = context.params
    account, principal = str(params["TargetId"]), str(params["PrincipalId"])
    return found, Assignment(account, one.arn, principal, str(params["PrincipalType"]))


@operation("sso", "CreateAccountAssignment", writes=True)
def create_account_assignment(context: Context) -> dict[str, Any]:
    """AWS takes a moment; here it is done at once."""
    found, one = _named(context)
    if one.principal_id not in found.groups | found.people:
        raise AwsError("ResourceNotFoundException", f"{one.principal_type} not found.", 400)
    if one not in found.assignments:
        found.assignments.append(one)
    return {"AccountAssignmentCreationStatus": {"Status": "SUCCEEDED"}}


@operation("sso", "DeleteAccountAssignment", writes=True)
def delete_account_assignment(context: Context) -> dict[str, Any]:
    found, one = _named(context)
    if one not in found.assignments:
        raise AwsError("ConflictException", "There is no such assignment.", 400)
    found.assignments.remove(one)
    return {"AccountAssignmentDeletionStatus": {"Status": "SUCCEEDED"}}
