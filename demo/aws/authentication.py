"""Who signed a call. Inactive and deleted keys are refused here, before anything is logged.

Signatures are not checked, access keys are: the answer to a key that is inactive or gone differs
by protocol (AWS_FACTS.md 2.15), and CloudTrail never sees such a call. Temporary credentials carry
all that they stand for in their session token, so they outlive a restart of the simulator, as
they would outlive one of STS. They expire by real time: the SDKs renew them by real time.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from .calls import Call, Caller
from .errors import AwsError
from .ids import drawn_id
from .state import Account

PRODUCT_ROLE = "iam-cleanup"
PRODUCT_SESSION = "worker"
PRODUCT_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIASIMULATEDWORKER2",
    "AWS_SECRET_ACCESS_KEY": "simulated-secret-that-opens-nothing",
    "AWS_SESSION_TOKEN": "simulated-session-token",
}
"""Set these in the environment of whatever works on the simulated account: a session of the role
`iam-cleanup`, which may assume the three IamCleanup roles and nothing else. Not secrets."""

ADMIN_ROLE = "AWSReservedSSO_AdministratorAccess_7f2c9a41d0be53aa"
ADMIN_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIASIMULATEDADMINIS",
    "AWS_SECRET_ACCESS_KEY": "simulated-secret-that-opens-nothing",
    "AWS_SESSION_TOKEN": "simulated-session-token",
}
"""The foreign hand: an administrator who signed in through Identity Center."""
ADMIN_SESSION = "olivia.hart@acme.example"

_FIXED = {
    PRODUCT_CREDENTIALS["AWS_ACCESS_KEY_ID"]: (PRODUCT_ROLE, PRODUCT_SESSION),
    ADMIN_CREDENTIALS["AWS_ACCESS_KEY_ID"]: (ADMIN_ROLE, ADMIN_SESSION),
}


def refused(service: str) -> AwsError:
    """The answer to a key that is inactive, deleted or was never there."""
    if service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    code = "InvalidClientTokenId" if service in ("iam", "sts") else "UnrecognizedClientException"
    return AwsError(code, message, 403 if service in ("iam", "sts") else 400)


def authenticate(accounts: dict[str, Account], call: Call) -> Caller:
    """The caller behind a call's credentials; an error of `refused` or ExpiredToken."""
    key = call.access_key_id
    for account in accounts.values():
        if key in _FIXED:
            role_name, session_name = _FIXED[key]
            return role_session(account, role_name, session_name, key)
        user = account.owner_of_key(key)
        if user is not None:
            if user.keys[key].status != "Active":
                raise refused(call.service)
            return Caller(account, user.arn, user.id, key, user=user)
    if not call.session_token:
        raise refused(call.service)
    return _from_token(accounts, call)


def role_session(account: Account, role_name: str, session_name: str, key: str) -> Caller:
    """A caller that is a session of a role of this account; NoSuchEntity."""
    role = account.role(role_name)
    return Caller(
        account=account,
        arn=f"arn:aws:sts::{account.id}:assumed-role/{role.name}/{session_name}",
        principal_id=f"{role.id}:{session_name}",
        access_key_id=key,
        role=role,
        session_name=session_name,
    )


def temporary_credentials(
    kind: str, claims: dict[str, Any], seconds: int, salt: str
) -> dict[str, Any]:
    """Credentials whose token carries `claims`; `seconds` is their life in real time."""
    now = datetime.now(UTC).replace(microsecond=0)
    expires_at = now + timedelta(seconds=seconds)
    body = {**claims, "kind": kind, "expires": expires_at.isoformat(), "issued": now.isoformat()}
    token = base64.b64encode(json.dumps(body).encode()).decode()
    return {
        "AccessKeyId": drawn_id("ASIA", 16, token, salt),
        "SecretAccessKey": drawn_id("", 40, "secret", token),
        "SessionToken": token,
        "Expiration": expires_at,
    }


def _from_token(accounts: dict[str, Account], call: Call) -> Caller:
    try:
        claims = json.loads(base64.b64decode(call.session_token))
        account = accounts[claims["account"]]
        expires_at = datetime.fromisoformat(claims["expires"])
    except (ValueError, KeyError, TypeError):
        raise refused(call.service) from None
    if expires_at <= datetime.now(UTC):
        raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
    if claims["kind"] == "role":
        role = account.roles.get(claims["role"].lower())
        if role is None or role.id != claims["role_id"]:
            raise refused(call.service)
        caller = role_session(account, role.name, claims["session"], call.access_key_id)
    else:
        user = account.by_user_id.get(claims["user_id"])
        if user is None:
            raise refused(call.service)
        caller = Caller(account, user.arn, user.id, call.access_key_id, user=user)
        if claims["kind"] == "federated":
            caller.session_name, caller.federated = claims["session"], True
            caller.arn = f"arn:aws:sts::{account.id}:federated-user/{claims['session']}"
            caller.principal_id = f"{account.id}:{claims['session']}"
    caller.session_policy = claims.get("policy")
    caller.source_identity = claims.get("source_identity", "")
    caller.issued_at = datetime.fromisoformat(claims["issued"])
    return caller
