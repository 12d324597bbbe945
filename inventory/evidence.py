"""What is known of one IAM user's use, as values, and each sign of use in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

# Event history keeps management events this long, in each Region.
EVENT_HISTORY = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class CredentialFact:
    """One credential. `kind` as in the Credential model, or "console-password"."""

    kind: str
    id: str
    active: bool
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_service: str = ""
    # Whether AWS records its last use at all; of SSH keys, certificates and service-specific
    # credentials it does not.
    traced: bool = True


@dataclass(frozen=True, slots=True)
class Happening:
    """Events of one kind on one day. `outcome`: ok | denied | failed-sign-in."""

    first_at: datetime
    last_at: datetime
    service: str
    action: str
    outcome: str
    count: int = 1
    region: str = ""
    access_key_id: str = ""
    source_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class RegionLook:
    """How far event history was read in one Region; `error` is AWS's words of the last failure."""

    region: str
    read_from: datetime | None
    read_to: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveLook:
    """How far a longer history was read in one Region: whole days, the first and the last.

    `source` is what a reason calls it, such as "CloudTrail logs in S3"; `gaps` are days between
    that could not be read, and `error` is AWS's words where the Region could not be read at all.
    """

    region: str
    source: str
    read_from: date | None
    read_to: date | None
    error: str = ""
    gaps: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """One service in service last accessed; `at` is None where AWS tracked no access."""

    service: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one user's use, and what is not.

    `missing` names in AWS's words what could not be read. `services` is None where service last
    accessed was not asked.
    """

    created_at: datetime
    regions: tuple[str, ...]
    credentials: tuple[CredentialFact, ...] = ()
    happenings: tuple[Happening, ...] = ()
    looks: tuple[RegionLook, ...] = ()
    services: tuple[ServiceUse, ...] | None = None
    credentials_read_at: datetime | None = None
    services_read_at: datetime | None = None
    missing: tuple[str, ...] = ()
    regions_left_out: tuple[str, ...] = ()
    archive: tuple[ArchiveLook, ...] = ()
    # When people last took it back into use; that counts as evidence of use.
    restored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence with its source and the time it speaks of; `blocks` a verdict of silence."""

    text: str
    source: str
    at: datetime | None = None
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """One sign of use: when, told by which source, in words."""

    at: datetime
    source: str
    text: str


def used(facts: Evidence) -> list[Happening]:
    """Authenticated use: a denied call is one, a failed sign-in is not."""
    return [one for one in facts.happenings if one.outcome != "failed-sign-in"]


def uses_of(facts: Evidence, now: datetime) -> list[Use]:
    """Every sign of use, of all credentials and all sources."""
    older = facts.archive[0].source if facts.archive else "CloudTrail"
    uses = [
        Use(
            one.last_at,
            "CloudTrail" if one.last_at >= now - EVENT_HISTORY else older,
            f"Last call {one.service}:{one.action}"
            + (", denied" if one.outcome == "denied" else ""),
        )
        for one in used(facts)
    ]
    for credential in facts.credentials:
        if credential.last_used_at is None:
            continue
        if credential.kind == "console-password":
            uses.append(Use(credential.last_used_at, "Password last used", "Last console sign-in"))
            continue
        what = f" for {credential.last_used_service}" if credential.last_used_service else ""
        text = f"Access key {credential.id} last used{what}"
        uses.append(Use(credential.last_used_at, "Access key last used", text))
    for service in facts.services or ():
        if service.at is not None:
            text = f"Last access to {service.service}"
            uses.append(Use(service.at, "Access Advisor", text))
    if facts.restored_at is not None:
        uses.append(Use(facts.restored_at, "Restore", "Somebody restored it"))
    return uses


def named(credential: CredentialFact) -> str:
    """A credential as a sentence begins with it."""
    return f"{_KINDS.get(credential.kind, 'Access key')} {credential.id}".strip()


_KINDS = {
    "console-password": "The console password",
    "ssh-key": "SSH public key",
    "signing-certificate": "Signing certificate",
    "service-specific": "Service-specific credential",
}
