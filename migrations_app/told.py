"""The notice ledger: who was told what about whom, when, by which channel, and who opened it.

Everybody may see that somebody was told. What a message said may name addresses and policies, so
its text is for those it went to and for those who see everything; what concerns one person alone is
theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from inventory import at_once
from inventory.models import Person, Role
from migrations_app import log
from migrations_app.models import Delivery, Departure, Notice, Opening
from migrations_app.outgoing import notices

PAGE = 50
ON_USER_PAGE = 10
UNOPENED = "unopened"
FIELDS = (
    "at",
    "kind",
    "title",
    "to",
    "batch",
    "users",
    "channel",
    "address",
    "status",
    "tries",
    "accepted_at",
    "problem",
    "opened_by",
    "opened_at",
    "key",
)
_LOOKS = {
    Delivery.Status.QUEUED: ("clock", ""),
    Delivery.Status.ACCEPTED: ("circle-check", "done"),
    Delivery.Status.PARKED: ("alert-octagon", "danger"),
    Delivery.Status.UNSET: ("circle-dashed", ""),
    Delivery.Status.REHEARSED: ("eye", ""),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way a message went, as a page shows it; `address` is "" for whoever may not see it."""

    delivery: Delivery
    address: str
    icon: str
    tone: str

    @property
    def may_be_sent_again(self) -> bool:
        return self.delivery.status in (Delivery.Status.PARKED, Delivery.Status.UNSET)


@dataclass(frozen=True, slots=True)
class Told:
    """One message: to whom, by which ways, and who opened it signed in."""

    notice: Notice
    to: str
    what: str
    ways: tuple[Way, ...]
    openings: tuple[Opening, ...]


def visible(person: Person) -> QuerySet[Notice]:
    """The messages that `person` may know of, the latest first."""
    rows = Notice.objects.order_by("-pk")
    if log.sees_everything(person):
        return rows
    return rows.filter(Q(person=None) | Q(person=person))


def may_read(notice: Notice, person: Person) -> bool:
    """Whether `person` may see what it said, and not only that it was said."""
    if log.sees_everything(person):
        return True
    return notices.inbox_for(person).filter(pk=notice.pk).exists()


def narrowed(rows: QuerySet[Notice], filters: Mapping[str, Any]) -> QuerySet[Notice]:
    """By kind, team, channel, status, IAM user (name or id), batch and day (UTC)."""
    if filters.get("kind"):
        rows = rows.filter(kind=filters["kind"])
    if filters.get("team"):
        rows = rows.filter(team=filters["team"])
    if filters.get("batch"):
        rows = rows.filter(batch__number=filters["batch"])
    if filters.get("user"):
        rows = rows.filter(Exists(_about(filters["user"])))
    if filters.get("day"):
        start = datetime.combine(filters["day"], time(), UTC)
        rows = rows.filter(at__gte=start, at__lt=start + timedelta(days=1))
    return _by_way(rows, filters.get("channel", ""), filters.get("status", ""))


def lines(rows: QuerySet[Notice], person: Person) -> list[Told]:
    """Messages with their ways and openings, in as few queries for fifty as for one."""
    whole = log.sees_everything(person)
    return [_line(notice, whole) for notice in _whole(rows)]


def one(notice: Notice, *, whole: bool) -> Told:
    """One message with the texts of its ways."""
    return _line(_whole(Notice.objects.filter(pk=notice.pk), texts=True).get(), whole)


def _line(notice: Notice, whole: bool) -> Told:
    """Without `whole` no address of anybody."""
    return Told(
        notice=notice,
        to=to_whom(notice),
        what=log.words_of(notice.kind),
        ways=tuple(_way(one, whole) for one in notice.deliveries.all()),
        openings=tuple(notice.openings.all()),
    )


def about(departure: Departure, person: Person) -> dict[str, QuerySet[Any]]:
    """What to ask (`inventory.at_once`) of the latest messages about one IAM user."""
    rows = visible(person).filter(departures=departure)[: ON_USER_PAGE + 1]
    beside = {"notice__in": rows.values("pk")}
    return {
        "notices": rows.select_related("team", "person", "batch"),
        "openings": _openings().filter(**beside),
        "deliveries": _deliveries().defer("rendered").filter(**beside),
    }


def lines_about(told: Mapping[str, Any], person: Person) -> tuple[list[Told], bool]:
    """The messages, as `about` was answered, and whether there are more."""
    whole, ways = log.sees_everything(person), ("openings", "deliveries")
    for notice in told["notices"]:
        for name in ways:
            rows = [row for row in told[name] if row.notice_id == notice.pk]
            at_once.put_beside(notice, name, rows)
    found = [_line(notice, whole) for notice in told["notices"]]
    return found[:ON_USER_PAGE], len(found) > ON_USER_PAGE


