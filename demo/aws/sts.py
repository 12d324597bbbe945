"""STS: who am I, sessions of users, and roles assumed with an external id and a session policy."""

from __future__ import annotations

import re
from typing import Any

from .authentication import temporary_credentials
from .calls import Caller, Context, operation
from .errors import AwsError, denied, invalid
from .evaluation import decide, trusts
from .iam.documents import read_document
from .state import Account, Role, Use

_SESSION_NAME = re.compile(r"^[\w+=,.@-]{2,64}$", re.ASCII)
_POLICY_CHARACTERS = 2048


@operation("sts", "GetCallerIdentity")
def get_caller_identity(context: Context) -> dict[str, Any]:
    """Always allowed, even under a deny of everything."""
    caller = context.caller
    return {"UserId": caller.principal_id, "Account": caller.account.id, "Arn": caller.arn}


def _role(context: Context, arn: str) -> tuple[Account, Role] | None:
    match = re.match(r"^arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)$", arn)
    if match is None:
        raise invalid(f"{arn} is invalid")
    account = context.simulator.accounts.get(match[1])
    role = account.roles.get(match[2].lower()) if account else None
    return (account, role) if account and role and role.arn == arn else None


def _may_assume(caller: Caller, role: Role, context: Context) -> bool:
    params = context.params
    actions = ["sts:AssumeRole"]
    if params.get("SourceIdentity"):
        actions.append("sts:SetSourceIdentity")
    if params.get("Tags"):
        actions.append("sts:TagSession")
    keys = {"aws:principalarn": caller.role.arn if caller.role else caller.arn}
    if params.get("ExternalId"):
        keys["sts:externalid"] = str(params["ExternalId"])
    if params.get("SourceIdentity"):
        keys["sts:sourceidentity"] = str(params["SourceIdentity"])
    return all(
        trusts(role, caller, action, keys) and decide(caller, action, role.arn, keys).allowed
        for action in actions
    )


@operation("sts", "AssumeRole")
def assume_role(context: Context) -> dict[str, Any]:
    """AccessDenied, in the same words, for a role that is missing, does not trust, or an external
    id that is wrong; PackedPolicyTooLarge; ValidationError."""
    caller, params = context.caller, context.params
    arn, session = str(params["RoleArn"]), str(params["RoleSessionName"])
    if not _SESSION_NAME.match(session):
        raise invalid(f"Value '{session}' at 'roleSessionName' failed to satisfy constraint")
    policy = str(params["Policy"]) if params.get("Policy") else None
    if policy is not None and len(policy) > _POLICY_CHARACTERS:
        raise AwsError("PackedPolicyTooLarge", "Packed policy exceeds the allowed size.", 400)
    found = _role(context, arn)
    if found is None or not _may_assume(caller, found[1], context):
        raise denied(
            f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        )
    account, role = found
    seconds = int(params.get("DurationSeconds", 3600))
    if not 900 <= seconds <= role.max_session_seconds:
        raise invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    claims: dict[str, Any] = {
        "account": account.id,
        "role": role.name,
        "role_id": role.id,
        "session": session,
        "source_identity": params.get("SourceIdentity") or caller.source_identity,
    }
    if policy is not None:
        claims["policy"] = read_document(policy)
    role.last_used = Use(context.now, "sts", context.call.region)
    answer: dict[str, Any] = {
        "Credentials": temporary_credentials("role", claims, seconds, context.call.request_id),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.id}:{session}",
            "Arn": f"arn:aws:sts::{account.id}:assumed-role/{role.name}/{session}",
        },
    }
    if claims["source_identity"]:
        answer["SourceIdentity"] = claims["source_identity"]
    return answer


@operation("sts", "GetSessionToken")
def get_session_token(context: Context) -> dict[str, Any]:
    """Cannot be denied by a policy; the session holds what the user holds, at each request."""
    user = context.caller.user
    if user is None or context.caller.session_name:
        raise denied("Cannot call GetSessionToken with session credentials")
    claims = {"account": context.account.id, "user_id": user.id}
    seconds = int(context.params.get("DurationSeconds", 43200))
    return {
        "Credentials": temporary_credentials("session", claims, seconds, context.call.request_id)
    }


@operation("sts", "GetFederationToken")
def get_federation_token(context: Context) -> dict[str, Any]:
    """Its events carry the federated name; the user is only in `sessionIssuer` (2.4)."""
    user = context.caller.user
    if user is None or context.caller.session_name:
        raise denied("Cannot call GetFederationToken with session credentials")
    name = str(context.params["Name"])
    claims: dict[str, Any] = {
        "account": context.account.id,
        "user_id": user.id,
        "session": name,
        "policy": read_document(context.params.get("Policy", '{"Statement": []}')),
    }
    seconds = int(context.params.get("DurationSeconds", 43200))
    return {
        "Credentials": temporary_credentials("federated", claims, seconds, context.call.request_id),
        "FederatedUser": {
            "FederatedUserId": f"{context.account.id}:{name}",
            "Arn": f"arn:aws:sts::{context.account.id}:federated-user/{name}",
        },
    }
