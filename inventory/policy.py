"""Policy: how long, how many and when. Pure: it reads no clock, no row and no environment.

The declared policy stands in rows as the words of `iamcleanup.yaml` ("7d", "09:00"); here they
become values. Windows, freezes and working days are read in the account's time zone and answered
in UTC, so that a night in which the clocks change is as long as it really is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from inventory.refusals import Refused

DAY = timedelta(days=1)
MAX_BATCH_SIZE = 20
# An approval, and therefore an opening that nothing else ends, lasts this long at most.
LONGEST_OPENING = timedelta(days=7)
# Freezes and windows together that leave no opening for this long are a mistake in the file.
_LOOK_AHEAD_DAYS = 400

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DURATION = re.compile(r"(\d{1,5})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of a week in which a change may begin, as local wall-clock time.

    `days` counts from Monday = 0 and names the day a window opens; one whose `end` is not after
    its `start` closes on the day after.
    """

    days: frozenset[int]
    start: time
    end: time

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(7)):
            raise ValueError("A window needs days of the week.")

    def __str__(self) -> str:
        days = [WEEKDAYS[day].capitalize() for day in sorted(self.days)]
        in_a_row = max(self.days) - min(self.days) == len(days) - 1
        named = f"{days[0]} to {days[-1]}" if in_a_row and len(days) > 2 else ", ".join(days)
        return f"{named}, {self.start:%H:%M} to {self.end:%H:%M}"


class Always:
    """No window: any hour will do. Declared for a sandbox only."""

    def __str__(self) -> str:
        return "always"

    def __repr__(self) -> str:
        return "ALWAYS"


