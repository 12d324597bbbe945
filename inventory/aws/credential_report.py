"""The credential report: the one place that knows its states, its columns and their oddities.

AWS makes it at most once in 4 hours and keeps it unchanged in between, so its rows are as old as
`generated_at` and never prove what was done since. AWS_FACTS.md section 1.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

ROOT = "<root_account>"
# A request inside this time gives back the old report.
KEPT = timedelta(hours=4)
IN_PROGRESS = "ReportInProgress"
# Each ends by asking for a new one and waiting.
NOT_READY = frozenset({"ReportNotPresent", "ReportExpired", IN_PROGRESS})
# Not there, not known since tracking began, not kept for this kind of row.
_NOTHING = frozenset({"", "n/a", "no_information", "not_supported"})
_NEEDED = frozenset({"user", "arn", "user_creation_time", "password_enabled"})
_ARN = re.compile(
    r"arn:[a-z0-9-]+:iam::\d{12}:(?:root|user/(?:[!-~]*/)?([\w+=,.@-]{1,64}))", re.ASCII
)


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One of the report's two key columns. It bears no key id: it joins by `rotated_at` only.

    `active` is None where the report does not say. `region` is "" for services without one, such
    as S3, and says nothing about use.
    """

    active: bool | None
    rotated_at: datetime | None
    last_used_at: datetime | None
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class CertificateSlot:
    """One of the report's two columns of signing certificates."""

    active: bool | None
    rotated_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line. `password_last_used_at` None: never, or not since October 2014.

    `password_enabled` and `mfa_active` are None where the report does not say. `more` is what it
    says of credentials beyond two of a kind, usually how many; "" for none.
    """

    user_name: str
    arn: str
    created_at: datetime | None
    password_enabled: bool | None
    password_last_used_at: datetime | None
    password_last_changed_at: datetime | None
    mfa_active: bool | None
    keys: tuple[KeySlot, ...]
    certificates: tuple[CertificateSlot, ...] = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of IAM users by ARN, and root apart: it never is a user."""

    generated_at: datetime
    root: ReportRow | None
    users: Mapping[str, ReportRow]

    def of(self, arn: str, created_at: datetime) -> ReportRow | None:
        """The row of the user with this ARN, or None if it is of an earlier user of that name."""
        row = self.users.get(arn)
        if row is None or row.created_at is None:
            return row
        return row if row.created_at == created_at.replace(microsecond=0) else None


def generate(session: AwsSession) -> None:
    """Ask for a report; one of the last 4 hours is kept, and then this changes nothing.

    Raises AwsFailure: LimitExceeded and Throttling also where AWS blocks it for a whole account.
    """
    ask(session.client("iam").generate_credential_report, "GenerateCredentialReport")


def fetch(session: AwsSession) -> Report:
    """The report as AWS keeps it. Raises AwsFailure: `NOT_READY`, "MalformedReport", and others."""
    told = ask(session.client("iam").get_credential_report, "GetCredentialReport")
    return parse(told["Content"], told["GeneratedTime"])


def parse(content: bytes, generated_at: datetime) -> Report:
    """The report in `content`, read by its header. Raises AwsFailure "MalformedReport"."""
    try:
        rows = _rows(content)
    except (UnicodeDecodeError, csv.Error, ValueError, OverflowError) as error:
        message = f"The credential report cannot be read: {error}."
        raise AwsFailure("MalformedReport", message, operation="GetCredentialReport") from error
    users: dict[str, ReportRow] = {}
    root = None
    for row in rows:
        if row.user_name == ROOT:
            root = row
        elif row.arn not in users or _later(row, users[row.arn]):
            users[row.arn] = row
    return Report(generated_at, root, users)


def _rows(content: bytes) -> list[ReportRow]:
    text = content.decode("utf-8-sig")
    if "\x00" in text:
        raise ValueError("it holds NUL characters")
    lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in lines.fieldnames or ()]
    if missing := _NEEDED - set(header):
        raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
    if any(header.count(name) > 1 for name in header if name):
        raise ValueError("a column stands in it twice")
    lines.fieldnames = header
    return [_row(line) for line in lines]


def _later(row: ReportRow, other: ReportRow) -> bool:
    """Of two rows with one ARN the later made user's counts: the other is gone."""
    return row.created_at is not None and (
        other.created_at is None or row.created_at > other.created_at
    )


def _row(line: Mapping[str | None, str | None]) -> ReportRow:
    # csv fills a short line with None, and keeps what a long one has too many under None.
    if None in line.values() or None in line:
        raise ValueError(f"the line of {str(line.get('user'))[:64]!r} is cut off or run together")
    name, arn = line.get("user") or "", line.get("arn") or ""
    told = _ARN.fullmatch(arn)
    # The ARN decides who is root; a name that does not fit it means that cells have moved.
    if told is None or name != (told[1] or ROOT):
        raise ValueError(f"the line of {name[:64]!r} bears the ARN {arn[:100]!r}")
    return ReportRow(
        user_name=name,
        arn=arn,
        created_at=_time(line.get("user_creation_time")),
        password_enabled=_truth(line.get("password_enabled")),
        password_last_used_at=_time(line.get("password_last_used")),
        password_last_changed_at=_time(line.get("password_last_changed")),
        mfa_active=_truth(line.get("mfa_active")),
        keys=tuple(_key(line, f"access_key_{slot}") for slot in (1, 2)),
        certificates=tuple(
            CertificateSlot(
                _truth(line.get(f"cert_{slot}_active")),
                _time(line.get(f"cert_{slot}_last_rotated")),
            )
            for slot in (1, 2)
        ),
        more=_text(line.get("additional_credentials_info"))[:200],
    )


def _key(line: Mapping[str | None, str | None], slot: str) -> KeySlot:
    return KeySlot(
        active=_truth(line.get(f"{slot}_active")),
        rotated_at=_time(line.get(f"{slot}_last_rotated")),
        last_used_at=_time(line.get(f"{slot}_last_used_date")),
        region=_text(line.get(f"{slot}_last_used_region"))[:30],
        service=_text(line.get(f"{slot}_last_used_service"))[:100],
    )


def _text(value: str | None) -> str:
    text = (value or "").strip()
    return "" if text.lower() in _NOTHING else text


def _truth(value: str | None) -> bool | None:
    """TRUE and true alike; None where there is no such column or it says nothing."""
    text = _text(value).lower()
    if text not in ("", "true", "false"):
        raise ValueError(f"{text[:20]!r} is neither true nor false")
    return text == "true" if text else None


def _time(value: str | None) -> datetime | None:
    text = _text(value)
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"the time {text[:40]!r} has no zone")
    return at.astimezone(UTC).replace(microsecond=0)
