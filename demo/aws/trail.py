"""Event history: what CloudTrail recorded, by Region, and LookupEvents over it.

90 days, 50 events a page, one attribute, newest first, two requests a second for each account and
Region (AWS_FACTS.md 2.1). The limit runs on real time, because other people's patience does.
"""

from __future__ import annotations

import base64
import json
import time
from bisect import bisect_left
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from .calls import Context, operation
from .errors import AwsError
from .events import Event

HISTORY = timedelta(days=90)
PAGE = 50
REQUESTS_PER_SECOND = 2.0
MOST_READS = 60_000
"""Reads by roles beyond this many are forgotten, oldest first: they are nearly all our clients'."""

_ATTRIBUTES = {
    "EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName",
    "EventSource", "AccessKeyId",
}  # fmt: skip
_INDEXED = ("Username", "EventName", "AccessKeyId")


class RegionTrail:
    """The events of one account in one Region, oldest first."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._index: dict[tuple[str, str], list[Event]] = defaultdict(list)

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._index["Username", event.username].append(event)
        self._index["EventName", event.name].append(event)
        self._index["AccessKeyId", event.access_key_id].append(event)

    def candidates(self, attribute: str, value: str) -> list[Event]:
        """The events to look at for one attribute: exact where indexed, all where not."""
        if attribute in _INDEXED:
            return self._index.get((attribute, value), [])
        if not attribute:
            return self.events
        return [event for event in self.events if _matches(event, attribute, value)]

    def forget(self, events: set[int]) -> None:
        """Drop events by sequence number."""
        kept = [event for event in self.events if event.seq not in events]
        self.events, self._index = [], defaultdict(list)
        for event in kept:
            self.add(event)


class Trail:
    """All Regions of one account."""

    def __init__(self, rate: float = REQUESTS_PER_SECOND) -> None:
        self.regions: dict[str, RegionTrail] = defaultdict(RegionTrail)
        self.rate = rate
        self._tokens: dict[str, tuple[float, float]] = {}
        self._seq = 0
        self._role_reads = 0

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def add(self, event: Event) -> None:
        self.regions[event.region].add(event)
        if event.read_only and event.identity["type"] == "AssumedRole":
            self._role_reads += 1
            if self._role_reads > MOST_READS:
                self._forget_reads()

    def _forget_reads(self) -> None:
        reads = sorted(
            event.seq
            for region in self.regions.values()
            for event in region.events
            if event.read_only and event.identity["type"] == "AssumedRole"
        )
        forgotten = set(reads[: len(reads) // 2])
        for region in self.regions.values():
            region.forget(forgotten)
        self._role_reads = len(reads) - len(forgotten)

    def admit(self, region: str) -> None:
        """ThrottlingException beyond two requests a second in this Region; a bucket of two."""
        if self.rate <= 0:
            return
        now = time.monotonic()
        tokens, seen = self._tokens.get(region, (2.0, now))
        tokens = min(2.0, tokens + (now - seen) * self.rate)
        self._tokens[region] = (tokens - 1 if tokens >= 1 else tokens, now)
        if tokens < 1:
            raise AwsError("ThrottlingException", "Rate exceeded", 400)


def _matches(event: Event, attribute: str, value: str) -> bool:
    if attribute == "ResourceName":
        return any(name == value for _, name in event.resources)
    if attribute == "ResourceType":
        return any(kind == value for kind, _ in event.resources)
    if attribute == "ReadOnly":
        return event.read_only == (value == "true")
    return value == (event.id if attribute == "EventId" else event.source)


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


@operation("cloudtrail", "LookupEvents")
def lookup_events(context: Context) -> dict[str, Any]:
    """InvalidLookupAttributes, InvalidTimeRange, InvalidMaxResults, InvalidNextToken."""
    trail = context.simulator.trail(context.account.id)
    trail.admit(context.call.region)
    params = context.params
    size = int(params.get("MaxResults", PAGE))
    if not 1 <= size <= PAGE:
        raise AwsError("InvalidMaxResultsException", "A max results value of 1 to 50 is required.")
    attribute, value = _attribute(params)
    start = max(_time(params.get("StartTime")) or context.now - HISTORY, context.now - HISTORY)
    end = min(_time(params.get("EndTime")) or context.now, context.now)
    given, until = _time(params.get("StartTime")), _time(params.get("EndTime"))
    if given and until and given > until:
        raise AwsError("InvalidTimeRangeException", "Start time is after end time.")
    before = _read_token(params)
    events = trail.regions[context.call.region].candidates(attribute, value)
    position = len(events)
    if before is not None:
        position = bisect_left(events, before, key=lambda event: event.seq)
    found: list[Event] = []
    size = min(size, context.page_limit)
    more = False
    while position > 0:
        position -= 1
        event = events[position]
        if event.at < start:
            break
        if event.at <= end and event.visible_at <= context.now:
            if len(found) == size:
                more = True
                break
            found.append(event)
    answer: dict[str, Any] = {"Events": [event.shown() for event in found]}
    if more:
        answer["NextToken"] = _write_token(params, found[-1].seq)
    return answer


def _attribute(params: dict[str, Any]) -> tuple[str, str]:
    attributes = params.get("LookupAttributes") or []
    if not attributes:
        return "", ""
    if len(attributes) > 1 or attributes[0].get("AttributeKey") not in _ATTRIBUTES:
        raise AwsError("InvalidLookupAttributesException", "You can specify one attribute only.")
    return str(attributes[0]["AttributeKey"]), str(attributes[0]["AttributeValue"])


def _bound(params: dict[str, Any]) -> str:
    """What a NextToken is bound to: every parameter but the token itself."""
    return repr(sorted((key, str(value)) for key, value in params.items() if key != "NextToken"))


def _write_token(params: dict[str, Any], seq: int) -> str:
    return base64.b64encode(json.dumps([_bound(params), seq]).encode()).decode()


def _read_token(params: dict[str, Any]) -> int | None:
    if "NextToken" not in params:
        return None
    try:
        bound, seq = json.loads(base64.b64decode(str(params["NextToken"])))
    except ValueError:
        bound, seq = "", 0
    if bound != _bound(params):
        raise AwsError("InvalidNextTokenException", "The NextToken is invalid for this request.")
    return int(seq)
