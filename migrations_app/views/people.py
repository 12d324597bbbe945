"""Settings, people and sign-in: who may do what by the file and by groups, and who came in when."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from inventory import group_roles
from inventory.declared_lines import lines
from inventory.models import Identity, Organization, Person, Role
from inventory.permissions import Action, may, require
from migrations_app import sign_ins
from migrations_app.models import Batch
from migrations_app.views.answers import done, person_of, rendered

SHOWN = 500


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person as the settings show them; no `line` where the file does not name them."""

    person: Person
    line: int | None
    teams: list[str]
    declared: list[str]
    granted: list[str]
    requests: int
    identity: Identity | None


@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who signs in here: roles and where they come from, last sign-in, open requests."""
    person = person_of(request)
    require(person, Action.SEE_SETTINGS)
    organization = Organization.get()
    declared = lines(organization)
    everybody = Person.objects.order_by("-is_active", "name")
    asked = _requests()
    rows = [
        _row(one, declared.people.get(one.username), asked.get(one.pk, 0))
        for one in everybody.prefetch_related("teams", "identities")[:SHOWN]
    ]
    context = {
        "page": "people",
        "rows": rows,
        "total": everybody.count(),
        "groups": _groups(organization, declared.groups),
        "issuer": settings.OIDC_ISSUER,
        "issuer_name": settings.OIDC_NAME,
        "local": settings.IAMCLEANUP_LOCAL_SIGN_IN,
        "may_forget": may(person, Action.ADMINISTER),
    }
    return rendered(request, "migrations_app/settings_people.html", context)


@require_POST
def forget(request: HttpRequest, username: str) -> HttpResponse:
    """Let go of whom the sign-in provider knows as this person."""
    admin = person_of(request)
    require(admin, Action.ADMINISTER)
    person = get_object_or_404(Person, username=username)
    sign_ins.forget(person, admin)
    return done(
        request,
        reverse("settings-people"),
        f"Forgotten. The next verified sign-in with {person.email} joins {person} anew.",
    )


def _row(person: Person, line: int | None, requests: int) -> PersonRow:
    return PersonRow(
        person=person,
        line=line,
        teams=[team.name for team in person.teams.all() if team.active],
        declared=_labels(group_roles.declared_roles(person)),
        granted=_labels(person.granted_roles),
        requests=requests,
        identity=next(iter(person.identities.all()), None),
    )


def _labels(roles: tuple[str, ...] | list[str]) -> list[str]:
    return [str(Role(role).label) for role in roles]


def _requests() -> dict[int, int]:
    """How many open batches each person asked for, or composes; two queries for all."""
    found: dict[int, int] = {}
    rows = Batch.objects.filter(status__in=Batch.OPEN).order_by()
    for column, which in (("asked_by", ~Q(asked_by=None)), ("composed_by", Q(asked_by=None))):
        for pk, number in rows.filter(which).values_list(column).annotate(Count("pk")):
            found[pk] = found.get(pk, 0) + number
    return found


def _groups(
    organization: Organization, declared: dict[str, int]
) -> list[tuple[str, list[str], list[str], int | None]]:
    """Each group of the file: name, roles, teams, line."""
    mapping = organization.sign_in.get("group_roles", {})
    return [
        (group, _labels(grant["roles"]), grant["teams"], declared.get(group))
        for group, grant in mapping.items()
    ]
