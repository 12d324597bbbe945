"""The journal in rows: every AWS write committed before it is sent and after it is answered.

`gate` reads from PostgreSQL before each write: emergency stop, stop asked, protection, and the
lease, as a conditional UPDATE whose row count is believed. A journal that cannot be written raises,
and then nothing is sent.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Max

from inventory import clock
from migrations_app import aws
from migrations_app.lifecycle import MoveName
from migrations_app.models import Call, Change, Departure, EmergencyStop

LEASE = timedelta(seconds=60)
# Looking again waits for CloudTrail's two lookups per second, so it gets a longer one.
LOOKING = timedelta(minutes=5)


class Halted(Exception):
    """The run must not go on now: the emergency stop, or a protection set meanwhile."""


class Superseded(Exception):
    """A restore was asked for; it outranks this change."""


class LeaseLost(Exception):
    """Another worker has this change; nothing more may be done or recorded here."""


class RowJournal:
    """The journal of one change, held by one worker."""

    def __init__(self, change: Change, worker: str) -> None:
        self.change = change
        self.worker = worker

    def gate(self) -> None:
        """Raise Halted, Superseded or LeaseLost unless the next write may be sent."""
        self.hold()
        if not self.change.forward:
            return
        if EmergencyStop.objects.filter(lifted_at=None).exists():
            raise Halted("The emergency stop is pulled.")
        stop_asked, protection = Change.objects.values_list(
            "stop_asked", "departure__protection"
        ).get(pk=self.change.pk)
        if stop_asked or self._restore_is_open():
            raise Superseded
        if protection:
            raise Halted(f"It was protected meanwhile ({protection}).")

    def _restore_is_open(self) -> bool:
        open_restores = (Change.Status.QUEUED, Change.Status.RUNNING, Change.Status.FAILED)
        return Change.objects.filter(
            departure=self.change.departure_id, move=MoveName.RESTORE, status__in=open_restores
        ).exists()

    def hold(self, lease: timedelta = LEASE) -> None:
        """Renew the lease, in real time; LeaseLost if it is no longer ours."""
        held = Change.objects.filter(
            pk=self.change.pk, status=Change.Status.RUNNING, claimed_by=self.worker
        ).update(lease_until=clock.real_now() + lease)
        if held != 1:
            raise LeaseLost

    def look_long(self) -> None:
        """Hold the change through a look at every source, which writes nothing."""
        self.hold(LOOKING)

    def before(self, call: aws.PlannedCall, attempt: int) -> int:
        """Commit the line of a send; with the first final call also the point of no return."""
        with transaction.atomic():
            if call.final and self.change.irreversible_at is None:
                self._no_return()
            return self._line(
                kind=Call.Kind.WRITE,
                operation=call.operation,
                target=call.target[:300],
                params=call.params,
                attempt=attempt,
            ).pk

    def after(self, line: int, answer: aws.Answer) -> None:
        """Commit what AWS answered."""
        Call.objects.filter(pk=line).update(
            answered_at=clock.now(),
            outcome=answer.outcome,
            error_code=answer.code[:100],
            error=answer.message,
            request_id=answer.request_id[:100],
            http_status=answer.http_status or None,
        )

    def looked(self, operation: str, target: str, outcome: str) -> None:
        """Note a look; shown in the run beside the writes."""
        with transaction.atomic():
            self._line(
                kind=Call.Kind.LOOK,
                operation=operation,
                target=f"{target}: {outcome}"[:300],
                answered_at=clock.now(),
                outcome="ok",
            )

    def _line(self, **columns: object) -> Call:
        last = self.change.calls.aggregate(last=Max("seq"))["last"] or 0
        return Call.objects.create(change=self.change, seq=last + 1, sent_at=clock.now(), **columns)

    def _no_return(self) -> None:
        """Rule 18. A restore that was asked for an instant ago still wins."""
        now = clock.now()
        Departure.objects.select_for_update().get(pk=self.change.departure_id)
        passed = Change.objects.filter(
            pk=self.change.pk, stop_asked=False, claimed_by=self.worker
        ).update(irreversible_at=now)
        if passed != 1:
            raise Superseded
        Departure.objects.filter(pk=self.change.departure_id).update(irreversible_at=now)
        self.change.irreversible_at = now
