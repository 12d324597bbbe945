"""The soak board as values: who is off, for how long, what called, and who may do what about it.

The questions are in `migrations_app.soak.board_rows`; how many are asked does not depend on how
many users are off.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet

from inventory import at_once
from inventory.models import Person, Team
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure, Hit
from migrations_app.soak import board_rows, hearing
from migrations_app.soak.board_rows import Group, Place, Scope
from migrations_app.soak.hit_panels import HitPanel, Reach, panel_of

DAY = timedelta(days=1)
SHOWN = 5
ON_ONE_PAGE = 50
# A column that ends that soon offers its delete batch.
SOON = timedelta(days=7)
# So many readers, each with a scope, have what is asked beside the columns kept by a process.
_READERS = 256
LONGEST_EXTENSION = timedelta(days=90)
_ORDER = {"watch": 0, "day": 1, "ready": 2}


@dataclass(frozen=True, slots=True)
class Card:
    """One user that is off; `batch` is the number of the delete batch it is in."""

    departure: Departure
    days_left: int
    days_total: int
    ready: bool
    called: bool
    # Among the latest ones, which have a panel.
    hit: Hit | None = None
    flag: str = ""
    batch: int | None = None
    may_restore: bool = False
    # What could not be heard of it, in a few words; all of them on its page.
    unheard: str = ""
    # It was called since its fence, and somebody closed that.
    answered: bool = False

    @property
    def tone(self) -> str:
        return "disabled" if self.departure.state == State.DISABLED else "soaking"

    @property
    def due_at(self) -> datetime | None:
        return self.departure.due_at


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the board, in the order of the lifecycle, with the first of its users."""

    key: str
    title: str
    day: date | None
    sub: str
    users: int
    cards: tuple[Card, ...]
    action: str = ""
    action_url: str = ""
    # When the first of them is shut, for the watch.
    first_at: datetime | None = None

    @property
    def more(self) -> int:
        return max(self.users - len(self.cards), 0)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the soak page shows. `cards` are those of the list, one page of them."""

    watched: int
    soaking: int
    called: int
    panels: tuple[HitPanel, ...]
    columns: tuple[Column, ...]
    extended: Column | None
    cards: tuple[Card, ...]
    listed: int
    partly: tuple[Card, ...]
    knocks: int
    teams: tuple[Team, ...]
    next_batch: Batch | None = None
    # How many were called since their fence and have no open hit any more.
    answered: int = 0

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return (*self.columns, self.extended) if self.extended else self.columns

    @property
    def total(self) -> int:
        return self.watched + self.soaking

    @property
    def last_hit_at(self) -> datetime | None:
        return max((panel.hit.last_at for panel in self.panels), default=None)

    @property
    def mark(self) -> str:
        """Changes when a column, a card, a day left or a hit does."""
        seen = (
            [(one.key, one.users, one.sub, one.action) for one in self.all_columns],
            [
                (card.departure.pk, card.flag, card.days_left, card.unheard, card.answered)
                for card in self.cards
            ],
            [(panel.hit.pk, panel.hit.count) for panel in self.panels],
            (self.called, self.answered, self.knocks, len(self.partly)),
        )
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the board is looked at: its columns, or a page of one column's (or all) users.

    `teams`: whether there is a filter to choose a team in.
    """

    columns: bool = True
    column: str = ""
    page: int = 1
    teams: bool = True


def board_for(
    person: Person, scope: Scope, now: datetime, wanted: Wanted, reach: Reach | None = None
) -> Board:
    """The board of `scope` as `person` may see it; seven queries at most."""
    reach = reach or Reach.of(person)
    told = _beside(person.pk, scope, wanted.teams).answer()
    batched = [row["departure"] for row in told["batches"]]
    found = board_rows.groups(scope, now, SHOWN if wanted.columns else 0, batched)
    groups = sorted(found, key=_place)
    places = _places(groups, scope, now, wanted)
    cards = _cards(places, told, reach, now)
    by_key: dict[str, list[Card]] = defaultdict(list)
    for place, card in cards:
        by_key[place.key].append(card)
    columns = [_column(one, by_key[one.key], reach, scope.account_id) for one in groups]
    watched = sum(group.watched for group in groups)
    answered = {row["departure"] for row in told["answered"]}
    return Board(
        watched=watched,
        soaking=sum(group.users for group in groups) - watched,
        called=sum(group.called for group in groups),
        panels=_panels(told, reach),
        columns=tuple(one for one in columns if one.key not in ("extended", "partly")),
        extended=next((one for one in columns if one.key == "extended"), None),
        cards=tuple(card for _, card in cards),
        listed=sum(group.users for group in groups if wanted.column in ("", group.key)),
        partly=tuple(card for _, card in cards if card.flag == "partly-deleted"),
        knocks=told["knocks"],
        teams=tuple(told["teams"]),
        next_batch=next(iter(told["next_batch"]), None),
        answered=len(answered - {hit.departure_id for hit in told["hits"]}),
    )


