"""Which items of CIS AWS Foundations that concern IAM users and root an account meets. Pure.

Numbers are those of version 5.0.0, the newest that AWS Security Hub checks, with those of 7.0.0
beside them: that one moved identity to section 2 and logging to section 4, and dropped the item
about a second active key. The words are ours. What was not read is `not-looked-at`, never passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from inventory.rights import policy_documents
from inventory.rights.policy_documents import EVERYTHING

BENCHMARK = "CIS AWS Foundations 5.0.0"
UNUSED_AFTER = timedelta(days=45)
ROTATE_AFTER = timedelta(days=90)
# Federated sign-ins are looked for that far back.
FEDERATED_WITHIN = timedelta(days=30)
PASSWORD_LENGTH = 14
PASSWORDS_REMEMBERED = 24
# A day's row stays small; the counts are of everybody.
MOST_NAMED = 200


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_LOOKED_AT = "not-looked-at"


@dataclass(frozen=True, slots=True)
class Rule:
    """One item of the benchmark. `view` is the filter of the Users page that shows who fails."""

    key: str
    number: str
    number_7: str
    title: str
    view: str = ""


RULES = (
    Rule("root-keys", "1.3", "2.4", "Root has no access key"),
    Rule("root-mfa", "1.4", "2.5", "Root has MFA"),
    Rule("root-hardware-mfa", "1.5", "2.6", "Root's MFA is a hardware device"),
    Rule("root-unused", "1.6", "2.7", "Root was not used for 45 days"),
    Rule("password-length", "1.7", "2.8", "Passwords have 14 characters or more"),
    Rule("password-reuse", "1.8", "2.9", "The last 24 passwords cannot come back"),
    Rule("user-mfa", "1.9", "2.10", "Everybody with a console password has MFA", "console-no-mfa"),
    Rule("unused-45", "1.11", "2.11", "No credential lies unused for 45 days", "unused-45"),
    Rule("one-key", "1.12", "", "Nobody has two active access keys", "two-keys"),
    Rule("key-age", "1.13", "2.12", "Active access keys are at most 90 days old", "keys-90"),
    Rule("groups-only", "1.14", "2.13", "Permissions come through groups only", "direct-policies"),
    Rule("no-full-admin", "1.15", "2.14", "No IAM user holds a policy that allows *:*"),
    Rule("instance-roles", "1.17", "2.16", "Instances use roles, not keys"),
    Rule("federation", "1.20", "2.19", "People come in through federation", "console-password"),
    Rule("trail", "3.1", "4.1", "A trail records every Region"),
    Rule("trail-validation", "3.2", "4.2", "Trails validate their log files"),
)
BY_KEY = {rule.key: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """An active access key."""

    created_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What the items need of one IAM user. A policy that only denies is no direct policy."""

    user_id: str
    created_at: datetime
    has_console_password: bool = False
    has_mfa: bool = False
    password_last_used_at: datetime | None = None
    password_last_changed_at: datetime | None = None
    active_keys: tuple[KeyFacts, ...] = ()
    direct_policies: bool = False
    full_admin: bool | None = None
    protected: bool = False
    credentials_read: bool = True
    policies_read: bool = True


@dataclass(frozen=True, slots=True)
class RootFacts:
    """Root, as the credential report and the account's summary tell. None: not told."""

    active_keys: int | None = None
    has_mfa: bool | None = None
    has_virtual_mfa: bool | None = None
    # False where an organization removed the credentials of root: it needs no MFA then.
    has_password: bool | None = None
    use_known: bool = False
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The account's password policy; AWS's own default where none was set."""

    minimum_length: int = 8
    remembered: int = 0


@dataclass(frozen=True, slots=True)
class TrailFacts:
    """One trail. `all_management_events` None: it could not be told."""

    name: str
    multi_region: bool
    logging: bool | None
    all_management_events: bool | None
    validates: bool


@dataclass(frozen=True, slots=True)
class Instances:
    """How many EC2 instances there are, and how many of them have no role."""

    total: int
    without_role: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged. None: could not be read."""

    users: Sequence[UserFacts]
    root: RootFacts = RootFacts()
    passwords: PasswordPolicy | None = None
    trails: tuple[TrailFacts, ...] | None = None
    instances: Instances | None = None
    sign_ins_read: bool = False
    federated_sign_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """How an account meets one rule. `count` of `total` fail; `unread` more could not be looked
    at; `protected` of those who fail are break-glass or exempt and counted all the same. `why`
    says what kept somebody from looking."""

    key: str
    status: Status
    count: int = 0
    total: int = 0
    unread: int = 0
    protected: int = 0
    users: tuple[str, ...] = ()
    why: str = ""

    @property
    def rule(self) -> Rule:
        return BY_KEY[self.key]

    def as_row(self) -> dict[str, Any]:
        """For a JSON column."""
        return {
            "key": self.key,
            "number": self.rule.number,
            "status": self.status.value,
            "count": self.count,
            "total": self.total,
            "unread": self.unread,
            "protected": self.protected,
            "users": list(self.users),
            "why": self.why,
        }


def allows_everything(document: object) -> bool:
    """Whether a policy document allows every action on every resource in one statement.

    Takes any JSON value and never raises: what AWS gave no document for allows nothing here.
    """
    return any(
        not {"*", "*:*"}.isdisjoint(one.actions) and EVERYTHING in one.resources
        for one in policy_documents.read(document).allows
    )


def judge(facts: Facts, now: datetime, gaps: Mapping[str, str] | None = None) -> list[Item]:
    """Every rule in its order. `now` is aware UTC; `gaps` says by rule why it was not looked at."""
    items = [
        *_root(facts.root, now),
        *_passwords(facts.passwords),
        *_users(facts.users, now),
        _instances(facts.instances),
        _federation(facts, now),
        *_trails(facts.trails),
    ]
    found = {item.key: item for item in items}
    for key, why in (gaps or {}).items():
        if found[key].status is Status.NOT_LOOKED_AT:
            found[key] = replace(found[key], why=why)
    return [found[rule.key] for rule in RULES]


