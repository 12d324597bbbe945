"""What is left when a deletion stopped past its point of no return: finish it, or give it up.

Rule 18. Both are an engineer's, under the approval that the deletion began with.
"""

from __future__ import annotations

from django.db import transaction

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app.changes import nudge, stop
from migrations_app.changes.restoring import saved_before
from migrations_app.lifecycle import FORWARD_MOVES, MoveName, State
from migrations_app.models import Change, Departure, Holdings

_FORWARD = sorted(name.value for name in FORWARD_MOVES)


def finish_deleting(departure: Departure, person: Person) -> Change:
    """Go on with a deletion that stopped past its point of no return, under its first approval."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        change = _half_done(departure)
        if change.batch is None:
            raise Refused(
                "What approved its deletion is not known here. Stop and rebuild it, or compose a "
                "new delete batch."
            )
        if stop.current() is not None:
            # What was given up is not among those that the stop made wait for a person.
            raise Refused("The emergency stop is pulled. Another person lifts it first.")
        if change.batch.resume_needed:
            raise Refused(
                f"Batch {change.batch} was halted by the emergency stop. Resume it first."
            )
        _refuse_two(departure, change)
        asked = "delete.finish-asked"
        waits = change.status == Change.Status.QUEUED and not change.attempts
        if waits and ledger.is_last(asked, actor=person, user=departure.user):
            # A button that was pressed twice.
            return change
        Change.objects.filter(pk=change.pk).update(
            status=Change.Status.QUEUED,
            attempts=0,
            try_after=None,
            stop_asked=False,
            finished_at=None,
            result="",
        )
        ledger.append(asked, actor=person, user=departure.user)
        nudge.run_change(change.pk)
    change.refresh_from_db()
    return change


def stop_and_rebuild(departure: Departure, person: Person) -> Holdings:
    """Give a half-done deletion up; it stays shut. The holdings from which to re-create it."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        change = _half_done(departure)
        if change.status != Change.Status.WITHDRAWN:
            Change.objects.filter(pk=change.pk).update(
                status=Change.Status.WITHDRAWN,
                finished_at=clock.now(),
                result=f"Stopped by {person} past the point of no return.",
            )
            ledger.append("delete.stopped", actor=person, user=departure.user)
        saved = saved_before(departure)
    if saved is None:
        raise Refused(f"Nothing of {departure.user} was saved.")
    return saved


def _refuse_two(departure: Departure, change: Change) -> None:
    """After it was given up, a new batch may have been composed for what is left."""
    other = (
        departure.changes.filter(move__in=_FORWARD, status__in=Change.OPEN)
        .exclude(pk=change.pk)
        .select_related("batch")
        .first()
    )
    if other is not None:
        raise Refused(
            f"{departure.user} is in batch {other.batch} already, which deletes it.", rule="busy"
        )


def _half_done(departure: Departure) -> Change:
    change = (
        departure.changes.select_for_update(of=("self",))
        .select_related("batch")
        .filter(move=MoveName.DELETE, irreversible_at__isnull=False)
        .exclude(status__in=[Change.Status.DONE, Change.Status.RUNNING])
        .order_by("-pk")
        .first()
    )
    if change is None or departure.state == State.DELETED:
        raise Refused(f"{departure.user} is not partly deleted, or its deletion is running.")
    return change