@lru_cache(_READERS)
def _beside(person_pk: int, scope: Scope, teams: bool) -> at_once.Asked:
    """What is asked beside the columns, in words that are the same each time."""
    hits = board_rows.panels(scope)
    return at_once.Asked(
        Person.objects.filter(pk=person_pk),
        {
            "hits": hits,
            "callers": board_rows.callers(hits),
            "told": board_rows.told(hits),
            "restoring": board_rows.restoring_now().values("departure"),
            "batches": board_rows.in_batches().values("departure", "batch__number"),
            "knocks": at_once.number(scope.hits(Hit.Kind.KNOCK)),
            "answered": scope.answered().order_by().values("departure").distinct(),
            "teams": _teams_off() if teams else Team.objects.none(),
            "next_batch": board_rows.next_batch(),
        },
    )


def _teams_off() -> QuerySet[Team]:
    """The teams that have users fenced or shut, for the filter."""
    off = Departure.objects.switched_off()
    return Team.objects.filter(pk__in=off.values("owner")).only("key", "name")


def _places(groups: Iterable[Group], scope: Scope, now: datetime, wanted: Wanted) -> list[Place]:
    """Who is shown."""
    if wanted.columns:
        return [place for group in groups for place in group.first]
    start = (wanted.page - 1) * ON_ONE_PAGE
    return board_rows.by_due(scope, now, wanted.column, start, ON_ONE_PAGE)


def _place(group: Group) -> tuple[int, int]:
    """Watch, each soak end from the farthest to the nearest, ready to delete."""
    on = group.ends_on
    return _ORDER.get(group.column, 3), -on.toordinal() if on else 0


def _panels(told: Mapping[str, Any], reach: Reach) -> tuple[HitPanel, ...]:
    """The open hits, newest first, with when their owners were told."""
    told_at = {row["departures"]: row["told"] for row in told["told"]}
    for hit in told["hits"]:
        rows = [row for row in told["callers"] if row.hit_id == hit.pk]
        at_once.put_beside(hit, "callers", rows)
    return tuple(panel_of(hit, reach, told_at.get(hit.departure_id)) for hit in told["hits"])


def _cards(
    places: Sequence[Place], told: Mapping[str, Any], reach: Reach, now: datetime
) -> list[tuple[Place, Card]]:
    hits = {hit.departure_id: hit for hit in told["hits"]}
    restoring = {row["departure"] for row in told["restoring"]}
    batches = {row["departure"]: row["batch__number"] for row in told["batches"]}
    answered = {row["departure"] for row in told["answered"]}
    shown = board_rows.departures(places)
    unheard = hearing.unheard(list(shown.values()), now)
    found = []
    for place in places:
        row = shown[place.departure]
        due, started = row.due_at, row.clock_started_at
        left = max((due - now) / DAY, 0.0) if due else 0.0
        flag = _flag(row, now, restoring)
        card = Card(
            departure=row,
            days_left=math.ceil(left),
            days_total=max(math.ceil((due - started) / DAY), 1) if due and started else 1,
            ready=place.column == "ready",
            called=place.called,
            hit=hits.get(row.pk),
            flag=flag,
            batch=batches.get(row.pk),
            may_restore=reach.may_restore(row) and flag not in ("partly-deleted", "restoring"),
            answered=row.pk in answered,
            unheard=hearing.in_short(unheard[row.pk], row.lengthened_by),
        )
        found.append((place, card))
    return found


def _flag(departure: Departure, now: datetime, restoring: set[int]) -> str:
    if departure.partly_deleted:
        return "partly-deleted"
    if departure.pk in restoring:
        return "restoring"
    if departure.disputed_until and departure.disputed_until >= now.date():
        return "disputed"
    if departure.not_before and departure.not_before > now:
        return "extended"
    return ""


_TITLES = {
    "watch": ("Watch", "Fenced, keys live, every call denied"),
    "ready": ("Ready to delete", "The soak is over, no open hit"),
    "extended": ("Extended", "Held until the day that was set"),
    "partly": ("Partly deleted", "Past the point of no return"),
}


def _column(group: Group, cards: Sequence[Card], reach: Reach, account_id: str) -> Column:
    name = group.column
    title, sub = _TITLES.get(name, ("", ""))
    if name == "day":
        left = max((card.days_left for card in cards), default=0)
        words = "1 day" if left == 1 else f"{left} days"
        sub = f"Shut, {words} of soak left" if left else "Shut, the soak is over, held"
    action, url = "", ""
    soon = name == "day" and cards and min(card.days_left for card in cards) <= SOON.days
    if reach.operates and (name == "ready" or soon):
        action, url = _compose(group, cards, account_id)
    return Column(
        key=group.key,
        title=title,
        day=group.ends_on,
        sub=sub,
        users=group.users,
        cards=tuple(cards),
        action=action,
        action_url=url,
        first_at=group.earliest if name == "watch" else None,
    )


def _compose(group: Group, cards: Sequence[Card], account_id: str) -> tuple[str, str]:
    """What to do with a column: the batch its users are in, or one to compose."""
    if not group.free:
        number = next((card.batch for card in cards if card.batch), None)
        return (f"In batch #{number}", f"/batches/{number}/") if number else ("", "")
    account = account_id or group.of_account
    return "Compose delete batch", f"/batches/new/?account={account}&move=delete"
