"""When things would happen to an IAM user at the earliest; pure, told before anybody clicks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from inventory.policy import Policy, next_opening, notice_over_at
from migrations_app.lifecycle import State
from migrations_app.models import Departure


@dataclass(frozen=True, slots=True)
class Ahead:
    """The earliest moments of what is still to come, aware UTC; None for what is over."""

    disable_at: datetime | None
    shut_at: datetime | None
    delete_at: datetime | None
    undo_for: timedelta

    @property
    def undo_days(self) -> int:
        """How many days it can be undone, rounded down; a sandbox may say 0."""
        return self.undo_for.days


def from_now(
    policy: Policy, time_zone: str, now: datetime, not_before: datetime | None = None
) -> Ahead:
    """The dates of a user that is told of today and goes through everything without a halt.

    `not_before`: when its old credentials will have been quiet for long enough.
    """
    told = notice_over_at(now, policy, time_zone)
    ready = max(told, not_before) if not_before else told
    disable_at = next_opening(policy.disable_window, policy.freezes, time_zone, ready)[0]
    shut_at = _shut_at(disable_at + policy.watch, policy, time_zone)
    delete_at = _delete_at(shut_at + policy.soak, policy, time_zone)
    return Ahead(disable_at, shut_at, delete_at, policy.watch + policy.soak)


def ahead_of(
    departure: Departure,
    policy: Policy,
    time_zone: str,
    now: datetime,
    *,
    not_before: datetime | None = None,
) -> Ahead:
    """The dates that are still to come for this departure under `policy`; see `from_now`.

    Lengths that were fixed at approval are used for a user that is already fenced or shut.
    """
    watch = departure.watch if departure.watch is not None else policy.watch
    soak = departure.soak if departure.soak is not None else policy.soak
    due = departure.due_at
    if departure.state == State.DELETED:
        return Ahead(None, None, None, timedelta())
    if departure.state == State.SOAKING:
        over = max(due or now, now)
        return Ahead(None, None, _delete_at(over, policy, time_zone), soak)
    if departure.state == State.DISABLED:
        shut_at = _shut_at(max(due or now, now), policy, time_zone)
        return Ahead(None, shut_at, _delete_at(shut_at + soak, policy, time_zone), watch + soak)
    return from_now(policy, time_zone, now, not_before)


def after_quarter_close(after: date) -> date:
    """The first second day of a quarter past `after`: what runs at its close has run by then."""
    days = [
        date(year, month, 2) for year in (after.year, after.year + 1) for month in (1, 4, 7, 10)
    ]
    return next(day for day in days if day > after)


def _shut_at(over: datetime, policy: Policy, time_zone: str) -> datetime:
    return next_opening(policy.disable_window, policy.freezes, time_zone, over)[0]


def _delete_at(over: datetime, policy: Policy, time_zone: str) -> datetime:
    return next_opening(policy.delete_window, policy.freezes, time_zone, over)[0]
