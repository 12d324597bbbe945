"""A restore outranks every forward change: what waits is superseded, what runs is taken over.

There is no moment in which a forward change and a restore of one user both write (rules 11, 14).
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from inventory import clock, ledger
from migrations_app.changes import nudge
from migrations_app.changes.journal import LEASE
from migrations_app.lifecycle import FORWARD_MOVES, MoveName
from migrations_app.models import Call, Change, Departure

_FORWARD = sorted(name.value for name in FORWARD_MOVES)
_LET_GO = (Change.Status.QUEUED, Change.Status.FAILED)


def supersede(row: Departure) -> None:
    """Take a user out of whatever waits for it or works on it; in the caller's transaction."""
    waiting = row.changes.filter(
        move__in=_FORWARD, status__in=[*Change.UNCLAIMED, Change.Status.FAILED]
    )
    waiting.update(**_superseded())
    take_over(row.pk)


def take_over(departure_pk: int) -> bool:
    """Take a claimed forward change from its worker, for a restore; False while a call is out.

    A worker that looks, waits or was killed between two calls loses its claim here, and its gate
    refuses the next call: before every send it renews its claim and writes the line of the call in
    one transaction, on the very row that is locked here. So either the line is there, unanswered,
    and the restore waits for it (the answer, or the end of the lease); or it will never be written.
    """
    with transaction.atomic():
        free = True
        for running in lock_running(departure_pk):
            if _call_is_out(running):
                Change.objects.filter(pk=running.pk).update(stop_asked=True)
                free = False
                continue
            Change.objects.filter(pk=running.pk).update(**_superseded())
            ledger.append(
                "change.superseded",
                user=running.departure.user,
                batch=running.batch.number if running.batch else None,
                move=running.move,
            )
        if free:
            # One that was asked to stop may have been given back since, or have failed.
            row = Change.objects.filter(departure=departure_pk, move__in=_FORWARD)
            let_go = row.filter(status__in=_LET_GO, stop_asked=True, irreversible_at=None)
            let_go.update(**_superseded())
    return free


def wake(departure: Departure) -> None:
    """Tell a worker of the restore that waits for this user; its forward change has let go."""
    waiting = departure.changes.filter(move=MoveName.RESTORE, status=Change.Status.QUEUED)
    for pk in waiting.values_list("pk", flat=True):
        nudge.restore(pk)


def lock_running(departure_pk: int) -> list[Change]:
    """The forward change that a worker has, locked until the transaction ends."""
    return list(
        Change.objects.select_for_update(of=("self",))
        .select_related("departure__user__account", "batch")
        .filter(departure=departure_pk, move__in=_FORWARD, status=Change.Status.RUNNING)
        .order_by("pk")
    )


def _superseded() -> dict[str, Any]:
    return {
        "status": Change.Status.SUPERSEDED,
        "finished_at": clock.now(),
        "result": "A restore was asked for.",
        "claimed_by": "",
        "lease_until": None,
    }


def _call_is_out(change: Change) -> bool:
    """Whether a call may be on its way: its line has no answer, and its worker may still live.

    A lease longer than that of a call is held by a worker that looks; such a line is of one before.
    """
    now = clock.real_now()
    if change.lease_until is None or not now < change.lease_until <= now + LEASE:
        return False
    return change.calls.filter(kind=Call.Kind.WRITE, outcome="").exists()
