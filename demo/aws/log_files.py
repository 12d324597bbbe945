"""The log files of the account's trail: which file holds which events, and when it is delivered.

Layout of AWS_FACTS.md 2.19. A file holds six hours of one Region, or a part of them where they are
many, and is delivered five minutes later, so that the last evening of a day lies in the next day's
folder. As at AWS some events are delivered twice, digests lie beside the logs, and other accounts
of the organization share the bucket.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .events import Event

if TYPE_CHECKING:
    from .trail import Trail

ORGANIZATION = "o-acme4demo1"
OTHER_ACCOUNT = "210987654321"
WINDOW = timedelta(hours=6)
LATER = timedelta(minutes=5)
MOST_IN_A_FILE = 400
_TWICE = 97
"""One event in so many is delivered again with the next file."""


_LOG = re.compile(r"/(\d{12})_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_(\w+)\.json\.gz$")


def _window(at: datetime) -> datetime:
    return at.replace(hour=at.hour // 6 * 6, minute=0, second=0, microsecond=0)


class LogFiles:
    """The bucket's objects for one account. `prefix` is the trail's, with a slash at its end;
    `organization` says whether an organization's trail writes them. `spoiled` changes the bytes of
    an object on their way out, by key."""

    def __init__(self, account_id: str, regions: tuple[str, ...], trail: Trail) -> None:
        self.prefix = ""
        self.organization = True
        self.spoiled: dict[str, Callable[[bytes], bytes]] = {}
        self._account_id, self._regions, self._trail = account_id, regions, trail
        self._windows: dict[str, dict[datetime, list[Event]]] = defaultdict(dict)
        self._seen: dict[str, int] = {}

    def keys(self, now: datetime) -> list[str]:
        """Every key in the bucket that was delivered by `now`, sorted."""
        found = [f"{self.prefix}AWSLogs/{self._owner(self._account_id)}/CloudTrail/"]
        for region in self._regions:
            days = set()
            for window, events in self._sorted(region).items():
                at = window + WINDOW + LATER
                if at > now:
                    continue
                days.add(at.date())
                parts = max(1, -(-len(events) // MOST_IN_A_FILE))
                found += [self._key(region, at, part) for part in range(parts)]
                found.append(self._key(region, at, 0, OTHER_ACCOUNT))
            found += [self._digest(region, f"{day:%Y/%m/%d}", f"{day:%Y%m%d}") for day in days]
        return sorted(found)

    def body(self, key: str, now: datetime) -> bytes | None:
        """The bytes of an object; None for a key that there is not."""
        body = self._body(key, now)
        change = self.spoiled.get(key)
        return change(body) if change and body is not None else body

    def _body(self, key: str, now: datetime) -> bytes | None:
        found = _LOG.search(key)
        if found is None:
            return _zipped([]) if key in self.keys(now) else None
        account_id, region, stamp, mark = found.groups()
        at = datetime.strptime(stamp + "+0000", "%Y%m%dT%H%MZ%z")
        windows, window = self._sorted(region), at - WINDOW - LATER
        parts = max(1, -(-len(windows.get(window, ())) // MOST_IN_A_FILE))
        part = next((n for n in range(parts) if self._mark(region, at, n) == mark), None)
        if at > now or part is None or self._key(region, at, part, account_id) != key:
            return None
        if account_id != self._account_id or window not in windows:
            return _zipped([])
        events = windows[window][part * MOST_IN_A_FILE :][:MOST_IN_A_FILE]
        if part == 0:
            before = windows.get(window - WINDOW, [])
            events = [event for event in before if event.seq % _TWICE == 0] + events
        return _zipped(events)

    def _sorted(self, region: str) -> dict[datetime, list[Event]]:
        """The events of a Region by window; what came since the last time is added."""
        events = self._trail.regions[region].events
        seen = self._seen.get(region, 0)
        if seen > len(events):
            # The trail forgot some reads: begin anew.
            self._windows[region], seen = {}, 0
        windows = self._windows[region]
        for event in events[seen:]:
            windows.setdefault(_window(event.at), []).append(event)
        self._seen[region] = len(events)
        return windows

    def _owner(self, account_id: str) -> str:
        return f"{ORGANIZATION}/{account_id}" if self.organization else account_id

    def _mark(self, region: str, at: datetime, part: int) -> str:
        return hashlib.sha256(f"{region}{at:%Y%m%d%H}{part}".encode()).hexdigest()[:16]

    def _key(self, region: str, at: datetime, part: int, account_id: str = "") -> str:
        account_id = account_id or self._account_id
        return (
            f"{self.prefix}AWSLogs/{self._owner(account_id)}/CloudTrail/{region}/{at:%Y/%m/%d}/"
            f"{account_id}_CloudTrail_{region}_{at:%Y%m%dT%H%MZ}_{self._mark(region, at, part)}"
            ".json.gz"
        )

    def _digest(self, region: str, folder: str, day: str) -> str:
        return (
            f"{self.prefix}AWSLogs/{self._owner(self._account_id)}/CloudTrail-Digest/{region}/"
            f"{folder}/{self._account_id}_CloudTrail-Digest_{region}_trail_us-east-1_"
            f"{day}T235900Z.json.gz"
        )


def _zipped(events: list[Event]) -> bytes:
    text = json.dumps({"Records": [event.record() for event in events]}, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)
