"""Hits and knocks: who tried to use a user that is off, and the ways in which a hit closes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from inventory.models import Scope
from migrations_app import changes
from migrations_app.api.door import acts, person_of, reads
from migrations_app.api.fields import (
    Asked,
    Cursor,
    Limit,
    Note,
    Page,
    Reason,
    RowId,
    Text,
    next_address,
    place_of,
)
from migrations_app.models import Hit
from migrations_app.soak.hit_panels import HitPanel, Reach, panel_of

router = Router(tags=["Hits"])


class HitFilters(Schema):
    """Which ones; anything left out does not narrow."""

    account: Text = ""
    kind: Literal["", "hit", "knock"] = ""
    closed: bool | None = None
    cursor: Cursor = ""
    limit: Limit = 50


class HitRow(Schema):
    """One attempt, or several of one kind. `who`, `client` and `where` as CloudTrail told them."""

    id: int
    account_id: str
    user_id: str
    user_name: str
    kind: str
    source: str
    what: str
    count: int
    first_at: datetime
    last_at: datetime
    closed: str = Field(description="open, dismissed, fixed or restored.")
    closed_at: datetime | None
    closed_by: str
    closed_reason: str
    region: str
    error: str
    key: str
    who: str | None = Field(description="Null, as the next two, for whom it is not shown.")
    client: str | None
    where: str | None = Field(description="The source address.")


class HitPage(Page):
    """Some hits and knocks, the latest noticed first."""

    items: list[HitRow]


class Dismissed(Asked):
    """Why the attempt does not matter."""

    reason: Reason


class Fixed(Asked):
    """What was changed about the caller."""

    reason: Note = ""


class Extended(Asked):
    """The last day on which the user stays as it is, and why."""

    until: date
    reason: Reason


@reads(router, "hits", HitPage, "hits")
def hits(request: HttpRequest, filters: Query[HitFilters]) -> HitPage:
    """List hits and knocks"""
    rows = _rows().order_by("-pk")
    if filters.account:
        rows = rows.filter(departure__user__account__account_id=filters.account)
    if filters.kind:
        rows = rows.filter(kind=filters.kind)
    if filters.closed is not None:
        rows = rows.exclude(closed="") if filters.closed else rows.filter(closed="")
    if before := place_of(filters.cursor):
        rows = rows.filter(pk__lt=before)
    found = list(rows[: filters.limit + 1])
    shown = found[: filters.limit]
    reach = Reach.of(person_of(request))
    return HitPage(
        items=[_told(row, reach) for row in shown],
        next=next_address(request, shown[-1].pk if len(found) > len(shown) else None),
    )


@acts(router, "hits/{id}/dismiss", Scope.OPERATE, answer=HitRow, name="hit-dismiss")
def dismiss(request: HttpRequest, id: RowId, said: Dismissed) -> HitRow:
    """Dismiss a hit

    The attempt means nothing; the clock goes on as it was.
    """
    changes.dismiss(get_object_or_404(_rows(), pk=id), person_of(request), said.reason)
    return _again(request, id)


@acts(router, "hits/{id}/fixed", Scope.RESTORE, answer=HitRow, name="hit-fixed")
def fixed(request: HttpRequest, id: RowId, said: Fixed) -> HitRow:
    """Say that the caller is fixed

    The clock starts again now, or at the last attempt if that was later.
    """
    changes.caller_fixed(get_object_or_404(_rows(), pk=id), person_of(request), said.reason)
    return _again(request, id)


@acts(router, "hits/{id}/extend", Scope.RESTORE, answer=HitRow, name="hit-extend")
def extend(request: HttpRequest, id: RowId, said: Extended) -> HitRow:
    """Keep the user of a hit as it is for longer

    Until the end of that day, at most 90 days from the fence. The hit stays as it is.
    """
    row = get_object_or_404(_rows(), pk=id)
    changes.extend(row.departure, person_of(request), said.until, said.reason)
    return _again(request, id)


def _rows() -> QuerySet[Hit]:
    return Hit.objects.select_related("departure__user__account", "departure__owner", "closed_by")


def _again(request: HttpRequest, pk: int) -> HitRow:
    return _told(_rows().get(pk=pk), Reach.of(person_of(request)))


def _told(row: Hit, reach: Reach) -> HitRow:
    panel: HitPanel = panel_of(row, reach, None)
    user = row.departure.user
    return HitRow(
        id=row.pk,
        account_id=user.account.account_id,
        user_id=user.user_id,
        user_name=user.user_name,
        kind=row.kind,
        source=row.source,
        what=row.what,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
        closed=row.closed or "open",
        closed_at=row.closed_at,
        closed_by=str(row.closed_by or ""),
        closed_reason=row.closed_reason,
        region=panel.region,
        error=panel.error,
        key=panel.key,
        who=panel.who if panel.sensitive else None,
        client=panel.client if panel.sensitive else None,
        where=panel.where if panel.sensitive else None,
    )
