"""Live credentials of many users: what the report does not know or knows four hours late.

Keys beyond two slots with their ids, last use per key, console password, kinds of MFA, SSH keys,
certificates; service-specific credentials in one sweep per service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from inventory.aws import holdings
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import AccessKey, Certificate, MfaDevice, ServiceCredential, SshKey
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask, listing
from inventory.aws.session import AwsSession

_THREADS = 8
# Services that have service-specific credentials; the listing by AllUsers wants one at a time.
SERVICES = (
    "codecommit.amazonaws.com",
    "cassandra.amazonaws.com",
    "bedrock.amazonaws.com",
    "logs.amazonaws.com",
)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """An access key with its last use; region and service are "" where AWS says N/A."""

    key: AccessKey
    last_used_at: datetime | None
    service: str
    region: str


@dataclass(frozen=True, slots=True)
class UserCredentials:
    """What one user can authenticate with, service-specific credentials aside."""

    user_name: str
    keys: tuple[KeyUse, ...]
    has_console_password: bool
    mfa: tuple[MfaDevice, ...]
    ssh_keys: tuple[SshKey, ...]
    certificates: tuple[Certificate, ...]


def read_many(
    session: AwsSession, user_names: Iterable[str], limiter: Limiter
) -> Iterator[tuple[str, UserCredentials | AwsFailure]]:
    """Each user's credentials or why they could not be read whole, as they come.

    A user that went meanwhile comes as the failure NoSuchEntity.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from zip(
            names := list(user_names),
            pool.map(lambda name: _try(session, name, limiter), names),
            strict=True,
        )


def service_specific(session: AwsSession, service: str) -> dict[str, tuple[ServiceCredential, ...]]:
    """All users' credentials for `service`, by user name. Raises AwsFailure."""
    iam = session.client("iam")
    found: dict[str, list[ServiceCredential]] = {}
    for one in listing(
        iam.list_service_specific_credentials,
        "ListServiceSpecificCredentials",
        "ServiceSpecificCredentials",
        AllUsers=True,
        ServiceName=service,
    ):
        found.setdefault(one["UserName"], []).append(holdings.as_service_credential(one))
    return {name: tuple(ones) for name, ones in found.items()}


def _try(session: AwsSession, user_name: str, limiter: Limiter) -> UserCredentials | AwsFailure:
    try:
        return _read(session, user_name, limiter)
    except AwsFailure as failed:
        return failed


def _read(session: AwsSession, user_name: str, limiter: Limiter) -> UserCredentials:
    iam = session.client("iam")
    limiter.wait()
    uses = key_uses(session, holdings.access_keys(iam, user_name), limiter)
    limiter.wait()
    has_password = holdings.has_login_profile(iam, user_name)
    limiter.wait()
    devices = holdings.mfa_devices(iam, user_name)
    limiter.wait()
    ssh = holdings.ssh_keys(iam, user_name)
    limiter.wait()
    return UserCredentials(
        user_name, uses, has_password, devices, ssh, holdings.certificates(iam, user_name)
    )


def key_uses(
    session: AwsSession, keys: Iterable[AccessKey], limiter: Limiter
) -> tuple[KeyUse, ...]:
    """These keys with their last use, one call each. Raises AwsFailure."""
    iam = session.client("iam")
    uses = []
    for key in keys:
        limiter.wait()
        told = ask(iam.get_access_key_last_used, "GetAccessKeyLastUsed", AccessKeyId=key.id)
        used = told.get("AccessKeyLastUsed", {})
        service, region = _said(used.get("ServiceName")), _said(used.get("Region"))
        uses.append(KeyUse(key, used.get("LastUsedDate"), service, region))
    return tuple(uses)


def _said(value: str | None) -> str:
    return "" if value in (None, "N/A") else str(value)
