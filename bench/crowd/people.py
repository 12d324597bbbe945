"""The declared part of a crowd: accounts, teams, and everybody who signs in."""

from __future__ import annotations

from datetime import datetime, timedelta

from inventory.models import Account, Organization, Person, Role, Team

REGIONS = ("us-east-1", "eu-west-1", "eu-central-1", "ap-southeast-2")
TEAMS = 200
_NAMED = (
    ("jonas", "Jonas Weber", [Role.ENGINEER, Role.APPROVER]),
    ("mei", "Mei Tanaka", [Role.ENGINEER, Role.APPROVER]),
    ("sara", "Sara Lindqvist", [Role.LEAD]),
    ("vera", "Vera Nowak", [Role.VIEWER]),
    ("ada", "Ada Berg", [Role.ADMIN]),
)


def declare(accounts: int, now: datetime) -> None:
    """The organization with `accounts` accounts, 200 teams, and two leads in each."""
    teams = Team.objects.bulk_create(
        Team(
            pk=number, key=f"team-{number:03}", name=_team_name(number), slack=f"#team-{number:03}"
        )
        for number in range(1, TEAMS + 1)
    )
    named = [_person(*one, pk=number) for number, one in enumerate(_NAMED, start=1)]
    leads = [
        _person(f"lead{number}", f"Lead {number:03}", [Role.LEAD], pk=100 + number)
        for number in range(1, 2 * TEAMS + 1)
    ]
    Person.objects.bulk_create([*named, *leads])
    members = Person.teams.through
    members.objects.bulk_create(
        members(person_id=lead.pk, team_id=1 + place % TEAMS) for place, lead in enumerate(leads)
    )
    members.objects.create(person_id=3, team_id=1)
    members.objects.bulk_create(members(person_id=pk, team_id=TEAMS) for pk in (1, 2))
    for place, team in enumerate(teams):
        team.lead_id = leads[place].pk
    Team.objects.bulk_update(teams, ["lead_id"])
    Account.objects.bulk_create(_account(number, now) for number in range(1, accounts + 1))
    Organization.objects.update_or_create(
        pk=1,
        defaults={
            "custodian_id": TEAMS,
            "applied_at": now,
            "break_glass_account": account_id(1),
            "break_glass_user": "break-glass",
        },
    )


def account_id(number: int) -> str:
    """The AWS id of the account with this number."""
    return f"{100_000_000_000 + number * 1_000_003}"


def _account(number: int, now: datetime) -> Account:
    return Account(
        pk=number,
        account_id=account_id(number),
        name=f"{('production', 'staging', 'sandbox', 'data', 'shared')[number % 5]}-{number:02}",
        time_zone=("Europe/Berlin", "America/New_York", "UTC")[number % 3],
        reader_role=f"arn:aws:iam::{account_id(number)}:role/IamCleanupReader",
        actor_role=f"arn:aws:iam::{account_id(number)}:role/IamCleanupActor",
        deleter_role=f"arn:aws:iam::{account_id(number)}:role/IamCleanupDeleter",
        enabled_regions=list(REGIONS),
        last_whole_at=now - timedelta(minutes=10 + number),
        admin_seen_at=now - timedelta(days=1),
        federated_sign_in_at=now - timedelta(days=1),
        root_facts={"at": now.isoformat(), "live_at": now.isoformat(), "mfa": number % 9 != 0},
        batched_for_real=True,
    )


def _person(username: str, name: str, roles: list[Role], *, pk: int) -> Person:
    person = Person(
        pk=pk,
        username=username,
        name=name,
        email=f"{username}@example.com",
        roles=[role.value for role in roles],
    )
    person.set_unusable_password()
    return person


def _team_name(number: int) -> str:
    fields = ("Payments", "Platform", "Search", "Data", "Mobile", "Billing", "Growth", "Support")
    return "Security" if number == TEAMS else f"{fields[number % len(fields)]} {number:03}"
