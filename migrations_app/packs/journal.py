"""What a pack takes from the journal of AWS calls, and from the messages that were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from migrations_app import told
from migrations_app.batch_plan import arguments_of, cut_keys
from migrations_app.models import Call, Notice
from migrations_app.packs.scope import Scope

Row = Mapping[str, Any]
CALL_FIELDS = (
    "call",
    "change",
    "batch",
    "move",
    "account_id",
    "user_name",
    "user_id",
    "seq",
    "kind",
    "operation",
    "target",
    "arguments",
    "attempt",
    "sent_at",
    "answered_at",
    "outcome",
    "error_code",
    "error",
    "request_id",
    "http_status",
)


def _calls(scope: Scope) -> QuerySet[Call]:
    rows = Call.objects.filter(
        sent_at__gte=scope.from_at, sent_at__lt=scope.until_at, sent_at__lte=scope.began_at
    )
    return rows.filter(change__departure__user__account=scope.account) if scope.account else rows


def calls_count(scope: Scope) -> int:
    return _calls(scope).count()


def calls(scope: Scope, after: int | None, most: int) -> tuple[Sequence[Row], int | None, int]:
    """The journal, line by line: what was sent to AWS, and AWS's own request id."""
    found = _calls(scope).filter(pk__gt=after or 0).order_by("pk")
    rows = list(found.select_related("change__departure__user__account", "change__batch")[:most])
    return [_call(row, scope.whole) for row in rows], rows[-1].pk if rows else None, len(rows)


def _call(row: Call, whole: bool) -> Row:
    """Without `whole` access key ids are cut, as in every export for whoever may not see them."""
    user, batch = row.change.departure.user, row.change.batch
    told_of = {
        "target": row.target,
        "arguments": arguments_of(row.params) if row.params else "",
        "error": row.error,
    }
    if not whole:
        told_of = {name: cut_keys(text) for name, text in told_of.items()}
    return {
        "call": row.pk,
        "change": row.change_id,
        "batch": batch.number if batch else None,
        "move": row.change.move,
        "account_id": user.account.account_id,
        "user_name": user.user_name,
        "user_id": user.user_id,
        "seq": row.seq,
        "kind": row.kind,
        "operation": row.operation,
        "attempt": row.attempt,
        "sent_at": row.sent_at,
        "answered_at": row.answered_at,
        "outcome": row.outcome or "no answer",
        "error_code": row.error_code,
        "request_id": row.request_id,
        "http_status": row.http_status,
        **told_of,
    }


def _messages(scope: Scope) -> QuerySet[Notice]:
    rows = Notice.objects.all() if scope.whole else told.visible(scope.person)
    rows = rows.filter(at__gte=scope.from_at, at__lt=scope.until_at, at__lte=scope.began_at)
    if scope.account is None:
        return rows
    # About a batch or a user of that account; what is about neither concerns all accounts.
    of_users = Notice.departures.through.objects.filter(
        departure__user__account=scope.account
    ).values("notice")
    about_none = rows.filter(batch=None, departures=None).values("pk")
    return (
        rows.filter(batch__account=scope.account)
        | rows.filter(pk__in=of_users)
        | rows.filter(pk__in=about_none)
    )


def messages_count(scope: Scope) -> int:
    return _messages(scope).count()


def messages(scope: Scope, after: int | None, most: int) -> tuple[Sequence[Row], int | None, int]:
    """Who was told what and when, by which ways it went, and who opened it; not what it said."""
    found = _messages(scope).filter(pk__gt=after or 0).order_by("pk")
    pks = list(found.values_list("pk", flat=True)[:most])
    rows = told.export_rows(Notice.objects.filter(pk__in=pks).order_by("pk"), whole=scope.whole)
    shown = [{**row, "address": scope.names.address(row["address"])} for row in rows]
    return shown, pks[-1] if pks else None, len(pks)
