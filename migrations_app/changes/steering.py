"""Steering a run: pause, resume, abort, skip a user or try one again, restore all of a batch."""

from __future__ import annotations

from django.db import transaction

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, may, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.changes import nudge, restoring, stop
from migrations_app.changes.reasons import refused_for
from migrations_app.changes.situation import account_blockers
from migrations_app.changes.state import elsewhere, locked_batch
from migrations_app.lifecycle import SWITCHED_OFF, MoveName
from migrations_app.models import Batch, Change, Departure, EmergencyStop
from migrations_app.outgoing import announcing


def pause(batch: Batch, person: Person) -> Batch:
    """Finish the running users, hold the rest."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked_batch(batch)
        if row.status == Batch.Status.PAUSED:
            return row
        if row.status != Batch.Status.RUNNING:
            raise elsewhere(row, ", not running")
        _pause(row, f"Paused by {person}.", "by a person", actor=person)
    return row


def pause_by_itself(batch: Batch, why: str, ledgered: str = "") -> None:
    """Rule 12: the run holds by itself, and says why; `ledgered` is the reason without names."""
    with transaction.atomic():
        row = locked_batch(batch)
        if row.status == Batch.Status.RUNNING:
            _pause(row, f"Paused by itself: {why}", ledgered or why, actor=None)


def resume(batch: Batch, person: Person) -> Batch:
    """Go on with a batch that is paused, or that the emergency stop halted; checks hold as ever."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked_batch(batch)
        if row.resume_needed and row.status != Batch.Status.PAUSED:
            stop.resume_halted(row, person)
            return row
        if row.status != Batch.Status.PAUSED:
            raise elsewhere(row, ", not paused")
        blocked = account_blockers(row.account, row.move, urgent=True)
        if blocked:
            raise refused_for(blocked)
        row.status, row.pause_reason, row.resume_needed = Batch.Status.RUNNING, "", False
        row.paused_at = None
        row.save()
        ledger.append("batch.resumed", actor=person, batch=row.number)
        nudge.run_batch(row.pk)
    return row


