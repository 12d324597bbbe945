"""What one simulated account holds: plain rows, no behaviour beyond finding one of them.

All times are aware UTC with whole seconds, as IAM gives them. Names are unique without regard to
case (AWS_FACTS.md 3.9), so everything that is named is kept under its lower-case name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import no_such_entity

if TYPE_CHECKING:
    from .event_rules import EventRule
    from .identity_center import IdentityCenter
    from .instances import Instance
    from .trail_settings import TrailSetting

Document = dict[str, Any]


@dataclass
class Use:
    """The last use of a credential; `region` is `N/A` for services without one, e.g. S3."""

    at: datetime
    service: str
    region: str


@dataclass
class AccessKey:
    id: str
    created_at: datetime
    status: str = "Active"
    last_used: Use | None = None


@dataclass
class Upload:
    """An SSH public key or a signing certificate."""

    id: str
    body: str
    uploaded_at: datetime
    status: str = "Active"


@dataclass
class ServiceCredential:
    id: str
    service: str
    service_user_name: str
    created_at: datetime
    status: str = "Active"
    expires_at: datetime | None = None
    alias: str | None = None


@dataclass
class LoginProfile:
    created_at: datetime
    reset_required: bool = False


@dataclass
class MfaDevice:
    serial: str
    enabled_at: datetime

    @property
    def virtual(self) -> bool:
        return ":mfa/" in self.serial


@dataclass
class VirtualMfa:
    """A virtual MFA device, assigned to a user or left behind by an abandoned set-up."""

    serial: str
    user_id: str | None = None
    enabled_at: datetime | None = None


@dataclass
class Principal:
    """What users, groups and roles have in common: a name, an id, and policies."""

    name: str
    id: str
    path: str
    arn: str
    created_at: datetime
    inline: dict[str, Document] = field(default_factory=dict)
    attached: list[str] = field(default_factory=list)


@dataclass
class User(Principal):
    tags: dict[str, str] = field(default_factory=dict)
    boundary: str | None = None
    login: LoginProfile | None = None
    password_last_used: datetime | None = None
    password_changed_at: datetime | None = None
    keys: dict[str, AccessKey] = field(default_factory=dict)
    ssh_keys: dict[str, Upload] = field(default_factory=dict)
    certificates: dict[str, Upload] = field(default_factory=dict)
    service_credentials: dict[str, ServiceCredential] = field(default_factory=dict)
    mfa: dict[str, MfaDevice] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    services: dict[str, Use] = field(default_factory=dict)


@dataclass
class Group(Principal):
    pass


@dataclass
class Role(Principal):
    trust: Document = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    boundary: str | None = None
    last_used: Use | None = None
    description: str = ""
    max_session_seconds: int = 3600


@dataclass
class Policy:
    name: str
    id: str
    path: str
    arn: str
    created_at: datetime
    document: Document
    version: str = "v1"
    description: str = ""

    @property
    def aws_managed(self) -> bool:
        return self.arn.startswith("arn:aws:iam::aws:")


@dataclass
class AccessEntry:
    """A principal's way into an EKS cluster."""

    principal_arn: str
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass
class Resource:
    """What can have a resource policy: bucket, queue, topic, key, secret; or an EKS cluster.

    Users are kept in `policy` by their unique id where they are principals, as AWS keeps them.
    """

    kind: str
    name: str
    arn: str
    region: str
    policy: Document | None = None
    entries: dict[str, AccessEntry] = field(default_factory=dict)
    entries_in_config_map: bool = False


@dataclass
class Report:
    """A credential report: its bytes do not change for four hours, whatever the account does."""

    started_at: datetime
    content: bytes
    polls_left: int


@dataclass
class AdvisorJob:
    """A service-last-accessed job; only the session that began it may read it (AWS_FACTS 3.2)."""

    id: str
    arn: str
    principal_id: str
    granularity: str
    started_at: datetime
    services: list[dict[str, Any]]
    polls_left: int = 1


@dataclass
class Root:
    """The account's root user: no IAM user, seen only in the report and the account summary."""

    mfa: bool = True
    keys: list[AccessKey] = field(default_factory=list)
    password_last_used: datetime | None = None


@dataclass
class Account:
    id: str
    alias: str
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    virtual_mfa: dict[str, VirtualMfa] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    root: Root = field(default_factory=Root)
    report: Report | None = None
    jobs: dict[str, AdvisorJob] = field(default_factory=dict)
    key_owner: dict[str, str] = field(default_factory=dict)
    by_user_id: dict[str, User] = field(default_factory=dict)
    denials: dict[tuple[str, str], str] = field(default_factory=dict)
    password_policy: dict[str, Any] | None = None
    trails: list[TrailSetting] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    # Of the organization, where this is its management account.
    identity_center: IdentityCenter | None = None
    rules: list[EventRule] = field(default_factory=list)
    # Service control policies of its organization, beside the one that allows everything.
    scps: list[Document] = field(default_factory=list)

    def arn(self, resource: str) -> str:
        """The IAM ARN of `resource`, e.g. `user/ci/deploy`."""
        return f"arn:aws:iam::{self.id}:{resource}"

    def user(self, name: str) -> User:
        """The user of that name, in any case; NoSuchEntity."""
        found = self.users.get(name.lower())
        if found is None:
            raise no_such_entity(f"The user with name {name} cannot be found.")
        return found

    def group(self, name: str) -> Group:
        """The group of that name; NoSuchEntity."""
        found = self.groups.get(name.lower())
        if found is None:
            raise no_such_entity(f"The group with name {name} cannot be found.")
        return found

    def role(self, name: str) -> Role:
        """The role of that name; NoSuchEntity."""
        found = self.roles.get(name.lower())
        if found is None:
            raise no_such_entity(f"The role with name {name} cannot be found.")
        return found

    def policy(self, arn: str) -> Policy:
        """The managed policy of that ARN; NoSuchEntity."""
        found = self.policies.get(arn)
        if found is None:
            raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")
        return found

    def add_user(self, user: User) -> None:
        """Enter a user in both indexes."""
        self.users[user.name.lower()] = user
        self.by_user_id[user.id] = user

    def owner_of_key(self, key_id: str) -> User | None:
        """The user an access key belongs to, or None when there is no such key."""
        return self.by_user_id.get(self.key_owner.get(key_id, ""))
