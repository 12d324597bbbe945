"""Event history: what an IAM user did in one Region, newest first, in the last 90 days.

LookupEvents by user name also finds role sessions that bear the same name, and other users who bore
it before; only events whose `principalId` is the user's own count. Its limit of two calls a second
per account and Region is shared with everybody, so each send passes the shared limiter. What a
record must look like to be read stands in `trail_events`.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession
from inventory.aws.trail_events import (
    DENIED,
    FAILED_SIGN_IN,
    USE,
    Creation,
    TrailEvent,
    as_creation,
    as_event,
    failed_sign_in,
    text,
)

__all__ = [
    "DENIED",
    "FAILED_SIGN_IN",
    "HISTORY",
    "PAGE",
    "USE",
    "Creation",
    "Line",
    "Page",
    "TrailEvent",
    "TrailLook",
    "Wanted",
    "as_event",
    "creations",
    "federated_sign_ins",
    "look",
    "pages_of",
    "records_of",
    "refuses_all",
    "without",
]

log = logging.getLogger(__name__)

HISTORY = timedelta(days=90)
# AWS gives so many events at a time at most.
PAGE = 50
_TRIES = 8
# What AWS answers where the Region is disabled, or event history is closed to this role or account:
# no other user would be answered otherwise.
_CLOSED = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidClientTokenIdException",
        "AuthFailure",
        "OptInRequired",
        "OperationNotPermittedException",
        "OperationNotPermitted",
        "UnsupportedOperationException",
        "NoCredentials",
        "SubscriptionRequiredException",
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose events are asked for, under which names or with which keys, and how far back.

    `max_pages` of 50 events are read for each name at most. With `enough_after` a look ends once a
    use later than that was found: on the page that shows it.
    """

    user_id: str
    since: datetime
    until: datetime
    max_pages: int
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    enough_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrailLook:
    """What one look found. Everything between `read_from` and `read_to` was read, without a gap.

    `complete`: back to `since`, as asked. `interrupted`: whoever asked had no more time.
    `unreadable` says in a sentence which events could not be read; they lie before `read_from`.
    """

    events: tuple[TrailEvent, ...]
    read_from: datetime
    read_to: datetime
    complete: bool
    pages: int
    interrupted: bool = False
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Event history of one account in one Region, at the pace that all workers share."""

    session: AwsSession
    region: str
    limiter: Limiter


@dataclass(frozen=True, slots=True)
class Page:
    """`records`: time and record; None for a record that is no JSON object, or for its time.

    `names`: under which user name each was found.
    """

    records: tuple[tuple[datetime | None, Any], ...]
    last: bool
    names: tuple[str, ...] = ()


def look(
    session: AwsSession,
    region: str,
    wanted: Wanted,
    limiter: Limiter,
    goes_on: Callable[[], bool] = lambda: True,
) -> TrailLook:
    """The user's events in `region`, newest first, from `wanted.until` back to `wanted.since`.

    An event that cannot be read hides no other, and never passes for nothing: what was read then
    begins after it. `goes_on` is asked between pages; False ends the look there. Raises AwsFailure,
    having waited through passing throttles.
    """
    attributes = [("Username", name) for name in dict.fromkeys(wanted.names)]
    attributes += [("AccessKeyId", key) for key in dict.fromkeys(wanted.keys)]
    found: list[TrailLook] = []
    for attribute in attributes:
        if found and (found[-1].interrupted or not goes_on()):
            # Without its other names nothing is known of any time.
            found.append(TrailLook((), wanted.until, wanted.until, False, 0, interrupted=True))
            break
        found.append(_one(Line(session, region, limiter), wanted, attribute, goes_on))
    events = {
        (event.event_id, event.at, event.action): event for one in found for event in one.events
    }
    return TrailLook(
        events=tuple(events.values()),
        read_from=max((one.read_from for one in found), default=wanted.until),
        read_to=wanted.until,
        complete=bool(found) and all(one.complete for one in found),
        pages=sum(one.pages for one in found),
        interrupted=any(one.interrupted for one in found),
        unreadable=next((one.unreadable for one in found if one.unreadable), ""),
    )


def _one(
    line: Line, wanted: Wanted, attribute: tuple[str, str], goes_on: Callable[[], bool]
) -> TrailLook:
    """The look under one name, or with one key."""
    events: list[TrailEvent] = []
    broken: list[tuple[datetime, str]] = []
    oldest, pages, last, interrupted = wanted.until, 0, False, False
    for page in pages_of(line, attribute, wanted.since, wanted.until):
        pages, last = pages + 1, page.last
        for at, record in page.records:
            oldest = min(oldest, at or oldest)
            try:
                event = as_event(record, wanted.user_id)
            except AwsFailure as failed:
                # Without a time of its own it may lie anywhere.
                broken.append((at or wanted.until, failed.message))
                continue
            if event:
                events.append(event)
        if last or pages >= wanted.max_pages or _enough(events, wanted):
            break
        if not goes_on():
            interrupted = True
            break
    read_from = wanted.since if last else oldest
    return replace(
        without(broken, wanted, read_from, events),
        complete=last and not broken,
        pages=pages,
        interrupted=interrupted,
    )


def without(
    broken: Sequence[tuple[datetime, str]],
    wanted: Wanted,
    read_from: datetime,
    events: Iterable[TrailEvent],
) -> TrailLook:
    """A look back to `read_from`, that begins after whatever could not be read."""
    words = ""
    if broken:
        read_from = min(max(read_from, *(at for at, _ in broken)), wanted.until)
        words = f"{max(broken)[1]} ({max(broken)[0]:%d %b %H:%M})"
    return TrailLook(tuple(events), read_from, wanted.until, not broken, 0, unreadable=words)


def _enough(events: Iterable[TrailEvent], wanted: Wanted) -> bool:
    after = wanted.enough_after
    return after is not None and any(
        event.at > after and event.kind != FAILED_SIGN_IN for event in events
    )


def refuses_all(failed: AwsFailure) -> bool:
    """Whether what AWS answered for one user holds for every user in that Region."""
    return failed.denied or failed.code in _CLOSED


def federated_sign_ins(
    session: AwsSession, region: str, *, since: datetime, until: datetime, limiter: Limiter
) -> list[tuple[datetime, str]]:
    """(time, role name) of console sign-ins by role sessions, from the newest 100 sign-ins."""
    found = []
    line, attribute = Line(session, region, limiter), ("EventName", "ConsoleLogin")
    for number, page in enumerate(pages_of(line, attribute, since, until), start=1):
        for at, record in page.records:
            identity = _part(record, "userIdentity")
            if at and identity.get("type") == "AssumedRole" and not failed_sign_in(record):
                issuer = _part(_part(identity, "sessionContext"), "sessionIssuer")
                found.append((at, str(issuer.get("userName", ""))))
        if number == 2:
            break
    return found


def creations(
    session: AwsSession,
    event_name: str,
    *,
    since: datetime,
    until: datetime,
    limiter: Limiter,
    max_pages: int,
) -> list[Creation]:
    """Who made which IAM user (`event_name` CreateUser) or its keys (CreateAccessKey), newest
    first, from the Region in which IAM's events are. Raises AwsFailure.

    Calls that AWS refused, and events that cannot be read, tell of nobody.
    """
    found: list[Creation] = []
    line = Line(session, session.home_region, limiter)
    attribute = ("EventName", event_name)
    for number, page in enumerate(pages_of(line, attribute, since, until), start=1):
        found += [one for at, record in page.records if (one := as_creation(record, at))]
        if number >= max_pages:
            break
    return found


def records_of(
    session: AwsSession, username: str, *, since: datetime, until: datetime, limiter: Limiter
) -> Iterator[Any]:
    """Every record under this name in the Region in which IAM's events are, newest first.

    `username` may be the session name of a role. None stands for a record that is no JSON. Raises
    AwsFailure.
    """
    line = Line(session, session.home_region, limiter)
    for page in pages_of(line, ("Username", username), since, until):
        yield from (record for _, record in page.records)


def _part(record: Any, name: str) -> Mapping[str, Any]:
    part = record.get(name) if isinstance(record, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def pages_of(
    line: Line, attribute: tuple[str, str] | None, since: datetime, until: datetime
) -> Iterator[Page]:
    """The pages of one lookup, newest event first; of everybody's events without an attribute.

    Raises AwsFailure, also "HalfRead".
    """
    request: dict[str, Any] = {"StartTime": since, "EndTime": until, "MaxResults": PAGE}
    if attribute is not None:
        key, value = attribute
        request["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    seen: set[str] = set()
    while True:
        told = _patiently(line, request)
        token = told.get("NextToken")
        events = told.get("Events") or ()
        yield Page(
            tuple(_record(event) for event in events),
            not token,
            tuple(text(event.get("Username")) for event in events),
        )
        if not token:
            return
        if token in seen:
            message = "AWS said that the history goes on, but not where."
            raise AwsFailure("HalfRead", message, operation="LookupEvents", retryable=True)
        seen.add(token)
        request["NextToken"] = token


def _patiently(line: Line, request: Mapping[str, Any]) -> dict[str, Any]:
    """One LookupEvents; throttles and lost answers are waited out, each try through the limiter."""
    for tried in range(1, _TRIES + 1):
        line.limiter.wait()
        client = line.session.client("cloudtrail", line.region)
        try:
            told: dict[str, Any] = ask(client.lookup_events, "LookupEvents", **request)
            return told
        except AwsFailure as failed:
            if not failed.retryable or tried == _TRIES:
                raise
            log.info("LookupEvents in %s: %s; waiting.", line.region, failed.code)
            # Others share this limit: come back at different times.
            time.sleep(min(0.5 * 2 ** (tried - 1), 5) * (0.5 + random.random()))  # noqa: S311
    raise AssertionError("unreachable")


def _record(event: Mapping[str, Any]) -> tuple[datetime | None, Any]:
    at = event.get("EventTime")
    try:
        record = json.loads(event["CloudTrailEvent"])
    except (KeyError, TypeError, ValueError, RecursionError):
        record = None
    return (at if isinstance(at, datetime) else None), record
