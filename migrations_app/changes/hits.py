"""Hits and knocks: what listening found, what it does to the clock, and how it closes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from inventory import clock, ledger, meanwhile
from inventory.models import Person, TrailGap
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app.changes import steering
from migrations_app.changes.state import locked, note
from migrations_app.lifecycle import SWITCHED_OFF, State
from migrations_app.models import Batch, Change, Departure, Hit, HitCaller
from migrations_app.outgoing import notices
from migrations_app.soak import tally

# Our own calls, and what was under way when the fence went on, are neither hit nor knock.
FENCE_SETTLES = timedelta(minutes=5)
# Seen in the account rather than heard in the trail.
STANDING = ("credential", "fence")
LONGEST_EXTENSION = timedelta(days=90)
# So many callers of one hit have a row of their own; further ones count on the oldest.
MOST_CALLERS = 200
# AWS tells last-used dates in whole minutes; the event of the same use bears its seconds.
ROUNDED = timedelta(minutes=1)
# A key's last use moves once in so many minutes, to the first use among them (AWS_FACTS 1.12).
LAST_USED_SPAN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to use a user that is off. `source`: trail, last-used, credential or fence.

    `details`: who, where, region, with, key, error and service, as far as it is known.
    """

    kind: str
    source: str
    what: str
    at: datetime
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The access key, cut as it is kept; every temporary one is "session"."""
        key = str(self.details.get("key") or "")[:128]
        return "session" if key.startswith("ASIA") else key

    @property
    def caller(self) -> str:
        """What tells one caller from another, as a digest."""
        if self.source == "trail":
            # As activity keeps them, so that both tell of the same caller.
            seen = [str(self.details.get(name) or "")[:255] for name in ("where", "with")]
            return ledger.digest(["trail", self.key, *seen])
        return ledger.digest([self.source, self.key or self.what[:200]])


def record(departure: Departure, attempts: list[Attempt]) -> list[Hit]:
    """Write attempts down: a first one opens a hit, later ones count on it, each with its caller.

    The hits that are new, or that have a new caller; both are told at once. A hit pauses a running
    batch of its user.
    """
    news: dict[int, Hit] = {}
    # Events first: a last-used date says less, and nothing new where the event of that use is.
    for attempt in sorted(attempts, key=lambda one: (one.source == "last-used", one.at)):
        if attempt.kind == Hit.Kind.HIT and _is_news(departure, attempt):
            # First: whoever dies in between finds the attempt again, but nobody would pause.
            _pause_batches(departure)
        hit = _count(departure, attempt)
        if hit is not None:
            news[hit.pk] = hit
    return list(news.values())


def tell_of_knocks() -> None:
    """Once a day, what outsiders tried: to the owners, and to security."""
    today = clock.now().date()
    knocks = (
        Hit.objects.filter(kind=Hit.Kind.KNOCK, departure__in=Departure.objects.switched_off())
        .filter(last_at__gte=clock.now() - timedelta(days=1))
        .select_related("departure__user__account", "departure__owner")
    )
    users: dict[Departure, list[Hit]] = defaultdict(list)
    for knock in knocks:
        users[knock.departure].append(knock)
    if users:
        told = {
            departure: notices.Knocks(
                sum(one.count for one in its),
                min(one.first_at for one in its),
                max(one.last_at for one in its),
            )
            for departure, its in users.items()
        }
        notices.tell_knocks(told, today)


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
                lengthened_by=timedelta(),
                last_used_read_at=None,
            )
    return closed


def lengthen(departure: Departure) -> None:
    """Let the watch or soak last longer by what could not be heard in it and never will be.

    Regions that were lost at the same time count once.
    """
    with transaction.atomic():
        row = Departure.objects.select_for_update().get(pk=departure.pk)
        if row.fenced_at is None or row.clock_started_at is None:
            return
        lost = TrailGap.objects.filter(
            user=row.user_id, lost_at__gte=row.clock_started_at, until_at__gt=row.fenced_at
        )
        total, end = timedelta(), row.fenced_at
        for gap in lost.order_by("from_at"):
            total += max(gap.until_at - max(gap.from_at, end), timedelta())
            end = max(end, gap.until_at)
        if total != row.lengthened_by:
            note(
                row,
                "clock.lengthened",
                data={"by_seconds": int(total.total_seconds())},
                lengthened_by=total,
            )


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
        # Whoever asked for longer before is not overruled, and the later day keeps its reason.
        held = row.not_before if row.not_before and row.not_before > end else end
        data = {"until": held.isoformat(), "reason": reason}
        if row.not_before == held and ledger.is_last(
            "clock.extended", actor=person, user=row.user, **data
        ):
            # A button that was pressed twice.
            return row
        extended = note(
            row,
            "clock.extended",
            actor=person,
            data=data,
            not_before=held,
            not_before_reason=reason.strip() if held == end else row.not_before_reason,
        )
        notices.tell_owner(
            extended,
            "extended",
            f"extended:{row.pk}:{held:%Y%m%d}",
            f"{row.user} is held until {held:%d %b}",
            reason,
        )
    return extended


def _pause_batches(departure: Departure) -> None:
    """Rule 12: also when this user's own turn is over, and the others' is not."""
    for change in departure.changes.filter(
        batch__status=Batch.Status.RUNNING, status__in=[*Change.OPEN, Change.Status.DONE]
    ).select_related("batch"):
        if change.batch:
            steering.pause_by_itself(change.batch, f"{departure.user} was called.")


def _is_news(departure: Departure, attempt: Attempt) -> bool:
    """Whether nobody was told of this caller yet."""
    if _told(departure, attempt):
        return False
    return not HitCaller.objects.filter(
        hit__departure=departure, hit__closed="", caller=attempt.caller
    ).exists()


def _count(departure: Departure, attempt: Attempt) -> Hit | None:
    """Count on the open hit, or open one; the hit if it or this caller of it is new."""
    with transaction.atomic():
        Departure.objects.select_for_update().get(pk=departure.pk)
        told = _told(departure, attempt)
        if told is not None:
            if attempt.source in STANDING:
                HitCaller.objects.filter(pk=told.pk).update(seen_at=clock.now())
            return None
        rows = departure.hits.filter(kind=attempt.kind, closed="")
        if attempt.kind == Hit.Kind.KNOCK:
            rows = rows.filter(what=attempt.what[:200])
        hit = rows.first()
        opened = hit is None
        hit = hit or _opened(departure, attempt)
        stood_in = _stood_in(hit, attempt)
        new = _called(hit, attempt)
        if not opened:
            _grow(hit, attempt, by=0 if stood_in else 1)
        if attempt.kind == Hit.Kind.HIT and (opened or new) and not stood_in:
            notices.tell_hit(hit, attempt.what, opened=opened)
            ledger.append(
                "hit.opened" if opened else "hit.caller",
                user=departure.user,
                source=attempt.source,
                what=attempt.what,
            )
    return hit if opened or (new and not stood_in) else None


def _opened(departure: Departure, attempt: Attempt) -> Hit:
    return Hit.objects.create(
        departure=departure,
        kind=attempt.kind,
        source=attempt.source,
        what=attempt.what[:200],
        first_at=attempt.at,
        last_at=attempt.at,
        details=attempt.details,
        tally=tally.counted({}, attempt.at),
        noticed_at=clock.now(),
    )


def _grow(hit: Hit, attempt: Attempt, by: int) -> None:
    """One attempt more; what is shown of the hit itself is its latest one."""
    hit.count += by
    if by:
        hit.tally = tally.counted(hit.tally, attempt.at)
    hit.first_at = min(hit.first_at, attempt.at)
    if attempt.at >= hit.last_at:
        hit.last_at, hit.source = attempt.at, attempt.source
        hit.what, hit.details = attempt.what[:200], attempt.details
    shown = ["count", "first_at", "last_at", "source", "what", "details", "tally"]
    hit.save(update_fields=shown)


def _called(hit: Hit, attempt: Attempt) -> bool:
    """Count on the caller's own row; whether it is a new one."""
    row = hit.callers.filter(caller=attempt.caller).first()
    if row is None and hit.callers.count() >= MOST_CALLERS:
        row = hit.callers.order_by("last_at").first()
    if row is None:
        standing = attempt.source in STANDING
        HitCaller.objects.create(
            hit=hit,
            caller=attempt.caller,
            source=attempt.source,
            what=attempt.what[:200],
            key=attempt.key,
            details=attempt.details,
            first_at=attempt.at,
            last_at=attempt.at,
            seen_at=clock.now() if standing else None,
        )
        return True
    row.count += 1
    row.first_at = min(row.first_at, attempt.at)
    if attempt.at >= row.last_at:
        row.last_at, row.what, row.details = attempt.at, attempt.what[:200], attempt.details
    row.save()
    return False


