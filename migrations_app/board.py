"""The soak board as values: who is off, for how long, what called, and who may do what about it.

A handful of queries however many users are off; each question is a plain function.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from inventory.models import Person, Team
from migrations_app import hearing
from migrations_app.hit_panels import HitPanel, Reach, open_hits
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, Departure, Hit

DAY = timedelta(days=1)
SHOWN = 5
LONGEST_EXTENSION = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Card:
    """One user that is off."""

    departure: Departure
    days_left: int
    days_total: int
    ready: bool
    hit: Hit | None = None
    flag: str = ""
    batch: Batch | None = None
    may_restore: bool = False
    # What could not be heard of it, in a few words; all of them on its page.
    unheard: str = ""

    @property
    def tone(self) -> str:
        return "disabled" if self.departure.state == State.DISABLED else "soaking"

    @property
    def phase(self) -> str:
        return "Watch" if self.departure.state == State.DISABLED else "Soak"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the board, in the order of the lifecycle."""

    key: str
    title: str
    day: date | None
    sub: str
    cards: tuple[Card, ...]
    action: str = ""
    action_url: str = ""

    @property
    def shown(self) -> tuple[Card, ...]:
        return self.cards[:SHOWN]

    @property
    def more(self) -> int:
        return max(len(self.cards) - SHOWN, 0)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything the soak page shows."""

    watched: int
    soaking: int
    panels: tuple[HitPanel, ...]
    columns: tuple[Column, ...]
    extended: Column | None
    cards: tuple[Card, ...]
    partly: tuple[Card, ...]
    knocks: int
    next_batch: Batch | None = None

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return (*self.columns, self.extended) if self.extended else self.columns

    @property
    def total(self) -> int:
        return self.watched + self.soaking

    @property
    def last_hit_at(self) -> datetime | None:
        return max((panel.hit.last_at for panel in self.panels), default=None)


def teams_off() -> list[Team]:
    """The teams that have users fenced or shut, for the filter."""
    return list(Team.objects.filter(departures__in=Departure.objects.switched_off()).distinct())


def board_for(person: Person, teams: Sequence[Team], now: datetime, account_id: str = "") -> Board:
    """The board of `teams` (or everybody) in one account (or all), as `person` may see it."""
    rows = Departure.objects.switched_off().select_related("user__account", "owner")
    if account_id:
        rows = rows.filter(user__account__account_id=account_id)
    if teams:
        rows = rows.filter(owner__in=teams)
    departures = list(rows.order_by("clock_started_at", "pk"))
    reach = Reach.of(person)
    panels = open_hits(departures, reach)
    hits = {panel.hit.departure_id: panel.hit for panel in panels}
    restoring, batches = _open_changes(departures)
    unheard = hearing.unheard(departures, now)
    cards = [
        replace(
            _card(departure, now, hits.get(departure.pk), restoring, batches, reach),
            unheard=hearing.in_short(unheard[departure.pk], departure.lengthened_by),
        )
        for departure in departures
    ]
    partly = tuple(card for card in cards if card.flag == "partly-deleted")
    on_board = [card for card in cards if card.flag != "partly-deleted"]
    return Board(
        watched=sum(1 for row in departures if row.state == State.DISABLED),
        soaking=sum(1 for row in departures if row.state == State.SOAKING),
        panels=tuple(panels),
        columns=tuple(columns_of(on_board, reach.operates)),
        extended=extended_column(on_board),
        cards=tuple(sorted(cards, key=_by_due)),
        partly=partly,
        knocks=_knocks(departures),
        next_batch=_next_batch() if not departures else None,
    )


def _open_changes(departures: Iterable[Departure]) -> tuple[set[int], dict[int, Batch]]:
    """Who is being restored, and who stands in a batch that has not ended."""
    changes = Change.objects.filter(departure__in=[row.pk for row in departures]).select_related(
        "batch"
    )
    restoring = changes.filter(
        move=MoveName.RESTORE, status__in=[Change.Status.QUEUED, Change.Status.RUNNING]
    )
    batched = changes.filter(move=MoveName.DELETE, batch__status__in=Batch.OPEN).exclude(
        status__in=Change.ENDED
    )
    batches = {row.departure_id: row.batch for row in batched if row.batch is not None}
    return set(restoring.values_list("departure_id", flat=True)), batches


def _card(  # noqa: PLR0917
    departure: Departure,
    now: datetime,
    hit: Hit | None,
    restoring: set[int],
    batches: dict[int, Batch],
    reach: Reach,
) -> Card:
    due, started = departure.due_at, departure.clock_started_at
    left = max((due - now) / DAY, 0.0) if due else 0.0
    total = (due - started) / DAY if due and started else 0.0
    flag = _flag(departure, now, restoring)
    soaking = departure.state == State.SOAKING
    return Card(
        departure=departure,
        days_left=math.ceil(left),
        days_total=max(math.ceil(total), 1),
        ready=bool(soaking and due and due <= now and hit is None and not flag),
        hit=hit,
        flag=flag,
        batch=batches.get(departure.pk),
        may_restore=reach.may_restore(departure) and flag not in ("partly-deleted", "restoring"),
    )


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


def _by_due(card: Card) -> tuple[bool, datetime | None, int]:
    due = card.departure.due_at
    return due is None, due or card.departure.state_since, card.departure.pk


def columns_of(cards: Sequence[Card], operates: bool) -> list[Column]:
    """Watch, each soak end from the farthest to the nearest, ready to delete."""
    watch, ready = [], []
    by_day: dict[date, list[Card]] = defaultdict(list)
    for card in cards:
        if card.flag == "extended":
            continue
        if card.departure.state == State.DISABLED:
            watch.append(card)
        elif card.ready:
            ready.append(card)
        else:
            by_day[soak_end(card.departure)].append(card)
    found = [_watch_column(watch)] if watch else []
    found += [_soak_column(day, by_day[day]) for day in sorted(by_day, reverse=True)]
    if ready:
        found.append(_ready_column(ready, operates))
    return found


def extended_column(cards: Sequence[Card]) -> Column | None:
    """Those that somebody asked to keep longer."""
    held = [card for card in cards if card.flag == "extended"]
    if not held:
        return None
    return Column(
        "extended", "Extended", None, "Held until the day that was set", _first_hits(held)
    )


def soak_end(departure: Departure) -> date:
    """The day on which watch or soak ends, in the account's time zone."""
    due = departure.due_at or departure.state_since
    return due.astimezone(ZoneInfo(departure.user.account.time_zone)).date()


