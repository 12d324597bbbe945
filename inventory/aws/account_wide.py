"""One look at a whole account, from which the looks at many of its users take a part.

GetAccountAuthorizationDetails tells policies, groups and boundaries of everybody, and
ListServiceSpecificCredentials with AllUsers the credentials of one service: a few calls instead of
five for each user. Access keys, passwords, MFA devices, SSH keys and certificates are listed for
one user at a time only, and GetUser alone says who bears a name.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from inventory.aws.credentials import SERVICES, service_specific
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import PolicyHoldings, ServiceCredential
from inventory.aws.limiter import Limiter
from inventory.aws.paging import pages
from inventory.aws.session import AwsSession

# A batch of twenty users is worked on within it.
HOLDS = timedelta(minutes=2)
# Services without such credentials in this partition.
_NOT_HERE = frozenset({"NotSupportedService", "ServiceNotSupported"})


@dataclass(frozen=True, slots=True)
class AccountWide:
    """Policies and groups by user id, service-specific credentials by user name.

    `began` is when the look began, on the process's monotonic clock in seconds.
    """

    policies: Mapping[str, PolicyHoldings]
    services: Mapping[str, tuple[ServiceCredential, ...]]
    began: float

    @property
    def holds(self) -> bool:
        """Whether it may still stand for a look at one user."""
        return time.monotonic() - self.began < HOLDS.total_seconds()


def look(session: AwsSession, services: Iterable[str], limiter: Limiter) -> AccountWide:
    """Look at every user of the account; all that is asked for is asked for at once.

    `services` are those that somebody is known to hold credentials of; all that AWS documents are
    asked for in any case. Raises AwsFailure rather than giving a part.
    """
    began = time.monotonic()
    asked = list(dict.fromkeys([*SERVICES, *services]))
    held: dict[str, list[ServiceCredential]] = {}
    with ThreadPoolExecutor(1 + len(asked)) as pool:
        policies = pool.submit(_everybodys_policies, session, limiter)
        for found in pool.map(lambda service: _everybodys(session, service, limiter), asked):
            for name, ones in found.items():
                held.setdefault(name, []).extend(ones)
    by_name = {name: tuple(sorted(ones, key=lambda one: one.id)) for name, ones in held.items()}
    return AccountWide(policies.result(), by_name, began)


def _everybodys_policies(session: AwsSession, limiter: Limiter) -> dict[str, PolicyHoldings]:
    limiter.wait()
    return {
        user["UserId"]: _policies(user)
        for page in pages(
            session.client("iam").get_account_authorization_details,
            "GetAccountAuthorizationDetails",
            Filter=["User"],
            MaxItems=1000,
        )
        for user in page.get("UserDetailList", ())
    }


def _everybodys(
    session: AwsSession, service: str, limiter: Limiter
) -> dict[str, tuple[ServiceCredential, ...]]:
    """Everybody's credentials of one service; none where the partition has no such service."""
    limiter.wait()
    try:
        return service_specific(session, service)
    except AwsFailure as failed:
        if failed.code in _NOT_HERE:
            return {}
        raise


def _policies(user: Mapping[str, Any]) -> PolicyHoldings:
    return PolicyHoldings(
        groups=tuple(sorted(user.get("GroupList", ()))),
        inline_policies={
            one["PolicyName"]: dict(one["PolicyDocument"]) for one in user.get("UserPolicyList", ())
        },
        attached_policies=tuple(
            sorted(one["PolicyArn"] for one in user.get("AttachedManagedPolicies", ()))
        ),
    )
