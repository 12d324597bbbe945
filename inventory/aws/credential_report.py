"""The credential report: the one place that knows its states, its columns and their oddities.

AWS makes it at most once in 4 hours and keeps it unchanged in between, so its rows are as old as
`generated_at` and never prove what was done since.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

ROOT = "<root_account>"
# Not there, not known since tracking began, not kept for this kind of row.
_NOTHING = frozenset({"", "n/a", "no_information", "not_supported"})
_NEEDED = frozenset({"user", "arn", "user_creation_time", "password_enabled"})


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One of the report's two key columns; it bears no key id, so it joins by position only."""

    active: bool
    rotated_at: datetime | None
    last_used_at: datetime | None
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line. `password_last_used_at` None: never, or not since October 2014."""

    user_name: str
    arn: str
    created_at: datetime | None
    password_enabled: bool
    password_last_used_at: datetime | None
    password_last_changed_at: datetime | None
    mfa_active: bool
    keys: tuple[KeySlot, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of IAM users by ARN, and root apart: it never is a user."""

    generated_at: datetime
    root: ReportRow | None
    users: Mapping[str, ReportRow]


def generate(session: AwsSession) -> bool:
    """Ask for a report; True once it can be fetched. Raises AwsFailure."""
    told = ask(session.client("iam").generate_credential_report, "GenerateCredentialReport")
    return bool(told["State"] == "COMPLETE")


def fetch(session: AwsSession) -> Report | None:
    """The report, or None while AWS still makes it. Raises AwsFailure, also "MalformedReport"."""
    try:
        told = ask(session.client("iam").get_credential_report, "GetCredentialReport")
    except AwsFailure as refused:
        # Not made yet, being made, or too old: each ends by asking for one and waiting.
        if refused.code in {"ReportNotPresent", "ReportInProgress", "ReportExpired"}:
            return None
        raise
    return parse(told["Content"], told["GeneratedTime"])


def parse(content: bytes, generated_at: datetime) -> Report:
    """The report in `content`, read by its header. Raises AwsFailure "MalformedReport"."""
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        header = frozenset(lines.fieldnames or ())
        if not header >= _NEEDED:
            raise ValueError(f"it lacks the columns {', '.join(sorted(_NEEDED - header))}")
        rows = [_row(line) for line in lines]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        message = f"The credential report cannot be read: {error}."
        raise AwsFailure("MalformedReport", message, operation="GetCredentialReport") from error
    root = next((row for row in rows if row.user_name == ROOT), None)
    return Report(generated_at, root, {row.arn: row for row in rows if row.user_name != ROOT})


def _row(line: Mapping[str, str | None]) -> ReportRow:
    if None in line.values() or not line.get("arn"):
        raise ValueError(f"the line of {line.get('user')!r} is cut off")
    return ReportRow(
        user_name=line["user"] or "",
        arn=line["arn"] or "",
        created_at=_time(line.get("user_creation_time")),
        password_enabled=_truth(line.get("password_enabled")),
        password_last_used_at=_time(line.get("password_last_used")),
        password_last_changed_at=_time(line.get("password_last_changed")),
        mfa_active=_truth(line.get("mfa_active")),
        keys=tuple(
            KeySlot(
                active=_truth(line.get(f"access_key_{slot}_active")),
                rotated_at=_time(line.get(f"access_key_{slot}_last_rotated")),
                last_used_at=_time(line.get(f"access_key_{slot}_last_used_date")),
                region=_text(line.get(f"access_key_{slot}_last_used_region")),
                service=_text(line.get(f"access_key_{slot}_last_used_service")),
            )
            for slot in (1, 2)
        ),
    )


def _text(value: str | None) -> str:
    return "" if value is None or value.lower() in _NOTHING else value


def _truth(value: str | None) -> bool:
    return (value or "").lower() == "true"


def _time(value: str | None) -> datetime | None:
    text = _text(value)
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return at
