"""Batches as rows, with the frozen facts that the pages read; no verb runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from inventory import clock
from inventory.models import Account
from migrations_app.models import Batch, Call, Change, Departure
from tests import cast

KEY = "AKIAIOSFODNN7EXAMPLE"
SHOWN_KEY = "AKIA…MPLE"


def fence_facts(user_name: str) -> dict[str, Any]:
    """A fence now, a key made inactive and a password removed after seven days."""
    return {
        "user_name": user_name,
        "watch": timedelta(days=7).total_seconds(),
        "soak": timedelta(days=14).total_seconds(),
        "calls": [
            planned("AttachUserPolicy", cast.FENCE, {"PolicyArn": cast.FENCE}, "DetachUserPolicy"),
            planned(
                "UpdateAccessKey",
                KEY,
                {"AccessKeyId": KEY, "Status": "Inactive"},
                "Status=Active",
                when="shut",
            ),
            planned(
                "DeleteLoginProfile",
                user_name,
                {"UserName": user_name},
                "an IAM administrator sets a new password",
                when="shut",
                loses="the old password does not come back",
            ),
        ],
    }


def delete_facts(user_name: str) -> dict[str, Any]:
    """A key and then the user itself."""
    arn = f"arn:aws:iam::{cast.ACCOUNT_ID}:user/{user_name}"
    return {
        "user_name": user_name,
        "calls": [
            planned("DeleteAccessKey", KEY, {"AccessKeyId": KEY}, "never", final=True),
            planned("DeleteUser", arn, {"UserName": user_name}, "never", final=True),
        ],
    }


def planned(
    operation: str, target: str, params: dict[str, str], undo: str, **more: Any
) -> dict[str, Any]:
    call = {"operation": operation, "target": target, "params": params, "undo": undo}
    return {**call, "when": "now", "loses": "", "final": False, **more}


def account(everybody: cast.Cast) -> Account:
    """The account with every role declared, as a sandbox that needs no break-glass user."""
    row = everybody.account
    row.actor_role = row.deleter_role = "role"
    row.sandbox = True
    row.admin_seen_at = clock.now()
    row.save()
    return row


def draft(everybody: cast.Cast, *departures: Departure, **columns: Any) -> Batch:
    """Jonas's draft with a fresh dry run."""
    columns.setdefault("dry_run_at", clock.now())
    batch = cast.batch(account(everybody), everybody.jonas, **columns)
    for row in departures:
        name = row.user.user_name
        facts = delete_facts(name) if batch.move == "delete" else fence_facts(name)
        item(batch, row, facts=facts, digest=name.ljust(64, "0"))
    return batch


def asked(everybody: cast.Cast, *departures: Departure, **columns: Any) -> Batch:
    """Jonas asked for it an hour ago; Mei may decide."""
    columns.setdefault("status", Batch.Status.ASKED)
    columns.setdefault("asked_by", everybody.jonas)
    columns.setdefault("asked_at", clock.now() - timedelta(hours=1))
    columns.setdefault("digest", "d" * 64)
    batch = draft(everybody, *departures, **columns)
    batch.changes.update(status=Change.Status.ASKED)
    return batch


def started(everybody: cast.Cast, *departures: Departure, **columns: Any) -> Batch:
    """A batch that runs since a minute; its users are queued."""
    columns.setdefault("status", Batch.Status.RUNNING)
    columns.setdefault("approved_by", everybody.mei)
    columns.setdefault("approved_at", clock.now() - timedelta(minutes=5))
    columns.setdefault("approved_digest", "d" * 64)
    columns.setdefault("started_at", clock.now() - timedelta(minutes=1))
    batch = asked(everybody, *departures, **columns)
    batch.changes.update(status=Change.Status.QUEUED)
    return batch


def item(batch: Batch, departure: Departure, **columns: Any) -> Change:
    """One user of a batch, looked at a minute ago."""
    columns.setdefault("judged", {"looked_at": clock.now().isoformat(), "verdict": "dormant"})
    return cast.change(departure, batch.move, batch=batch, **columns)


def call(change: Change, operation: str = "AttachUserPolicy", **columns: Any) -> Call:
    """The next journal line of a change, answered with success."""
    columns.setdefault("kind", Call.Kind.WRITE)
    columns.setdefault("outcome", "ok")
    columns.setdefault("target", cast.FENCE)
    columns.setdefault("sent_at", clock.now())
    columns.setdefault("http_status", 200)
    seq = change.calls.count() + 1
    return Call.objects.create(change=change, seq=seq, operation=operation, **columns)
