"""In which line of `iamcleanup.yaml` something is declared, for pages that show it read-only."""

from __future__ import annotations

from dataclasses import dataclass, field

from inventory.models import Organization
from inventory.organization import BadDocument, read


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of the document that was applied last, by what they declare; empty where unknown."""

    accounts: dict[str, int] = field(default_factory=dict)
    teams: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    policy: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    break_glass: int | None = None


def lines(organization: Organization) -> Lines:
    """Where the applied document declares what; nothing if this version cannot read it any more."""
    if not organization.document:
        return Lines()
    try:
        declared = read(organization.document)
    except BadDocument:
        return Lines()
    return Lines(
        {account.account_id: account.line for account in declared.accounts},
        {team.key: team.line for team in declared.teams},
        {person.username: person.line for person in declared.people},
        declared.policy_lines,
        declared.group_lines,
        declared.break_glass.line if declared.break_glass else None,
    )
