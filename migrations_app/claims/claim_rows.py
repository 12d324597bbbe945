"""What the claim page of a team reads: the asks that run, and every IAM user it has to do with."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Prefetch, Q, Value

from inventory.models import Team
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Ask, Departure, GivenAnswer
from migrations_app.users import listing
from migrations_app.users.paging import is_one_of


def asks_of(team: Team) -> list[Ask]:
    """What the team is asked in campaigns that run, each with the `asked` departures' keys."""
    rows = Ask.objects.filter(team=team, withdrawn_at=None, campaign__closed_at=None)
    is_one = Q(departures__isnull=False)
    return list(rows.annotate(asked=ArrayAgg("departures", filter=is_one, default=Value([]))))


def asked_in(asks: Collection[Ask]) -> frozenset[int]:
    """Whom these asks are about."""
    return frozenset(pk for ask in asks for pk in vars(ask)["asked"])


def asked_of(team: Team, in_campaign: Collection[int] = ()) -> list[Departure]:
    """The departures that `team` is or was asked about, protected and deleted ones left out."""
    answers = GivenAnswer.objects.filter(Q(team=team) | Q(whose=team))
    # Each kind by an index of its own: one condition for all would read everybody.
    kinds = (
        Q(owner=team),
        Q(handed_to=team),
        Q(claim_pending_team=team),
        Q(contested_by_team=team),
        Q(pk__in=answers.values("departure")),
        Q(pk__in=in_campaign),
    )
    first = Departure.objects.filter(user__suggested_team=team, owner=None).order_by().values("pk")
    found = first.union(*(Departure.objects.filter(of).order_by().values("pk") for of in kinds))
    said = GivenAnswer.objects.select_related("team", "whose")
    rows = (
        listing.departures()
        .exclude(state=State.DELETED)
        .filter(is_one_of(found), protection=Protection.NONE, user__gone_at=None)
        .select_related("handed_to", "claim_pending_team", "contested_by_team")
        .prefetch_related(Prefetch("answers", queryset=said))
        .order_by("pk")
    )
    return list(rows)
