"""Events of event history become rows: how far was read, and what was done on which day.

What is kept is a summary by day, not the events. Whatever one batch of answers says is written by
a handful of statements, however many users and Regions it is about. Other sources keep `Activity`
too, of days before event history begins; coverage speaks of event history alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction

from inventory import clock
from inventory.aws.cloudtrail import DENIED, FAILED_SIGN_IN, HISTORY, USE, TrailEvent, TrailLook
from inventory.aws.trail_events import text
from inventory.models import Account, Activity, ArchiveCoverage, IamUser, TrailCoverage
from inventory.rights.named import together

# Events arrive minutes late, and AWS promises no most: each look goes back over the last hour. What
# comes later than that would never be read.
OVERLAP = timedelta(hours=1)
HOME_REGION = "us-east-1"
# A session of GetFederationToken lives this long at most.
FEDERATION_LIFE = timedelta(hours=36)
# The newest of them: whoever takes a name for each visitor is in use in any case.
MOST_FEDERATED_NAMES = 100
_OUTCOMES = {DENIED: "denied", FAILED_SIGN_IN: "failed-sign-in"}
_KEY = ("day", "region", "service", "action", "access_key_id", "source_address", "user_agent")
_SEEN_FOR = 24 * 3600
_ROWS_AT_ONCE = 1000
_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about one user (its pk) in one Region.

    `looks` are applied in order. `error` says that and why the Region is not covered, whatever was
    found. `covers` is False where only a further name was asked for: that covers nothing. `older`:
    only what lies before was read, which is no look at what the user does now.
    """

    user: int
    region: str
    looks: tuple[TrailLook, ...] = ()
    error: str = ""
    covers: bool = True
    older: bool = False


def regions_of(account: Account) -> list[str]:
    """Where event history is read: the declared Regions that are enabled, or all enabled ones.

    The home Region is always among them: IAM's own events and many sign-ins are only there.
    """
    if not account.regions:
        return list(account.enabled_regions)
    declared = {*account.regions, HOME_REGION}
    return [region for region in account.enabled_regions if region in declared]


def since(read_to: datetime | None, until: datetime) -> datetime:
    """From when to read on, given how far was read before (None: not at all)."""
    oldest = until - HISTORY
    start = oldest if read_to is None else max(read_to - OVERLAP, oldest)
    # AWS asks and dates in whole seconds: an event of that second is of what was asked for.
    return start.replace(microsecond=0)


def keep(answers: Sequence[Answer]) -> list[list[TrailEvent]]:
    """Save what these looks found and how far they read, in one transaction of a few statements.

    By answer the events that were not seen before, oldest first. At most one answer for a user and
    Region that covers.
    """
    seen = _Seen(answers)
    with transaction.atomic():
        rows = {
            (row.user_id, row.region): row
            for row in TrailCoverage.objects.select_for_update()
            .filter(
                user__in={one.user for one in answers}, region__in={one.region for one in answers}
            )
            .order_by("pk")
        }
        changed: dict[tuple[int, str], TrailCoverage] = {}
        summary = _Summary(answers)
        new: list[list[TrailEvent]] = []
        for answer in answers:
            new.append(summary.add(answer, rows.get((answer.user, answer.region)), seen))
            key = (answer.user, answer.region)
            if answer.covers or answer.error:
                changed[key] = rows[key] = _covered(rows.get(key), answer)
        TrailCoverage.objects.bulk_create(
            changed.values(),
            batch_size=_ROWS_AT_ONCE,
            update_conflicts=True,
            unique_fields=["user", "region"],
            update_fields=["read_from", "read_to", "error", "looked_at"],
        )
        summary.save()
        _keep_federated(answers)
    # Only now: what is marked as seen must have been saved.
    seen.remember()
    return new


