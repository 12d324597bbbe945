"""Syncs: ask AWS what is there."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from inventory import refresh
from inventory.models import Account, Scope
from migrations_app.api.door import acts, person_of
from migrations_app.api.fields import AccountId, Asked

router = Router(tags=["Syncs"])


class SyncAsked(Asked):
    """Which account; without one, all."""

    account: AccountId | None = None


class Sync(Schema):
    """One reading of one account."""

    id: int
    account_id: str
    status: str
    asked_at: datetime


class Syncs(Schema):
    """One sync per account; one that was under way is joined."""

    items: list[Sync]


@acts(router, "syncs", Scope.OPERATE, answer=Syncs, name="sync", status=202)
def sync(request: HttpRequest, asked: SyncAsked) -> Syncs:
    """Start a sync

    Reads one account, or all of them; nothing is changed there.
    """
    accounts = Account.objects.filter(active=True)
    if asked.account is not None:
        accounts = accounts.filter(account_id=asked.account)
        if not accounts.exists():
            raise Http404
    rows = [refresh.ask_sync(account, person_of(request)) for account in accounts]
    return Syncs(
        items=[
            Sync(
                id=row.pk,
                account_id=row.account.account_id,
                status=row.status,
                asked_at=row.asked_at,
            )
            for row in rows
        ]
    )
