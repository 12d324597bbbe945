"""What could not be heard of users that are off: what holds them, and what lengthened a clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory.models import TrailCoverage, TrailGap
from migrations_app.guards import TRAIL_LAG
from migrations_app.lifecycle import State
from migrations_app.models import Departure


@dataclass(frozen=True, slots=True)
class Unheard:
    """Of one Region, as sentences. `holds`: it may still be heard, and until then nothing goes on.

    `why` may be in AWS's own words.
    """

    region: str
    text: str
    why: str
    holds: bool


def unheard(departures: Sequence[Departure], now: datetime) -> dict[int, list[Unheard]]:
    """By pk of these fenced or shut users; two queries however many they are."""
    users = {row.user_id: row for row in departures if row.fenced_at is not None}
    found: dict[int, list[Unheard]] = defaultdict(list)
    late = now - TRAIL_LAG
    behind = TrailCoverage.objects.filter(user__in=users).exclude(error="")
    for one in behind.order_by("region"):
        departure = users[one.user_id]
        enabled = departure.user.account.enabled_regions
        if one.region in enabled and (one.read_to is None or one.read_to < late):
            since = f" since {_at(one.read_to)}" if one.read_to else ""
            text = f"{one.region} could not be read{since}. It is tried again and holds the user."
            found[departure.pk].append(Unheard(one.region, text, one.error, holds=True))
    for gap in TrailGap.objects.filter(user__in=users).order_by("from_at"):
        departure = users[gap.user_id]
        if departure.fenced_at and gap.until_at > departure.fenced_at and _counts(gap, departure):
            found[departure.pk].append(_of_gap(gap, departure))
    return found


def in_short(lines: Sequence[Unheard], lengthened_by: timedelta) -> str:
    """For a card: what holds, or else how much longer it takes; "" where all was heard."""
    held = sorted({one.region for one in lines if one.holds})
    if held:
        return f"not heard in {', '.join(held)}"
    return f"{length(lengthened_by)} longer, not heard" if lengthened_by else ""


def length(span: timedelta) -> str:
    """Rounded up, so that nothing is called no time at all: "2 days 3 h", "45 min"."""
    minutes = -int(-span.total_seconds() // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        name = "day" if days == 1 else "days"
        return f"{days} {name} {hours} h" if hours else f"{days} {name}"
    if hours:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{minutes} min"


def _counts(gap: TrailGap, departure: Departure) -> bool:
    """What was lost before the present clock started has lengthened an earlier one."""
    started = departure.clock_started_at
    return gap.lost_at is None or started is None or gap.lost_at >= started


def _of_gap(gap: TrailGap, departure: Departure) -> Unheard:
    when = f"from {_at(gap.from_at)} to {_at(gap.until_at)}"
    if gap.lost_at is None:
        text = f"{gap.region} was not read whole {when}. It is tried again and holds the user."
    else:
        phase = "watch" if departure.state == State.DISABLED else "soak"
        text = f"{gap.region} cannot be read any more {when}. The {phase} lasts that much longer."
    return Unheard(gap.region, text, gap.why, holds=gap.lost_at is None)


def _at(when: datetime) -> str:
    return f"{when:%d %b %H:%M} UTC"