def _covered(row: TrailCoverage | None, answer: Answer) -> TrailCoverage:
    """The row after this answer: it never claims to have read what was not read without a gap."""
    row = row or TrailCoverage(user_id=answer.user, region=answer.region)
    for look in answer.looks if answer.covers else ():
        apart = (
            row.read_from is None
            or row.read_to is None
            or look.read_from > row.read_to
            or look.read_to < row.read_from
        )
        if not apart and row.read_from and row.read_to:
            row.read_from = min(row.read_from, look.read_from)
            row.read_to = max(row.read_to, look.read_to)
        elif row.read_to is None or look.read_to >= row.read_to:
            # It could not reach back to the last one: the coverage begins anew.
            row.read_from, row.read_to = look.read_from, look.read_to
    if not answer.older:
        row.error, row.looked_at = text(answer.error), clock.now()
    return row


class _Seen:
    """Which events of the overlap the last looks saw.

    Should the cache forget them, a few calls are counted twice; whether and when the user was used
    stays right.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._recent: dict[str, set[str]] = {}
        asked: set[str] = set()
        for answer in answers:
            if any(look.events for look in answer.looks):
                # Also where all are older than the overlap of this look: they may be of the last.
                asked.add(self._key(answer))
            recent = {
                event.event_id
                for look in answer.looks
                for event in look.events
                if event.at >= look.read_to - 2 * OVERLAP
            }
            if recent:
                self._recent.setdefault(self._key(answer), set()).update(recent)
        known = cache.get_many(list(asked)) if asked else {}
        self._before = {key: set(ids) for key, ids in known.items()}

    @staticmethod
    def _key(answer: Answer) -> str:
        return f"trail:{answer.user}:{answer.region}"

    def before(self, answer: Answer) -> set[str]:
        return self._before.get(self._key(answer), set())

    def remember(self) -> None:
        told = {
            key: sorted(recent | self._before.get(key, set()))[-2000:]
            for key, recent in self._recent.items()
        }
        if told:
            cache.set_many(told, timeout=_SEEN_FOR)


class _Archived:
    """Which days the archive has read whole: their events count there already.

    The rows stay locked until the looks are saved, so that no day changes hands meanwhile.
    """

    def __init__(self, users: Collection[int], regions: Collection[str]) -> None:
        self._account_of: dict[int, int] = dict(
            IamUser.objects.filter(pk__in=users).values_list("pk", "account_id")
        )
        rows = ArchiveCoverage.objects.filter(
            account__in=set(self._account_of.values()), region__in=regions
        )
        self._rows = {
            (row.account_id, row.region): row
            for row in rows.select_for_update().order_by("pk").defer("draft")
        }

    def owns(self, user: int, event: TrailEvent) -> bool:
        row = self._rows.get((self._account_of.get(user, 0), event.region))
        return row is not None and row.owns(event.at.date())


class _Summary:
    """Events of many users added up by day, on top of the rows that are there."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        users: set[int] = set()
        days: set[date] = set()
        regions: set[str] = set()
        for answer in answers:
            for look in answer.looks:
                for event in look.events:
                    users.add(answer.user)
                    days.add(event.at.date())
                    regions.add(event.region[:30])
        self._archived = _Archived(users, regions)
        found = (
            Activity.objects.select_for_update()
            .filter(user__in=users, day__in=days, region__in=regions)
            .order_by("pk")
            if users
            else ()
        )
        self._rows: dict[_Key, Activity] = {_key_of(row): row for row in found}
        self._spans = {key: (row.first_at, row.last_at) for key, row in self._rows.items()}
        self._changed: dict[_Key, Activity] = {}

    def add(self, answer: Answer, row: TrailCoverage | None, seen: _Seen) -> list[TrailEvent]:
        """Count the events of an answer that were not seen before; those, oldest first."""
        before = set(seen.before(answer))
        new: list[TrailEvent] = []
        # Reading on below a gap, a look may come upon what was counted before the gap.
        counted = row.read_to - 2 * OVERLAP if row is not None and row.read_to else None
        for look in answer.looks:
            for event in look.events:
                again = not answer.covers or (counted is not None and event.at < counted)
                if event.event_id in before or (again and self._counted(answer.user, event)):
                    continue
                before.add(event.event_id)
                if not self._archived.owns(answer.user, event):
                    self._count(answer.user, event)
                new.append(event)
        return sorted(new, key=lambda event: event.at)

    def _counted(self, user: int, event: TrailEvent) -> bool:
        span = self._spans.get(_key_of(_row(user, event)))
        return span is not None and span[0] <= event.at <= span[1]

    def _count(self, user: int, event: TrailEvent) -> None:
        row = _row(user, event)
        key = _key_of(row)
        old = self._rows.setdefault(key, row)
        if old is not row:
            old.count += 1
            old.first_at = min(old.first_at, row.first_at)
            old.last_at = max(old.last_at, row.last_at)
            old.resources = together(old.resources, row.resources)
        self._changed[key] = old

    def save(self) -> None:
        Activity.objects.bulk_create(
            self._changed.values(),
            batch_size=_ROWS_AT_ONCE,
            update_conflicts=True,
            unique_fields=["user", *_KEY, "outcome"],
            update_fields=["count", "first_at", "last_at", "resources"],
        )


