"""The emergency stop: one person pulls it, another lifts it, and each batch is resumed by hand.

The stop is a row, so it outlasts every process. What it halts is marked when it is pulled and waits
for a person after it was lifted: batches that run or were approved, and those that owe a shut or a
deletion to somebody.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.changes import nudge
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, EmergencyStop

HALTED = "The emergency stop halted it; an engineer resumes it by hand."


def current() -> EmergencyStop | None:
    """The stop that is pulled now, if any."""
    return EmergencyStop.objects.filter(lifted_at=None).select_related("pulled_by").first()


def pull(person: Person, reason: str = "") -> EmergencyStop:
    """Halt every forward write in all accounts within one call. Restore goes on."""
    require(person, Action.STOP)
    stop = current()
    if stop is not None:
        return stop
    try:
        with transaction.atomic():
            stop = EmergencyStop.objects.create(
                pulled_by=person, pulled_at=clock.now(), reason=reason.strip()
            )
            halt(f"{person} pulled the emergency stop.")
            ledger.append("stop.pulled", actor=person, reason=reason)
    except IntegrityError:
        # Two people pulled at once; either stop will do.
        again = current()
        if again is None:
            raise
        return again
    return stop


def lift(person: Person, reason: str) -> EmergencyStop:
    """Another person than the one who pulled it lifts the stop, with a reason."""
    require(person, Action.STOP)
    if not reason.strip():
        raise Refused("Say why writing to AWS may go on.")
    with transaction.atomic():
        stop = EmergencyStop.objects.select_for_update().filter(lifted_at=None).first()
        if stop is None:
            raise Stale("The emergency stop is not pulled.")
        if stop.pulled_by_id == person.pk:
            raise NotAllowed("You pulled it, so another person lifts it.", rule="another-person")
        if stop.reconcile and stop.reconciled_at is None:
            raise Refused(
                "The database was restored. Run manage.py reconcile first: it reads AWS.",
                rule="reconcile",
            )
        if stop.reconciled_by_id == person.pk:
            raise NotAllowed(
                "You reconciled it with AWS, so another person lifts it.", rule="another-person"
            )
        stop.lifted_by, stop.lifted_at, stop.lift_reason = person, clock.now(), reason.strip()
        stop.save()
        ledger.append("stop.lifted", actor=person, reason=reason)
    return stop


def halt(why: str) -> None:
    """Pause what runs, and mark whatever would go on by itself; in the caller's transaction."""
    unsettled = Q(changes__in=_owed_shuts()) | Q(changes__in=_owed_deletions())
    held = Batch.objects.filter(Q(status__in=[Batch.Status.APPROVED, *Batch.LIVE]) | unsettled)
    Batch.objects.filter(pk__in=set(held.values_list("pk", flat=True))).update(resume_needed=True)
    Batch.objects.filter(status=Batch.Status.RUNNING).update(
        status=Batch.Status.PAUSED, pause_reason=why, paused_at=clock.now()
    )


def halted() -> QuerySet[Batch, Batch]:
    """Batches that do not run and that a person must resume, each with how many `shuts`,
    `deletions` and `retries` it owes. One that has ended and owes nothing waits for nobody.
    """
    failed = Q(
        changes__status=Change.Status.FAILED,
        changes__move__in=(MoveName.DISABLE, MoveName.DELETE),
        changes__irreversible_at=None,
    )
    return (
        Batch.objects.filter(resume_needed=True)
        .exclude(status__in=Batch.LIVE)
        .annotate(
            shuts=Count("changes", filter=Q(changes__in=_owed_shuts())),
            deletions=Count("changes", filter=Q(changes__in=_owed_deletions())),
            retries=Count("changes", filter=failed),
        )
        .exclude(status__in=Batch.ENDED, shuts=0, deletions=0, retries=0)
        .select_related("account")
    )


def _owed_shuts() -> QuerySet[Change, Change]:
    """Fences whose user is still watched; an earlier fence of the same user owes nothing."""
    later = Change.objects.filter(
        departure=OuterRef("departure"),
        move=MoveName.DISABLE,
        status=Change.Status.DONE,
        pk__gt=OuterRef("pk"),
    )
    return Change.objects.filter(
        ~Exists(later),
        move=MoveName.DISABLE,
        status=Change.Status.DONE,
        departure__state=State.DISABLED,
    )


def _owed_deletions() -> QuerySet[Change, Change]:
    """Deletions past their point of no return that nobody finished or gave up."""
    return Change.objects.filter(
        irreversible_at__isnull=False, status__in=Change.OPEN, move=MoveName.DELETE
    )


def resume_halted(row: Batch, person: Person) -> None:
    """A batch that does not run, but owes something, goes on; in the caller's transaction."""
    if current() is not None:
        raise Refused("The emergency stop is pulled. Another person lifts it first.")
    Batch.objects.filter(pk=row.pk).update(resume_needed=False)
    row.resume_needed = False
    ledger.append("batch.resumed", actor=person, batch=row.number)
    for pk in row.changes.filter(status=Change.Status.QUEUED).values_list("pk", flat=True):
        nudge.run_change(pk)