def abort(batch: Batch, person: Person, restore: bool = False) -> Batch:
    """Stop for good: queued users stay as they are; those done are left, or all restored."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked_batch(batch)
        if row.status not in (*Batch.LIVE, Batch.Status.APPROVED):
            raise elsewhere(row, "; nothing to abort")
        now = clock.now()
        withdraw_unclaimed(row, "The batch was aborted.")
        row.status, row.finished_at = Batch.Status.ABORTED, now
        row.save()
        announcing.aborted(row, restored=restore)
        ledger.append("batch.aborted", actor=person, batch=row.number, restore=restore)
        if restore and row.move == MoveName.DISABLE:
            restore_batch(row, person, f"Batch {row} was aborted.")
    return row


def withdraw_unclaimed(row: Batch, why: str) -> None:
    """End the waiting users of a batch; one that was begun fails, to be tried again or restored."""
    now = clock.now()
    waiting = (*Change.UNCLAIMED, Change.Status.FAILED)
    held = row.changes.select_for_update(of=("self",))
    # No worker claims one of them meanwhile, so what was not begun stays so.
    for change in held.filter(status__in=waiting, irreversible_at=None).order_by("pk"):
        begun = change.begun
        Change.objects.filter(pk=change.pk, status__in=waiting).update(
            status=Change.Status.FAILED if begun else Change.Status.WITHDRAWN,
            finished_at=None if begun else now,
            result=why,
            error=f"{why} It is done by half: restore it, or try it again." if begun else "",
        )


def restore_batch(batch: Batch, person: Person, reason: str = "") -> list[Change]:
    """Restore every user of this batch that is off and that `person` may restore; the requests."""
    require(person, Action.RESTORE)
    owners = {one.departure.owner for one in batch.changes.select_related("departure__owner")}
    if owners and not any(may(person, Action.RESTORE, owner) for owner in owners):
        raise NotAllowed(
            "None of these users is your team's. Ask Security to restore them.", rule="team"
        )
    return [
        restoring.restore(departure, person, reason)
        for departure in (taken_by(batch) if batch.move == MoveName.DISABLE else [])
        if may(person, Action.RESTORE, departure.owner)
    ]


def taken_by(batch: Batch) -> list[Departure]:
    """Whom this batch took and who can be given back: off, under way, or stopped half-way."""
    touched = batch.changes.filter(
        status__in=[Change.Status.DONE, Change.Status.RUNNING, Change.Status.FAILED],
        move=batch.move,
    ).select_related("departure__user__account", "departure__owner")
    return [
        change.departure
        for change in touched
        # Restored since, or past the point of no return: the others are restored all the same.
        if (change.departure.state in SWITCHED_OFF or change.status != Change.Status.DONE)
        and not change.departure.irreversible_at
    ]


def skip(change: Change, person: Person) -> Change:
    """Leave one queued or failed user out of the run."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        # A worker that claims it now waits, so what was not begun stays so.
        row = Change.objects.select_for_update(of=("self",)).get(pk=change.pk)
        if row.irreversible_at is None and row.begun:
            raise Refused(
                f"Calls were made for {change.departure.user}. Try it again, or restore it."
            )
        skippable = (Change.Status.QUEUED, Change.Status.ASKED, Change.Status.FAILED)
        changed = Change.objects.filter(
            pk=change.pk, status__in=skippable, irreversible_at=None
        ).update(
            status=Change.Status.LEFT_OUT,
            finished_at=clock.now(),
            result=f"Skipped by {person}.",
        )
        if not changed:
            raise Stale(f"{change.departure.user} runs already or has ended.")
        change.refresh_from_db()
        ledger.append(
            "change.skipped",
            actor=person,
            user=change.departure.user,
            batch=change.batch.number if change.batch else None,
        )
    return change


def retry(change: Change, person: Person) -> Change:
    """Try a failed user again, under the approval it has."""
    require(person, Action.OPERATE)
    forward = change.move != MoveName.RESTORE
    if forward and EmergencyStop.objects.filter(lifted_at=None).exists():
        raise Refused("The emergency stop is pulled. Another person lifts it first.")
    ended = (Batch.Status.ABORTED, Batch.Status.WITHDRAWN)
    if forward and change.batch and change.batch.status in ended and not change.irreversible_at:
        raise Refused(f"Batch {change.batch} has ended. Restore the user, or compose a new batch.")
    if forward and change.batch and change.batch.resume_needed:
        raise Refused(f"Batch {change.batch} was halted by the emergency stop. Resume it first.")
    with transaction.atomic():
        changed = Change.objects.filter(pk=change.pk, status=Change.Status.FAILED).update(
            status=Change.Status.QUEUED, attempts=0, try_after=None, error="", error_code=""
        )
        if not changed:
            raise Stale(f"{change.departure.user} did not fail; there is nothing to try again.")
        change.refresh_from_db()
        ledger.append("change.retried", actor=person, user=change.departure.user)
        # A batch that ended with this failure runs again for it. The shut that follows a fence is
        # no part of a run, and nobody would end the batch after it.
        if change.batch_id and change.follows_id is None:
            Batch.objects.filter(pk=change.batch_id, status=Batch.Status.DONE).update(
                status=Batch.Status.RUNNING, finished_at=None
            )
        if change.move == MoveName.RESTORE:
            nudge.restore(change.pk)
        else:
            nudge.run_change(change.pk)
    return change


def _pause(row: Batch, why: str, ledgered: str, actor: Person | None) -> None:
    row.status, row.pause_reason, row.paused_at = Batch.Status.PAUSED, why, clock.now()
    row.save()
    # Rule 15: names of people stand apart from the ledger.
    ledger.append("batch.paused", actor=actor, batch=row.number, reason=ledgered)
