"""How the account's users and roles go on using AWS as time passes.

A habit is a thing somebody does again and again: its n-th time depends only on the seed, the habit
and n. As the clock moves, `Rhythm.advance` lets all that is due happen, each against the account
as it stands at that moment: fenced users are denied and logged, shut ones leave nothing, restored
ones go on.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

DAY = 86_400
HOUR = 3_600


@dataclass(frozen=True)
class Habit:
    """Something done every `every` seconds from `first` on, at the latest at `until`.

    `kind`: `api` (a management call, in CloudTrail), `data` (a data-plane call: moves last-used
    only), `console` (a sign-in and a call after it), `knock` (a failed sign-in), `federation`
    (GetFederationToken and a call under the federated name), `git` (CodeCommit over SSH), `token`
    (a service's API key), `session` (a call by a role session), `made` (somebody made this user
    or what it holds), `assumed` (a session of a role begins). `actor` is a user id, or for
    `session` and `assumed` a role's name. `key` names the access key, credential or session name
    used; for `made` the maker's role and session, `ROLE/SESSION`, and for `assumed` the session and
    who asked, `SESSION WHO`. `works`: every other time it is about something of its user (see
    `work`), whose request parameters are `about`.
    """

    kind: str
    actor: str
    key: str
    service: str
    event: str
    region: str
    every: int
    first: datetime
    ip: str
    agent: str
    until: datetime | None = None
    spread: float = 0.6
    workdays: bool = False
    read_only: bool = True
    works: bool = False
    about: tuple[tuple[str, Any], ...] = ()


def _mixed(seed: int, number: int, n: int) -> int:
    """32 bits that look random and belong to these three; Murmur's finalizer."""
    bits = (seed * 0x9E3779B1 + number * 0x85EBCA6B + n * 0xC2B2AE35) & 0xFFFFFFFF
    bits = ((bits ^ bits >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    bits = ((bits ^ bits >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return bits ^ bits >> 16


class Rhythm:
    """All habits, and the next time of each."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._habits: list[Habit] = []
        self._due: list[tuple[datetime, int, int]] = []

    def add(self, habit: Habit) -> None:
        """Enter a habit; its number, and so its times, is its place."""
        number = len(self._habits)
        self._habits.append(habit)
        self._push(number, 0)

    def due(self, now: datetime) -> list[tuple[datetime, Habit]]:
        """Everything that happens up to `now` and has not been given yet, in order."""
        happened = []
        while self._due and self._due[0][0] <= now:
            at, number, n = heapq.heappop(self._due)
            habit = self._habits[number]
            if not (habit.workdays and at.weekday() >= 5):
                happened.append((at, habit))
            self._push(number, n + 1)
        return happened

    def _push(self, number: int, n: int) -> None:
        habit = self._habits[number]
        at = self.time_of(number, n)
        if habit.until is None or at <= habit.until:
            heapq.heappush(self._due, (at, number, n))

    def time_of(self, number: int, n: int) -> datetime:
        """The n-th time of a habit: `first`, n periods, and a part of one drawn from the seed."""
        habit = self._habits[number]
        part = _mixed(self._seed, number, n) / 2**32
        seconds = n * habit.every + int(part * habit.spread * habit.every)
        at = habit.first + timedelta(seconds=seconds)
        # From seven in the morning to six in the evening, in the order of the day.
        return at.replace(hour=7 + at.hour * 11 // 24) if habit.workdays else at


def once(habit: Habit, at: datetime) -> Habit:
    """The same thing done exactly once, at `at`."""
    return replace(habit, first=at, until=at, spread=0.0, workdays=False)
