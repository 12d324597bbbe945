"""How often an IAM user is used, told from the days on which it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from statistics import median

# name: (shortest gap, longest gap, usual gap) in days between two runs.
_GAPS = {
    "weekly": (6, 8, 7),
    "monthly": (26, 35, 30),
    "quarterly": (85, 98, 91),
    "yearly": (350, 380, 365),
}
_RARE = frozenset({"monthly", "quarterly", "yearly"})
_BUSY_DAYS_A_WEEK = 2


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`name` is daily | weekly | monthly | quarterly | yearly, or "" where none shows.

    `proven`: at least two runs show it; else it is a guess from a date at a quarter's edge.
    """

    name: str = ""
    last_at: datetime | None = None
    next_at: datetime | None = None
    proven: bool = False

    @property
    def rare(self) -> bool:
        return self.name in _RARE

    @property
    def sentence(self) -> str:
        known = "Runs" if self.proven else "Looks as if it ran"
        return f"{known} {self.name}."


def rhythm_of(days: Iterable[date], now: datetime) -> Rhythm:
    """The rhythm of a user that was used on `days` (UTC)."""
    runs = _runs(sorted(set(days)))
    if not runs:
        return Rhythm()
    starts = [first for first, _ in runs]
    last_at = datetime.combine(runs[-1][1], time(), UTC)
    gaps = [(later - earlier).days for earlier, later in pairwise(starts)]
    used_days = len({day for day in days if day > (now - timedelta(days=14)).date()})
    if used_days >= 2 * _BUSY_DAYS_A_WEEK + 1:
        return Rhythm("daily", last_at, None, proven=True)
    for name, (shortest, longest, usual) in _GAPS.items():
        enough = 2 if name == "weekly" else 1
        if len(gaps) >= enough and all(shortest <= gap <= longest for gap in gaps[-4:]):
            step = round(median(gaps[-4:])) or usual
            next_at = datetime.combine(starts[-1] + timedelta(days=step), time(), UTC)
            return Rhythm(name, last_at, next_at, proven=True)
    if len(runs) == 1 and _at_quarter_edge(starts[0]) and now - last_at < timedelta(days=90):
        next_at = datetime.combine(starts[0] + timedelta(days=91), time(), UTC)
        return Rhythm("quarterly", last_at, next_at)
    return Rhythm()


def _runs(days: list[date]) -> list[tuple[date, date]]:
    """Neighbouring days are one run: (its first day, its last day)."""
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and (day - runs[-1][1]).days <= 2:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _at_quarter_edge(day: date) -> bool:
    """The last three or the first five days of a quarter: when closing jobs run."""
    after = day + timedelta(days=3)
    begins = (1, 4, 7, 10)
    return (after.day <= 3 and after.month in begins) or (day.day <= 5 and day.month in begins)
