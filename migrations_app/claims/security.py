"""What Security's page of claims asks: what waits for a decision, and whom nobody answers for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet

from inventory import clock
from inventory.models import Team
from inventory.remembered import remembered
from migrations_app.beginnings import SHOWN
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.users import listing
from migrations_app.users.paging import is_one_of

# What changes without an entry in the ledger: whose a user looks like, which a sync tells.
KEPT_SECONDS = 15
# What the rows of all the lists show. All of a user would be some thirty columns.
_READ = (
    "version",
    "state",
    "user__user_id",
    "user__user_name",
    "user__account__account_id",
    "user__account__name",
)


def decisions(today: date) -> dict[str, QuerySet[Departure]]:
    """By name the first of each list, one more than a page shows."""
    return {
        "contests": _first(
            "contested_at",
            teams=("owner", "claim_pending_team", "contested_by_team"),
            by="contested_by",
            contested_by_team__isnull=False,
        ),
        "pending": _first(
            "answered_at",
            "user__privilege",
            "answer",
            teams=("claim_pending_team",),
            by="claim_pending_by",
            claim_pending_team__isnull=False,
            contested_by_team=None,
        ),
        # As the Users page finds them, by an index.
        "disputes": _first(
            "disputed_until",
            "dispute_reason",
            teams=("owner",),
            by="disputed_by",
            listed__disputed_until__gte=today,
        ),
        "offered": _first("handed_at", teams=("owner", "handed_to"), handed_to__isnull=False),
    }


def _first(
    order: str, *shown: str, teams: tuple[str, ...], by: str = "", **of: Any
) -> QuerySet[Departure]:
    """The first of those that `of` says, which are looked for before anything is joined."""
    found = Departure.objects.left().filter(**of).order_by(order).values("pk")[: SHOWN + 1]
    along = [f"{team}__{column}" for team in teams for column in ("key", "name")]
    if by:
        along += [f"{by}__name", f"{by}__username"]
    return (
        listing.shown()
        .filter(is_one_of(found))
        .select_related("user__account", *teams, *([by] if by else []))
        .only(*_READ, order, *shown, *along)
        .order_by(order)
    )


def nobodys(teams: Mapping[int, Team], head: str) -> tuple[int, list[tuple[Team, int]]]:
    """How many users nobody answers for, and of them how many look like which of `teams`, by their
    pk; as it was when the ledger had this head, some seconds ago at most."""
    key = f"nobodys:{clock.now().date()}:{head}"
    counted = remembered(key, KEPT_SECONDS, _nobodys)
    looks = [(teams[pk], users) for pk, users in counted.items() if pk is not None]
    looks.sort(key=lambda one: (-one[1], one[0].name))
    return sum(counted.values()), looks


def _nobodys() -> dict[int | None, int]:
    rows = Departure.objects.unprotected().filter(state=State.DISCOVERED, claim_pending_team=None)
    counted = rows.order_by().values("user__suggested_team").annotate(users=Count("*"))
    return dict(counted.values_list("user__suggested_team", "users"))
