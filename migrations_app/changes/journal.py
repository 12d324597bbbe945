"""The journal in rows: every AWS write committed before it is sent and after it is answered.

`gate` reads from PostgreSQL before each write: emergency stop, stop asked, protection, and the
lease, as a conditional UPDATE whose row count is believed. A journal that cannot be written raises,
and then nothing is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Self

from django.db import DatabaseError, connection, transaction
from django.db.models import Max

from inventory import clock, ledger
from inventory.models import Alert
from migrations_app import aws
from migrations_app.models import Call, Change, Departure

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
# Looking again waits for CloudTrail's two lookups per second, so it gets a longer one.
LOOKING = timedelta(minutes=5)
# Asked before each write, so it is spelt out and not composed, and one way to the database and
# back: the lease renewed, then what may have come since the last write. Two statements, because the
# second sees what was committed while the first waited.
_MEANWHILE = """
UPDATE migrations_app_change SET lease_until = %(lease_until)s
WHERE id = %(change)s AND status = 'running' AND claimed_by = %(worker)s;
SELECT EXISTS (SELECT FROM migrations_app_emergencystop WHERE lifted_at IS NULL),
       change.stop_asked,
       EXISTS (
           SELECT FROM migrations_app_change restore
           WHERE restore.departure_id = change.departure_id AND restore.move = 'restore'
             AND restore.finished_at IS NULL
             AND restore.status IN ('queued', 'running', 'failed')
       ),
       EXISTS (
           SELECT FROM migrations_app_change restore
           WHERE restore.departure_id = change.departure_id AND restore.move = 'restore'
             AND restore.status = 'running'
       ),
       departure.protection,
       change.follows_id IS NULL AND batch.status IN ('paused', 'aborted')
