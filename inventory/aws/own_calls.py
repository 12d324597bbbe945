"""What our own role sessions changed in an account, as CloudTrail tells it.

The journal says the same, until a database is restored to an earlier time: then CloudTrail is the
only one that remembers. Event history lags about five minutes and reaches back 90 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inventory.aws.cloudtrail import records_of
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from inventory.models import Account


@dataclass(frozen=True, slots=True)
class OwnCall:
    """One IAM write of ours that AWS took; `params` as they were sent. `at` is aware UTC."""

    at: datetime
    role: str  # actor | deleter
    operation: str
    params: dict[str, Any]
    request_id: str


def own_calls(
    session: AwsSession, account: Account, *, since: datetime, until: datetime
) -> list[OwnCall]:
    """Every IAM write that our actor and deleter sessions made in that time, oldest first.

    What AWS refused is left out. Raises AwsFailure, also "MalformedEvent": a record that cannot be
    read may be one of ours.
    """
    limiter = Limiter.for_lookups(account, session.home_region)
    found = []
    for role, arn in (("actor", account.actor_role), ("deleter", account.deleter_role)):
        if not arn:
            continue
        name = f"iam-cleanup-{role}"
        records = records_of(session, name, since=since, until=until, limiter=limiter)
        found += [call for record in records if (call := _as_call(record, role, arn))]
    return sorted(found, key=lambda call: call.at)


def _as_call(record: Any, role: str, arn: str) -> OwnCall | None:
    if not isinstance(record, Mapping):
        raise AwsFailure("MalformedEvent", "An event of ours is no JSON.", operation="LookupEvents")
    # Anybody may call a session what ours are called; the role behind it cannot be chosen.
    if _within(record, "userIdentity", "sessionContext", "sessionIssuer", "arn") != arn:
        return None
    if record.get("eventSource") != "iam.amazonaws.com" or record.get("readOnly") is not False:
        return None
    if record.get("errorCode"):
        return None
    params = record.get("requestParameters")
    return OwnCall(
        at=datetime.fromisoformat(str(record["eventTime"])).astimezone(UTC),
        role=role,
        operation=str(record.get("eventName", "")),
        params={
            # CloudTrail writes userName and sSHPublicKeyId for UserName and SSHPublicKeyId.
            f"{key[:1].upper()}{key[1:]}": value
            for key, value in (params if isinstance(params, Mapping) else {}).items()
        },
        request_id=str(record.get("requestID", "")),
    )


def _within(record: Mapping[str, Any], *names: str) -> Any:
    part: Any = record
    for name in names:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part
