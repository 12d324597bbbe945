"""Whom a campaign would ask about what, and what of it is still open. Questions only.

The preview that an engineer sees and the verb that asks use the same plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from inventory import clock
from inventory.models import Account, Organization, Person, Team
from inventory.policy import claim_due_at, policy_for
from migrations_app import reaching
from migrations_app.claims.claiming import SENT_BACK
from migrations_app.lifecycle import State
from migrations_app.models import Ask, AskOpening, Campaign, Departure, GivenAnswer
from migrations_app.outgoing import addressees
from migrations_app.reaching import Silence

# What says that the team was asked and sent it on, until somebody names it again.
_ELSEWHERE = ("not-ours", "release")


@dataclass(frozen=True, slots=True)
class TeamPlan:
    """What one team would be asked: `departures` are new to it, `running` is its open ask."""

    team: Team
    departures: tuple[Departure, ...]
    running: Ask | None
    can_be_told: bool
    # Why perhaps nobody reads it all the same.
    doubt: str = ""

    @property
    def blocker(self) -> str:
        """Why this team cannot be asked, and what to do; empty where it can."""
        if self.can_be_told:
            return ""
        return (
            f"{self.team} has neither a lead nor a channel, so nobody would read it. Declare one "
            "in iamcleanup.yaml, or take these users for the custodian."
        )


def plan(departures: Iterable[Departure] | None = None) -> list[TeamPlan]:
    """Who would be asked about what, of these departures or of all; most users first.

    Left out are users that somebody has or claims, that are disputed, offered or protected, and
    what a team was asked in a campaign that still runs, or has answered.
    """
    rows = _askable()
    if departures is not None:
        rows = rows.filter(pk__in=[row.pk for row in departures])
    by_team: dict[Team, list[Departure]] = defaultdict(list)
    for row in rows:
        team = asked_whom(row)
        if team is not None:
            by_team[team].append(row)
    running = {ask.team_id: ask for ask in running_asks().filter(team__in=by_team)}
    asked = _asked_already(running.values())
    pks = [team.pk for team in by_team]
    reachable, doubts = addressees.told_somehow(pks), reaching.doubts(pks)
    found = []
    for team, its in by_team.items():
        ask = running.get(team.pk)
        new = tuple(row for row in its if ask is None or (ask.pk, row.pk) not in asked)
        if new:
            doubt = doubts.get(team.pk, "")
            found.append(TeamPlan(team, new, ask, team.pk in reachable, doubt))
    return sorted(found, key=lambda one: (-len(one.departures), one.team.name))


def asked_whom(row: Departure) -> Team | None:
    """The team to ask about a user: whom the last answer named, or else whom it looks like.

    None where that team said already that it is not theirs. `answers` had better be prefetched.
    """
    answers = list(row.answers.all())
    last = answers[0] if answers else None
    if last is not None and last.said == "not-ours" and last.whose is not None:
        return last.whose if last.whose.active else None
    team = row.user.suggested_team
    if team is None or not team.active:
        return None
    word = next((one.said for one in answers if one.team_id == team.pk), "")
    return None if word in _ELSEWHERE else team


def why_not_asked(row: Departure) -> str:
    """Why nobody would be asked about a user that `plan` leaves out."""
    disputed = row.disputed_until is not None and row.disputed_until >= clock.now().date()
    reasons = (
        ("It is gone from AWS.", row.user.gone_at is not None or row.state == State.DELETED),
        ("It is protected.", bool(row.protection)),
        (f"{row.owner} answers for it.", row.owner_id is not None),
        ("A claim of it waits to be confirmed.", row.claim_pending_team_id is not None),
        ("It is being handed over.", row.handed_to_id is not None),
        ("It is disputed.", disputed),
        ("It looks like no team’s. Assign it to one.", row.user.suggested_team_id is None),
    )
    usual = "Its team was asked already, or said that it is not theirs."
    return next((text for text, holds in reasons if holds), usual)


def named_by(row: Departure, team: Team) -> Team | None:
    """Whom `team` named with its last word about a user, if nobody has answered since."""
    last = next(iter(row.answers.all()), None)
    return last.whose if last and last.team_id == team.pk and last.said == "not-ours" else None


def running_asks() -> QuerySet[Ask]:
    """Asks that a team can still answer in time, newest first."""
    return (
        Ask.objects.filter(campaign__closed_at=None, withdrawn_at=None, deadline_at__gt=clock.now())
        .select_related("campaign", "team")
        .order_by("pk")
    )


def still_open(asks: Iterable[Ask]) -> dict[int, list[int]]:
    """By ask, the departures that its team has not answered and nobody else has either.

    In one statement what `claiming` shows a team as a question: whose is it, is it still needed,
    or another team's offer.
    """
    found: dict[int, list[int]] = {ask.pk: [] for ask in asks}
    rows = _unanswered(found).order_by("departure_id").values_list("ask_id", "departure_id")
    for ask, departure in rows:
        found[ask].append(departure)
    return found


def _unanswered(asks: Iterable[int]) -> QuerySet[Any]:
    """Those departures as rows (ask, departure)."""
    team = F("ask__team_id")
    answers = GivenAnswer.objects.filter(departure=OuterRef("departure_id")).order_by("-at", "-pk")
    own = answers.filter(team=OuterRef("ask__team_id"))
    disputed = Q(word="dispute", departure__disputed_until__gte=clock.now().date())
    taken = Q(departure__handed_to__isnull=False) | ~Q(last_said__in=SENT_BACK)
    elsewhere = (Q(word="not-ours") | (Q(word="hand-over") & taken)) & ~Q(
        last_said="not-ours", last_whose=team
    )
    nobodys = Q(departure__state=State.DISCOVERED) & ~(
        Q(departure__claim_pending_team_id=team) | Q(departure__contested_by_team_id=team)
    )
    unsaid = Q(departure__answer="") & (
        Q(departure__owner_id=team, departure__state=State.OWNER_ASSIGNED)
        | Q(departure__claim_pending_team_id=team)
    )
    # Most have no answer at all, which is found out for all of them at once.
    unspoken = ~Exists(answers.order_by())
    asked = (nobodys | unsaid) & (unspoken | (~elsewhere & ~disputed))
    return (
        Ask.departures.through.objects.filter(
            ask__in=list(asks), departure__protection="", departure__listed__gone=False
        )
        .annotate(
            word=_first(own, "said"),
            last_said=_first(answers, "said"),
            last_whose=Subquery(answers.values("whose")[:1]),
        )
        .filter(asked | Q(departure__handed_to_id=team))
    )


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """Who gave the last answer of a team to an ask, and when."""

    person: Person | None
    at: datetime


def last_answer(ask: Ask) -> LastAnswer | None:
    """The last answer that a person of the team gave since it was asked."""
    given = (
        GivenAnswer.objects.filter(
            departure__asks=ask, team=ask.team, at__gte=ask.asked_at, person__isnull=False
        )
        .select_related("person")
        .first()
    )
    return LastAnswer(given.person, given.at) if given else None


@dataclass(frozen=True, slots=True)
class AskProgress:
    """How far one team is: who opened the link, how much is still open, and what is too late."""

    ask: Ask
    users: int
    left: int
    late: tuple[Departure, ...]
    openings: tuple[AskOpening, ...]
    # Set where no message of it has reached anybody.
    silence: Silence | None = None

    @property
    def answered(self) -> int:
        return self.users - self.left

    @property
    def overdue(self) -> bool:
        return bool(self.late)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, team by team."""

    campaign: Campaign
    asks: tuple[AskProgress, ...]

    @property
    def users(self) -> int:
        return sum(one.users for one in self.asks)

    @property
    def users_answered(self) -> int:
        return sum(one.answered for one in self.asks)

    @property
    def opened(self) -> int:
        return sum(bool(one.openings) for one in self.asks)

    @property
    def done(self) -> int:
        return sum(not one.left for one in self.asks)

    @property
    def overdue(self) -> int:
        return sum(one.overdue for one in self.asks)

    @property
    def silent(self) -> int:
        return sum(one.silence is not None for one in self.asks)


