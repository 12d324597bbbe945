"""The only place that writes `Departure.state`. Every move goes through `move`, and is ledgered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from inventory import clock, ledger, meanwhile
from inventory.models import Person
from inventory.refusals import Refused, Stale
from migrations_app import lifecycle
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Departure

# With all that its ledger entries name.
_WHOLE = Departure.objects.select_related("user__account", "owner")


def locked(departure: Departure) -> Departure:
    """The row as it is now, locked until the transaction ends.

    Stale if it changed since `departure` was loaded, or since the form that carries its version was
    shown: what the person saw is then no longer what they would change.
    """
    row = (
        Departure.objects.select_for_update(of=("self",))
        .select_related("user__account", "owner")
        .get(pk=departure.pk)
    )
    if row.version != departure.version:
        raise Stale(
            f"{row.user} was changed meanwhile{meanwhile.of_user(row.user)}; it is now "
            f"{lifecycle.State(row.state).label}. Look at it again, then repeat what you wanted."
        )
    return row


def locked_batch(batch: Batch) -> Batch:
    """The batch and its account as they are now, the batch locked until the transaction ends."""
    return Batch.objects.select_for_update(of=("self",)).select_related("account").get(pk=batch.pk)


def elsewhere(row: Batch, but: str) -> Stale:
    """To be raised where the batch is in another status than somebody thought."""
    return Stale(meanwhile.batch_is(row.number, row.get_status_display(), but))


def move(
    departure: Departure,
    name: MoveName,
    *,
    actor: Person | None = None,
    at: datetime | None = None,
    batch: int | None = None,
    note: str = "",
    then: Sequence[ledger.Line] = (),
    **columns: Any,
) -> Departure:
    """Make one move of the table and record it; the departure as it is afterwards.

    `columns` are set in the same statement, and `then` is appended to the ledger with it. Refused
    when the table does not hold the move, Stale when another worker or person was quicker. The
    caller holds the transaction.
    """
    try:
        target = lifecycle.target_of(departure.state, name)
    except lifecycle.IllegalMove as error:
        raise Refused(f"{departure.user}: {error}") from error
    at = at or clock.now()
    if target != departure.state:
        columns["state_since"] = at
    changed = Departure.objects.filter(
        pk=departure.pk, state=departure.state, version=departure.version
    ).update(state=target, version=F("version") + 1, **columns)
    if not changed:
        raise _moved_on(departure)
    before = departure.state
    _became(departure, {**columns, "state": str(target), "version": departure.version + 1})
    told = {
        "source": before,
        "target": str(target),
        "owner": departure.owner.key if departure.owner else "",
        "note": note,
    }
    made = ledger.Line(f"move.{name}", departure.user, batch=batch, data=told)
    ledger.append_all([made, *then], actor=actor)
    return departure


def _became(departure: Departure, columns: dict[str, Any]) -> None:
    """The row as the statement left it, which its version proves; asked for only where it counted
    something itself."""
    if any(hasattr(value, "resolve_expression") for value in columns.values()):
        departure.refresh_from_db(from_queryset=_WHOLE)
        return
    for name, value in columns.items():
        setattr(departure, name, value)


def note(
    departure: Departure,
    kind: str,
    *,
    actor: Person | None = None,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> Departure:
    """Set columns other than the state, and record why. The caller holds the transaction."""
    if "state" in columns:
        raise ValueError("A state is changed by a move, never noted.")
    changed = Departure.objects.filter(pk=departure.pk, version=departure.version).update(
        version=F("version") + 1, **columns
    )
    if not changed:
        raise _moved_on(departure)
    departure.refresh_from_db(from_queryset=_WHOLE)
    ledger.append(kind, actor=actor, user=departure.user, **(data or {}))
    return departure


def _moved_on(departure: Departure) -> Stale:
    by = meanwhile.of_user(departure.user)
    return Stale(f"{departure.user} was changed meanwhile{by}. Look at it again.")
