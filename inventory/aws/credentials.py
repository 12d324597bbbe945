"""Live credentials of many users: what the report does not know or knows four hours late.

Keys beyond two slots with their ids, last use per key, console password, kinds of MFA, SSH keys,
certificates; service-specific credentials in one sweep per service.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from inventory.aws import holdings
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import AccessKey, Certificate, MfaDevice, ServiceCredential, SshKey
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask, listing
from inventory.aws.session import AwsSession

_THREADS = 8
# To be sure of this many names, asking for each is cheaper than listing everybody.
_FEW = 3
# The listing by AllUsers wants one service at a time, and no call says which there are. These are
# all that the IAM User Guide names: "Service-specific credentials for IAM users" (the first two)
# and "API keys for AWS services" (Bedrock, Claude Platform on AWS, CloudWatch, CloudWatch Logs).
# Whatever else a user turns out to hold is swept for in its account from then on.
SERVICES = (
    "codecommit.amazonaws.com",
    "cassandra.amazonaws.com",
    "bedrock.amazonaws.com",
    "aws-external-anthropic.amazonaws.com",
    "cloudwatch.amazonaws.com",
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
    """What one user can authenticate with.

    `services` is None where its service-specific credentials were not asked for one by one.
    """

    user_name: str
    keys: tuple[KeyUse, ...]
    has_console_password: bool
    mfa: tuple[MfaDevice, ...]
    ssh_keys: tuple[SshKey, ...]
    certificates: tuple[Certificate, ...]
    password_created_at: datetime | None = None
    services: tuple[ServiceCredential, ...] | None = None

    def ids(self) -> frozenset[str]:
        """The ids that IAM gave to what it holds. None of them ever moves to another user."""
        ids = {use.key.id for use in self.keys}
        ids |= {one.id for one in self.ssh_keys} | {one.id for one in self.certificates}
        return frozenset(ids | {one.id for one in self.services or ()})


def read_many(
    session: AwsSession,
    user_names: Iterable[str],
    limiter: Limiter,
    *,
    with_services: Container[str] = (),
) -> Iterator[tuple[str, UserCredentials | AwsFailure]]:
    """Each user's credentials or why they could not be read whole, as they come.

    Five calls and one for each access key: IAM lists none of this for a whole account, and what the
    credential report says of it is up to four hours old. `with_services` names the users whose
    service-specific credentials are listed too. A user that went meanwhile comes as the failure
    NoSuchEntity.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from zip(
            names := list(user_names),
            pool.map(lambda name: _try(session, name, limiter, name in with_services), names),
            strict=True,
        )


def who_bears(session: AwsSession, user_names: Collection[str], limiter: Limiter) -> dict[str, str]:
    """The user id behind each of these names now; names that nobody bears are left out.

    Credentials are read by name, and a name may have passed to another user since it was listed.
    Raises AwsFailure.
    """
    if len(user_names) > _FEW:
        limiter.wait()
        ids = {user.user_name: user.user_id for user in holdings.list_users(session)}
        return {name: ids[name] for name in user_names if name in ids}
    found = {}
    for name in user_names:
        limiter.wait()
        try:
            found[name] = holdings.get_user(session, name)[0]
        except NoSuchUser:
            continue
    return found


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
        MaxItems=holdings.LARGEST_PAGE,
    ):
        found.setdefault(one["UserName"], []).append(holdings.as_service_credential(one))
    return {name: tuple(ones) for name, ones in found.items()}


def _try(
    session: AwsSession, user_name: str, limiter: Limiter, with_services: bool
) -> UserCredentials | AwsFailure:
    try:
        return _read(session, user_name, limiter, with_services)
    except AwsFailure as failed:
        return failed


def _read(
    session: AwsSession, user_name: str, limiter: Limiter, with_services: bool
) -> UserCredentials:
    iam = session.client("iam")
    limiter.wait()
    uses = key_uses(session, holdings.access_keys(iam, user_name), limiter)
    limiter.wait()
    password_created_at = holdings.login_profile_created_at(iam, user_name)
    limiter.wait()
    devices = holdings.mfa_devices(iam, user_name)
    limiter.wait()
    ssh = holdings.ssh_keys(iam, user_name)
    limiter.wait()
    certificates = holdings.certificates(iam, user_name)
    services = None
    if with_services:
        limiter.wait()
        services = holdings.service_credentials(iam, UserName=user_name)
    return UserCredentials(
        user_name=user_name,
        keys=uses,
        has_console_password=password_created_at is not None,
        mfa=devices,
        ssh_keys=ssh,
        certificates=certificates,
        password_created_at=password_created_at,
        services=services,
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
