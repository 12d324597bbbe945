"""Events of event history become rows: how far was read, and what was done on which day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache

from inventory import clock
from inventory.aws.cloudtrail import DENIED, FAILED_SIGN_IN, HISTORY, TrailEvent, TrailLook
from inventory.models import Account, Activity, IamUser, TrailCoverage

# Events arrive up to a quarter of an hour late, so each look goes back over the last minutes.
OVERLAP = timedelta(minutes=10)
HOME_REGION = "us-east-1"
_OUTCOMES = {DENIED: "denied", FAILED_SIGN_IN: "failed-sign-in"}
_KEY = ("day", "region", "service", "action", "access_key_id", "source_address", "user_agent")


def regions_of(account: Account) -> list[str]:
    """Where event history is read: the declared Regions that are enabled, or all enabled ones.

    The home Region is always among them: IAM's own events and many sign-ins are only there.
    """
    if not account.regions:
        return list(account.enabled_regions)
    declared = {*account.regions, HOME_REGION}
    return [region for region in account.enabled_regions if region in declared]


def since(row: TrailCoverage | None, until: datetime) -> datetime:
    """From when to read, given how far was read before."""
    if row is None or row.read_to is None or row.read_from is None:
        return until - HISTORY
    return max(row.read_to - OVERLAP, until - HISTORY)


def keep_look(
    user: IamUser, row: TrailCoverage | None, region: str, look: TrailLook
) -> list[TrailEvent]:
    """Save what a look found and how far it read; the events that were not seen before.

    The caller holds a transaction. A look that could not reach back to the last one begins the
    coverage anew: it never claims to have read what it did not.
    """
    row = row or TrailCoverage(user=user, region=region)
    bridged = look.complete and row.read_from is not None and row.read_to is not None
    if not bridged:
        row.read_from = look.read_from
    row.read_to, row.error, row.looked_at = look.read_to, "", clock.now()
    row.save()
    new = _unseen(user, region, look)
    _add(user, new)
    return new


def keep_failure(user: IamUser, row: TrailCoverage | None, region: str, error: str) -> None:
    """Save that a look failed; how far was read before stays."""
    row = row or TrailCoverage(user=user, region=region)
    row.error, row.looked_at = error, clock.now()
    row.save()


def _unseen(user: IamUser, region: str, look: TrailLook) -> list[TrailEvent]:
    """Without the events of the overlap that the last look saw. Should the cache forget them, a
    few calls are counted twice; whether and when the user was used stays right."""
    key = f"trail:{user.pk}:{region}"
    before = set(cache.get(key, ()))
    recent = {event.event_id for event in look.events if event.at >= look.read_to - 2 * OVERLAP}
    new = {event.event_id: event for event in look.events if event.event_id not in before}
    cache.set(key, sorted(recent | before)[-2000:], timeout=24 * 3600)
    return sorted(new.values(), key=lambda event: event.at)


def _add(user: IamUser, events: Iterable[TrailEvent]) -> None:
    days: dict[tuple[Any, ...], Activity] = {}
    for event in events:
        row = _row(user, event)
        key = (*(getattr(row, column) for column in _KEY), row.outcome)
        old = days.setdefault(key, row)
        if old is not row:
            _merge(old, row)
    if not days:
        return
    dates = {row.day for row in days.values()}
    for old in Activity.objects.filter(user=user, day__in=dates):
        key = (*(getattr(old, column) for column in _KEY), old.outcome)
        if key in days:
            _merge(days[key], old)
    Activity.objects.bulk_create(
        days.values(),
        update_conflicts=True,
        unique_fields=["user", *_KEY, "outcome"],
        update_fields=["count", "first_at", "last_at"],
    )


def _merge(into: Activity, other: Activity) -> None:
    into.count += other.count
    into.first_at = min(into.first_at, other.first_at)
    into.last_at = max(into.last_at, other.last_at)


def _row(user: IamUser, event: TrailEvent) -> Activity:
    return Activity(
        user=user,
        day=event.at.date(),
        region=event.region[:30],
        service=event.service[:100],
        action=event.action[:100],
        access_key_id=event.access_key_id[:128],
        source_address=event.source_address[:255],
        user_agent=event.user_agent[:255].replace("\x00", ""),
        outcome=_OUTCOMES.get(event.kind, "ok"),
        count=1,
        first_at=event.at,
        last_at=event.at,
    )
