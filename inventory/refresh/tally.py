"""What IAM users did on one day, summed up while its records are read, in bounded memory."""

from __future__ import annotations

import base64
import json
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

from inventory.aws.cloudtrail import DENIED, FAILED_SIGN_IN, TrailEvent
from inventory.rights.named import together

# So many kinds of calls a user and day are told apart; of more, address and agent are summed up.
MOST_KINDS = 300
OTHER = "other"
OTHER_AGENT = f"other (more than {MOST_KINDS} kinds of calls that day)"
_OUTCOMES = {DENIED: "denied", FAILED_SIGN_IN: "failed-sign-in"}

# Service, action, access key, source address, user agent, outcome.
Kind = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class Sum:
    """Events of one kind: how many, the first and the last (aware UTC).

    `resources`: the ARNs that they name together; None where one of them names nothing, or they are
    too many.
    """

    count: int
    first_at: datetime
    last_at: datetime
    resources: list[str] | None = None

    def add(self, more: Sum) -> None:
        self.count += more.count
        self.first_at = min(self.first_at, more.first_at)
        self.last_at = max(self.last_at, more.last_at)
        self.resources = together(self.resources, more.resources)


# By user (primary key), then by kind.
Sums = Mapping[int, Mapping[Kind, Sum]]


class Seen:
    """Which event ids were met, at 16 bytes each: a table of 64-bit marks.

    Two ids share a mark once in ten million days of two million events; then one call is missing
    from a count.
    """

    def __init__(self, slots: bytes = bytes(8 * 256)) -> None:
        self._slots = array("Q", slots)
        self._count = sum(1 for mark in self._slots if mark)

    def add(self, event_id: str) -> bool:
        """Whether this id is new."""
        mark = int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest()) or 1
        if not self._put(mark):
            return False
        self._count += 1
        if self._count * 2 > len(self._slots):
            old, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
            for held in old:
                if held:
                    self._put(held)
        return True

    def _put(self, mark: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        place = mark & mask
        while held := slots[place]:
            if held == mark:
                return False
            place = (place + 1) & mask
        slots[place] = mark
        return True

    def packed(self) -> bytes:
        return self._slots.tobytes()


@dataclass(slots=True)
class DayTally:
    """One day of one Region, all users; each event counts once, however often it is delivered."""

    users: dict[int, dict[Kind, Sum]] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

    def add(self, user: int, event: TrailEvent) -> None:
        """Count an event of the user with this primary key."""
        if event.event_id and not self.seen.add(event.event_id):
            return
        self.add_sum(
            user, kind_of(event), Sum(1, event.at, event.at, list(event.resources) or None)
        )

    def add_sum(self, user: int, kind: Kind, told: Sum) -> None:
        """Count a sum of events that nobody else counts."""
        kinds = self.users.setdefault(user, {})
        if kind not in kinds and len(kinds) >= MOST_KINDS:
            kind = _folded(kind)
        known = kinds.get(kind)
        if known is None:
            kinds[kind] = told
        else:
            known.add(told)


def kind_of(event: TrailEvent) -> Kind:
    """The kind of an event, as long as its row may be."""
    return cut(
        (
            event.service,
            event.action,
            event.access_key_id,
            event.source_address,
            event.user_agent,
            _OUTCOMES.get(event.kind, "ok"),
        )
    )


def cut(kind: Kind) -> Kind:
    """A kind without NUL characters, cut to what its columns hold."""
    service, action, key, address, agent, outcome = (
        part.replace("\x00", "") if "\x00" in part else part for part in kind
    )
    return service[:100], action[:100], key[:128], address[:255], agent[:255], outcome


def _folded(kind: Kind) -> Kind:
    """Without what an endless number of values can stand in; temporary keys are such."""
    service, action, key, _, _, outcome = kind
    return service, action, OTHER if key.startswith("ASIA") else key, OTHER, OTHER_AGENT, outcome


def pack(days: Mapping[date, DayTally]) -> bytes:
    """Days that are not over, for the next slice."""
    told = {
        day.isoformat(): {
            "seen": base64.b64encode(zlib.compress(tally.seen.packed(), 1)).decode(),
            "sums": [
                [
                    user,
                    *kind,
                    one.count,
                    one.first_at.isoformat(),
                    one.last_at.isoformat(),
                    one.resources,
                ]
                for user, kinds in tally.users.items()
                for kind, one in kinds.items()
            ],
        }
        for day, tally in days.items()
    }
    return zlib.compress(json.dumps(told).encode(), 1)


def unpack(draft: bytes | memoryview | None) -> dict[date, DayTally]:
    """What `pack` gave."""
    if not draft:
        return {}
    told: dict[str, Any] = json.loads(zlib.decompress(bytes(draft)))
    days = {}
    for day, packed in told.items():
        tally = DayTally(seen=Seen(zlib.decompress(base64.b64decode(packed["seen"]))))
        for user, service, action, key, address, agent, outcome, count, *rest in packed["sums"]:
            # A draft of an earlier version names no resources.
            first, last, *named = rest
            one = Sum(
                count,
                datetime.fromisoformat(first),
                datetime.fromisoformat(last),
                named[0] if named else None,
            )
            sums = tally.users.setdefault(user, {})
            sums[service, action, key, address, agent, outcome] = one
        days[date.fromisoformat(day)] = tally
    return days