def unused(user: UserFacts, now: datetime) -> bool:
    """Whether a password or an active key was not used for 45 days; one never used counts from
    when it was made."""
    before = now - UNUSED_AFTER
    if user.has_console_password:
        made = user.password_last_changed_at or user.created_at
        if (user.password_last_used_at or made) <= before:
            return True
    return any(
        (at := key.last_used_at or key.created_at) is not None and at <= before
        for key in user.active_keys
    )


def _old_key(user: UserFacts, now: datetime) -> bool:
    return any(
        key.created_at is not None and key.created_at < now - ROTATE_AFTER
        for key in user.active_keys
    )


def _verdict(key: str, passed: bool | None) -> Item:
    """An item about one thing, which passed, failed, or could not be told (None)."""
    if passed is None:
        return Item(key, Status.NOT_LOOKED_AT)
    return Item(key, Status.PASSED if passed else Status.FAILED, int(not passed), 1)


def _root(root: RootFacts, now: datetime) -> list[Item]:
    keyless = None if root.active_keys is None else root.active_keys == 0
    mfa = True if root.has_password is False else root.has_mfa
    hardware = mfa
    if mfa and root.has_password is not False:
        hardware = None if root.has_virtual_mfa is None else not root.has_virtual_mfa
    idle: bool | None = None
    if root.use_known:
        idle = root.last_used_at is None or root.last_used_at < now - UNUSED_AFTER
    return [
        _verdict("root-keys", keyless),
        _verdict("root-mfa", mfa),
        _verdict("root-hardware-mfa", hardware),
        _verdict("root-unused", idle),
    ]


def _passwords(policy: PasswordPolicy | None) -> list[Item]:
    long_enough = reuse = None
    if policy is not None:
        long_enough = policy.minimum_length >= PASSWORD_LENGTH
        reuse = policy.remembered >= PASSWORDS_REMEMBERED
    return [_verdict("password-length", long_enough), _verdict("password-reuse", reuse)]


def _users(users: Sequence[UserFacts], now: datetime) -> list[Item]:
    read = [user for user in users if user.credentials_read]
    console = [user for user in read if user.has_console_password]
    with_keys = [user for user in read if user.active_keys]
    holding = [user for user in read if user.has_console_password or user.active_keys]
    unread = len(users) - len(read)
    known = [user for user in users if user.policies_read]
    # A user made between two calls of AWS is listed, but its policies are not known yet.
    levels = [user for user in known if user.full_admin is not None]
    return [
        _among("user-mfa", console, lambda user: not user.has_mfa, unread),
        _among("unused-45", holding, lambda user: unused(user, now), unread),
        _among("one-key", with_keys, lambda user: len(user.active_keys) > 1, unread),
        _among("key-age", with_keys, lambda user: _old_key(user, now), unread),
        _among("groups-only", known, lambda user: user.direct_policies, len(users) - len(known)),
        _among(
            "no-full-admin", levels, lambda user: bool(user.full_admin), len(users) - len(levels)
        ),
    ]


def _among(
    key: str, users: Iterable[UserFacts], fails: Callable[[UserFacts], bool], unread: int
) -> Item:
    """One who fails settles it; nobody does only if everybody was looked at."""
    looked_at = list(users)
    failing = [user for user in looked_at if fails(user)]
    status = Status.PASSED
    if failing:
        status = Status.FAILED
    elif unread:
        status = Status.NOT_LOOKED_AT
    return Item(
        key,
        status,
        count=len(failing),
        total=len(looked_at),
        unread=unread,
        protected=sum(user.protected for user in failing),
        users=tuple(user.user_id for user in failing[:MOST_NAMED]),
    )


def _instances(instances: Instances | None) -> Item:
    if instances is None:
        return Item("instance-roles", Status.NOT_LOOKED_AT)
    status = Status.FAILED if instances.without_role else Status.PASSED
    return Item("instance-roles", status, instances.without_role, instances.total)


def _federation(facts: Facts, now: datetime) -> Item:
    """Met if somebody came in through federation lately and nobody has a console password."""
    unread = sum(not user.credentials_read for user in facts.users)
    people = _among(
        "federation",
        [user for user in facts.users if user.credentials_read],
        lambda user: user.has_console_password,
        unread,
    )
    if people.status is not Status.PASSED:
        return people
    seen = facts.federated_sign_in_at
    if seen is not None and seen > now - FEDERATED_WITHIN:
        return people
    # Nobody seen is an answer only if somebody looked.
    missing = Status.FAILED if facts.sign_ins_read else Status.NOT_LOOKED_AT
    return replace(people, status=missing)


def _trails(trails: tuple[TrailFacts, ...] | None) -> list[Item]:
    if trails is None:
        unknown = Status.NOT_LOOKED_AT
        return [Item("trail", unknown), Item("trail-validation", unknown)]
    answers = [_records_everything(trail) for trail in trails if trail.multi_region]
    recorded: bool | None = True
    if True not in answers:
        recorded = None if None in answers else False
    careless = sum(not trail.validates for trail in trails)
    validated = bool(trails) and not careless
    return [
        _verdict("trail", recorded),
        Item(
            "trail-validation",
            Status.PASSED if validated else Status.FAILED,
            careless,
            len(trails),
        ),
    ]


def _records_everything(trail: TrailFacts) -> bool | None:
    parts = (trail.logging, trail.all_management_events)
    if False in parts:
        return False
    return None if None in parts else True
