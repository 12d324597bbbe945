"""How far a sync is, and how long it will take: measured, and said only as far as it is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory import clock
from inventory.durations import duration
from inventory.models import Sync

Steps = Iterable[Mapping[str, Any]]
# Sooner, a rate says more about the first answer than about the rest.
_TELLING = timedelta(seconds=2)
# As long for a hundred users as for ten.
_OF_THE_ACCOUNT = frozenset({"report", "references", "posture"})


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One step of a sync as the progress list shows it."""

    label: str
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: its steps, and the one that counts users."""

    title: str
    left: str
    steps: tuple[SyncStep, ...]
    value: int
    total: int


@dataclass(frozen=True, slots=True)
class Left:
    """How long it will take; `whole` where that is known of every step that is not over."""

    time: timedelta
    whole: bool

    @property
    def words(self) -> str:
        """`about 1 min left`; `at least` where some steps cannot be told yet."""
        seconds = max(0.0, self.time.total_seconds())
        about = "about" if self.whole else "at least"
        if seconds < 10:
            return "a few seconds left" if self.whole else ""
        if seconds < 55:
            return f"{about} {math.ceil(seconds / 10) * 10} s left"
        if seconds < 90 * 60:
            return f"{about} {max(1, round(seconds / 60))} min left"
        return f"{about} {round(seconds / 3600)} h left"


def progress_of(sync: Sync, now: datetime) -> Progress:
    """The progress of one sync at `now`; a sync that ended says how long it took."""
    rows = [row for row in sync.steps if isinstance(row, dict)]
    done = sum(row.get("status") in ("done", "failed") for row in rows)
    share = next((_share(row) for row in rows if row.get("status") == "running"), 0.0)
    started, ended = sync.started_at or sync.asked_at, sync.finished_at or now
    took = max(timedelta(), ended - started)
    minutes, seconds = divmod(int(took.total_seconds()), 60)
    clocked = f"{minutes}:{seconds:02d}" if minutes < 60 else duration(took)
    whole = "First sync" if sync.account.last_whole_at is None else "Sync"
    return Progress(
        title=f"{whole} of {sync.account.name}",
        left=_left_words(sync, clocked),
        steps=tuple(_step(row) for row in rows),
        value=round(100 * (done + share)),
        total=100 * len(rows),
    )


def time_left(steps: Steps, before: Mapping[str, timedelta], now: datetime) -> Left | None:
    """How long `steps` still take at `now` (real time, like their `since`); None if nobody knows.

    A running step goes on at the pace it had so far; what has not begun takes as long as in an
    earlier sync, `before`, by the step's key. Pure.
    """
    total, known, unknown = timedelta(), 0, 0
    for step in steps:
        if step.get("status") in ("done", "failed"):
            continue
        one = _measured(step, now)
        if one is None and (earlier := before.get(str(step.get("key")))) is not None:
            one = max(timedelta(), earlier - (_since(step, now) or timedelta()))
        if one is None:
            unknown += 1
        else:
            known += 1
            total += one
    return Left(total, not unknown) if known else None


def _left_words(sync: Sync, clocked: str) -> str:
    if sync.status not in Sync.OPEN:
        return f"{sync.get_status_display()}, {clocked}"
    if sync.status == Sync.Status.QUEUED:
        return "Waits for a read worker"
    left = time_left(sync.steps, _before(sync), clock.real_now())
    return ", ".join(filter(None, (clocked, left.words if left else "")))


def _before(sync: Sync) -> dict[str, timedelta]:
    """How long each step took in the last sync of this account, or else of another one.

    What takes longer with more users is scaled, and left out while their number is not known.
    """
    read = Sync.objects.filter(status__in=(Sync.Status.WHOLE, Sync.Status.PARTIAL))
    ended = read.only("steps", "users_seen")
    own = ended.filter(account_id=sync.account_id).first()
    earlier = own or ended.order_by("-pk").first()
    if earlier is None:
        return {}
    then, now = earlier.users_seen, sync.users_seen or (own and own.users_seen)
    found = {}
    for step in earlier.steps:
        took = _took(step)
        if took is None:
            continue
        if step["key"] not in _OF_THE_ACCOUNT:
            if not then or not now:
                continue
            took *= now / then
        found[step["key"]] = took
    return found


def _measured(step: Mapping[str, Any], now: datetime) -> timedelta | None:
    """What is left of a running step at its own pace; None while that tells nothing."""
    share, since = _share(step), _since(step, now)
    if step.get("status") != "running" or not share or since is None or since < _TELLING:
        return None
    return since * ((1 - share) / share)


def _share(step: Mapping[str, Any]) -> float:
    total = int(step.get("total") or 0)
    return min(1.0, int(step.get("done") or 0) / total) if total else 0.0


def _since(step: Mapping[str, Any], now: datetime) -> timedelta | None:
    """How long ago a step began; None for one that has not."""
    began = step.get("since")
    return now - datetime.fromisoformat(began) if began else None


def _took(step: Mapping[str, Any]) -> timedelta | None:
    began, ended = step.get("since"), step.get("until")
    if not began or not ended:
        return None
    return datetime.fromisoformat(ended) - datetime.fromisoformat(began)


def _step(row: Mapping[str, Any]) -> SyncStep:
    counted = f"{row.get('done') or 0} of {row['total']}" if row.get("total") else ""
    said = str(row.get("detail") or "")
    told = (said or counted,) if row.get("status") == "done" else (counted, said)
    detail = ", ".join(filter(None, told))
    return SyncStep(str(row.get("label", "")), str(row.get("status", "waiting")), detail)
