"""By which channels one notice goes to whom. Reads teams and people, sends nothing.

The inbox needs no address. Whether a channel is set up is not asked here: only the worker that
sends holds the channels' secrets, and it says so of each delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet

from inventory.models import Mail, Organization, Person, Role, Team
from migrations_app.models import Delivery, Notice

Channel = Delivery.Channel
# Whoever asked for as little mail as possible still gets these: they wait for an answer, or tell of
# something that hurts.
NEEDS_SOMEBODY = frozenset(
    {"access", "announce", "approve", "claim", "claim-overdue", "claim-reminder", "contest"}
    | {"dispute", "failed", "hand-over", "hand-over-back", "hit", "token", "unreached"}
)
_LED = Q(lead__is_active=True) | Q(members__is_active=True, members__roles__contains=[Role.LEAD])
# Beside each engineer's mail, what waits for Security stands in the custodian team's channel.
_SECURITY = (Role.ENGINEER, Role.APPROVER)


@dataclass(frozen=True, slots=True)
class Address:
    """One way to one place; `person` where the message is for one person."""

    channel: str
    address: str
    person: Person | None = None


def of(notice: Notice) -> list[Address]:
    """Every address this notice goes to beside the inbox, each once."""
    found: dict[tuple[str, str], Address] = {}
    for one in _all(notice):
        found.setdefault((one.channel, one.address.lower()), one)
    return list(found.values())


def told_somehow(teams: Iterable[int]) -> set[int]:
    """Those of these teams (pks) that have a lead to open a message, or a channel to read it in."""
    return set(reachable(teams).values_list("pk", flat=True))


def reachable(teams: Iterable[int]) -> QuerySet[Team]:
    """The same teams as a query; one with several who lead it stands there several times."""
    channel = ~Q(slack="") | ~Q(email="") | ~Q(jira_project="")
    return Team.objects.filter(_LED | channel, pk__in=teams)


def led(teams: Iterable[int]) -> set[int]:
    """Those of these teams (pks) that have a lead who can open a message in the inbox."""
    return set(Team.objects.filter(_LED, pk__in=teams).values_list("pk", flat=True))


def _all(notice: Notice) -> Iterator[Address]:
    if notice.mail_to:
        yield Address(Channel.EMAIL, notice.mail_to)
        return
    if notice.person:
        yield from _mail(notice, [notice.person])
    elif notice.team:
        yield from _of_team(notice, notice.team)
    elif notice.role:
        yield from _of_role(notice)
    if settings.IAMCLEANUP_WEBHOOK_URL and notice.person is None:
        # There is but one; what it is for stands in its body.
        yield Address(Channel.WEBHOOK, notice.team.key if notice.team else notice.role)


def _of_team(notice: Notice, team: Team) -> Iterator[Address]:
    if team.slack:
        yield Address(Channel.SLACK, team.slack)
    if team.jira_project and notice.thread:
        # An issue is for what has a beginning and an end: a batch, the asking of a team.
        yield Address(Channel.JIRA, team.jira_project)
    yield from _mail(notice, team.leads())
    if team.email:
        yield Address(Channel.EMAIL, team.email)


def _of_role(notice: Notice) -> Iterator[Address]:
    custodian = Organization.get().custodian
    if notice.role in _SECURITY and custodian and custodian.slack:
        yield Address(Channel.SLACK, custodian.slack)
    people = Person.objects.filter(is_active=True, roles__contains=[notice.role])
    yield from _mail(notice, people)


def _mail(notice: Notice, people: Iterable[Person]) -> Iterator[Address]:
    needed = notice.kind in NEEDS_SOMEBODY
    for person in people:
        wanted = person.mail == Mail.ALL or (person.mail == Mail.NEEDED and needed)
        if person.email and person.is_active and wanted:
            yield Address(Channel.EMAIL, person.email, person)
