"""The credential report: made in the background, kept for four hours, and stale from the start.

AWS_FACTS.md section 1. The oddities of its cells (`N/A`, `no_information`, `not_supported`) are
AWS's own.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from .calls import Context, operation
from .errors import AwsError
from .state import AccessKey, Account, Report, Upload, User

VALID_FOR = timedelta(hours=4)
POLLS = 2
COLUMNS = [
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used",
    "password_last_changed", "password_next_rotation", "mfa_active",
    "access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date",
    "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
    "access_key_2_last_used_region", "access_key_2_last_used_service",
    "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
    "additional_credentials_info",
]  # fmt: skip
_NONE = "N/A"


def _time(value: datetime | None, otherwise: str = _NONE) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S+00:00") if value else otherwise


def _flag(value: object) -> str:
    return "true" if value else "false"


def _key_cells(key: AccessKey | None) -> list[str]:
    if key is None:
        return ["false", _NONE, _NONE, _NONE, _NONE]
    used = key.last_used
    return [
        _flag(key.status == "Active"),
        _time(key.created_at),
        _time(used.at if used else None),
        used.region if used else _NONE,
        used.service if used else _NONE,
    ]


def _certificate_cells(upload: Upload | None) -> list[str]:
    if upload is None:
        return ["false", _NONE]
    return [_flag(upload.status == "Active"), _time(upload.uploaded_at)]


def _row(user: User) -> list[str]:
    keys = sorted(user.keys.values(), key=lambda key: (key.created_at, key.id))
    certificates = sorted(user.certificates.values(), key=lambda upload: upload.uploaded_at)
    password_used = _NONE
    if user.login is not None:
        password_used = _time(user.password_last_used, "no_information")
    row = [user.name, user.arn, _time(user.created_at), _flag(user.login), password_used]
    row += [_time(user.password_changed_at if user.login else None), _NONE, _flag(user.mfa)]
    for slot in range(2):
        row += _key_cells(keys[slot] if slot < len(keys) else None)
    for slot in range(2):
        row += _certificate_cells(certificates[slot] if slot < len(certificates) else None)
    more = max(len(keys) - 2, 0) + max(len(certificates) - 2, 0)
    return [*row, str(more) if more else _NONE]


def _root(account: Account, created_at: datetime) -> list[str]:
    row = ["<root_account>", account.arn("root"), _time(created_at)]
    root = account.root
    row += ["not_supported", _time(root.password_last_used, "no_information"), "not_supported"]
    row += ["not_supported", _flag(root.mfa)]
    for slot in range(2):
        row += _key_cells(root.keys[slot] if slot < len(root.keys) else None)
    return [*row, "false", _NONE, "false", _NONE, _NONE]


def report_content(account: Account) -> bytes:
    """The CSV as it stands now: root first, LF, no newline at the end."""
    users = sorted(account.users.values(), key=lambda user: user.name)
    oldest = min((user.created_at for user in users), default=datetime(2015, 1, 1, tzinfo=UTC))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow(_root(account, oldest - timedelta(days=1)))
    writer.writerows(_row(user) for user in users)
    return text.getvalue().rstrip("\n").encode()


@operation("iam", "GenerateCredentialReport", writes=True)
def generate_credential_report(context: Context) -> dict[str, Any]:
    """STARTED, INPROGRESS, COMPLETE; within four hours the old report is COMPLETE at once."""
    account, report = context.account, context.account.report
    if report is None or context.now - report.started_at >= VALID_FOR:
        account.report = Report(context.now, report_content(account), POLLS)
        return {
            "State": "STARTED",
            "Description": "No report exists. Starting a new report generation task",
        }
    report.polls_left = max(report.polls_left - 1, 0)
    return {"State": "INPROGRESS" if report.polls_left else "COMPLETE"}


@operation("iam", "GetCredentialReport")
def get_credential_report(context: Context) -> dict[str, Any]:
    """ReportNotPresent 410, ReportExpired 410, ReportInProgress 404."""
    report = context.account.report
    if report is None:
        raise AwsError("ReportNotPresent", "No report exists", 410)
    if context.now - report.started_at >= VALID_FOR:
        raise AwsError("ReportExpired", "The most recent credential report has expired", 410)
    if report.polls_left:
        report.polls_left -= 1
        raise AwsError("ReportInProgress", "Report generation is in progress", 404)
    return {
        "Content": report.content,
        "ReportFormat": "text/csv",
        "GeneratedTime": report.started_at,
    }
