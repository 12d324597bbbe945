"""Rows of facts, by noun: people, accounts, IAM users, the record."""

from inventory.models.accounts import Account, Organization, ProtectedEntry, Sync
from inventory.models.people import Person, Role, Team
from inventory.models.record import Alert, LedgerEntry, LedgerName
from inventory.models.users import (
    Activity,
    ArchiveCoverage,
    Credential,
    IamUser,
    TrailCoverage,
)

__all__ = [
    "Account",
    "Activity",
    "Alert",
    "ArchiveCoverage",
    "Credential",
    "IamUser",
    "LedgerEntry",
    "LedgerName",
    "Organization",
    "Person",
    "ProtectedEntry",
    "Role",
    "Sync",
    "Team",
    "TrailCoverage",
]