def progress(campaign: Campaign) -> Progress:
    """How far this campaign is; its asks by the name of their team."""
    now = clock.now()
    openings = AskOpening.objects.select_related("person")
    asks = list(
        Ask.objects.filter(campaign=campaign)
        .select_related("answered_by")
        .prefetch_related(Prefetch("openings", queryset=openings))
        .annotate(users=Count("departures"))
    )
    teams = Team.objects.in_bulk({ask.team_id for ask in asks})
    for ask in asks:
        ask.campaign, ask.team = campaign, teams[ask.team_id]
    # Here and not there, where every row of theirs would be sorted to be counted.
    asks.sort(key=lambda ask: ask.team.name)
    standing = [ask for ask in asks if not ask.withdrawn_at and not campaign.closed_at]
    silent = reaching.silent(standing)
    late = {ask.pk for ask in standing if ask.deadline_at <= now}
    left = {row["ask_id"]: row for row in left_of([ask.pk for ask in standing], late)}
    rows = (
        Departure.objects.filter(pk__in={pk for row in left.values() for pk in row["late"]})
        .select_related("user__account", "owner")
        .in_bulk()
    )
    found = []
    for ask in asks:
        its = left.get(ask.pk, {"number": 0, "late": []})
        overdue = sorted((rows[pk] for pk in its["late"]), key=lambda row: row.user.user_name)
        found.append(
            AskProgress(
                ask=ask,
                users=ask.users,
                left=its["number"],
                late=tuple(overdue),
                openings=tuple(ask.openings.all()),
                silence=silent.get(ask.pk),
            )
        )
    return Progress(campaign, tuple(found))


def left_of(asks: Collection[int], late: Collection[int]) -> QuerySet[Any]:
    """Per ask (pk) that has some, the `number` of departures that nobody has answered, and which
    where it is `late`: of what can still be answered only the number is shown, may it be thousands.
    """
    whom = ArrayAgg("departure_id", filter=Q(ask__in=late), default=Value([]))
    counted: QuerySet[Any] = (
        _unanswered(asks).order_by().values("ask_id").annotate(number=Count("pk"), late=whom)
    )
    return counted


def earliest_deadline(accounts: Iterable[Account], now: datetime) -> datetime:
    """When the policy's deadline of every one of these accounts is over, if asked at `now`."""
    organization = Organization.get()
    due = [claim_due_at(now, policy_for(organization, one), one.time_zone) for one in set(accounts)]
    return max(due)


def _askable() -> QuerySet[Departure]:
    today = clock.now().date()
    return (
        Departure.objects.filter(
            state=State.DISCOVERED,
            protection="",
            user__gone_at=None,
            claim_pending_team=None,
            handed_to=None,
        )
        .exclude(disputed_until__gte=today)
        .select_related("user__account", "user__suggested_team")
        .prefetch_related("answers__whose")
        .order_by("user__user_name", "pk")
    )


def _asked_already(asks: Iterable[Ask]) -> set[tuple[int, int]]:
    """(ask, departure) of what these asks hold."""
    rows = Ask.departures.through.objects.filter(ask__in=[ask.pk for ask in asks])
    return set(rows.values_list("ask_id", "departure_id"))


def _first(answers: QuerySet[GivenAnswer], column: str) -> Coalesce:
    return Coalesce(Subquery(answers.values(column)[:1]), Value(""))
