"""Who must be told what, and the outbox of every channel; here the inbox and its openings."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet

from inventory import clock
from inventory.models import Person
from migrations_app.models import Notice, Opening


def inbox_for(person: Person) -> QuerySet[Notice]:
    """What was told to this person: to a team they belong to or lead, or to one of their roles."""
    teams = Q(team__in=person.teams.all()) | Q(team__in=person.led_teams())
    return Notice.objects.filter(channel="inbox").filter(
        teams | Q(team=None, role__in=person.roles)
    )


def open_notice(notice: Notice, person: Person) -> None:
    """Note that a signed-in person opened it; a lead of its team is thereby told (rule 13)."""
    now = clock.now()
    with transaction.atomic():
        Opening.objects.get_or_create(notice=notice, person=person, defaults={"at": now})
        if person.leads_team(notice.team):
            Notice.objects.filter(pk=notice.pk, reached_at=None).update(reached_at=now)
