"""Hits and knocks: what listening found, what it does to the clock, and how it closes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app import notices
from migrations_app.changes import approval
from migrations_app.changes.state import locked, note
from migrations_app.lifecycle import SWITCHED_OFF, State
from migrations_app.models import Batch, Change, Departure, Hit

# Our own calls, and what was under way when the fence went on, are neither hit nor knock.
FENCE_SETTLES = timedelta(minutes=5)
# Seen in the account rather than heard in the trail.
STANDING = ("credential", "fence")
LONGEST_EXTENSION = timedelta(days=90)
# AWS tells last-used dates in whole minutes; the event of the same use bears its seconds.
ROUNDED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to use a user that is off. `source`: trail, last-used, credential or fence."""

    kind: str
    source: str
    what: str
    at: datetime
    details: dict[str, Any] = field(default_factory=dict)


def record(departure: Departure, attempts: list[Attempt]) -> list[Hit]:
    """Write attempts down: a first one opens a hit, later ones count on it; the new hits.

    A hit pauses a running batch of its user and is told at once.
    """
    new = []
    # Events first: a last-used date says less, and nothing new where the event of that use is.
    for attempt in sorted(attempts, key=lambda one: (one.source == "last-used", one.at)):
        hit = _count(departure, attempt)
        if hit is not None:
            new.append(hit)
    for hit in new:
        if hit.kind == Hit.Kind.HIT:
            # Rule 12: also when this user's own turn is over, and the others' is not.
            for change in departure.changes.filter(
                batch__status=Batch.Status.RUNNING, status__in=[*Change.OPEN, Change.Status.DONE]
            ).select_related("batch"):
                if change.batch:
                    approval.pause_by_itself(change.batch, f"{departure.user} was called.")
    return new


def dismiss(hit: Hit, person: Person, reason: str) -> Hit:
    """An engineer says that it means nothing; the clock runs on unchanged."""
    require(person, Action.OPERATE)
    if not reason.strip():
        raise Refused("Say why this attempt does not matter.")
    with transaction.atomic():
        return _close(hit, Hit.Closed.DISMISSED, person, reason)


def caller_fixed(hit: Hit, person: Person, note_text: str = "") -> Hit:
    """The caller was changed: the clock starts again now, or at the last attempt if later."""
    with transaction.atomic():
        departure = locked(Departure.objects.get(pk=hit.departure_id))
        require(person, Action.RESTORE, departure.owner)
        closed = _close(hit, Hit.Closed.FIXED, person, note_text)
        if departure.state in SWITCHED_OFF:
            starts = max(clock.now(), closed.last_at)
            note(
                departure,
                "clock.restarted",
                actor=person,
                data={"from": starts.isoformat()},
                clock_started_at=starts,
                last_used_read_at=None,
            )
    return closed


def extend(departure: Departure, person: Person, until: date, reason: str) -> Departure:
    """Hold the watch or soak until the end of that day, 90 days from the fence at most."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.RESTORE, row.owner)
        if row.state not in SWITCHED_OFF or row.fenced_at is None:
            raise Refused(f"{row.user} is {State(row.state).label}; there is nothing to extend.")
        if not reason.strip():
            raise Refused("Say why it needs longer.")
        end = datetime.combine(until, time.max, UTC)
        latest = row.fenced_at + LONGEST_EXTENSION
        if not clock.now() < end <= latest + timedelta(days=1):
            raise Refused(f"Choose a date from today to {latest:%d %B}.")
        extended = note(
            row,
            "clock.extended",
            actor=person,
            data={"until": end.isoformat(), "reason": reason},
            not_before=max(end, row.not_before) if row.not_before else end,
            not_before_reason=reason.strip(),
        )
        notices.tell_owner(
            extended,
            "extended",
            f"extended:{row.pk}:{end:%Y%m%d}",
            f"{row.user} is held until {until:%d %b}",
            reason,
        )
    return extended


def _count(departure: Departure, attempt: Attempt) -> Hit | None:
    """Count on the open hit, or open one; the hit if it is new."""
    now = clock.now()
    with transaction.atomic():
        Departure.objects.select_for_update().get(pk=departure.pk)
        if _is_known(departure, attempt):
            return None
        same = departure.hits.filter(kind=attempt.kind, closed="")
        if attempt.kind == Hit.Kind.KNOCK:
            same = same.filter(what=attempt.what[:200])
        if same.update(
            count=F("count") + 1,
            last_at=Greatest("last_at", attempt.at),
            what=attempt.what[:200],
            details=attempt.details,
        ):
            return None
        hit = Hit.objects.create(
            departure=departure,
            kind=attempt.kind,
            source=attempt.source,
            what=attempt.what[:200],
            first_at=attempt.at,
            last_at=attempt.at,
            details=attempt.details,
            noticed_at=now,
        )
        if attempt.kind == Hit.Kind.HIT:
            notices.tell_hit(hit)
            ledger.append(
                "hit.opened", user=departure.user, source=attempt.source, what=attempt.what
            )
    return hit


def _is_known(departure: Departure, attempt: Attempt) -> bool:
    """Whether this very use was told already, by a hit that may be closed since.

    A last-used date is read again each round and does not move by that. What the account shows (a
    credential made, a fence taken off) has no time of its own: it is told once per fence.
    """
    told = departure.hits.filter(kind=attempt.kind)
    if attempt.source in STANDING:
        return told.filter(what=attempt.what[:200], first_at__gte=departure.fenced_at).exists()
    if attempt.kind == Hit.Kind.KNOCK:
        told = told.filter(what=attempt.what[:200])
    heard = told.exclude(source__in=STANDING)
    by_date = Q(source="last-used", last_at__gte=attempt.at - ROUNDED)
    return heard.filter(Q(last_at__gte=attempt.at) | by_date).exists()


def _close(hit: Hit, how: str, person: Person, reason: str) -> Hit:
    closed = Hit.objects.filter(pk=hit.pk, closed="").update(
        closed=how, closed_at=clock.now(), closed_by=person, closed_reason=reason.strip()
    )
    if not closed:
        raise Stale("This hit was closed meanwhile.")
    hit.refresh_from_db()
    ledger.append(f"hit.{how}", actor=person, user=hit.departure.user, reason=reason)
    return hit
