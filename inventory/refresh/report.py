"""The step `report`: the credential report, made where there is none of the last hours.

It is optional input. AWS has blocked making it for whole accounts, so a sync goes on without it:
the step says why, and a report that is still there is used with the time that it bears.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from inventory import clock
from inventory.aws import account_summary, credential_report
from inventory.aws.account_summary import RootNow
from inventory.aws.credential_report import Report
from inventory.aws.session import AwsFailure
from inventory.models import Account
from inventory.refresh import root
from inventory.refresh.run import Run

PATIENCE = timedelta(minutes=5)
# An older one says too little of today, even where AWS still hands it out.
MOST_AGE = timedelta(hours=24)
_POLL_SECONDS = 2


def read_report(run: Run) -> bool:
    """The step `report`; False while AWS still makes it and the slice is over.

    Two workers cannot fight over it: AWS keeps one report for each account, and asking for
    another within 4 hours gives back the same.
    """
    report, trouble = _try_fetch(run)
    while not trouble and (report is None or _age(report) >= credential_report.KEPT):
        since = datetime.fromisoformat(run.step("report")["since"])
        if clock.real_now() - since > PATIENCE:
            trouble = "AWS did not finish the credential report in 5 minutes."
            break
        if run.time_left() <= 0:
            return False
        run.advance("report", 0, 0, "AWS is making it")
        time.sleep(_POLL_SECONDS)
        report, trouble = _try_fetch(run, report)
    if report and _age(report) > MOST_AGE:
        report = None
    run.sync.report_generated_at = report.generated_at if report else None
    live, unread = _root_now(run)
    _keep_root(run.account, report, live)
    troubles = [words for words in (_used_instead(trouble, report), unread) if words]
    if report:
        run.advance("report", len(report.users), len(report.users))
    if troubles:
        run.fail("report", " ".join(troubles))
    else:
        run.finish("report", f"{len(report.users) if report else 0} users")
    return True


def reported(run: Run) -> Report | None:
    """The report that this sync's first step found, read again; None where there is none."""
    if run.sync.report_generated_at is None:
        return None
    try:
        return credential_report.fetch(run.aws)
    except AwsFailure:
        # It may expire between two steps; live reads speak alone then.
        return None


def _try_fetch(run: Run, kept: Report | None = None) -> tuple[Report | None, str]:
    """The report as it stands, after asking for a new one where that is due; and what failed.

    `kept` is what an earlier try gave: better than nothing if AWS makes no newer one.
    """
    try:
        found = credential_report.fetch(run.aws)
        if _age(found) < credential_report.KEPT:
            return found, ""
        kept = found
    except AwsFailure as refused:
        if refused.code == credential_report.IN_PROGRESS:
            return kept, ""
        if refused.code not in credential_report.NOT_READY:
            return kept, refused.words
    try:
        credential_report.generate(run.aws)
    except AwsFailure as refused:
        return kept, refused.words
    return kept, ""


def _used_instead(trouble: str, report: Report | None) -> str:
    if not trouble or report is None:
        return trouble
    return f"{trouble} The report of {report.generated_at:%d %b %H:%M} UTC is used."


def _age(report: Report) -> timedelta:
    return clock.now() - report.generated_at


def _root_now(run: Run) -> tuple[RootNow | None, str]:
    try:
        return account_summary.root_now(run.aws), ""
    except AwsFailure as refused:
        return None, f"Root, live: {refused.words}"


def _keep_root(account: Account, report: Report | None, live: RootNow | None) -> None:
    facts: dict[str, Any] = dict(account.root_facts)
    row = report.root if report else None
    if report and row:
        facts |= {
            "mfa_active": row.mfa_active,
            "password_last_used_at": _iso(row.password_last_used_at),
            "active_keys": sum(key.active is True for key in row.keys),
            "keys_last_used_at": [_iso(key.last_used_at) for key in row.keys],
            "active_certificates": sum(one.active is True for one in row.certificates),
            "at": _iso(report.generated_at),
        }
    if live:
        # What IAM says now outweighs a report that may be four hours old.
        facts |= {
            "mfa_active": live.has_mfa,
            "has_keys": live.has_keys,
            "live_at": _iso(clock.now()),
        }
        if not live.has_keys:
            facts["active_keys"] = 0
    if facts != account.root_facts:
        account.root_facts = facts
        account.save(update_fields=["root_facts"])
    root.raise_or_close(account)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
