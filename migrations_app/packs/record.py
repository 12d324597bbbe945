"""What a pack takes from the ledger: its entries, and the deletions and approvals they record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from inventory import ledger
from inventory.hashing import entry_stamp
from inventory.models import LedgerEntry, LedgerName, Person
from inventory.pack.checking import APPROVES, ENDS
from migrations_app import exports, log
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Call, Change, Departure
from migrations_app.packs.scope import Scope

Row = Mapping[str, Any]
_EYES = ("requester", "approver", "entry", "entry_hash")
DELETION_FIELDS = (*exports.DELETION_FIELDS, "batch", "proof", *_EYES)
APPROVAL_FIELDS = (
    "batch",
    "account_id",
    "move",
    "method",
    "urgent",
    "what",
    "requested_by",
    "requested_at",
    "approved_by",
    "approved_at",
    "users",
    "digest",
    "overrides",
    *_EYES,
)
OTHER_ACCOUNT, NAMES, DETAILS = "another account", "names of people", "details"


def _of_period(scope: Scope) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(seq__gte=scope.first_seq, seq__lte=scope.last_seq)


def _after(rows: QuerySet[LedgerEntry], after: int | None, most: int) -> list[LedgerEntry]:
    if after is not None:
        rows = rows.filter(seq__gt=after)
    return list(rows.order_by("seq")[:most])


# ── The ledger itself ────────────────────────────────────────────────────────────────────────────


def entries_count(scope: Scope) -> int:
    return _of_period(scope).count()


def entries(scope: Scope, after: int | None, most: int) -> tuple[Sequence[Row], int | None, int]:
    """Every entry of the period, without a gap; what is not for its reader is left out in place."""
    rows = _after(_of_period(scope), after, most)
    own = _own_batches(scope, {row.batch for row in rows if row.batch is not None})
    made = [_entry(row, scope, own) for row in rows]
    return made, rows[-1].seq if rows else None, len(rows)


def _own_batches(scope: Scope, numbers: set[int]) -> set[int]:
    if scope.account is None:
        return numbers
    found = Batch.objects.filter(account=scope.account, number__in=numbers)
    return set(found.values_list("number", flat=True))


def _entry(row: LedgerEntry, scope: Scope, own: set[int]) -> Row:
    place = {"seq": row.seq, "previous_hash": row.previous_hash, "hash": row.hash}
    elsewhere = scope.account and row.account_id not in ("", scope.account.account_id)
    if elsewhere or (row.batch is not None and row.batch not in own):
        return {**place, "withheld": OTHER_ACCOUNT}
    shown = row.data if scope.whole else _for_everybody(row.data)
    hidden = scope.names.hidden(shown)
    whole = {
        "seq": row.seq,
        "at": entry_stamp(row.at),
        "kind": row.kind,
        "actor": row.actor,
        "account_id": row.account_id,
        "user_id": row.user_id,
        "batch": row.batch,
        "data": hidden,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }
    if hidden == row.data:
        return whole
    return {**whole, "withheld": NAMES if shown == row.data else DETAILS}


def _for_everybody(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key in log.FOR_EVERYBODY}


# ── Deletions ────────────────────────────────────────────────────────────────────────────────────


def _ends(scope: Scope) -> QuerySet[LedgerEntry]:
    rows = _of_period(scope).filter(kind__in=ENDS)
    return rows.filter(account_id=scope.account.account_id) if scope.account else rows


def deletions_count(scope: Scope) -> int:
    return _ends(scope).count()


def deletions(scope: Scope, after: int | None, most: int) -> tuple[Sequence[Row], int | None, int]:
    """Every user whose end the ledger records in the period, found deleted outside or by us."""
    rows = _after(_ends(scope), after, most)
    departures = _departures(rows)
    changes = _deleting(departures.values())
    made = []
    for row in rows:
        departure = departures.get((row.account_id, row.user_id))
        by_us = row.kind == ENDS[0] and departure is not None
        change = changes.get(departure.pk) if departure and by_us else None
        made.append(_deletion(row, departure, change, scope))
    return made, rows[-1].seq if rows else None, len(rows)


def _departures(rows: Sequence[LedgerEntry]) -> dict[tuple[str, str], Departure]:
    found = Departure.objects.filter(user__user_id__in={row.user_id for row in rows})
    return {
        (one.user.account.account_id, one.user.user_id): one
        for one in found.select_related("user__account")
    }


def _deleting(departures: Any) -> dict[int, Change]:
    """The change that deleted, by departure; the last one where an earlier one failed."""
    found = Change.objects.filter(move=MoveName.DELETE, departure__in=list(departures))
    found = found.select_related(
        "requested_by", "batch__asked_by", "batch__approved_by"
    ).prefetch_related(Prefetch("calls", queryset=Call.objects.order_by("seq")))
    return {change.departure_id: change for change in found.order_by("pk")}


def _deletion(
    row: LedgerEntry, departure: Departure | None, change: Change | None, scope: Scope
) -> Row:
    batch = change.batch if change else None
    asked = (batch.asked_by if batch else None) or (change.requested_by if change else None)
    approved = batch.approved_by if batch else None
    return {
        "user": departure.user.user_name if departure else "",
        "account_id": row.account_id,
        "user_id": row.user_id,
        "deleted_at": (departure.deleted_at if departure else None) or row.at,
        "requested_by": scope.names.of(asked) if change else "deleted outside",
        "approved_by": scope.names.of(approved),
        "change": change.pk if change else None,
        "request_ids": exports.request_ids(change) if change else [],
        "batch": batch.number if batch else None,
        "proof": row.data.get("note", ""),
        "requester": _hash(asked),
        "approver": _hash(approved),
        "entry": row.seq,
        "entry_hash": row.hash,
    }


def _hash(person: Person | None) -> str:
    return ledger.person_hash(person) if person else ""


# ── Approvals ────────────────────────────────────────────────────────────────────────────────────


def _approved(scope: Scope) -> QuerySet[LedgerEntry]:
    rows = _of_period(scope).filter(kind__in=APPROVES, batch__isnull=False)
    if scope.account is None:
        return rows
    return rows.filter(batch__in=Batch.objects.filter(account=scope.account).values("number"))


def approvals_count(scope: Scope) -> int:
    return _approved(scope).count()


def approvals(scope: Scope, after: int | None, most: int) -> tuple[Sequence[Row], int | None, int]:
    """Every approval of the period, with whoever asked for it before."""
    rows = _after(_approved(scope), after, most)
    numbers = {row.batch for row in rows if row.batch is not None}
    batches = {
        one.number: one
        for one in Batch.objects.filter(number__in=numbers).select_related("account")
    }
    asked = list(LedgerEntry.objects.filter(kind="batch.asked", batch__in=numbers).order_by("seq"))
    people = {row.actor for row in (*rows, *asked)}
    names = dict(LedgerName.objects.filter(hash__in=people).values_list("hash", "name"))
    made = [_approval(row, batches, asked, names, scope) for row in rows]
    return made, rows[-1].seq if rows else None, len(rows)


def _approval(
    row: LedgerEntry,
    batches: Mapping[int, Batch],
    asked: Sequence[LedgerEntry],
    names: Mapping[str, str],
    scope: Scope,
) -> Row:
    before = [one for one in asked if one.batch == row.batch and one.seq < row.seq]
    asking = before[-1] if before else None
    batch = batches.get(row.batch or 0)
    requester = asking.actor if asking else ""
    return {
        "batch": row.batch,
        "account_id": batch.account.account_id if batch else "",
        "move": batch.move if batch else "",
        "method": batch.method if batch else "",
        "urgent": batch.urgent if batch else None,
        "what": log.words_of(row.kind),
        "requested_by": scope.names.of_hash(requester, names),
        "requested_at": asking.at if asking else None,
        "approved_by": scope.names.of_hash(row.actor, names),
        "approved_at": row.at,
        "users": list(asking.data.get("users", ())) if asking else [],
        "digest": row.data.get("digest", ""),
        "overrides": row.data.get("overrides") or {},
        "requester": requester,
        "approver": row.actor,
        "entry": row.seq,
        "entry_hash": row.hash,
    }
