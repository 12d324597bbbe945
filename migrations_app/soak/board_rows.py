"""The soak board's questions: who is off, sorted into columns by the database.

Thousands may be off in many accounts; a board shows a few of each column and how many there are.
Whoever is off is read from indexes that hold nobody else and all that the columns need of them
(`departure_off`, `listed_off`), so that no wide row is touched but those that are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import F, Max, QuerySet

from inventory.hashing import digest
from inventory.models import LedgerEntry, Team
from inventory.remembered import remembered
from inventory.statements import Instances
from migrations_app.lifecycle import SWITCHED_OFF, MoveName
from migrations_app.models import Batch, Change, Departure, Hit, HitCaller, Notice

PANELS = 10
KEPT_SECONDS = 15
UNDER_WAY = (Change.Status.QUEUED, Change.Status.RUNNING)
# A column as the database has it: a number, which sorts and groups much faster than a name. From
# one on it is the day on which a soak ends, counted as `date.toordinal` does.
NAMED = {"ready": -1, "watch": -2, "extended": -3, "partly": -4}
_NAMES = {number: name for name, number in NAMED.items()}
# What a card, a row of the list and what was not heard show.
_READ = (
    *("state", "owner__name", "owner__key", "fenced_at", "clock_started_at", "watch", "soak"),
    *("lengthened_by", "not_before", "not_before_reason", "disputed_until", "irreversible_at"),
    *("user__user_id", "user__user_name", "user__account__account_id", "user__account__name"),
    *("user__account__time_zone", "user__account__enabled_regions"),
)
# What a panel shows of a hit and whom it is on.
_OF_HIT = (
    *(field.name for field in Hit._meta.concrete_fields),
    *("departure__state", "departure__owner__name", "departure__owner__key"),
    *("departure__user__user_id", "departure__user__user_name"),
    *("departure__user__account__account_id", "departure__user__account__name"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose users: of these teams (all without any), in one account (all with an empty id)."""

    teams: tuple[Team, ...] = ()
    account_id: str = ""

    def hits(self, kind: Hit.Kind) -> QuerySet[Hit]:
        """Of one kind, on whoever is off."""
        return Hit.objects.filter(kind=kind, **self._filters("departure__"))

    def answered(self) -> QuerySet[Hit]:
        """Attempts since the fence that people closed, on whoever is still off."""
        closed = self.hits(Hit.Kind.HIT).exclude(closed="")
        return closed.filter(last_at__gte=F("departure__fenced_at"))

    def _filters(self, prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {f"{prefix}state__in": sorted(SWITCHED_OFF)}
        if self.teams:
            found[f"{prefix}owner__in"] = self.teams
        if self.account_id:
            found[f"{prefix}listed__account__account_id"] = self.account_id
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """One user in the order of the board, and in which column it stands."""

    departure: int
    column: str
    ends_on: date | None
    called: bool

    @property
    def key(self) -> str:
        return _key(self.column, self.ends_on)


@dataclass(frozen=True, slots=True)
class Group:
    """One column: watch, ready, extended, partly, or the day on which the soak of its users ends,
    in their account's time zone.

    `free` are not in a batch yet, `of_account` is the account of one of them; `first`, those that
    were called and then those that are due next.
    """

    column: str
    ends_on: date | None
    users: int
    watched: int
    called: int
    earliest: datetime | None
    free: int
    of_account: str | None
    first: tuple[Place, ...]

    @property
    def key(self) -> str:
        return _key(self.column, self.ends_on)


def groups(scope: Scope, now: datetime, shown: int, batched: Iterable[int] = ()) -> list[Group]:
    """The columns in no order, each with the first `shown` of its users; two queries at most.

    Everybody watches the board, so all whose polls come within KEPT_SECONDS are told the same,
    unless something happened in between: a hit, a restore and every change of a state is an entry
    of the ledger. Who is put into a draft is none, so that `batched`, whoever `in_batches` holds,
    counts too. What only the clock brings, such as the end of a soak, may come that much later.
    """
    head = LedgerEntry.objects.order_by("-seq").values_list("hash", flat=True).first()
    key = digest(
        [head, [team.pk for team in scope.teams], scope.account_id, shown, sorted(batched)]
    )
    rows = remembered(
        f"soak-groups:{key}", KEPT_SECONDS, lambda: _asked(_GROUPS, scope, now, shown=shown)
    )
    return [_group(row) for row in rows]


def by_due(scope: Scope, now: datetime, column: str, start: int, number: int) -> list[Place]:
    """So many of everybody, or of one column by its key, after the first `start`; one query."""
    place = NAMED.get(column)
    if column and place is None:
        place = date.fromisoformat(column).toordinal()
    found = _asked(_BY_DUE, scope, now, place=place, start=start, number=number)
    return [Place(pk, *_column_of(place), called) for pk, place, called in found]


def departures(places: Iterable[Place]) -> dict[int, Departure]:
    """By their key the departures at these places, with what is shown of them; one query."""
    return {row.pk: row for row in _of_cards().get([place.departure for place in places])}


@cache
def _of_cards() -> Instances:
    return Instances.of(Departure.objects.select_related("user__account", "owner").only(*_READ))


def panels(scope: Scope) -> QuerySet[Hit]:
    """The latest open hits."""
    hits = scope.hits(Hit.Kind.HIT).filter(closed="").order_by("-last_at")
    along = hits.select_related("departure__user__account", "departure__owner")
    return along.only(*_OF_HIT)[:PANELS]


def callers(hits: QuerySet[Hit]) -> QuerySet[HitCaller]:
    return HitCaller.objects.filter(hit__in=hits.values("pk"))


def told(hits: QuerySet[Hit]) -> QuerySet[Any]:
    """By departure when its team was last told of a hit."""
    rows = Notice.objects.filter(
        kind="hit", team__isnull=False, departures__in=hits.values("departure")
    )
    return rows.order_by().values("departures").annotate(told=Max("at"))


def restoring_now() -> QuerySet[Change]:
    return Change.objects.filter(move=MoveName.RESTORE, status__in=UNDER_WAY)


def in_batches() -> QuerySet[Change]:
    """Changes of delete batches that have not ended."""
    rows = Change.objects.filter(move=MoveName.DELETE, batch__status__in=Batch.OPEN)
    return rows.exclude(status__in=Change.ENDED)


def next_batch() -> QuerySet[Batch]:
    rows = Batch.objects.filter(status=Batch.Status.APPROVED).defer("undo_script")
    return rows.order_by("window_from")[:1]


def _key(column: str, ends_on: date | None) -> str:
    return ends_on.isoformat() if ends_on else column


def _column_of(place: int | None) -> tuple[str, date | None]:
    """The column and its day that the database has as a number."""
    if place is None or place > 0:
        return "day", None if place is None else date.fromordinal(place)
    return _NAMES[place], None


def _group(row: tuple[Any, ...]) -> Group:
    place, users, watched, called, earliest, free, of_account, first = row
    column, ends_on = _column_of(place)
    # Those that were called come first.
    places = tuple(Place(pk, column, ends_on, at < called) for at, pk in enumerate(first))
    return Group(column, ends_on, users, watched, called, earliest, free, of_account, places)


def _asked(question: str, scope: Scope, now: datetime, **more: Any) -> list[tuple[Any, ...]]:
    given = {
        "now": now,
        "today": now.date(),
        "teams": [team.pk for team in scope.teams] or None,
        "account": scope.account_id or None,
        "under_way": [status.value for status in UNDER_WAY],
        "open": [status.value for status in Batch.OPEN],
        "ended": [status.value for status in Change.ENDED],
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"{_BOARD} {question}", given)
        return list(cursor.fetchall())


# Everybody that is off with the column it stands in. What decides that is worked out once for each.
_BOARD = """
WITH off AS MATERIALIZED (
    SELECT departure.id, departure.state, departure.not_before, account.account_id,
        account.time_zone, departure.irreversible_at IS NOT NULL AS partly,
        greatest(
            departure.clock_started_at + departure.lengthened_by
                + CASE departure.state WHEN 'disabled' THEN departure.watch
                    ELSE departure.soak END,
            departure.not_before
        ) AS due,
        departure.id IN (
            SELECT departure_id FROM migrations_app_hit WHERE kind = 'hit' AND closed = ''
        ) AS called,
        departure.id NOT IN (
            SELECT departure_id FROM migrations_app_change
            WHERE move = 'restore' AND status = ANY(%(under_way)s)
        ) AND coalesce(departure.disputed_until < %(today)s, true) AS free,
        departure.id IN (
            SELECT change.departure_id FROM migrations_app_change change
            JOIN migrations_app_batch batch ON batch.id = change.batch_id
            WHERE batch.status = ANY(%(open)s) AND change.move = 'delete'
                AND change.status <> ALL(%(ended)s)
        ) AS batched
    FROM migrations_app_departure departure
    -- A protection hides the state there, and none of those who are off is missing.
    JOIN migrations_app_listed listed ON listed.departure_id = departure.id
        AND listed.state IN ('disabled', 'protected', 'soaking')
    JOIN inventory_account account ON account.id = listed.account_id
    WHERE departure.state IN ('disabled', 'soaking')
        AND (%(teams)s::bigint[] IS NULL OR departure.owner_id = ANY(%(teams)s::bigint[]))
        AND (%(account)s::text IS NULL OR account.account_id = %(account)s)
),
board AS (
    SELECT off.*, CASE
        WHEN partly THEN -4
        WHEN free AND not_before > %(now)s THEN -3
        WHEN state = 'disabled' THEN -2
        WHEN free AND due <= %(now)s AND NOT called THEN -1
        ELSE (due AT TIME ZONE time_zone)::date - DATE '0001-01-01' + 1
    END AS place FROM off
)
"""
_GROUPS = """
SELECT place, count(*), count(*) FILTER (WHERE state = 'disabled'),
    count(*) FILTER (WHERE called), min(due) FILTER (WHERE NOT called),
    count(*) FILTER (WHERE NOT batched), min(account_id) FILTER (WHERE NOT batched),
    (array_agg(id ORDER BY called DESC, due, id))[1:%(shown)s]
FROM board GROUP BY place
"""
_BY_DUE = """
SELECT id, place, called FROM board
WHERE (%(place)s::integer IS NULL OR place = %(place)s)
ORDER BY called DESC, due, id OFFSET %(start)s LIMIT %(number)s
"""
