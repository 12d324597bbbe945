"""The worker's side: claim, look again, judge again, act, record. One change at a time.

No transaction is open while AWS is asked. What ends here ends in a row: done, left out with the
reason, failed with AWS's own words, or waiting to be tried again.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.session import forget_sessions
from inventory.policy import is_open
from inventory.refusals import Refused
from migrations_app.changes import (
    approval,
    checking,
    database_home,
    nudge,
    outranking,
    restoring,
    steering,
)
from migrations_app.changes.ahead import Ahead, look_ahead
from migrations_app.changes.crew import Crew
from migrations_app.changes.forward import LeftOut, NotYet, apply_forward
from migrations_app.changes.journal import (
    LEASE,
    UNREAD,
    Halted,
    LeaseLost,
    Superseded,
    cannot_record,
    recordable,
)
from migrations_app.changes.situation import account_blockers
from migrations_app.lifecycle import FORWARD_MOVES, MoveName
from migrations_app.models import Batch, Change, EmergencyStop
from migrations_app.outgoing import announcing, notices

log = logging.getLogger(__name__)

_CREW = Crew()
# A task works a minute at most.
SLICE = 45.0
ATTEMPTS = 3
# Claimed this often without an end: something about this change kills its workers.
MOST_CLAIMS = 8
RETRY_AFTER = timedelta(seconds=15)
GIVEN_BACK = timedelta(seconds=5)
# The role was made anew, or the credentials behind it were taken away.
_SESSION_ENDED = frozenset({"InvalidClientTokenId", "ExpiredToken", "UnrecognizedClientException"})
_DONE = {"disable": "disabled", "soak": "shut", "delete": "deleted", "restore": "restored"}
# Nothing else in the account will succeed either.
_PAUSE_AT_ONCE = frozenset(
    {
        "WrongAccount",
        "NoCredentials",
        "NoExternalId",
        "InvalidClientTokenId",
        "NamesakeFound",
        "NotRecorded",
    }
)


def run_batch(batch_pk: int) -> bool:
    """Work on a running batch for a slice, on several users at a time; whether some are left."""
    try:
        # A restored database lacks what was done since: nothing is claimed on its word.
        database_home.look()
        return _slice(batch_pk)
    except DatabaseError as broken:
        cannot_record(broken)
        return False


def _slice(batch_pk: int) -> bool:
    ends = time.monotonic() + SLICE
    ahead: Ahead | None = None
    while time.monotonic() < ends:
        batch = Batch.objects.select_related("account", "approved_by").get(pk=batch_pk)
        if batch.status != Batch.Status.RUNNING or not _may_go_on(batch):
            return False
        ready = deque(_ready(batch))
        if not ready:
            # Whoever waits to be tried again is woken by the sweep, not by asking all the time.
            finish_if_done(batch)
            return False
        if ahead is None or not ahead.holds:
            ahead = look_ahead(batch, list(ready))
        _work_through(ready, batch_pk, ahead, ends)
    return True


def _work_through(ready: deque[int], batch_pk: int, ahead: Ahead | None, ends: float) -> None:
    """Take users one after the other, as many at a time as the settings allow."""

    def work() -> None:
        while ready and time.monotonic() < ends:
            try:
                pk = ready.popleft()
            except IndexError:
                return
            # Paused, aborted or stopped: whoever is under way ends, and nobody else begins.
            if not Batch.objects.filter(pk=batch_pk, status=Batch.Status.RUNNING).exists():
                return
            _run(pk, ahead if ahead and ahead.holds else None)

    at_once = min(settings.IAMCLEANUP_USERS_AT_ONCE, len(ready))
    if at_once <= 1:
        work()
    else:
        _CREW.run(work, at_once)


def run_change(change_pk: int) -> None:
    """Claim one forward change and bring it to its end, or give it back."""
    # A restored database lacks what was done since: nothing is claimed on its word.
    try:
        database_home.look()
        if recordable():
            _run(change_pk)
    except DatabaseError as broken:
        cannot_record(broken)


def _run(change_pk: int, ahead: Ahead | None = None) -> None:
    """`ahead`: a look a moment ago that may stand for a part of the look at its user."""
    worker = uuid.uuid4().hex
    change = _claim(change_pk, worker)
    if change is None:
        return
    try:
        result = apply_forward(change, worker, ahead)
    except LeaseLost:
        return
    except Superseded:
        _end(change, worker, Change.Status.SUPERSEDED, "A restore was asked for.")
    except (Halted, NotYet) as why:
        _give_back(change, worker, str(why))
    except LeftOut as why:
        _end(change, worker, Change.Status.LEFT_OUT, str(why))
    except AwsFailure as refused:
        if refused.code in _SESSION_ENDED:
            forget_sessions()
        _failed(change, worker, refused)
    except (Refused, DatabaseError) as broken:
        _not_recorded(change, worker, broken)
    else:
        _end(change, worker, Change.Status.DONE, result)
    outranking.wake(change.departure)
    if change.batch_id and change.batch and change.follows_id is None:
        finish_if_done(change.batch)


def run_restore(change_pk: int) -> bool:
    """Claim one restore, or one of its later read-backs, and do it; whether it must wait."""
    try:
        return recordable() and _restore(change_pk)
    except DatabaseError as broken:
        cannot_record(broken)
        return False


def _restore(change_pk: int) -> bool:
    worker = uuid.uuid4().hex
    if not _is_free(change_pk):
        return True
    change = _claim(change_pk, worker)
    try:
        if change is None:
            change = _claim_check(change_pk, worker)
        if change is not None and change.finished_at is not None:
            restoring.check_restore(change, worker)
        elif change is not None:
            restoring.apply_restore(change, worker)
    except LeaseLost:
        return False
    except AwsFailure as refused:
        if change is not None:
            _failed(change, worker, refused)
    except (Refused, DatabaseError) as broken:
        if change is None:
            raise
        _not_recorded(change, worker, broken)
    return False


def finish_if_done(batch: Batch) -> bool:
    """Close a batch none of whose users is waiting or running; whether it is closed."""
    # Whoever ends last sees it: each looks after its own end is committed.
    if batch.changes.filter(_goes_on()).exists():
        return False
    with transaction.atomic():
        row = Batch.objects.select_for_update().get(pk=batch.pk)
        if row.status != Batch.Status.RUNNING:
            return row.status in Batch.ENDED
        if row.changes.filter(_goes_on()).exists():
            return False
        mine = row.changes.filter(follows=None)
        row.status, row.finished_at = Batch.Status.DONE, clock.now()
        row.save()
        done = mine.filter(status=Change.Status.DONE).count()
        failed = mine.filter(status=Change.Status.FAILED).count()
        announcing.finished(row)
        ledger.append("batch.finished", batch=row.number, done=done, failed=failed)
    return True


def _goes_on() -> Q:
    return Q(follows=None, status__in=[Change.Status.QUEUED, Change.Status.RUNNING])


def _may_go_on(batch: Batch) -> bool:
    """Rule 12: the run holds by itself when its window closes or its approver lost the role."""
    if EmergencyStop.objects.filter(lifted_at=None).exists() or not recordable():
        return False
    if not approval.approver_still_may(batch):
        why = f"{batch.approved_by} is no approver any more."
        steering.pause_by_itself(batch, why, "its approver lost the role")
        return False
    held = account_blockers(batch.account, batch.move, urgent=True)
    if held:
        # Without Redis nobody reports; the workers do again at their next tick once it is back.
        if any(one.code != "self-unknown" for one in held):
            steering.pause_by_itself(batch, held[0].text)
        return False
    if batch.urgent:
        return True
    policy = checking.policy_of_batch(batch)
    window = policy.delete_window if batch.move == MoveName.DELETE else policy.disable_window
    if not is_open(window, policy.freezes, batch.account.time_zone, clock.now()):
        steering.pause_by_itself(batch, "its window closed.")
        return False
    return True


def _ready(batch: Batch) -> list[int]:
    """Its changes that wait for a worker or lost theirs, in the order they were composed."""
    ready = Q(status=Change.Status.QUEUED) & (
        Q(try_after=None) | Q(try_after__lte=clock.real_now())
    )
    lost = Q(status=Change.Status.RUNNING, lease_until__lt=clock.real_now())
    may_be_claimed = batch.changes.filter(ready | lost, follows=None, attempts__lt=MOST_CLAIMS)
    return list(may_be_claimed.order_by("pk").values_list("pk", flat=True))


def _claim(change_pk: int, worker: str) -> Change | None:
    """Take a change that waits, or whose worker died. The row count decides, not a look before."""
    now = clock.real_now()
    waits = Q(status=Change.Status.QUEUED) & (Q(try_after=None) | Q(try_after__lte=now))
    lost = Q(status=Change.Status.RUNNING, lease_until__lt=now)
    may_run = (
        Q(batch=None)
        | Q(follows__isnull=False)
        | Q(batch__status=Batch.Status.RUNNING)
        | Q(irreversible_at__isnull=False)
    )
    taken = Change.objects.filter(
        waits | lost,
        Q(move=MoveName.RESTORE)
        | Q(pk__in=Change.objects.filter(may_run).exclude(batch__resume_needed=True).values("pk")),
        pk=change_pk,
        attempts__lt=MOST_CLAIMS,
    ).update(
        status=Change.Status.RUNNING,
        claimed_by=worker,
        lease_until=now + LEASE,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", clock.now()),
    )
    return _loaded(change_pk) if taken == 1 else None


def _claim_check(change_pk: int, worker: str) -> Change | None:
    """Take a finished restore whose next read-back is due; a forward change of today goes first."""
    busy = Change.objects.filter(
        departure=OuterRef("departure"),
        move__in=[move.value for move in FORWARD_MOVES],
        status=Change.Status.RUNNING,
        lease_until__gt=clock.real_now(),
    )
    taken = Change.objects.filter(
        ~Exists(busy),
        pk=change_pk,
        move=MoveName.RESTORE,
        status=Change.Status.DONE,
        check_at__lte=clock.now(),
    ).update(
        status=Change.Status.RUNNING,
        claimed_by=worker,
        lease_until=clock.real_now() + LEASE,
    )
    return _loaded(change_pk) if taken == 1 else None


def _loaded(change_pk: int) -> Change:
    named = ("departure__user__account", "departure__owner", "batch__account", "batch__approved_by")
    wide = ("batch__undo_script", *(f"departure__{name}" for name in UNREAD))
    return Change.objects.select_related(*named).defer(*wide).get(pk=change_pk)


def _is_free(change_pk: int) -> bool:
    """Whether no forward call for the user of an open restore is out; its change is taken over."""
    departure = (
        Change.objects.filter(pk=change_pk, finished_at=None)
        .exclude(status__in=Change.ENDED)
        .values_list("departure", flat=True)
        .first()
    )
    return departure is None or outranking.take_over(departure)


def _end(change: Change, worker: str, status: str, result: str) -> None:
    with transaction.atomic():
        ended = Change.objects.filter(
            pk=change.pk, status=Change.Status.RUNNING, claimed_by=worker
        ).update(
            status=status,
            result=result,
            finished_at=clock.now(),
            error="",
            error_code="",
            claimed_by="",
            lease_until=None,
        )
        if not ended:
            return
        ledger.append(
            f"change.{status}",
            user=change.departure.user,
            batch=change.batch.number if change.batch else None,
            move=change.move,
            result=result,
        )


def _give_back(change: Change, worker: str, why: str) -> None:
    """Let it wait; in a batch that was aborted meanwhile nobody waits."""
    with transaction.atomic():
        # The batch first, as whoever aborts does: one of the two sees what the other did.
        batch = Batch.objects.select_for_update(of=("self",)).filter(changes=change).first()
        Change.objects.filter(pk=change.pk, status=Change.Status.RUNNING, claimed_by=worker).update(
            status=Change.Status.QUEUED,
            claimed_by="",
            lease_until=None,
            result=why,
            try_after=clock.real_now() + GIVEN_BACK,
            attempts=F("attempts") - 1,
        )
        if batch and batch.status == Batch.Status.ABORTED and change.follows_id is None:
            steering.withdraw_unclaimed(batch, "The batch was aborted.")


def _failed(change: Change, worker: str, refused: AwsFailure) -> None:
    """Rule 12: loud, undoing nobody else's result; tried again where that may help."""
    again = refused.retryable and change.attempts < ATTEMPTS
    with transaction.atomic():
        ended = Change.objects.filter(
            pk=change.pk, status=Change.Status.RUNNING, claimed_by=worker
        ).update(
            status=Change.Status.QUEUED if again else Change.Status.FAILED,
            error=str(refused),
            error_code=refused.code[:100],
            try_after=clock.real_now() + RETRY_AFTER * change.attempts if again else None,
            claimed_by="",
            lease_until=None,
        )
        if not ended or again:
            return
        ledger.append(
            "change.failed",
            user=change.departure.user,
            batch=change.batch.number if change.batch else None,
            move=change.move,
            code=refused.code,
            error=refused.message,
            request_id=refused.request_id,
        )
        restoring.raise_alert(
            f"change-failed:{change.pk}",
            "failed",
            f"{change.departure.user}: {change.move} failed",
            f"AWS refused {refused.operation}: {refused.code}. {refused.message}",
            change.departure,
        )
        notices.tell_owner(
            change.departure,
            "failed",
            f"failed:{change.pk}:{change.attempts}",
            f"{change.departure.user} could not be {_DONE[change.move]}",
            f"AWS refused {refused.operation}: {refused.code}.",
        )
    if change.batch and change.forward:
        _pause_after(change.batch, change, refused)


