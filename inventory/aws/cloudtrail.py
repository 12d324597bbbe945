"""Event history: what an IAM user did in one Region, newest first, in the last 90 days.

LookupEvents by user name also finds role sessions that bear the same name, and other users who bore
it before; only events whose `principalId` is the user's own count. Its limit of two calls a second
per account and Region is shared with everybody, so each send passes the shared limiter.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

log = logging.getLogger(__name__)

HISTORY = timedelta(days=90)
USE, DENIED, FAILED_SIGN_IN = "use", "denied", "failed-sign-in"
# Fifty events in less than this: of such a user more pages would only show more of the same.
_BUSY = timedelta(days=21)
_TRIES = 8
_PAGE = 50


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One event of an IAM user. `kind`: use | denied | failed-sign-in. `at` is aware UTC."""

    event_id: str
    at: datetime
    region: str
    service: str
    action: str
    access_key_id: str
    source_address: str
    user_agent: str
    error_code: str
    kind: str
    principal_id: str
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrailLook:
    """What one look found. Everything between `read_from` and `read_to` was read, without a gap.

    `complete`: back to `since`, as asked.
    """

    events: tuple[TrailEvent, ...]
    read_from: datetime
    read_to: datetime
    complete: bool
    pages: int


def lookup(
    session: AwsSession,
    region: str,
    *,
    user_name: str,
    user_id: str,
    since: datetime,
    until: datetime,
    limiter: Limiter,
    max_pages: int,
    latest_only: bool = False,
) -> TrailLook:
    """The user's events in `region` from `until` back to `since`, `max_pages` of 50 at most.

    With `latest_only` it stops once the user's own use was found: after the first page of a busy
    user, of whom further pages show hours only, after the third of a quiet one. Raises AwsFailure,
    having waited through passing throttles.
    """
    events: list[TrailEvent] = []
    oldest, pages, complete = until, 0, False
    for page in _pages(session, region, limiter, {"Username": user_name}, since=since, until=until):
        pages += 1
        for record in page["records"]:
            oldest = min(oldest, record[0])
            event = as_event(record[1], user_id)
            if event:
                events.append(event)
        complete = page["last"]
        if complete or pages >= max_pages:
            break
        # Role sessions that bear the name fill pages too: until the user itself shows, go on.
        shown = latest_only and any(event.kind != FAILED_SIGN_IN for event in events)
        if shown and (pages >= 3 or until - oldest < _BUSY):
            break
    read_from = since if complete else oldest
    return TrailLook(tuple(events), read_from, until, complete, pages)


def federated_sign_ins(
    session: AwsSession, region: str, *, since: datetime, until: datetime, limiter: Limiter
) -> list[tuple[datetime, str]]:
    """(time, role name) of console sign-ins by role sessions, from the newest 100 sign-ins."""
    found = []
    attribute = {"EventName": "ConsoleLogin"}
    for number, page in enumerate(
        _pages(session, region, limiter, attribute, since=since, until=until), start=1
    ):
        for at, record in page["records"]:
            identity = record.get("userIdentity", {})
            if identity.get("type") == "AssumedRole" and not _failed_sign_in(record):
                issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
                found.append((at, str(issuer.get("userName", ""))))
        if number == 2:
            break
    return found


def as_event(record: Mapping[str, Any], user_id: str) -> TrailEvent | None:
    """`record` (a parsed CloudTrailEvent) as an event of this IAM user; None if somebody else's."""
    identity = record.get("userIdentity", {})
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    own = identity.get("type") == "IAMUser" and identity.get("principalId") == user_id
    federated = identity.get("type") == "FederatedUser" and issuer.get("principalId") == user_id
    if not (own or federated):
        return None
    request = record.get("requestParameters")
    return TrailEvent(
        event_id=str(record.get("eventID", "")),
        at=datetime.fromisoformat(record["eventTime"]),
        region=str(record.get("awsRegion", "")),
        service=str(record.get("eventSource", "")).removesuffix(".amazonaws.com"),
        action=str(record.get("eventName", "")),
        access_key_id=str(identity.get("accessKeyId") or ""),
        source_address=str(record.get("sourceIPAddress") or ""),
        user_agent=str(record.get("userAgent") or ""),
        error_code=str(record.get("errorCode") or ""),
        kind=_kind(record),
        principal_id=str(identity.get("principalId") or ""),
        request=dict(request) if isinstance(request, Mapping) else {},
    )


def _kind(record: Mapping[str, Any]) -> str:
    if _failed_sign_in(record):
        return FAILED_SIGN_IN
    code = str(record.get("errorCode") or "")
    refused = code.startswith("AccessDenied") or code.endswith("UnauthorizedOperation")
    return DENIED if refused else USE


def _failed_sign_in(record: Mapping[str, Any]) -> bool:
    if record.get("eventSource") != "signin.amazonaws.com":
        return False
    answer = record.get("responseElements") or {}
    return record.get("errorMessage") == "Failed authentication" or any(
        value == "Failure" for value in answer.values()
    )


def _pages(
    session: AwsSession,
    region: str,
    limiter: Limiter,
    attribute: Mapping[str, str],
    *,
    since: datetime,
    until: datetime,
) -> Iterator[dict[str, Any]]:
    """Pages as {"records": [(time, parsed event)], "last": bool}, newest first."""
    ((key, value),) = attribute.items()
    request: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}],
        "StartTime": since,
        "EndTime": until,
        "MaxResults": _PAGE,
    }
    while True:
        told = _patiently(session, region, limiter, request)
        records = [_record(event) for event in told.get("Events", ())]
        token = told.get("NextToken")
        yield {"records": records, "last": not token}
        if not token:
            return
        request["NextToken"] = token


def _patiently(
    session: AwsSession, region: str, limiter: Limiter, request: Mapping[str, Any]
) -> dict[str, Any]:
    """One LookupEvents; throttles and lost answers are waited out, each try through the limiter."""
    for tried in range(1, _TRIES + 1):
        limiter.wait()
        try:
            told: dict[str, Any] = ask(
                session.client("cloudtrail", region).lookup_events, "LookupEvents", **request
            )
            return told
        except AwsFailure as failed:
            if not failed.retryable or tried == _TRIES:
                raise
            log.info("LookupEvents in %s: %s; waiting.", region, failed.code)
            # Others share this limit: come back at different times.
            time.sleep(min(0.5 * 2 ** (tried - 1), 5) * (0.5 + random.random()))  # noqa: S311
    raise AssertionError("unreachable")


def _record(event: Mapping[str, Any]) -> tuple[datetime, dict[str, Any]]:
    try:
        return event["EventTime"], json.loads(event["CloudTrailEvent"])
    except (KeyError, json.JSONDecodeError) as error:
        message = "An event of event history cannot be read."
        raise AwsFailure("MalformedEvent", message, operation="LookupEvents") from error
