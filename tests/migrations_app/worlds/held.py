"""What the model remembers: each user with what it holds in AWS, each batch with what it froze.

`Held.take` is all that the model knows of IAM: what each call does to a user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

DAY = timedelta(days=1)
FENCE = "arn:aws:iam::aws:policy/AWSDenyAll"
PARAMETERS = ("AccessKeyId", "SSHPublicKeyId", "CertificateId", "ServiceSpecificCredentialId")
SWITCHES = tuple(
    f"Update{what}"
    for what in ("AccessKey", "SSHPublicKey", "SigningCertificate", "ServiceSpecificCredential")
)
PARTS = {"RemoveUserFromGroup": "GroupName", "DeleteUserPolicy": "PolicyName",
         "DeactivateMFADevice": "SerialNumber"}  # fmt: skip
DELETES = {
    "DeleteAccessKey", "DeleteLoginProfile", "DeleteServiceSpecificCredential",
    "DeleteSSHPublicKey", "DeleteSigningCertificate", "DeactivateMFADevice",
    "DeleteVirtualMFADevice", "RemoveUserFromGroup", "DeleteUserPolicy", "DetachUserPolicy",
    "DeleteUser",
}  # fmt: skip
Params = Mapping[str, str]


@dataclass
class Held:
    """`status` by credential id; `parts` are groups, inline policies and MFA devices."""

    status: dict[str, str] = field(default_factory=dict)
    password: bool = False
    policies: set[str] = field(default_factory=set)
    boundary: str = ""
    parts: set[str] = field(default_factory=set)

    @property
    def fenced(self) -> bool:
        return FENCE in self.policies or self.boundary == FENCE

    @property
    def shut(self) -> bool:
        return self.fenced and not self.password and "Active" not in self.status.values()

    def take(self, operation: str, params: Params, made: str = "") -> None:
        """What one call does; `made` is the id that AWS gave."""
        credential = credential_of(params, made)
        if operation in SWITCHES:
            if credential in self.status:
                self.status[credential] = params["Status"]
        elif operation == "CreateAccessKey":
            self.status[made] = "Active"
        elif operation in PARTS:
            self.parts.discard(params[PARTS[operation]])
        elif operation == "AttachUserPolicy":
            self.policies.add(params["PolicyArn"])
        elif operation == "DetachUserPolicy":
            self.policies.discard(params["PolicyArn"])
        elif operation == "PutUserPermissionsBoundary":
            self.boundary = params["PermissionsBoundary"]
        elif operation == "DeleteUserPermissionsBoundary":
            self.boundary = ""
        elif operation in ("CreateLoginProfile", "DeleteLoginProfile"):
            self.password = operation.startswith("Create")
        elif operation in DELETES:
            self.status.pop(credential, None)


def credential_of(params: Params, made: str = "") -> str:
    """The id of the credential that a call names, or the one it made."""
    return next((params[name] for name in PARAMETERS if name in params), made)


@dataclass
class Ours:
    """What the product did to a user since it last had access, and what it had before."""

    before: Held
    credentials: set[str] = field(default_factory=set)
    password: bool = False
    fence: str = ""
    urgent: bool = False


@dataclass
class User:
    """One IAM user. `state` is "" until the product lists it; `gone` is "us" or "outside"."""

    id: str
    name: str
    now: Held
    state: str = ""
    owner: str = ""
    protection: str = ""
    gone: str = ""
    final: bool = False
    ours: Ours | None = None
    undone: Ours | None = None  # of the last restore, which is read back and repaired for an hour
    restoring: bool = False
    hit: bool = False
    disputed: date | None = None
    fenced_at: datetime | None = None
    clock_at: datetime | None = None
    not_before: datetime | None = None
    heard_at: datetime | None = None
    surely_heard_at: datetime | None = None  # by a worker that nothing disturbed
    used_at: datetime | None = None
    attempts: dict[str, datetime] = field(default_factory=dict)  # what no hit has told yet
    key_stirred: bool = False  # a key of a watched user was turned active: it may be a hit

    def due(self) -> datetime | None:
        length = {"disabled": 7 * DAY, "soaking": 14 * DAY}.get(self.state)
        if self.clock_at is None or length is None:
            return None
        return max(self.clock_at + length, self.not_before or self.clock_at)


@dataclass
class Item:
    """What was frozen about one user of a batch when it was looked at."""

    name: str
    owner: str
    held: Held
    looked_at: datetime


@dataclass
class Batch:
    move: str
    method: str
    urgent: bool
    composed_by: str
    status: str = "draft"
    asked_by: str = ""
    approver: str = ""
    approved_at: datetime | None = None
    items: dict[str, Item] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    approved: dict[str, Item] = field(default_factory=dict)

    def lapses(self) -> datetime:
        assert self.approved_at
        return self.approved_at + 7 * DAY


@dataclass(frozen=True)
class Job:
    """One change as its row names it: whose, which move, of which batch."""

    pk: int
    user: str
    move: str
    batch: int = 0
    follows: bool = False