def _told(departure: Departure, attempt: Attempt) -> HitCaller | None:
    """The row that tells of this very use already, of a hit that may be closed since.

    Of one caller nothing is told that lies before its last attempt; other callers do not matter.
    What the account shows (a credential made, a fence taken off) has no time of its own: it is told
    again only once it had ended in between.
    """
    rows = HitCaller.objects.filter(hit__departure=departure, hit__kind=attempt.kind)
    mine = rows.filter(caller=attempt.caller)
    if attempt.source in STANDING:
        mine = mine.filter(first_at__gte=departure.fenced_at or attempt.at)
        if departure.last_used_read_at is not None:
            mine = mine.filter(seen_at__gte=departure.last_used_read_at)
        return mine.order_by("-seen_at").first()
    if attempt.source == "last-used":
        # Read again each round it does not move by that; an event of the same key tells more.
        heard = mine | rows.filter(source="trail", key=attempt.key)
        return heard.filter(last_at__gte=attempt.at - ROUNDED).first()
    told = mine.filter(last_at__gte=attempt.at).first()
    return told or _standing_in(rows.exclude(hit__closed=""), attempt).first()


def _standing_in(rows: QuerySet[HitCaller], attempt: Attempt) -> QuerySet[HitCaller]:
    """The moved last-used dates that are this use, and came before its event."""
    return rows.filter(
        source="last-used",
        key=attempt.key,
        details__service=attempt.details.get("service", ""),
        last_at__range=(attempt.at - LAST_USED_SPAN, attempt.at + ROUNDED),
    )


def _stood_in(hit: Hit, attempt: Attempt) -> bool:
    """Whether a moved last-used date told of this use until its event came; it goes."""
    if attempt.source != "trail":
        return False
    return bool(_standing_in(hit.callers.all(), attempt).delete()[0])


def _close(hit: Hit, how: str, person: Person, reason: str) -> Hit:
    closed = Hit.objects.filter(pk=hit.pk, closed="").update(
        closed=how, closed_at=clock.now(), closed_by=person, closed_reason=reason.strip()
    )
    if not closed:
        hit.refresh_from_db()
        raise Stale(
            f"This hit was closed meanwhile{meanwhile.at(hit.closed_by, hit.closed_at)}. It is "
            f"{hit.get_closed_display().lower()}."
        )
    hit.refresh_from_db()
    ledger.append(f"hit.{how}", actor=person, user=hit.departure.user, reason=reason)
    return hit
