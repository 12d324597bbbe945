"""When it will be done, at the pace of the last four weeks; pure.

The weeks that were are replayed in many random orders over what is left. Nobody goes before its
watch and soak are over, and the last one goes on a day of the week on which users went: in a
window. The middle of all replays is what is expected, the 10th to 90th percentile is the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from random import Random

from inventory.timelines import Forecast, Point

PACE_WEEKS = 4
REPLAYS = 200
LONGEST_WEEKS = 26
ENOUGH = timedelta(days=14)
_WEEK = 7
# Of so many accounts, or all together, the forecast is kept: it changes when somebody goes.
_KEPT = 256


def forecast(
    left: Sequence[Point], today: date, may_go: Mapping[date, int] | None = None
) -> Forecast | None:
    """What is expected to be left week by week, from (day, users left) for every day so far.

    `may_go` says how many of those left may be deleted from which day on; without it all may at
    once. None where it is too early (less than two weeks since the first deletion), where nothing
    was deleted in the last four weeks, or where nothing is left.
    """
    counts = dict(left)
    if too_early(left, today) or not counts.get(today):
        return None
    weeks = tuple(_falls(counts, today - timedelta(weeks=week)) for week in range(PACE_WEEKS))
    if not any(map(any, weeks)):
        return None
    return _replayed(counts[today], today, weeks, _floors(counts[today], today, may_go))


@lru_cache(_KEPT)
def _replayed(
    left: int, today: date, weeks: tuple[tuple[int, ...], ...], floors: tuple[int, ...]
) -> Forecast:
    """What the replays of these weeks, each with what went on its days, come to."""
    # The same history gives the same forecast: a number that jumps at each reload is not believed.
    chance = Random(0)  # noqa: S311 (no secret)
    paces = [sum(week) for week in weeks]
    replays = [_replay(left, paces, floors, chance) for _ in range(REPLAYS)]
    by_week = [sorted(left_then) for left_then in zip(*replays, strict=True)]
    last_day = max(day for week in weeks for day, fall in enumerate(week, start=1) if fall)
    low, middle, high = (
        _course([ranked[REPLAYS * share // 100] for ranked in by_week], today, last_day)
        for share in (10, 50, 90)
    )
    return Forecast(low, middle, high)


def too_early(left: Sequence[Point], today: date) -> bool:
    """Whether the first deletion is less than two weeks old, or still to come."""
    first = next((day for (_, was), (day, now) in pairwise(left) if now < was), today)
    return today - first < ENOUGH


def _falls(counts: Mapping[date, int], until: date) -> tuple[int, ...]:
    """How many went on each day of the week up to `until`; who came is not set against it."""
    days = [until - timedelta(days=back) for back in range(_WEEK, -1, -1)]
    known = [counts.get(day) for day in days]
    return tuple(
        0 if was is None or now is None else max(0, was - now) for was, now in pairwise(known)
    )


def _floors(left: int, today: date, may_go: Mapping[date, int] | None) -> tuple[int, ...]:
    """By the end of each week, how many of those left today may not be deleted yet."""
    if may_go is None:
        return (0,) * LONGEST_WEEKS
    ends = [today + timedelta(weeks=week) for week in range(1, LONGEST_WEEKS + 1)]
    return tuple(
        max(0, left - sum(number for day, number in may_go.items() if day <= end)) for end in ends
    )


def _replay(left: int, paces: Sequence[int], floors: Sequence[int], chance: Random) -> list[int]:
    course = []
    for floor in floors:
        left = min(left, max(floor, left - chance.choice(paces)))
        course.append(left)
    return course


def _course(counts: Sequence[int], today: date, last_day: int) -> tuple[Point, ...]:
    """One rank of the replays by the end of each week, up to the day on which it reaches zero."""
    points: list[Point] = []
    for week, count in enumerate(counts):
        days = last_day if count == 0 else _WEEK
        points.append((today + timedelta(days=_WEEK * week + days), count))
        if count == 0:
            break
    return tuple(points)
