"""When it will be done, at the pace of the last four weeks; pure.

The weeks that were are replayed in many random orders over what is left: the middle of all replays
is what is expected, and the 10th to 90th percentile is the range. Windows, watch and soak are in it
because they were in those weeks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from random import Random

from inventory.timelines import Forecast, Point

PACE_WEEKS = 4
REPLAYS = 200
LONGEST_WEEKS = 26
ENOUGH = timedelta(days=14)


def forecast(left: Sequence[Point], today: date) -> Forecast | None:
    """What is expected to be left week by week, from (day, users left) for every day so far.

    None where it is too early (less than two weeks since the first deletion), where nothing was
    deleted in the last four weeks, or where nothing is left.
    """
    counts = dict(left)
    falls = [day for (_, was), (day, now) in pairwise(left) if now < was]
    if not falls or today - falls[0] < ENOUGH or not counts.get(today):
        return None
    paces = [_fall(counts, today - timedelta(weeks=week)) for week in range(PACE_WEEKS)]
    if not any(paces):
        return None
    # The same history gives the same forecast: a number that jumps at each reload is not believed.
    chance = Random(0)  # noqa: S311 (no secret)
    replays = [_replay(counts[today], paces, chance) for _ in range(REPLAYS)]
    low, middle, high = (_course(replays, REPLAYS * share // 100, today) for share in (10, 50, 90))
    return Forecast(low, middle, high)


def _fall(counts: dict[date, int], until: date) -> int:
    """How many were deleted in the week up to `until`."""
    before = counts.get(until - timedelta(weeks=1))
    after = counts.get(until)
    return 0 if before is None or after is None else max(0, before - after)


def _replay(left: int, paces: Sequence[int], chance: Random) -> list[int]:
    course = []
    for _ in range(LONGEST_WEEKS):
        left = max(0, left - chance.choice(paces))
        course.append(left)
    return course


def _course(replays: Sequence[Sequence[int]], rank: int, today: date) -> tuple[Point, ...]:
    """The course at one rank of the replays, up to the week in which it reaches zero."""
    points: list[Point] = []
    for week in range(LONGEST_WEEKS):
        count = sorted(replay[week] for replay in replays)[rank]
        points.append((today + timedelta(weeks=week + 1), count))
        if count == 0:
            break
    return tuple(points)
