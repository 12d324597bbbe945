"""Whom a team still owes an answer about, counted and found by the database alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from inventory.models import Team
from migrations_app.claims.claiming import ELSEWHERE, SENT_BACK, UNDONE
from migrations_app.lifecycle import State
from migrations_app.models import Ask, Departure, GivenAnswer


def open_cards(team: Team, now: datetime) -> int:
    """How many answers `team` still owes; one query."""
    return owed(team, now).count()


def owed(team: Team, now: datetime) -> QuerySet[Departure]:
    """The departures on which `team` still owes an answer.

    The database's word for the cards of `claiming.page_of` that are not answered, see `_said` and
    `_status` there.
    """
    said = GivenAnswer.objects.filter(departure=OuterRef("pk")).order_by("-at")
    asks = Ask.objects.filter(team=team, withdrawn_at=None, campaign__closed_at=None)
    asked = asks.filter(departures=OuterRef("pk"))
    over = Q(disputed_until=None) | Q(disputed_until__lt=now.date())
    named = Q(last="not-ours", last_whose=team.pk)
    void = Q(word="dispute") & over | named
    void |= Q(word="hand-over", handed_to=None, last__in=SENT_BACK)
    adopted = Q(word__in=("adopt", "release")) & ~void
    asked_for = Q(user__suggested_team=team) | Q(Exists(asked)) | named
    asked_for |= Q(word__in=UNDONE) & ~void
    free = Q(owner=None) & ~Q(pending=team.pk) & ~Q(contested=team.pk) & asked_for
    own = Q(owner=team, state=State.OWNER_ASSIGNED, answer="") & ~adopted
    pending = ~Q(owned=team.pk) & Q(claim_pending_team=team, answer="")
    return (
        Departure.objects.filter(pk__in=_perhaps_owed(team, asks))
        .annotate(
            owned=_key("owner"),
            pending=_key("claim_pending_team"),
            contested=_key("contested_by_team"),
            word=_text(said.filter(team=team).values("said")),
            last=_text(said.values("said")),
            last_whose=_key(Subquery(said.values("whose")[:1])),
        )
        .filter(Q(handed_to=team) | ~(Q(word__in=ELSEWHERE) & ~void) & (own | pending | free))
    )


def _perhaps_owed(team: Team, asks: QuerySet[Ask]) -> QuerySet[Any]:
    """Whom `owed` has to look at, each kind by an index of its own."""
    rows = Departure.objects.left().filter(user__gone_at=None)
    free = rows.filter(owner=None)
    answers = GivenAnswer.objects.filter(Q(team=team) | Q(whose=team))
    kinds = (
        rows.filter(owner=team, state=State.OWNER_ASSIGNED, answer=""),
        rows.filter(claim_pending_team=team, answer=""),
        free.filter(user__suggested_team=team),
        free.filter(pk__in=answers.values("departure")),
        free.filter(pk__in=asks.values("departures")),
    )
    first = rows.filter(handed_to=team)
    return first.order_by().values("pk").union(*(kind.order_by().values("pk") for kind in kinds))


def _key(column: str | Subquery) -> Coalesce:
    """A key that can be compared with another also where there is none."""
    return Coalesce(column, Value(0), output_field=BigIntegerField())


def _text(rows: QuerySet[Any]) -> Coalesce:
    return Coalesce(Subquery(rows[:1]), Value(""))
