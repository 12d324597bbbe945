"""What many IAM users did in one Region, found in the account's whole event history at once.

In a quiet Region that takes fewer calls than a lookup for each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.aws.cloudtrail import Line, TrailLook, Wanted, pages_of, without
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from inventory.aws.trail_events import TrailEvent, acting_user, as_event

# After so many pages it shows how busy a Region is.
_SAMPLE = 3


@dataclass(frozen=True, slots=True)
class AccountLook:
    """What reading the whole account's events found out.

    `looks`: of whoever was read to the end, under any name and in any session. `events` were read
    back to `reached`, everybody's.
    """

    looks: Mapping[int, TrailLook]
    events: int
    reached: datetime


def look_at_all(
    session: AwsSession,
    region: str,
    wanted: Mapping[int, Wanted],
    limiter: Limiter,
    most_pages: int,
) -> AccountLook:
    """The events of many users in `region` at once: everybody's, newest first, without attribute.

    `wanted` by any key, all with the same `until`. Whose they are is told as `look` tells it; what
    cannot be read is laid to whoever bears the name that it is found under. Ends once that took, or
    is likely to take, more pages than a lookup for each name of those who are left, and after
    `most_pages`: who was not reached by then was not read at all. Raises AwsFailure.
    """
    until = max(one.until for one in wanted.values())
    start = min(one.since for one in wanted.values())
    # The one whose events are read back to soonest is the last.
    waiting = sorted(wanted, key=lambda key: wanted[key].since)
    found = _Found(wanted)
    looks: dict[int, TrailLook] = {}
    oldest, seen = until, 0
    line = Line(session, region, limiter)
    for number, page in enumerate(pages_of(line, None, start, until), start=1):
        seen += len(page.records)
        for (at, record), name in zip(page.records, page.names, strict=True):
            oldest = min(oldest, at or oldest)
            found.add(at, record, name)
        oldest = start if page.last else oldest
        while waiting and (page.last or wanted[waiting[-1]].since > oldest):
            key = waiting.pop()
            looks[key] = found.look(key)
        lookups = sum(len(wanted[key].names) for key in waiting)
        if number >= most_pages or number > lookups:
            break
        if number >= _SAMPLE:
            # As busy as so far: would half of those who are left be reached in time?
            half = wanted[waiting[len(waiting) // 2]].since
            if number * (until - half) > lookups * (until - oldest):
                break
    return AccountLook(looks, seen, oldest)


class _Found:
    """What a look at a whole account came upon, for each of those it is about."""

    def __init__(self, wanted: Mapping[int, Wanted]) -> None:
        self._wanted = wanted
        self._by_id = {one.user_id: key for key, one in wanted.items()}
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for key, one in wanted.items():
            for name in one.names:
                self._by_name[name.lower()].add(key)
        self._events: dict[int, list[TrailEvent]] = defaultdict(list)
        self._broken: dict[int, list[tuple[datetime, str]]] = defaultdict(list)

    def add(self, at: datetime | None, record: Any, name: str) -> None:
        keys = self._by_name.get(name.lower(), set())
        try:
            key = self._by_id.get(acting_user(record))
            if key is None:
                return
            keys = {key}
            event = as_event(record, self._wanted[key].user_id)
        except AwsFailure as failed:
            for key in keys:
                # Without a time of its own it may lie anywhere.
                when = at or self._wanted[key].until
                if when >= self._wanted[key].since:
                    self._broken[key].append((when, failed.message))
            return
        if event and event.at >= self._wanted[key].since:
            self._events[key].append(event)

    def look(self, key: int) -> TrailLook:
        wanted = self._wanted[key]
        return without(self._broken[key], wanted, wanted.since, self._events[key])