FROM migrations_app_change change
JOIN migrations_app_departure departure ON departure.id = change.departure_id
LEFT JOIN migrations_app_batch batch ON batch.id = change.batch_id
WHERE change.id = %(change)s
"""


# Wide, and nothing that a change does rests on them; asked for where somebody wants them.
UNREAD = (
    "user__category_reasons",
    "user__suggestion_reasons",
    "user__verdict_reasons",
    "user__privilege_facts",
    "user__inline_policies",
    "user__removed_from_code_note",
)


class Halted(Exception):
    """The run must not go on now: the emergency stop, or a protection set meanwhile."""


class Superseded(Exception):
    """A restore was asked for; it outranks this change."""


class LeaseLost(Exception):
    """Another worker has this change; nothing more may be done or recorded here."""


def recordable() -> bool:
    """Whether the ledger can be written now: tried for real, and undone. Where not, it is told.

    No journal, no write: the journal itself is written before each call, but the ledger only when
    a change has been made, which is too late to find out.
    """
    try:
        with transaction.atomic():
            ledger.append("probe")
            transaction.set_rollback(True)
    except DatabaseError as broken:
        cannot_record(broken)
        return False
    return True


def cannot_record(broken: DatabaseError) -> None:
    """Say that nothing can be recorded, in an alert if at least that can be; in the log always."""
    log.error("Nothing can be recorded, so nothing is written to AWS: %s", broken)
    try:
        with transaction.atomic():
            Alert.objects.get_or_create(
                key="not-recorded",
                closed_at=None,
                defaults={
                    "kind": "not-recorded",
                    "title": "Nothing can be recorded, so nothing is written to AWS",
                    "text": str(broken),
                    "raised_at": clock.now(),
                },
            )
    except DatabaseError as also:
        log.error("Nor can an alert be raised: %s", also)


class RowJournal:
    """The journal of one change, held by one worker; entered for the time of its run."""

    def __init__(self, change: Change, worker: str) -> None:
        self.change = change
        self.worker = worker
        self._last: int | None = None
        self._looks: list[Call] = []
        self._applied = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Whatever the run was ended by, what it looked at last is kept."""
        try:
            with transaction.atomic():
                self.keep_looks()
        except DatabaseError:
            # Why the run ended says more than that its last look could not be noted.
            if error is None:
                raise

    def gate(self) -> None:
        """Raise Halted, Superseded or LeaseLost unless the next write may be sent."""
        with connection.cursor() as cursor:
            cursor.execute(_MEANWHILE, self._ours(LEASE))
            self._believe(cursor.rowcount)
            cursor.nextset()
            stopped, stop_asked, restoring, reading_back, protection, halted = cursor.fetchone()
        # Nothing of it holds a restore, but where it cannot be read, nothing could be recorded.
        if not self.change.forward:
            return
        if stopped:
            raise Halted("The emergency stop is pulled.")
        if stop_asked or restoring:
            raise Superseded
        if reading_back:
            raise Halted("An earlier restore of it is being read back.")
        if protection:
            raise Halted(f"It was protected meanwhile ({protection}).")
        if halted and not self._has_begun():
            raise Halted("Its batch was halted before its first write.")

    def _has_begun(self) -> bool:
        """Whether a write of this change may have been applied: then it is brought to its end."""
        return self._applied or self.change.begun

    @contextmanager
    def recording(self) -> Iterator[Departure]:
        """A transaction that records what was done: the departure, locked, and the lease renewed.

        The departure first, as whoever asks for a restore does: in the other order the two would
        wait for each other. LeaseLost if the change is another worker's now.
        """
        with transaction.atomic():
            departure = self._lock()
            self.hold()
            self.keep_looks()
            yield departure

    def _lock(self) -> Departure:
        """The row as it is now; its user, and an owner that is still the same, as loaded before."""
        before = self.change.departure
        row = Departure.objects.select_for_update().get(pk=before.pk)
        row.user = before.user
        if row.owner_id == before.owner_id:
            row.owner = before.owner
        return row

    def hold(self, lease: timedelta = LEASE) -> None:
        """Renew the lease, in real time; LeaseLost if it is no longer ours."""
        held = Change.objects.filter(
            pk=self.change.pk, status=Change.Status.RUNNING, claimed_by=self.worker
        ).update(lease_until=clock.real_now() + lease)
        self._believe(held)

    @staticmethod
    def _believe(held: int) -> None:
        """The row count decides whether the lease was ours to renew."""
        if held != 1:
            raise LeaseLost

    def _ours(self, lease: timedelta) -> dict[str, int | str | datetime]:
        until = clock.real_now() + lease
        return {"change": self.change.pk, "worker": self.worker, "lease_until": until}

    def look_long(self) -> None:
        """Hold the change through a look at every source, which writes nothing."""
        self.hold(LOOKING)

    def before(self, call: aws.PlannedCall, attempt: int) -> int:
        """The last look and the line of a send, committed as one; raises as `gate`.

        A restore that takes the change over locks its row and looks for a line without an answer,
        so one of the two always sees the other. With the first final call also the point of no
        return is passed.
        """
        with transaction.atomic():
            passes = call.final and self.change.irreversible_at is None
            if passes:
                self._lock()
            self.gate()
            if passes:
                self._no_return()
            line = self._line(
                kind=Call.Kind.WRITE,
                operation=call.operation,
                target=call.target[:300],
                params=call.params,
                attempt=attempt,
            )
        return line.pk

    def after(self, line: int, answer: aws.Answer) -> None:
        """Commit what AWS answered."""
        self._applied |= answer.outcome not in Call.NOT_APPLIED
        Call.objects.filter(pk=line).update(
            answered_at=clock.now(),
            outcome=answer.outcome,
            error_code=answer.code[:100],
            error=answer.message,
            request_id=answer.request_id[:100],
            http_status=answer.http_status or None,
        )

    def looked(self, operation: str, target: str, outcome: str) -> None:
        """Note a look; shown in the run beside the writes, and written with the next of them."""
        self._looks.append(
            self._made(
                kind=Call.Kind.LOOK,
                operation=operation,
                target=f"{target}: {outcome}"[:300],
                answered_at=clock.now(),
                outcome="ok",
            )
        )

    def keep_looks(self) -> None:
        """Write the looks noted so far."""
        looks, self._looks = self._looks, []
        Call.objects.bulk_create(looks)

    def _line(self, **columns: object) -> Call:
        """A line after the looks noted so far, written with them by one statement."""
        line = self._made(**columns)
        looks, self._looks = self._looks, []
        Call.objects.bulk_create([*looks, line])
        return line

    def _made(self, **columns: object) -> Call:
        if self._last is None:
            self._last = self.change.calls.aggregate(last=Max("seq"))["last"] or 0
        self._last += 1
        return Call(change=self.change, seq=self._last, sent_at=clock.now(), **columns)

    def _no_return(self) -> None:
        """Rule 18. A restore that was asked for an instant ago still wins."""
        now = clock.now()
        passed = Change.objects.filter(
            pk=self.change.pk, stop_asked=False, claimed_by=self.worker
        ).update(irreversible_at=now)
        if passed != 1:
            raise Superseded
        Departure.objects.filter(pk=self.change.departure_id).update(irreversible_at=now)
        self.change.irreversible_at = now
