"""The credentials of one IAM user as its page shows them: every kind, with what is known of use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.models import Credential, IamUser
from inventory.reads import CREDENTIALS, REPORT, Reads

OLD = timedelta(days=365)
UNTRACED = (
    "AWS does not record when an SSH key, a signing certificate or a service-specific credential is"
    " used. CloudTrail and Access Advisor show only what was done with it."
)
_ICONS: dict[str, str] = {
    Credential.Kind.ACCESS_KEY: "key",
    Credential.Kind.SSH_KEY: "git-branch",
    Credential.Kind.SIGNING_CERTIFICATE: "certificate",
    Credential.Kind.SERVICE_SPECIFIC: "plug-connected",
}
# What each service calls its credentials; others go by their name in AWS.
_SERVICES = {
    "codecommit.amazonaws.com": "CodeCommit, Git password",
    "cassandra.amazonaws.com": "Keyspaces, password",
    "bedrock.amazonaws.com": "Bedrock, API key",
    "aws-external-anthropic.amazonaws.com": "Claude Platform on AWS, API key",
    "cloudwatch.amazonaws.com": "CloudWatch, API key",
    "logs.amazonaws.com": "CloudWatch Logs, API key",
}
_MFA = {"virtual": "App", "fido": "FIDO key or passkey", "hardware": "Hardware token"}


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One line. `traced`: AWS records its use. `days` is its age, `old` an active key of a year.

    `id` as it is shown, `whole` where that is cut and the whole one may be seen.
    """

    icon: str
    kind: str
    id: str
    status: str
    live: bool
    created_at: datetime | None
    days: int | None
    old: bool
    last_used_at: datetime | None
    traced: bool
    where: str
    expires_at: datetime | None = None
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """One MFA device; `serial` as shown, `whole` where that is cut and the whole may be seen."""

    kind: str
    serial: str
    whole: str


@dataclass(frozen=True, slots=True)
class Held:
    """Everything in the section, with the times that it speaks of. `notes`: where they differ."""

    rows: tuple[HeldRow, ...]
    devices: tuple[Device, ...]
    live_at: datetime | None
    report_at: datetime | None
    notes: tuple[str, ...]
    gap: str
    untraced: bool


def held(
    user: IamUser,
    credentials: Sequence[Credential],
    reads: Reads,
    sensitive: bool,
    now: datetime,
) -> Held:
    """The credentials of `user`; whole ids and serials only if `sensitive` may be seen. Pure."""
    rows = [*_credentials(credentials, sensitive, now), *_password(user)]
    coverage = user.coverage
    return Held(
        rows=tuple(rows),
        devices=tuple(_device(one, sensitive) for one in user.mfa),
        live_at=reads.at(user, CREDENTIALS),
        report_at=reads.at(user, REPORT),
        notes=tuple(str(note.get("text", "")) for note in coverage.get("report_notes", ())),
        gap=str(coverage.get("gaps", {}).get("credentials", "")),
        untraced=any(not row.traced for row in rows),
    )


def serial_of(serial: str, sensitive: bool) -> str:
    """An MFA serial, or only its end: the ARN of a virtual device bears a name and the account."""
    return serial if sensitive or len(serial) <= 4 else f"…{serial[-4:]}"


def _device(one: Mapping[str, Any], sensitive: bool) -> Device:
    """The account of a virtual device stands at the top of the page: its name is enough."""
    serial = str(one.get("serial", ""))
    shown = serial.rsplit(":", 1)[-1] if sensitive else serial_of(serial, sensitive)
    whole = serial if sensitive and shown != serial else ""
    return Device(_MFA.get(str(one.get("kind")), "Kind not known"), shown, whole)


def _cut(text: str) -> str:
    return f"{text[:4]}…{text[-4:]}"


def _credentials(
    credentials: Iterable[Credential], sensitive: bool, now: datetime
) -> Iterable[HeldRow]:
    ordered = sorted(credentials, key=lambda one: (list(_ICONS).index(one.kind), one.status))
    numbers: dict[str, int] = {}
    for one in ordered:
        numbers[one.kind] = numbers.get(one.kind, 0) + 1
        age = now - one.created_at if one.created_at else None
        access_key = one.kind == Credential.Kind.ACCESS_KEY
        # Its service, beside it, says which.
        specific = one.kind == Credential.Kind.SERVICE_SPECIFIC
        name = "Service-specific" if specific else one.get_kind_display()
        yield HeldRow(
            icon=_ICONS[one.kind],
            kind=f"{name} {numbers[one.kind]}" if access_key else name,
            id=_cut(one.credential_id),
            whole=one.credential_id if sensitive else "",
            status=one.status,
            live=one.status == "Active",
            created_at=one.created_at,
            days=age.days if age else None,
            old=access_key and one.status == "Active" and age is not None and age > OLD,
            last_used_at=one.last_used_at,
            traced=access_key,
            where=_where(one),
            expires_at=one.expires_at,
        )


def _password(user: IamUser) -> Iterable[HeldRow]:
    has = user.has_console_password
    yield HeldRow(
        icon="lock",
        kind="Console password",
        id="set" if has else "none",
        status="Active" if has else "",
        live=has,
        created_at=(user.password_last_changed_at or user.password_created_at) if has else None,
        days=None,
        old=False,
        # Kept after the password is gone: the sign-in was one all the same.
        last_used_at=user.password_last_used_at,
        traced=True,
        where="console sign-in" if user.password_last_used_at else "",
    )


def _where(one: Credential) -> str:
    if one.service:
        return _SERVICES.get(one.service, one.service)
    if one.kind == Credential.Kind.SSH_KEY:
        return "CodeCommit"
    said = [part for part in (one.last_used_service, one.last_used_region) if part]
    return ", ".join(said)