def kinds() -> list[tuple[str, str]]:
    """Every kind of message there is, for the filter."""
    rows = Notice.objects.order_by("kind").values_list("kind", flat=True).distinct()
    return [(kind, log.words_of(kind)) for kind in rows]


def parked() -> QuerySet[Delivery]:
    """What could not be delivered and waits for a person, the latest first."""
    rows = Delivery.objects.filter(status=Delivery.Status.PARKED).order_by("-at")
    return rows.select_related("notice__team", "notice__person", "person")


def to_whom(notice: Notice) -> str:
    """The recipient of a message: a person, a team, or everybody with a role."""
    if notice.person:
        return str(notice.person)
    if notice.team:
        return str(notice.team)
    labels = dict(Role.choices)
    return f"every {labels.get(notice.role, notice.role).lower()}" if notice.role else "nobody"


def export_rows(
    rows: QuerySet[Notice] | None = None, *, whole: bool = True
) -> Iterator[dict[str, Any]]:
    """One row for each way of each message, the inbox first."""
    chosen = Notice.objects.order_by("-pk") if rows is None else rows
    about_whom = Prefetch(
        "departures", Departure.objects.select_related("user__account").order_by("pk")
    )
    for notice in _whole(chosen).prefetch_related(about_whom).iterator(chunk_size=500):
        told = _line(notice, whole)
        yield {**_row(told), **_in_inbox(told.openings)}
        for way in told.ways:
            yield {**_row(told), **_by_channel(way, whole)}


def _row(told: Told) -> dict[str, Any]:
    notice = told.notice
    users = [row.user for row in notice.departures.all()]
    return dict.fromkeys(FIELDS, "") | {
        "at": notice.at,
        "kind": notice.kind,
        "title": notice.title,
        "to": told.to,
        "batch": notice.batch.number if notice.batch else None,
        "users": [f"{user.user_name} {user.account.account_id}/{user.user_id}" for user in users],
        "key": notice.key,
        "tries": None,
        "accepted_at": None,
        "opened_by": [],
        "opened_at": [],
    }


def _in_inbox(openings: Iterable[Opening]) -> dict[str, Any]:
    seen = list(openings)
    return {
        "channel": "inbox",
        "status": "opened" if seen else UNOPENED,
        "opened_by": [str(one.person) for one in seen],
        "opened_at": [one.at for one in seen],
    }


def _by_channel(way: Way, whole: bool) -> dict[str, Any]:
    one = way.delivery
    return {
        "channel": one.channel,
        "address": way.address,
        "status": one.status,
        "tries": one.tries,
        "accepted_at": one.accepted_at,
        "problem": one.problem if whole else "",
    }


def _whole(rows: QuerySet[Notice], *, texts: bool = False) -> QuerySet[Notice]:
    deliveries = _deliveries() if texts else _deliveries().defer("rendered")
    return rows.select_related("team", "person", "batch").prefetch_related(
        Prefetch("openings", _openings()), Prefetch("deliveries", deliveries)
    )


def _openings() -> QuerySet[Opening]:
    return Opening.objects.select_related("person").order_by("at")


def _deliveries() -> QuerySet[Delivery]:
    return Delivery.objects.select_related("person").order_by("pk")


def _way(delivery: Delivery, whole: bool) -> Way:
    icon, tone = _LOOKS[Delivery.Status(delivery.status)]
    return Way(delivery, delivery.address if whole else "", icon, tone)


def _about(wanted: str) -> QuerySet[Any]:
    through = Notice.departures.through.objects.filter(notice=OuterRef("pk"))
    return through.filter(
        Q(departure__user__user_name__iexact=wanted) | Q(departure__user__user_id=wanted)
    )


def _by_way(rows: QuerySet[Notice], channel: str, status: str) -> QuerySet[Notice]:
    """Of the same delivery: what was parked in Slack is not what was parked and went to Slack."""
    if status == UNOPENED:
        rows, status = rows.filter(~Exists(Opening.objects.filter(notice=OuterRef("pk")))), ""
    if not channel and not status:
        return rows
    ways = Delivery.objects.filter(notice=OuterRef("pk"))
    if channel:
        ways = ways.filter(channel=channel)
    if status:
        ways = ways.filter(status=status)
    return rows.filter(Exists(ways))
