"""What the claim page of a team reads: the asks that run, and every IAM user it has to do with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Model, Q, QuerySet, Value

from inventory.models import Team
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Ask, Departure, GivenAnswer
from migrations_app.users import listing
from migrations_app.users.paging import is_one_of

# What tells whether and how a user stands on the page; whoever is drawn is read whole.
_READ = (
    *("state", "state_since", "owner", "handed_to", "claim_pending_team", "contested_by_team"),
    *("answer", "answered_at", "version", "disputed_until", "fenced_at"),
    *("user__user_id", "user__user_name", "user__created_at", "user__verdict"),
    *("user__last_activity_at", "user__suggested_team"),
    *("user__account__account_id", "user__account__name"),
    *("user__account__policy", "user__account__time_zone"),
)


def asks_of(team: Team) -> QuerySet[Ask]:
    """What the team is asked in campaigns that run, each with the `asked` departures' keys."""
    rows = Ask.objects.filter(team=team, withdrawn_at=None, campaign__closed_at=None)
    is_one = Q(departures__isnull=False)
    return rows.annotate(asked=ArrayAgg("departures", filter=is_one, default=Value([])))


def asked_in(asks: Collection[Ask]) -> frozenset[int]:
    """Whom these asks are about."""
    return frozenset(pk for ask in asks for pk in vars(ask)["asked"])


def asked_of(
    team: Team, teams: Mapping[int, Team], in_campaign: Collection[int] = ()
) -> list[Departure]:
    """The departures that `team` is or was asked about, protected and deleted ones left out.

    They may be thousands, so that no more is read of each than where it stands, and each of all
    `teams` (by their pk) is made once.
    """
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
    rows = list(
        listing.shown()
        .exclude(state=State.DELETED)
        .filter(is_one_of(found), protection=Protection.NONE, user__gone_at=None)
        .select_related("user__account")
        .only(*_READ)
        .prefetch_related("answers")
        .order_by("pk")
    )
    for row in rows:
        _name(row, teams, "owner", "handed_to", "claim_pending_team", "contested_by_team")
        for answer in row.answers.all():
            _name(answer, teams, "team", "whose")
    return rows


def _name(row: Model, teams: Mapping[int, Team], *columns: str) -> None:
    for column in columns:
        pk = getattr(row, f"{column}_id")
        if pk is not None:
            setattr(row, column, teams[pk])
