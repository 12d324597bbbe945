"""Rows of facts, by noun: people, accounts and how they are connected, IAM users, the record."""

from inventory.models.accounts import Account, Organization, ProtectedEntry, Sync
from inventory.models.connections import AccessTest, Connection
from inventory.models.identity_center import CenterLook
from inventory.models.observations import LastKnown, Observation, ObservationCount
from inventory.models.people import Identity, Mail, Person, Role, Team
from inventory.models.policies import PolicyText
from inventory.models.posture import PostureDay
from inventory.models.reads import ReadPass
from inventory.models.record import Alert, LedgerEntry, LedgerName
from inventory.models.tokens import Scope, Token
from inventory.models.users import (
    Activity,
    ArchiveCoverage,
    Credential,
    IamUser,
    TrailCoverage,
    TrailGap,
)

__all__ = [
    "AccessTest",
    "Account",
    "Activity",
    "Alert",
    "ArchiveCoverage",
    "CenterLook",
    "Connection",
    "Credential",
    "IamUser",
    "Identity",
    "LastKnown",
    "LedgerEntry",
    "LedgerName",
    "Mail",
    "Observation",
    "ObservationCount",
    "Organization",
    "Person",
    "PolicyText",
    "PostureDay",
    "ProtectedEntry",
    "ReadPass",
    "Role",
    "Scope",
    "Sync",
    "Team",
    "Token",
    "TrailCoverage",
    "TrailGap",
]
