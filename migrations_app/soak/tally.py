"""When a hit was called: how often per minute, hour and day, and the bars that show it.

All three are counted side by side and each keeps only its latest ones, so that a caller that never
rests takes no more room than one that called twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Unit: how it is written, how long it is, and how many of it are kept and shown at most.
_UNITS = {
    "minute": ("%Y-%m-%dT%H:%M", timedelta(minutes=1), 60),
    "hour": ("%Y-%m-%dT%H", timedelta(hours=1), 72),
    "day": ("%Y-%m-%d", timedelta(days=1), 92),
}
# Fewer bars than the chart of weeks has would look like a lot.
FEWEST = 13

Tally = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls per `unit`, oldest first; `counts` has a number for each, `rows` those with calls."""

    unit: str
    counts: tuple[int, ...]
    rows: tuple[tuple[datetime, int], ...]

    @property
    def sentence(self) -> str:
        return f"Calls per {self.unit}"

    @property
    def total(self) -> int:
        return sum(self.counts)


def counted(tally: Mapping[str, Mapping[str, int]], at: datetime) -> Tally:
    """`tally` with one call more, at `at`."""
    grown: Tally = {}
    for unit, (form, length, most) in _UNITS.items():
        numbers = dict(tally.get(unit, {}))
        key = f"{at.astimezone(UTC):{form}}"
        numbers[key] = numbers.get(key, 0) + 1
        first = _start(max(numbers), form) - length * (most - 1)
        grown[unit] = {key: number for key, number in numbers.items() if _start(key, form) >= first}
    return grown


def calls_of(tally: Mapping[str, Mapping[str, int]], now: datetime) -> Calls | None:
    """The bars in the finest unit that shows every call; None where nothing was counted."""
    if not tally.get("day"):
        return None
    total = sum(tally["day"].values())
    unit = next(
        (one for one in _UNITS if sum(tally.get(one, {}).values()) == total),
        "day",
    )
    form, length, most = _UNITS[unit]
    numbers = {_start(key, form): number for key, number in sorted(tally[unit].items())}
    first, last = min(numbers), max(numbers)
    # How quiet it has been since, as far as a short chart has room; then how quiet before.
    while last + length <= now and last - first < length * (FEWEST - 1):
        last += length
    first = min(first, last - length * (FEWEST - 1))
    bars = (last - first) // length + 1
    return Calls(
        unit,
        tuple(numbers.get(first + length * place, 0) for place in range(min(bars, most))),
        tuple(numbers.items()),
    )


def _start(key: str, form: str) -> datetime:
    return datetime.strptime(key, form).replace(tzinfo=UTC)
