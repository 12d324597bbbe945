"""The ledger: what happened, hash-chained, latest first."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from inventory.exports import ledger_rows
from migrations_app import log
from migrations_app.api.door import person_of, reads
from migrations_app.api.fields import Cursor, Limit, Page, Text, next_address, place_of

router = Router(tags=["Ledger"])


class LedgerFilters(Schema):
    """The filters of the log; anything left out does not narrow."""

    kind: Text = ""
    actor: Text = Field("", description="The hash of a person, or product.")
    user: Text = Field("", description="The name or id of an IAM user.")
    batch: int | None = Field(None, ge=1, le=2_000_000_000)
    day: date | None = None
    cursor: Cursor = ""
    limit: Limit = 50


class Entry(Schema):
    """One entry. `data` holds what this person may see of it; the hash is that of the whole."""

    seq: int
    at: datetime
    kind: str
    actor: str
    actor_name: str
    account_id: str
    user_id: str
    batch: int | None
    data: dict[str, Any]
    previous_hash: str
    hash: str


class LedgerPage(Page):
    """Some entries, latest first."""

    items: list[Entry]


@reads(router, "ledger", LedgerPage, "ledger")
def entries(request: HttpRequest, filters: Query[LedgerFilters]) -> LedgerPage:
    """Read the ledger"""
    everything = log.sees_everything(person_of(request))
    rows = log.entries(filters.model_dump(exclude={"cursor", "limit"}))
    if before := place_of(filters.cursor):
        rows = rows.filter(seq__lt=before)
    found = list(rows[: filters.limit + 1])
    shown = found[: filters.limit]
    return LedgerPage(
        items=[
            Entry(
                **row | ({} if everything else {"data": dict(log.details_of(row["data"], False))})
            )
            for row in ledger_rows(shown)
        ],
        next=next_address(request, shown[-1].seq if len(found) > len(shown) else None),
    )


def _told(data: dict[str, Any]) -> dict[str, str]:
    """What everybody may see of an entry, as the log shows it."""
    return dict(log.details_of(data, False))