def _key_of(row: Activity) -> _Key:
    return (row.user_id, *(getattr(row, column) for column in _KEY), row.outcome)


def _row(user: int, event: TrailEvent) -> Activity:
    return Activity(
        user_id=user,
        day=event.at.date(),
        region=event.region[:30],
        service=event.service[:100],
        action=event.action[:100],
        access_key_id=event.access_key_id[:128],
        source_address=event.source_address[:255],
        user_agent=event.user_agent[:255],
        outcome=_OUTCOMES.get(event.kind, "ok"),
        resources=list(event.resources) or None,
        count=1,
        first_at=event.at,
        last_at=event.at,
    )


def federated_name(event: TrailEvent) -> str:
    """The name under which a session will act that this event began; "" if it began none."""
    began = event.service == "sts" and event.action == "GetFederationToken"
    if not began or event.kind != USE or event.error_code:
        return ""
    return text(event.request.get("name"))


def _keep_federated(answers: Iterable[Answer]) -> None:
    """Note under which names sessions of these users act from now on."""
    began: dict[int, dict[str, list[datetime]]] = {}
    for answer in answers:
        for look in answer.looks:
            for event in look.events:
                name = federated_name(event)
                if name:
                    began.setdefault(answer.user, {}).setdefault(name, []).append(event.at)
    if not began:
        return
    users = list(
        IamUser.objects.select_for_update().filter(pk__in=began).only("pk", "federated_names")
    )
    for user in users:
        user.federated_names = _with_names(user.federated_names, began[user.pk])
    IamUser.objects.bulk_update(users, ["federated_names"])


def _with_names(
    known: Mapping[str, Mapping[str, Any]], began: Mapping[str, Sequence[datetime]]
) -> dict[str, dict[str, Any]]:
    names = {name: dict(told) for name, told in known.items()}
    for name, times in began.items():
        old = names.get(name)
        first, last = min(times).isoformat(), max(times).isoformat()
        if old is None:
            names[name] = {"from": first, "to": last, "asked": False}
        else:
            old.update(to=max(old["to"], last))
    newest = sorted(names, key=lambda name: names[name]["to"], reverse=True)
    return {name: names[name] for name in newest[:MOST_FEDERATED_NAMES]}


def alive_after(names: Mapping[str, Mapping[str, Any]], since: datetime) -> list[str]:
    """Of an IAM user's `federated_names` those whose sessions may have acted after `since`, the
    latest first."""
    alive = [
        name
        for name, told in names.items()
        if datetime.fromisoformat(told["to"]) + FEDERATION_LIFE > since
    ]
    return sorted(alive, key=lambda name: str(names[name]["to"]), reverse=True)