ALWAYS = Always()


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days, first and last included, in which nothing but a restore happens."""

    start: date
    end: date
    reason: str = ""

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("A freeze ends before it starts.")


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one account and one category. Whole days of `notice` and `claim_deadline`
    are working days; every other time is elapsed time."""

    dormant_after: timedelta = 90 * DAY
    quiet: timedelta = 14 * DAY
    watch: timedelta = 7 * DAY
    soak: timedelta = 14 * DAY
    settle: timedelta = DAY
    notice: timedelta = 2 * DAY
    claim_deadline: timedelta = 10 * DAY
    evidence_max_age: timedelta = DAY
    batch_size: int = MAX_BATCH_SIZE
    disable_window: Window | Always = Window(frozenset({0, 1, 2, 3}), time(9), time(16))
    delete_window: Window | Always = Window(frozenset({1, 2, 3}), time(9), time(16))
    freezes: tuple[Freeze, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise ValueError(f"A batch holds 1 to {MAX_BATCH_SIZE} users.")


TIMES = tuple(f.name for f in fields(Policy) if isinstance(f.default, timedelta))
WINDOWS = ("disable_window", "delete_window")


class HasPolicy(Protocol):
    """The organization or an account: whatever carries a declared policy."""

    @property
    def policy(self) -> Any: ...


def parse_duration(text: str) -> timedelta:
    """ "7d", "24h", "30m" or "20s" as a timedelta; ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"“{text}” is no duration; write it like 7d, 24h, 30m or 20s.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_clock_time(text: str) -> time:
    """ "09:00" as a time; ValueError for anything else."""
    match = _CLOCK_TIME.fullmatch(text)
    if not match:
        raise ValueError(f'“{text}” is no time of day; write it like "09:00".')
    return time(int(match[1]), int(match[2]))


def parse_window(declared: object) -> Window | Always:
    """A declared window, or "always"; ValueError, in words, for anything else."""
    if declared == "always":
        return ALWAYS
    if not isinstance(declared, Mapping):
        raise ValueError('A window is “always” or {days: […], from: "09:00", to: "16:00"}.')
    days = set()
    for day in declared["days"]:
        if day not in WEEKDAYS:
            raise ValueError(f"“{day}” is no day; use {', '.join(WEEKDAYS)}.")
        days.add(WEEKDAYS.index(day))
    start, end = parse_clock_time(declared["from"]), parse_clock_time(declared["to"])
    return Window(frozenset(days), start, end)


def _parse_freezes(declared: Iterable[Mapping[str, str]]) -> tuple[Freeze, ...]:
    return tuple(
        Freeze(
            date.fromisoformat(str(row["from"])),
            date.fromisoformat(str(row["to"])),
            row.get("reason", ""),
        )
        for row in declared
    )


def values_of(declared: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Policy` that `declared` names, as values; ValueError for a bad one."""
    values: dict[str, Any] = {}
    for name, value in declared.items():
        if name in TIMES:
            values[name] = parse_duration(value)
        elif name in WINDOWS:
            values[name] = parse_window(value)
        elif name == "freezes":
            values[name] = _parse_freezes(value)
        elif name == "batch_size":
            values[name] = value
    return values


def policy_for(organization: HasPolicy, account: HasPolicy, category: str = "") -> Policy:
    """What holds for users of `category` in `account`: the organization's policy, then what it
    says for the category, then what the account says. Freezes add up instead of replacing."""
    declared = organization.policy
    layers = [declared, declared.get("by_category", {}).get(category, {}), account.policy]
    values: dict[str, Any] = {}
    freezes: tuple[Freeze, ...] = ()
    for layer in layers:
        found = values_of(layer)
        freezes += found.pop("freezes", ())
        values.update(found)
    return Policy(**values, freezes=freezes)


def is_open(
    window: Window | Always, freezes: Iterable[Freeze], time_zone: str, at: datetime
) -> bool:
    """Whether a change may begin at `at` (aware): inside the window and outside every freeze."""
    zone = ZoneInfo(time_zone)
    if _frozen_until(freezes, zone, at) is not None:
        return False
    return any(start <= at < end for start, end in _openings(window, zone, at, days=1))


def next_opening(
    window: Window | Always, freezes: Iterable[Freeze], time_zone: str, at: datetime
) -> tuple[datetime, datetime]:
    """When the window next opens and closes, aware UTC; it opens at `at` itself if it is open.

    Refused where freezes leave no opening for more than a year.
    """
    zone, freezes = ZoneInfo(time_zone), tuple(freezes)
    for start, end in _openings(window, zone, at, days=_LOOK_AHEAD_DAYS):
        opens = max(start, at)
        while opens < end and (thawed := _frozen_until(freezes, zone, opens)) is not None:
            opens = thawed
        if opens >= end:
            continue
        closes = min([end, opens + LONGEST_OPENING, *_freezes_after(freezes, zone, opens)])
        return opens.astimezone(UTC), closes.astimezone(UTC)
    raise Refused("Windows and freezes leave no opening for a year. Ask an admin to mend them.")


def _openings(
    window: Window | Always, zone: ZoneInfo, at: datetime, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """Openings, in order, that are not over at `at`, of `days` days from the day before it on."""
    if isinstance(window, Always):
        yield at, at + timedelta(days=days + 1)
        return
    yesterday = at.astimezone(zone).date() - DAY
    overnight = window.end <= window.start
    for offset in range(days + 2):
        day = yesterday + timedelta(days=offset)
        if day.weekday() not in window.days:
            continue
        end = _moment(day + DAY if overnight else day, window.end, zone)
        if end > at:
            yield _moment(day, window.start, zone), end


def _moment(day: date, clock_time: time, zone: ZoneInfo) -> datetime:
    """That wall-clock time as UTC. One that a spring night skips is the same distance after it."""
    return datetime.combine(day, clock_time, zone).astimezone(UTC)


def _frozen_until(freezes: Iterable[Freeze], zone: ZoneInfo, at: datetime) -> datetime | None:
    today = at.astimezone(zone).date()
    ends = [freeze.end for freeze in freezes if freeze.start <= today <= freeze.end]
    return _moment(max(ends) + DAY, time(), zone) if ends else None


def _freezes_after(freezes: Iterable[Freeze], zone: ZoneInfo, at: datetime) -> Iterator[datetime]:
    starts = (_moment(freeze.start, time(), zone) for freeze in freezes)
    return (start for start in starts if start > at)


def freeze_at(freezes: Iterable[Freeze], time_zone: str, at: datetime) -> Freeze | None:
    """The freeze that `at` (aware) lies in, for a sentence that names its reason."""
    today = at.astimezone(ZoneInfo(time_zone)).date()
    return next((f for f in freezes if f.start <= today <= f.end), None)


def add_working_days(at: datetime, days: int, time_zone: str) -> datetime:
    """`at` (aware) plus `days` working days, Monday to Friday in `time_zone`, aware UTC.

    The wall-clock time is kept. What arrives on a weekend counts from Monday 00:00: an owner told
    on Saturday has two whole working days, like one told on Monday at midnight.
    """
    if days == 0:
        return at.astimezone(UTC)
    zone = ZoneInfo(time_zone)
    local = at.astimezone(zone)
    day, clock_time = local.date(), local.time()
    if day.weekday() >= 5:
        day, clock_time = _next_working_day(day), time()
    for _ in range(days):
        day = _next_working_day(day)
    return _moment(day, clock_time, zone)


def _next_working_day(day: date) -> date:
    day += DAY
    while day.weekday() >= 5:
        day += DAY
    return day


def notice_over_at(told_at: datetime, policy: Policy, time_zone: str) -> datetime:
    """When owners told at `told_at` (aware) have had their notice, aware UTC."""
    return _after(told_at, policy.notice, time_zone)


def claim_due_at(asked_at: datetime, policy: Policy, time_zone: str) -> datetime:
    """When unclaimed users may be adopted, if owners were asked at `asked_at`, aware UTC."""
    return _after(asked_at, policy.claim_deadline, time_zone)


def _after(at: datetime, length: timedelta, time_zone: str) -> datetime:
    """Whole days are working days; a sandbox's seconds just pass."""
    if length % DAY:
        return (at + length).astimezone(UTC)
    return add_working_days(at, length.days, time_zone)


def in_words(length: timedelta) -> str:
    """ "7 days", "24 hours", "20 seconds", "0 days": for a person to read."""
    seconds = int(length.total_seconds())
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, size = next((unit, size) for unit, size in units if seconds % size == 0)
    number = seconds // size
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
