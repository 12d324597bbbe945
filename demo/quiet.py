"""Which users in regular use keep quiet long enough to be taken through a batch. Pure.

An overruled verdict lapses with the user's next call, so whoever is asked for must not call between
the question and the fence. The smallest pause a user ever made tells when it may call again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

Key = TypeVar("Key")
# Fewer days of use than this show no habit.
_LEAST_DAYS = 3


def earliest_call(days: Iterable[date], last_at: datetime) -> datetime | None:
    """When a user that was used on `days` (UTC), at last at `last_at`, may call again.

    None where its days show no habit. Two calls of one pause lie on dates up to a day further apart
    than the pause is long, so a day is taken off.
    """
    used = sorted(set(days))
    if len(used) < _LEAST_DAYS:
        return None
    pause = min((later - earlier).days for earlier, later in pairwise(used))
    return last_at + timedelta(days=max(0, pause - 1))


def quietest(habits: Mapping[Key, tuple[Iterable[date], datetime]]) -> list[Key]:
    """Those whose days show a habit, the one that will be quiet for longest first."""
    expected = {
        key: at
        for key, (days, last_at) in habits.items()
        if (at := earliest_call(days, last_at)) is not None
    }
    return sorted(expected, key=lambda key: expected[key], reverse=True)
