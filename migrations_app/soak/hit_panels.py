"""Hits as a person may see them: who calls, and what that person may do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory import clock
from inventory.models import Person
from inventory.permissions import Action, may
from migrations_app.batch_plan import cut_keys
from migrations_app.models import Departure, Hit, HitCaller, Notice
from migrations_app.soak import tally
from migrations_app.soak.tally import Calls


@dataclass(frozen=True, slots=True)
class Caller:
    """One of those who call; key, address and client only for those who may see them."""

    row: HitCaller
    sensitive: bool

    @property
    def where(self) -> str:
        return self._told("where")

    @property
    def region(self) -> str:
        return self._told("region")

    @property
    def client(self) -> str:
        return self._told("with")

    @property
    def key(self) -> str:
        return cut_keys(self._told("key"))

    def _told(self, name: str) -> str:
        return str(self.row.details.get(name) or "") if self.sensitive else ""


@dataclass(frozen=True, slots=True)
class HitPanel:
    """An open hit (or a closed one, on its own page) with what a person may do about it."""

    hit: Hit
    told_at: datetime | None
    sensitive: bool
    may_restore: bool
    may_dismiss: bool
    callers: tuple[Caller, ...] = ()
    # Of calls that CloudTrail told of; what the account shows has no rhythm.
    calls: Calls | None = None

    @property
    def departure(self) -> Departure:
        return self.hit.departure

    @property
    def places(self) -> int:
        """From how many places, an address and a client each, it was called.

        One who signs in and calls on with the session's key is not two who must be found, nor is a
        use that AWS tells without its place another one.
        """
        told = [one.row.details for one in self.callers]
        return len({(row["where"], row.get("with")) for row in told if row.get("where")})

    @property
    def several(self) -> bool:
        """Whether more than one may call; of a use whose place is not known nobody can tell."""
        unplaced = sum(not one.row.details.get("where") for one in self.callers)
        return self.places + unplaced > 1

    @property
    def who(self) -> str:
        return cut_keys(self._told("who"))

    @property
    def where(self) -> str:
        return self._told("where")

    @property
    def region(self) -> str:
        return self._told("region")

    @property
    def called(self) -> bool:
        """Whether CloudTrail told of a call, and not only a last-used time that moved."""
        return self.hit.source == "trail" or bool(self.region)

    @property
    def client(self) -> str:
        return self._told("with")

    @property
    def key(self) -> str:
        return cut_keys(self._told("key"))

    @property
    def error(self) -> str:
        return self._told("error")

    def _told(self, name: str) -> str:
        return str(self.hit.details.get(name) or "")


@dataclass(frozen=True, slots=True)
class Reach:
    """What one person may do, asked once and not once per user."""

    operates: bool
    restores_any: bool
    sees_any: bool
    led: frozenset[int]

    @classmethod
    def of(cls, person: Person) -> Reach:
        """What `person` may do."""
        led = frozenset(team.pk for team in person.leading())
        anywhere = may(person, Action.OPERATE) or person.has_role("approver")
        sees = anywhere or person.has_role("admin")
        return cls(may(person, Action.OPERATE), anywhere, sees, led)

    def may_restore(self, departure: Departure) -> bool:
        return self.restores_any or departure.owner_id in self.led

    def may_see_sensitive(self, departure: Departure) -> bool:
        return self.sees_any or departure.owner_id in self.led


def panel_of(hit: Hit, reach: Reach, told: datetime | None) -> HitPanel:
    """One hit with what the person may see of it and do about it."""
    sensitive = reach.may_see_sensitive(hit.departure)
    return HitPanel(
        hit=hit,
        told_at=told,
        sensitive=sensitive,
        callers=tuple(Caller(row, sensitive) for row in hit.callers.all()),
        may_restore=reach.may_restore(hit.departure),
        may_dismiss=reach.operates,
        calls=tally.calls_of(hit.tally, clock.now()) if hit.source == "trail" else None,
    )


def told_at(hits: Sequence[Hit]) -> dict[int, datetime]:
    """Per departure, when its team was last told of a hit."""
    rows = Notice.objects.filter(
        kind="hit", team__isnull=False, departures__in=[hit.departure_id for hit in hits]
    )
    return dict(rows.order_by("at").values_list("departures", "at"))
