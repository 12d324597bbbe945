"""The declared organization as values. Equal declarations are equal, whatever their lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from inventory.models.people import Role


@dataclass(frozen=True, slots=True)
class DeclaredProtection:
    """A user of the account that may not be touched; `owner` is the key of a team."""

    user: str
    kind: str = "exempt"
    reason: str = ""
    owner: str = ""
    until: date | None = None
    line: int = field(default=0, compare=False)

    def held_on(self, day: date) -> bool:
        """Whether it still protects on `day`; the last day is included."""
        return self.until is None or self.until >= day


@dataclass(frozen=True, slots=True)
class DeclaredAccount:
    """An AWS account. No `regions` means all enabled ones; `policy` holds what it overrides."""

    account_id: str
    name: str
    time_zone: str = "UTC"
    regions: tuple[str, ...] = ()
    reader_role: str = ""
    actor_role: str = ""
    deleter_role: str = ""
    external_id: str = ""
    write_rate: int = 10
    sandbox: bool = False
    policy: dict[str, Any] = field(default_factory=dict)
    trail_archive: dict[str, str] = field(default_factory=dict)
    dashboards: tuple[dict[str, str], ...] = ()
    protected: tuple[DeclaredProtection, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """The one user of the organization that stays; `drill_every` is a duration like 90d."""

    account: str
    user: str
    runbook: str = ""
    drill_every: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DeclaredTeam:
    """A team; one with a `successor` is leaving, and its users go to that team."""

    key: str
    name: str
    lead: str = ""
    escalate_to: str = ""
    slack: str = ""
    email: str = ""
    jira_project: str = ""
    match: dict[str, Any] = field(default_factory=dict)
    successor: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DeclaredPerson:
    """A person; one with a `successor` is leaving, and that person takes over open requests."""

    username: str
    name: str
    email: str = ""
    roles: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    successor: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A whole organization. `policy` is complete: defaults stand where the file is silent."""

    accounts: tuple[DeclaredAccount, ...] = ()
    break_glass: BreakGlass | None = None
    identity_center: dict[str, str] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    custodian: str = ""
    teams: tuple[DeclaredTeam, ...] = ()
    people: tuple[DeclaredPerson, ...] = ()
    group_roles: dict[str, Any] = field(default_factory=dict)
    policy_lines: dict[str, int] = field(default_factory=dict, compare=False)
    group_lines: dict[str, int] = field(default_factory=dict, compare=False)

    def with_protection(self, account_id: str, entry: DeclaredProtection) -> Declaration:
        """Protect one more user, unless its account already declares it as break-glass."""

        def protect(account: DeclaredAccount) -> DeclaredAccount:
            others = tuple(p for p in account.protected if p.user.lower() != entry.user.lower())
            same = [p for p in account.protected if p not in others]
            if account.account_id != account_id or (same and same[0].kind == entry.kind):
                return account
            return replace(account, protected=(*others, entry))

        return replace(self, accounts=tuple(map(protect, self.accounts)))

    @property
    def staying_teams(self) -> dict[str, DeclaredTeam]:
        return {team.key: team for team in self.teams if not team.successor}

    @property
    def staying_people(self) -> dict[str, DeclaredPerson]:
        return {person.username: person for person in self.people if not person.successor}


def warnings(declared: Declaration) -> list[str]:
    """What is allowed but will hurt: too few approvers, nobody to tell, no break-glass user."""
    found = []
    people = declared.staying_people.values()
    approvers = [person.name for person in people if Role.APPROVER in person.roles]
    granted = any(Role.APPROVER in grant["roles"] for grant in declared.group_roles.values())
    if len(approvers) < 2 and not granted:
        who = f"only {approvers[0]} can" if approvers else "nobody can"
        found.append(
            f"Fewer than two people can approve ({who}): nobody approves their own batch. "
            "Give another person the role approver."
        )
    if declared.break_glass is None:
        found.append(
            "No break-glass user is declared, so no account takes a forward write. "
            "Declare it under break_glass."
        )
    if not declared.custodian:
        found.append("No custodian is declared, so nobody can adopt users that no team claims.")
    by_group = [(grant["roles"], grant["teams"]) for grant in declared.group_roles.values()]
    memberships = [*by_group, *((person.roles, person.teams) for person in people)]
    for team in declared.staying_teams.values():
        leads = any(Role.LEAD in roles and team.key in teams for roles, teams in memberships)
        if not (team.lead or leads or team.slack or team.email):
            found.append(
                f"Team {team.name} has neither lead nor channel: its users cannot be told, "
                "so they cannot be disabled."
            )
    return found