def _first_hits(cards: Iterable[Card]) -> tuple[Card, ...]:
    return tuple(sorted(cards, key=lambda card: (card.hit is None, *_by_due(card))))


def _watch_column(cards: Sequence[Card]) -> Column:
    return Column(
        key="watch",
        title="Watch",
        day=None,
        sub="Fenced, keys live, every call denied",
        cards=_first_hits(cards),
    )


def _soak_column(day: date, cards: Sequence[Card]) -> Column:
    left = max(card.days_left for card in cards)
    words = "1 day" if left == 1 else f"{left} days"
    sub = f"Shut, {words} of soak left" if left else "Shut, the soak is over, held"
    return Column(day.isoformat(), "", day, sub, _first_hits(cards))


def _ready_column(cards: Sequence[Card], operates: bool) -> Column:
    action, url = _compose(cards) if operates else ("", "")
    return Column(
        "ready", "Ready to delete", None, "The soak is over, no hit", tuple(cards), action, url
    )


def _compose(cards: Sequence[Card]) -> tuple[str, str]:
    """What to do with a column: the batch its users are in, or one to compose."""
    free = [card for card in cards if card.batch is None]
    if not free:
        batch = cards[0].batch
        return (f"In batch #{batch.number}", f"/batches/{batch.number}/") if batch else ("", "")
    account = free[0].departure.user.account.account_id
    return "Compose delete batch", f"/batches/new/?account={account}&move=delete"


def _knocks(departures: Iterable[Departure]) -> int:
    """Failed sign-ins at the names of users that are off: shown, and holding nothing."""
    return Hit.objects.filter(
        kind=Hit.Kind.KNOCK, departure__in=[row.pk for row in departures]
    ).count()


def _next_batch() -> Batch | None:
    return Batch.objects.filter(status=Batch.Status.APPROVED).order_by("window_from").first()