def _not_recorded(change: Change, worker: str, broken: Refused | DatabaseError) -> None:
    """It failed here, not at AWS. Where not even that can be recorded, the lease runs out.

    So it does where the database went away or was busy: the next worker finds out what it is.
    """
    if isinstance(broken, OperationalError):
        log.error("Change %s was not recorded: %s", change.pk, broken)
        return
    try:
        refused = AwsFailure("NotRecorded", str(broken), operation=change.move)
        _failed(change, worker, refused)
    except DatabaseError as also:
        cannot_record(also)


def _pause_after(batch: Batch, change: Change, refused: AwsFailure) -> None:
    failed = batch.changes.filter(status=Change.Status.FAILED).count()
    if refused.denied or refused.code in _PAUSE_AT_ONCE or failed >= 2:
        steering.pause_by_itself(
            batch, f"{change.departure.user}: AWS refused {refused.operation}: {refused.code}."
        )


def end_what_is_stuck() -> None:
    """End what no worker would ever pick up: lost in an ended batch, or claimed too often."""
    lost = Q(status=Change.Status.QUEUED) | Q(
        status=Change.Status.RUNNING, lease_until__lt=clock.real_now()
    )
    orphaned = Q(batch__status__in=Batch.ENDED, follows=None, irreversible_at=None)
    poisoned = Q(attempts__gte=MOST_CLAIMS)
    for change in Change.objects.filter(lost).filter(orphaned | poisoned):
        begun = change.begun or change.attempts >= MOST_CLAIMS
        why = "Its batch ended" if change.attempts < MOST_CLAIMS else "Its worker died each time"
        ended = Change.objects.filter(lost, pk=change.pk).update(
            status=Change.Status.FAILED if begun else Change.Status.WITHDRAWN,
            claimed_by="",
            lease_until=None,
            result=f"{why}.",
            error=f"{why}. Look at it, then restore it or try it again." if begun else "",
        )
        if ended and begun:
            restoring.raise_alert(
                f"change-stuck:{change.pk}:{change.attempts}",
                "failed",
                f"{change.departure.user}: {change.move} does not end",
                f"{why}. It may be done by half.",
                change.departure,
            )


def waiting_restores() -> Iterator[int]:
    """Restores that wait for a worker, lost theirs, or whose next read-back is due."""
    now = clock.real_now()
    waits = Q(status=Change.Status.QUEUED) & (Q(try_after=None) | Q(try_after__lte=now))
    lost = Q(status=Change.Status.RUNNING, lease_until__lt=now)
    due = Q(status=Change.Status.DONE, check_at__lte=clock.now())
    return iter(
        Change.objects.filter(waits | lost | due, move=MoveName.RESTORE)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def nudge_running() -> None:
    """Wake whatever is running or lost; for the sweep."""
    for pk in Batch.objects.filter(status=Batch.Status.RUNNING).values_list("pk", flat=True):
        nudge.run_batch(pk)
    alone = Change.objects.filter(
        Q(status=Change.Status.QUEUED)
        | Q(status=Change.Status.RUNNING, lease_until__lt=clock.real_now()),
        move__in=[move.value for move in FORWARD_MOVES],
    ).filter(Q(follows__isnull=False) | Q(irreversible_at__isnull=False))
    for pk in alone.values_list("pk", flat=True):
        nudge.run_change(pk)
