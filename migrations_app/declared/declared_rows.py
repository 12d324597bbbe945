"""Rows and the declared organization: read from the one, written as the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from inventory import clock, group_roles
from inventory.models import (
    Account,
    Connection,
    IamUser,
    Identity,
    Organization,
    Person,
    ProtectedEntry,
    Team,
)
from inventory.organization import (
    BreakGlass,
    Declaration,
    DeclaredAccount,
    DeclaredPerson,
    DeclaredProtection,
    DeclaredTeam,
)
from migrations_app import tokens
from migrations_app.changes import state
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Departure

_ACCOUNT_COLUMNS = (
    "name",
    "time_zone",
    "reader_role",
    "actor_role",
    "deleter_role",
    "external_id",
    "write_rate",
    "sandbox",
    "policy",
    "trail_archive",
)
_TEAM_COLUMNS = ("name", "escalate_to", "slack", "email", "jira_project", "match")


# Any constant does, as long as everybody who says who may do what takes the same one.
_LOCK = 0x0A6A_1ED6


def lock() -> None:
    """Until the transaction ends nobody else applies a declaration or comes in by groups."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def present() -> Declaration:
    """What the rows say now, as if it were declared; an empty declaration on an empty database."""
    organization = Organization.get()
    accounts = Account.objects.filter(active=True).exclude(account_id__in=undeclared())
    return Declaration(
        accounts=tuple(map(_account, accounts.order_by("account_id"))),
        break_glass=BreakGlass(
            organization.break_glass_account,
            organization.break_glass_user,
            organization.runbook,
            organization.drill_every,
        )
        if organization.break_glass_user
        else None,
        identity_center=organization.identity_center,
        policy=organization.policy,
        custodian=organization.custodian.key if organization.custodian else "",
        teams=tuple(map(_team, Team.objects.filter(active=True).select_related("lead"))),
        people=tuple(map(_person, Person.objects.filter(is_active=True, declared=True))),
        group_roles=organization.sign_in.get("group_roles", {}),
    )


def undeclared() -> QuerySet[Connection, str]:
    """The ids of accounts that are read because somebody connected them in the browser."""
    rows = Connection.objects.filter(connected_at__isnull=False)
    return rows.values_list("account_id", flat=True)


def _account(row: Account) -> DeclaredAccount:
    return DeclaredAccount(
        account_id=row.account_id,
        regions=tuple(row.regions),
        dashboards=tuple(row.dashboards),
        protected=tuple(map(_protection, row.protected_entries.select_related("owner"))),
        **{column: getattr(row, column) for column in _ACCOUNT_COLUMNS},
    )


def _protection(row: ProtectedEntry) -> DeclaredProtection:
    owner = row.owner.key if row.owner else ""
    return DeclaredProtection(row.user_name, row.kind, row.reason, owner, row.until)


def _team(row: Team) -> DeclaredTeam:
    columns = {column: getattr(row, column) for column in _TEAM_COLUMNS}
    return DeclaredTeam(key=row.key, lead=row.lead.username if row.lead else "", **columns)


def _person(row: Person) -> DeclaredPerson:
    roles, teams = group_roles.declared_roles(row), group_roles.declared_teams(row)
    return DeclaredPerson(row.username, str(row), row.email, roles, teams)


def write(declared: Declaration, document: str) -> None:
    """Make the rows say what is declared. The caller holds the transaction."""
    teams = _write_teams(declared)
    people = _write_people(declared)
    # Whoever is switched off or lost a role: at once, not when the token comes the next time.
    tokens.end_void()
    for key, declared_team in declared.staying_teams.items():
        teams[key].lead = people.get(declared_team.lead)
        teams[key].save()
    organization = Organization.get()
    last = declared.break_glass
    organization.policy = declared.policy
    organization.custodian = teams.get(declared.custodian)
    organization.break_glass_account = last.account if last else ""
    organization.break_glass_user = last.user if last else ""
    organization.runbook = last.runbook if last else ""
    organization.drill_every = last.drill_every if last else ""
    organization.identity_center = declared.identity_center
    organization.sign_in = {"group_roles": declared.group_roles} if declared.group_roles else {}
    organization.document = document
    organization.applied_at = clock.now()
    organization.save()
    for declared_account in declared.accounts:
        _write_account(declared_account, teams)
    staying = [account.account_id for account in declared.accounts]
    # What was connected in the browser is the file's from here on; what was not stays as it is.
    Connection.objects.filter(account_id__in=staying).delete()
    Account.objects.exclude(account_id__in=[*staying, *undeclared()]).update(active=False)


