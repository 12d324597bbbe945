"""How often an IAM user is used, told from the days on which it was. Pure.

Days are those of UTC. A job at midnight of a place with summer time moves by a day twice a year,
the first working day of a month by up to three; the gaps allow for both.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import gcd
from statistics import median

# A run may be this much late before its rhythm counts as broken.
GRACE = timedelta(days=3)
_BUSY_DAYS_A_WEEK = 2
_LOOKED_BACK = 4
_EDGE_DAYS = 3


@dataclass(frozen=True, slots=True)
class _Period:
    """A rhythm: the gaps between two runs in days, how many show it, how far their median may be
    from `days`, and its months where it keeps to the calendar."""

    name: str
    shortest: int
    longest: int
    gaps: int
    days: int
    drift: int
    months: int = 0


_PERIODS = (
    _Period("weekly", 5, 9, 2, 7, 1),
    _Period("monthly", 26, 35, 1, 30, 5, 1),
    _Period("quarterly", 85, 98, 1, 91, 7, 3),
    _Period("yearly", 350, 380, 1, 365, 15, 12),
)
RARE = frozenset({"monthly", "quarterly", "yearly"})
EACH = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter",
        "yearly": "year"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`name` is daily | weekly | monthly | quarterly | yearly, or "" where none shows.

    `proven`: at least two runs show it; else it is a guess from dates at a quarter's or year's
    edge. `ended` names a rhythm that was there until its next run stayed out.
    """

    name: str = ""
    last_at: datetime | None = None
    next_at: datetime | None = None
    proven: bool = False
    ended: str = ""

    @property
    def rare(self) -> bool:
        return self.name in RARE

    @property
    def sentence(self) -> str:
        """What is known of it, "" where nothing is."""
        if self.ended and self.last_at:
            return f"Ran {self.ended} until {self.last_at:%d %b %Y}; the next run stayed out."
        if not self.name:
            return ""
        if not self.proven:
            return f"It ran at the edge of a quarter, perhaps {self.name}."
        return f"Runs {self.name}."


def rhythm_of(days: Iterable[date], now: datetime) -> Rhythm:
    """The rhythm of a user that was used on `days` (UTC)."""
    used = sorted(set(days))
    runs = _runs(used)
    if not runs:
        return Rhythm()
    last_at = _midnight(runs[-1][1])
    recent = [day for day in used if day > (now - timedelta(days=14)).date()]
    if len(recent) >= 2 * _BUSY_DAYS_A_WEEK + 1:
        return Rhythm("daily", last_at, None, proven=True)
    starts = [first for first, _ in runs]
    period = _period_of(starts)
    if period is not None:
        next_at = _midnight(_next_run(starts, period))
        # Of a job each week a run left out says little; two of them end it.
        slack = GRACE if period.months else timedelta(days=period.days)
        if now > next_at + slack + timedelta(days=1):
            # Two runs alone were perhaps never a rhythm.
            ended = period.name if len(starts) > 2 else ""
            return Rhythm("", last_at, ended=ended)
        return Rhythm(period.name, last_at, next_at, proven=True)
    if len(runs) == 1:
        return _guess(starts[0], last_at, now)
    return _at_edges(starts, last_at, now)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Neighbouring days are one run: (its first day, its last day)."""
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and (day - runs[-1][1]).days <= 2:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _period_of(starts: Sequence[date]) -> _Period | None:
    gaps = [(later - earlier).days for earlier, later in pairwise(starts)][-_LOOKED_BACK:]
    for period in _PERIODS:
        if len(gaps) < period.gaps:
            continue
        fits = all(period.shortest <= gap <= period.longest for gap in gaps)
        if fits and abs(median(gaps) - period.days) <= period.drift:
            return period
    return None


def _next_run(starts: Sequence[date], period: _Period) -> date:
    """By the calendar where the runs keep to a day of the month or to its end, else by the gap."""
    gaps = [(later - earlier).days for earlier, later in pairwise(starts)][-_LOOKED_BACK:]
    by_gap = starts[-1] + timedelta(days=round(median(gaps or [period.days])))
    if not period.months:
        return by_gap
    late = starts[-_LOOKED_BACK:]
    to_end = [_month_length(day) - day.day for day in late]
    year, month = divmod(starts[-1].year * 12 + starts[-1].month - 1 + period.months, 12)
    length = calendar.monthrange(year, month + 1)[1]
    if max(to_end) <= _EDGE_DAYS:
        return date(year, month + 1, length - round(median(to_end)))
    day_of_month = [day.day for day in late]
    if max(day_of_month) - min(day_of_month) <= _EDGE_DAYS:
        return date(year, month + 1, min(round(median(day_of_month)), length))
    return by_gap


def _month_length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _guess(day: date, last_at: datetime, now: datetime) -> Rhythm:
    """One run only: at a quarter's edge perhaps a closing job, at the year's edge a yearly one."""
    if not _at_quarter_edge(day):
        return Rhythm()
    for period in _PERIODS[2:]:
        if period.name == "yearly" and day.month not in (1, 12):
            break
        next_at = _midnight(_next_run([day], period))
        if now <= next_at + GRACE:
            return Rhythm(period.name, last_at, next_at)
    return Rhythm()


def _at_edges(starts: Sequence[date], last_at: datetime, now: datetime) -> Rhythm:
    """Closing jobs among other runs, or with a quarter left out: most runs are at quarters' edges.

    Somebody who tried the key in between, or a job each half-year, must not hide the next run.
    """
    edges = [day for day in starts if _at_quarter_edge(day)]
    quarters = [_quarter(day) for day in edges]
    gaps = [later - earlier for earlier, later in pairwise(quarters) if later > earlier]
    if not gaps or 2 * len(edges) <= len(starts):
        return Rhythm()
    step = gcd(*gaps)
    name = "quarterly" if step % 4 else "yearly"
    proven = len(set(gaps)) == 1 and (step == 4 or (step == 1 and len(edges) > 2))
    months = _Period(name, 0, 0, 0, 0, 0, 3 * step)
    day = edges[-1]
    for _ in range(max(gaps) // step):
        day = _next_run([day], months)
        if now <= _midnight(day) + GRACE:
            return Rhythm(name, last_at, _midnight(day), proven=proven)
    return Rhythm()


def _quarter(day: date) -> int:
    """The quarter that begins at the edge where `day` is, counted on."""
    after = day + timedelta(days=_EDGE_DAYS)
    return after.year * 4 + (after.month - 1) // 3


def _at_quarter_edge(day: date) -> bool:
    """The last three or the first five days of a quarter: when closing jobs run."""
    after = day + timedelta(days=_EDGE_DAYS)
    begins = (1, 4, 7, 10)
    return (after.day <= _EDGE_DAYS and after.month in begins) or (
        day.day <= _EDGE_DAYS + 2 and day.month in begins
    )
