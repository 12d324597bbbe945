"""The emergency stop: one person pulls it, another lifts it, and each batch is resumed by hand."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.models import Batch, EmergencyStop


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
            Batch.objects.filter(status=Batch.Status.RUNNING).update(
                status=Batch.Status.PAUSED,
                pause_reason=f"{person} pulled the emergency stop.",
                paused_at=clock.now(),
                resume_needed=True,
            )
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
            raise NotAllowed("You pulled it, so another person lifts it.")
        stop.lifted_by, stop.lifted_at, stop.lift_reason = person, clock.now(), reason.strip()
        stop.save()
        ledger.append("stop.lifted", actor=person, reason=reason)
    return stop
