"""Whether what a team was asked has reached anybody of it, and by which ways it was tried.

As before a batch (rule 13): a channel of the team's own took a message, or one of its leads opened
one or came to the questions, signed in. Whoever answered has been reached too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from inventory import clock
from inventory.models import Team
from migrations_app import ways
from migrations_app.models import Ask, AskOpening, Delivery, GivenAnswer, Notice
from migrations_app.outgoing import addressees

# A lead who has an inbox here gets so long to open it before anybody speaks of silence.
PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Silence:
    """An asking that has reached nobody; `tried` says of each way how it stands."""

    tried: tuple[str, ...]


def silent(asks: Iterable[Ask]) -> dict[int, Silence]:
    """Those of these asks (by pk) that have reached nobody for a day, or cannot reach anybody.

    They cannot where nothing is on its way and the team has no lead here. Three queries, however
    many there are.
    """
    unheard = list(_unheard(asks))
    if not unheard:
        return {}
    led = addressees.led([ask.team_id for ask in unheard])
    found: dict[int, dict[tuple[str, str], Delivery]] = {ask.pk: {} for ask in unheard}
    rows = (
        Delivery.objects.filter(notice__ask__in=unheard)
        .exclude(channel=Delivery.Channel.WEBHOOK)
        .annotate(ask=F("notice__ask"))
        .defer("rendered")
        .order_by("pk")
    )
    for row in rows:
        # How the latest message of a way stands is how the way stands.
        found[row.ask][row.channel, row.address] = row
    late = clock.now() - PATIENCE
    return {
        ask.pk: Silence(tuple(f"{row}: {_words(row)}" for row in found[ask.pk].values()))
        for ask in unheard
        if ask.asked_at <= late or not (ask.team_id in led or _is_under_way(found[ask.pk].values()))
    }


def doubts(teams: Iterable[int]) -> dict[int, str]:
    """Of these teams (pks) whose only ways are channels that were not set up when last tried: why.

    What is set up only the worker that sends can know, so this is what it last wrote down.
    """
    pks = set(teams)
    unled = Team.objects.filter(pk__in=pks - addressees.led(pks))
    if not unled:
        return {}
    last = dict(
        Delivery.objects.exclude(status=Delivery.Status.QUEUED)
        .order_by("channel", "-pk")
        .distinct("channel")
        .values_list("channel", "status")
    )
    found = {}
    for team in unled:
        own = ways.of(team)
        if own and all(last.get(channel) == Delivery.Status.UNSET for channel in own):
            names = " and ".join(Delivery.Channel(channel).label for channel in own)
            verb = "was" if len(own) == 1 else "were"
            found[team.pk] = (
                f"{team} has no lead here, and {names} {verb} not set up when last tried, so "
                "perhaps nobody reads it. Send a test first."
            )
    return found


def _unheard(asks: Iterable[Ask]) -> QuerySet[Ask]:
    notices = Notice.objects.filter(ask=OuterRef("pk"), reached_at__isnull=False)
    openings = AskOpening.objects.filter(ask=OuterRef("pk"))
    answers = GivenAnswer.objects.filter(
        departure__asks=OuterRef("pk"),
        team=OuterRef("team"),
        at__gte=OuterRef("asked_at"),
        person__isnull=False,
    )
    return Ask.objects.filter(
        ~Q(Exists(notices) | Exists(openings) | Exists(answers)),
        pk__in=[ask.pk for ask in asks],
        answered_at=None,
        withdrawn_at=None,
    )


def _is_under_way(rows: Iterable[Delivery]) -> bool:
    return any(row.status == Delivery.Status.QUEUED for row in rows)


def _words(row: Delivery) -> str:
    if row.status == Delivery.Status.ACCEPTED:
        return "a place that all teams share took it."
    return ways.said(row)
