"""Service-specific credentials: passwords of CodeCommit and Keyspaces, API keys of four services.

The services are those of the IAM User Guide, "Service-specific credentials for IAM users" and "API
keys for AWS services".
"""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex
from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import AwsError, invalid, limit, no_such_entity
from demo.aws.paging import page
from demo.aws.state import ServiceCredential, User

SERVICES = (
    "codecommit.amazonaws.com",
    "cassandra.amazonaws.com",
    "bedrock.amazonaws.com",
    "aws-external-anthropic.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "logs.amazonaws.com",
)
_API_KEYS = SERVICES[2:]


def _shown(user: User, credential: ServiceCredential) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "UserName": user.name,
        "ServiceName": credential.service,
        "ServiceSpecificCredentialId": credential.id,
        "Status": credential.status,
        "CreateDate": credential.created_at,
    }
    if credential.service in _API_KEYS:
        shown["ServiceCredentialAlias"] = credential.service_user_name
    else:
        shown["ServiceUserName"] = credential.service_user_name
    if credential.expires_at is not None:
        shown["ExpirationDate"] = credential.expires_at
    return shown


def _with_secret(context: Context, user: User, credential: ServiceCredential) -> dict[str, Any]:
    """As it is shown once, right after it was made or reset; the secret is kept nowhere."""
    name = "ServicePassword"
    if credential.service in _API_KEYS:
        name = "ServiceCredentialSecret"
    secret = f"simulated+{token_hex(16)}="
    return {"ServiceSpecificCredential": _shown(user, credential) | {name: secret}}


def _supported(service: str) -> None:
    if service not in SERVICES:
        raise AwsError("NotSupportedService", f"No such service {service} is supported", 404)


def _held(context: Context) -> tuple[User, ServiceCredential]:
    user = context.user()
    wanted = str(context.params["ServiceSpecificCredentialId"])
    if wanted not in user.service_credentials:
        raise no_such_entity(f"No such credential {wanted} exists")
    return user, user.service_credentials[wanted]


@operation("iam", "CreateServiceSpecificCredential", writes=True)
def create_service_specific_credential(context: Context) -> dict[str, Any]:
    """LimitExceeded at two for each service and user; NotSupportedService."""
    user, service = context.user(), str(context.params["ServiceName"])
    _supported(service)
    if sum(c.service == service for c in user.service_credentials.values()) >= 2:
        raise limit("ServiceSpecificCredentialsPerUser", 2)
    days = context.params.get("CredentialAgeDays")
    credential = ServiceCredential(
        id=context.new_id("ACCA"),
        service=service,
        service_user_name=f"{user.name}-at-{context.account.id}",
        created_at=context.now,
        expires_at=context.now + timedelta(days=int(days)) if days else None,
    )
    user.service_credentials[credential.id] = credential
    return _with_secret(context, user, credential)


@operation("iam", "ListServiceSpecificCredentials")
def list_service_specific_credentials(context: Context) -> dict[str, Any]:
    """Of one user, or with `AllUsers` and a `ServiceName` of the whole account (3.5).

    NotSupportedService for a service that has no such credentials.
    """
    params = context.params
    service = params.get("ServiceName")
    if service is not None:
        _supported(str(service))
    if params.get("AllUsers"):
        if service is None or "UserName" in params:
            raise invalid("AllUsers requires ServiceName and does not go with UserName.")
        users = list(context.account.users.values())
    else:
        users = [context.user()]
    rows = [
        (user, credential)
        for user in users
        for credential in user.service_credentials.values()
        if service in (None, credential.service)
    ]
    return page(
        context,
        "ServiceSpecificCredentials",
        rows,
        lambda row: f"{row[0].name}/{row[1].id}",
        lambda row: _shown(row[0], row[1]),
    )


@operation("iam", "UpdateServiceSpecificCredential", writes=True)
def update_service_specific_credential(context: Context) -> None:
    _, credential = _held(context)
    credential.status = str(context.params["Status"])


@operation("iam", "DeleteServiceSpecificCredential", writes=True)
def delete_service_specific_credential(context: Context) -> None:
    user, credential = _held(context)
    del user.service_credentials[credential.id]


@operation("iam", "ResetServiceSpecificCredential", writes=True)
def reset_service_specific_credential(context: Context) -> dict[str, Any]:
    """A new secret, which is not kept."""
    user, credential = _held(context)
    return _with_secret(context, user, credential)
