"""How far campaigns are, as Security's list says it: numbers, and the teams that are late.

A campaign a month is soon thousands of asks about most users. Of those that have ended only numbers
are read; whom the others wait for is counted once for everybody, until the ledger's next entry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, QuerySet

from inventory import at_once, clock
from inventory.hashing import digest
from inventory.models import Team
from inventory.remembered import remembered
from migrations_app import campaigning, reaching
from migrations_app.models import Ask, AskOpening, Campaign, Departure
from migrations_app.reaching import Silence

# What changes without an entry in the ledger: a user that is gone from AWS.
KEPT_SECONDS = 15
_READ = (
    *("user__user_id", "user__user_name", "user__last_activity_at", "user__verdict"),
    "user__account__account_id",
)


@dataclass(frozen=True, slots=True)
class Late:
    """What a team has not answered in time: `left` in all, by name in `rows`."""

    ask: Ask
    left: int
    rows: tuple[Departure, ...]
    openings: tuple[AskOpening, ...]
    # No message of it has reached anybody.
    silent: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One campaign of the list, with the asks whose deadline is over, by team."""

    campaign: Campaign
    teams: int
    users: int
    users_answered: int
    opened: int
    silent: int
    late: tuple[Late, ...]


@dataclass(frozen=True, slots=True)
class _Counted:
    """Per campaign how many teams were asked and about how many users; per ask of those that
    stand how many of its users are left, and whom if it is late."""

    teams: Mapping[int, int]
    users: Mapping[int, int]
    left: Mapping[int, int]
    late: Mapping[int, Sequence[int]]


def questions(campaigns: QuerySet[Campaign]) -> dict[str, QuerySet[Any]]:
    """What `lines` needs to know of these campaigns beside them, by name."""
    pks = campaigns.values("pk")
    return {
        "standing": Ask.objects.filter(
            campaign__in=pks, campaign__closed_at=None, withdrawn_at=None
        ),
        "opened": AskOpening.objects.filter(ask__campaign__in=pks)
        .order_by()
        .values("ask__campaign")
        .annotate(asks=Count("ask", distinct=True)),
    }


def lines(
    campaigns: Iterable[Campaign],
    standing: Iterable[Ask],
    opened: Iterable[Mapping[str, int]],
    teams: Mapping[int, Team],
    head: str,
) -> list[Line]:
    """The campaigns in their order; with the answers to `questions`, all teams by their pk, and
    the hash of the ledger's last entry. Six statements at most."""
    campaigns = list(campaigns)
    by_pk = {one.pk: one for one in campaigns}
    asks = list(standing)
    for ask in asks:
        ask.campaign, ask.team = by_pk[ask.campaign_id], teams[ask.team_id]
    asks.sort(key=lambda ask: ask.team.name)
    counted = _counted(by_pk, asks, head)
    silent = reaching.silent(asks)
    late: dict[int, list[Late]] = defaultdict(list)
    for one in _late(asks, counted, silent):
        late[one.ask.campaign_id].append(one)
    left, unheard = defaultdict[int, int](int), defaultdict[int, int](int)
    for ask in asks:
        left[ask.campaign_id] += counted.left.get(ask.pk, 0)
        unheard[ask.campaign_id] += ask.pk in silent
    came = {row["ask__campaign"]: row["asks"] for row in opened}
    return [
        Line(
            campaign=one,
            teams=counted.teams.get(one.pk, 0),
            users=(users := counted.users.get(one.pk, 0)),
            users_answered=users - left[one.pk],
            opened=came.get(one.pk, 0),
            silent=unheard[one.pk],
            late=tuple(late[one.pk]),
        )
        for one in campaigns
    ]


def _late(asks: Iterable[Ask], counted: _Counted, silent: Mapping[int, Silence]) -> Iterator[Late]:
    found = [ask for ask in asks if counted.late.get(ask.pk)]
    if not found:
        return
    whom = {pk for ask in found for pk in counted.late[ask.pk]}
    rows = Departure.objects.filter(pk__in=whom).select_related("user__account").only(*_READ)
    by_name = sorted(rows, key=lambda row: row.user.user_name)
    openings: dict[int, list[AskOpening]] = defaultdict(list)
    for opening in AskOpening.objects.filter(ask__in=found).select_related("person"):
        openings[opening.ask_id].append(opening)
    for ask in found:
        its = set(counted.late[ask.pk])
        yield Late(
            ask=ask,
            left=counted.left[ask.pk],
            rows=tuple(row for row in by_name if row.pk in its),
            openings=tuple(openings[ask.pk]),
            silent=ask.pk in silent,
        )


def _counted(campaigns: Mapping[int, Campaign], asks: Iterable[Ask], head: str) -> _Counted:
    """As it was when the ledger had this head, some seconds ago at most. A deadline that is over
    meanwhile counts at once."""
    now = clock.now()
    standing = sorted(ask.pk for ask in asks)
    late = sorted(ask.pk for ask in asks if ask.deadline_at <= now)
    key = digest([head, sorted(campaigns), standing, late, now.date().isoformat()])
    return remembered(f"campaigns:{key}", KEPT_SECONDS, lambda: _count(campaigns, standing, late))


def _count(
    campaigns: Mapping[int, Campaign], standing: Collection[int], late: Collection[int]
) -> _Counted:
    if not campaigns:
        return _Counted({}, {}, {}, {})
    of_campaign = F("ask__campaign")
    asks = Ask.objects.filter(campaign__in=campaigns).order_by()
    users = Ask.departures.through.objects.filter(ask__campaign__in=campaigns).order_by()
    told = at_once.ask(
        Campaign.objects.filter(pk=min(campaigns)),
        {
            "asks": asks.values("campaign").annotate(number=Count("pk")),
            "users": users.values(campaign=of_campaign).annotate(number=Count("pk")),
            "left": campaigning.left_of(standing, late),
        },
    )
    return _Counted(
        teams={row["campaign"]: row["number"] for row in told["asks"]},
        users={row["campaign"]: row["number"] for row in told["users"]},
        left={row["ask_id"]: row["number"] for row in told["left"]},
        late={row["ask_id"]: row["late"] for row in told["left"]},
    )