def _write_teams(declared: Declaration) -> dict[str, Team]:
    rows = {}
    for key, team in declared.staying_teams.items():
        columns: dict[str, Any] = {column: getattr(team, column) for column in _TEAM_COLUMNS}
        rows[key], _ = Team.objects.update_or_create(key=key, defaults={**columns, "active": True})
    leaving = Team.objects.exclude(key__in=rows)
    leaving.update(active=False, lead=None)
    IamUser.objects.filter(suggested_team__in=leaving).update(
        suggested_team=None, suggestion_percent=None, suggestion_reasons=[]
    )
    return rows


def _write_people(declared: Declaration) -> dict[str, Person]:
    # First those who leave: an e-mail address that moves to somebody else must be free.
    known = _by_username(declared)
    leaving = Person.objects.filter(declared=True).exclude(
        pk__in=[row.pk for row in known.values()]
    )
    nothing: list[str] = []
    leaving.update(
        is_active=False,
        email="",
        roles=nothing,
        groups=nothing,
        granted_roles=nothing,
        granted_teams=nothing,
    )
    moved = [
        person.pk
        for username, person in known.items()
        if person.email.lower() != declared.staying_people[username].email.lower()
    ]
    Person.objects.filter(pk__in=moved).update(email="")
    # Whoever proves the new address signs in as this person, and nobody else.
    Identity.objects.filter(person__in=moved).delete()
    rows = {}
    for username, one in declared.staying_people.items():
        person = known.get(username) or Person(username=username)
        if person._state.adding:
            person.set_unusable_password()
        person.username, person.name, person.email = username, one.name, one.email
        person.is_active = person.declared = True
        group_roles.settle(person, one.roles, one.teams, declared.group_roles)
        rows[username] = person
    for person in Person.objects.filter(declared=False):
        group_roles.settle(person, (), (), declared.group_roles)
    return rows


def _by_username(declared: Declaration) -> dict[str, Person]:
    """The rows of the people who stay: by username, or whom a group brought with that address."""
    rows = Person.objects.in_bulk(list(declared.staying_people), field_name="username")
    brought = {row.email.lower(): row for row in Person.objects.filter(declared=False)}
    for username, one in declared.staying_people.items():
        row = brought.get(one.email.lower())
        if row is None or not one.email:
            continue
        if rows.setdefault(username, row).pk != row.pk:
            # Two rows of one person: the declared one stays, and is joined at the next sign-in.
            row.email, row.is_active, row.groups = "", False, []
            row.identities.all().delete()
            row.save()
    return rows


def _write_account(declared: DeclaredAccount, teams: dict[str, Team]) -> None:
    columns: dict[str, Any] = {column: getattr(declared, column) for column in _ACCOUNT_COLUMNS}
    account, _ = Account.objects.update_or_create(
        account_id=declared.account_id,
        defaults={
            **columns,
            "regions": list(declared.regions),
            "dashboards": list(declared.dashboards),
            "active": True,
        },
    )
    kept = [entry.user.lower() for entry in declared.protected]
    for gone in account.protected_entries.annotate(low=Lower("user_name")).exclude(low__in=kept):
        _lift_protection(gone)
        gone.delete()
    for entry in declared.protected:
        _write_protection(account, entry, teams)


def _write_protection(account: Account, entry: DeclaredProtection, teams: dict[str, Team]) -> None:
    row = account.protected_entries.filter(user_name__iexact=entry.user).first()
    row = row or ProtectedEntry(account=account, kind=entry.kind)
    protected = [*_protected_by(row)] if row.pk else []
    row.user_name, row.kind, row.reason = entry.user, entry.kind, entry.reason
    row.owner, row.until = teams.get(entry.owner), entry.until
    row.save()
    for departure in protected:
        now = (departure.protection, departure.protection_reason, departure.protection_until)
        if now != (entry.kind, entry.reason, entry.until):
            _protect(departure, entry.kind, entry.reason, entry.until)


def _lift_protection(entry: ProtectedEntry) -> None:
    """Whom a removed entry protected is no longer protected; `self` stays, nobody declared that."""
    for departure in _protected_by(entry):
        _protect(departure, Protection.NONE.value, "", None)


def _protected_by(entry: ProtectedEntry) -> Iterator[Departure]:
    """Whoever is protected as the row says it, by name or by the id it was bound to."""
    matches = Q(user__user_name__iexact=entry.user_name)
    if entry.bound_user_id:
        matches |= Q(user__user_id=entry.bound_user_id)
    rows = Departure.objects.filter(matches, user__account=entry.account, protection=entry.kind)
    yield from rows.exclude(state=State.DELETED).select_related("user__account", "owner")


def _protect(departure: Departure, kind: str, reason: str, until: date | None) -> None:
    state.note(
        departure,
        "protection.declared" if kind else "protection.ended",
        data={"reason": reason or "no longer declared"},
        protection=kind,
        protection_reason=reason,
        protection_until=until,
    )
