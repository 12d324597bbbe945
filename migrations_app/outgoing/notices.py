"""Who must be told what, in words; the outbox takes it from there.

The in-app inbox never counts by accepting a message, only when a lead of the team opened it signed
in (rule 13); any other channel counts when it accepts. Every message has a key, so a second run
tells nobody twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.fields.json import KT
from django.urls import reverse

from inventory import clock
from inventory.models import Organization, Person, Role, Team
from inventory.policy import Policy, notice_over_at, policy_for
from migrations_app.models import Ask, AskOpening, Batch, Change, Departure, Hit, Notice, Opening
from migrations_app.outgoing import announcing
from migrations_app.outgoing.outbox import tell

__all__ = ["tell"]


def tell_owner(
    departure: Departure, kind: str, key: str, title: str, text: str = "", *, security: bool = True
) -> None:
    """Tell the owner of one user something, and the engineers with it."""
    account, user = departure.user.account.account_id, departure.user.user_id
    url = reverse("user", args=[account, user])
    thread = announcing.thread_of(departure)
    if departure.owner:
        tell(
            kind,
            _of_owner(key),
            title,
            team=departure.owner,
            text=text,
            url=url,
            departures=[departure],
            thread=thread,
        )
    if security:
        tell(
            kind,
            f"{key}:security",
            title,
            role=Role.ENGINEER,
            text=text,
            url=url,
            departures=[departure],
            thread=thread,
        )


def owners_told(keys: Iterable[str]) -> set[str]:
    """Those of these keys under which an owner was told something already."""
    wanted = {_of_owner(key): key for key in keys}
    rows = Notice.objects.filter(key__in=wanted).values_list("key", flat=True)
    return {wanted[key] for key in rows}


def _of_owner(key: str) -> str:
    return f"{key}:owner"


def tell_hit(hit: Hit, what: str, *, opened: bool) -> None:
    """Owner and security hear of a hit at once; of further callers of it once an hour."""
    departure = hit.departure
    hour = "" if opened else f":{clock.now():%Y%m%d%H}"
    tell_owner(
        departure,
        "hit",
        f"hit:{hit.pk}{hour}",
        f"{departure.user} was called" if opened else f"{departure.user} was called in another way",
        f"{what}. Its clock is held and it will not be moved on. "
        "If this broke something, restore it; that takes about a minute.",
    )


@dataclass(frozen=True, slots=True)
class Knocks:
    """How often outsiders tried to sign in as one user, since when, and when last."""

    count: int
    since: datetime
    last: datetime

    def __str__(self) -> str:
        """Counted since the first of them: nobody counts by day what anybody can cause."""
        return f"{self.count} since {self.since:%-d %b}, last {self.last:%-d %b %H:%M} UTC"


def tell_knocks(users: Mapping[Departure, Knocks], day: date) -> None:
    """Owners and security hear once a day as whom outsiders tried to sign in, and how often."""
    by_team: dict[Team | None, list[Departure]] = defaultdict(list)
    for departure in users:
        by_team[None].append(departure)
        if departure.owner:
            by_team[departure.owner].append(departure)
    for team, rows in by_team.items():
        tell(
            "knocks",
            f"knocks:{day:%Y%m%d}:{team.pk if team else 'security'}",
            f"Failed sign-ins as {_users(len(rows))} in the last day",
            team=team,
            role="" if team else Role.ENGINEER,
            text="\n".join(f"{row.user}: {users[row]}" for row in rows)
            + "\n\nAnybody who knows a name can cause them; they hold nothing.",
            url=reverse("soak"),
            departures=rows,
        )


def inbox_for(person: Person) -> QuerySet[Notice]:
    """Every message to this person: their own, of the teams they lead or are in, of their roles."""
    return (
        Notice.objects.filter(
            Q(person=person)
            | Q(team__in=person.led_teams())
            | Q(team__in=person.teams.all())
            | Q(role__in=person.roles)
        )
        .select_related("team", "batch")
        .distinct()
    )


def open_notice(notice: Notice, person: Person) -> None:
    """Note that this person, signed in, opened the message; a lead of its team makes it reached.

    A message that asks the team leads to its questions, by whichever way it was opened.
    """
    with transaction.atomic():
        now = clock.now()
        Opening.objects.get_or_create(notice=notice, person=person, defaults={"at": now})
        if notice.team and person.leads_team(notice.team):
            Notice.objects.filter(pk=notice.pk, reached_at=None).update(reached_at=now)
            if notice.ask is not None:
                open_ask(notice.ask, person)


def open_ask(ask: Ask, person: Person) -> None:
    """Note that this lead of its team came, signed in, to what was asked; the first time counts."""
    AskOpening.objects.get_or_create(ask=ask, person=person, defaults={"at": clock.now()})


def open_questions(team: Team, person: Person) -> None:
    """The same of everything that `team` is asked at the moment; nothing for who does not lead."""
    if person.leads_team(team):
        asks = Ask.objects.filter(team=team, withdrawn_at=None, campaign__closed_at=None)
        for ask in asks.exclude(openings__person=person):
            open_ask(ask, person)


def unreached(batch: Batch) -> list[Team]:
    """The owners in this batch whom no message has reached yet (rule 13)."""
    told = _announcements(batch)
    return [
        team
        for team in _owners(batch)
        if not any(notice.team_id == team.pk and notice.reached_at for notice in told)
    ]


def notice_over(batch: Batch, policy: Policy) -> datetime | None:
    """When the notice of the last reached owner ends; None while an owner is not reached."""
    told = {one.team_id: one.reached_at for one in reversed(_reaching(batch))}
    ends = []
    for team in _owners(batch):
        reached = told.get(team.pk)
        if reached is None:
            return None
        ends.append(notice_over_at(reached, policy, batch.account.time_zone))
    return max(ends, default=None)


def reached_in_time(change: Change, organization: Organization | None = None) -> bool:
    """Whether the present owner of this user was reached, and its notice is over."""
    batch, owner = change.batch, change.departure.owner
    if batch is None or owner is None:
        return False
    organization = organization or Organization.get()
    policy = policy_for(organization, batch.account, change.departure.user.shown_category)
    for notice in _reaching(batch):
        if notice.team_id == owner.pk and notice.reached_at:
            over = notice_over_at(notice.reached_at, policy, batch.account.time_zone)
            return clock.now() >= over
    return False


def _reaching(batch: Batch) -> list[Notice]:
    """The announcements that reached somebody, first reached first; a reminder may be one."""
    return list(_announcements(batch).exclude(reached_at=None).order_by("reached_at"))


def _announcements(batch: Batch) -> QuerySet[Notice]:
    return batch.notices.filter(kind="announce", at__gte=batch.asked_at).order_by("-at")


def _owners(batch: Batch) -> QuerySet[Team]:
    """Who answers for what will run. A user that changed owner since is left out when it is due.

    Its new owner was never told of this batch, so waiting for them would hold up all others.
    """
    open_changes = batch.changes.filter(status__in=Change.OPEN, follows=None)
    told_of = open_changes.alias(asked_of=KT("facts__owner")).filter(
        asked_of=F("departure__owner__key")
    )
    return Team.objects.filter(departures__changes__in=told_of).distinct()


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"
