"""Which IAM action and resource a call is about, and the words in which it is refused."""

from __future__ import annotations

from collections.abc import Mapping

from .calls import Call, Caller
from .errors import AwsError, denied_by
from .evaluation import decide
from .state import Account, Principal

ALWAYS_ALLOWED = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""Allowed even under an explicit deny; both are logged as successes (AWS_FACTS.md 4.9)."""
_ACTIONS = {
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject",
}
"""Operations whose action in a policy has another name."""
_ON_GROUP = {"AddUserToGroup", "RemoveUserFromGroup"}


def authorize(caller: Caller, call: Call) -> None:
    """Nothing when the call may go ahead; AccessDenied in AWS's words when not."""
    if (call.service, call.operation) in ALWAYS_ALLOWED or call.operation == "AssumeRole":
        return
    action = f"{call.service}:{_ACTIONS.get(call.operation, call.operation)}"
    resource, shown = resource_of(caller, call)
    decision = decide(caller, action, resource, condition_keys(caller, call))
    if not decision.allowed:
        code, status = denied_by(call.service)
        raise AwsError(
            code,
            f"User: {caller.arn} is not authorized to perform: {action} "
            f"on resource: {shown} {decision.reason}",
            status,
        )


def resource_of(caller: Caller, call: Call) -> tuple[str, str]:
    """The resource ARN that policies are matched with, and the way IAM's messages show it.

    Adding to and removing from a group act on the GROUP, deleting a virtual MFA device on the
    device (AWS_FACTS.md 8). A user that does not exist has no path: its ARN is `user/NAME`.
    """
    if call.service != "iam":
        return "*", "*"
    account, params = caller.account, call.params
    if "GroupName" in params and (call.operation in _ON_GROUP or "UserName" not in params):
        return _named(account, account.groups, "group", str(params["GroupName"]))
    if "RoleName" in params:
        return _named(account, account.roles, "role", str(params["RoleName"]))
    if "UserName" in params:
        return _named(account, account.users, "user", str(params["UserName"]))
    arn = _arn_in(account, call)
    if arn == "*" and caller.user is not None and call.operation == "GetUser":
        return caller.user.arn, f"user {caller.user.name}"
    return arn, arn


def _arn_in(account: Account, call: Call) -> str:
    params = call.params
    if call.operation in ("DeleteVirtualMFADevice", "CreateVirtualMFADevice"):
        made = account.arn(f"mfa/{params.get('VirtualMFADeviceName')}")
        return str(params.get("SerialNumber") or made)
    owner = account.owner_of_key(str(params.get("AccessKeyId", "")))
    if owner is not None:
        return owner.arn
    return str(params.get("Arn") or params.get("PolicyArn") or "*")


def _named(
    account: Account, known: Mapping[str, Principal], kind: str, name: str
) -> tuple[str, str]:
    found = known.get(name.lower())
    return (found.arn if found else account.arn(f"{kind}/{name}")), f"{kind} {name}"


def condition_keys(caller: Caller, call: Call) -> dict[str, str]:
    """The condition keys a call brings along, by lower-case name."""
    params = call.params
    keys = {
        "aws:principalarn": caller.role.arn if caller.role else caller.arn,
        "aws:requestedregion": call.region,
        "aws:sourceip": call.source_ip,
    }
    if "PolicyArn" in params:
        keys["iam:policyarn"] = str(params["PolicyArn"])
    if "PermissionsBoundary" in params:
        keys["iam:permissionsboundary"] = str(params["PermissionsBoundary"])
    if caller.issued_at is not None:
        keys["aws:tokenissuetime"] = caller.issued_at.isoformat()
    user = caller.account.users.get(str(params.get("UserName", "")).lower())
    if user is not None and user.boundary is not None:
        # Of the request where one is put on, else the one the user has (IAM User Guide, "AWS global
        # and IAM condition keys", iam:PermissionsBoundary).
        keys.setdefault("iam:permissionsboundary", user.boundary)
    for name, value in (user.tags if user else {}).items():
        keys[f"aws:resourcetag/{name}".lower()] = value
        keys[f"iam:resourcetag/{name}".lower()] = value
    return keys
