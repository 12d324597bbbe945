"""Looks at Identity Center, once for the organization: asked for, held by a lease, whole or failed.

Each sync of the account that is declared for it looks, and so does whoever wants to know whether
something is mended. A look that broke off changes nothing; who is not watched for a day is an
alarm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.aws.identity_center import CALLS_PER_SECOND
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, open_session
from inventory.center_changes import Content, changes
from inventory.models import Account, Alert, CenterLook, Organization, Person
from inventory.permissions import Action, require
from inventory.refresh.center_reading import SHORT, Reading
from inventory.refresh.run import SLICE_SECONDS, Run
from inventory.refusals import Refused
from inventory.signals import center_read

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=150)
# Claimed this often without getting anywhere: something about it kills its workers.
_MOST_CLAIMS = 6
_TOLD_EACH = 20
# Who is not watched for so long may have lost access without anybody knowing.
BLIND_AFTER = timedelta(days=1)


class LostLook(Exception):
    """Another worker took this look over."""


def declared_center() -> tuple[Account, str] | None:
    """The account and Region in which Identity Center is read; None where none is declared."""
    told = Organization.get().identity_center
    account = Account.objects.filter(account_id=told.get("account", ""), active=True).first()
    return (account, told["region"]) if account else None


def ask_look(person: Person | None) -> CenterLook:
    """Ask for a look; the open one if there is one already. Raises NotAllowed, Refused."""
    if person is not None:
        require(person, Action.SYNC)
    declared = declared_center()
    if declared is None:
        raise Refused("Declare identity_center with its account and Region in iamcleanup.yaml.")
    look = _open_look(*declared, person)
    transaction.on_commit(lambda: enqueue(look.pk))
    return look


def enqueue(pk: int) -> None:
    """A nudge; should it be lost, the next one comes within a minute."""
    current_app.send_task("inventory.tasks.run_look", args=[pk], queue="read")


def unheld_looks() -> list[int]:
    """Open looks that no worker holds."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=clock.real_now())
    rows = CenterLook.objects.filter(unheld, status__in=CenterLook.OPEN)
    return list(rows.values_list("pk", flat=True))


def run_look(pk: int) -> bool:
    """Work on a look for less than a minute; True if there is more to do. Safe to call at any time.

    What AWS refuses stands in the row.
    """
    look = _claim(pk)
    if look is None:
        return False
    ends = time.monotonic() + SLICE_SECONDS
    try:
        session = open_session(look.account, "reader")
    except AwsFailure as failed:
        _fail(look, failed)
        return False
    try:
        return not _go_on(look, session, lambda: ends - time.monotonic(), lambda done, of: None)
    except (AwsFailure, LostLook) as stopped:
        log.info("The look at Identity Center stopped: %s", stopped)
        return False


def read_identity_center(run: Run) -> bool:
    """The step `identity-center` of a sync; False when the slice ended before the look did."""
    declared = declared_center()
    if declared is None or declared[0].pk != run.account.pk:
        where = f"read in {declared[0].name}" if declared else "not declared"
        run.finish("identity-center", where)
        return True
    look = _claim(_open_look(*declared, None).pk)
    if look is None:
        run.finish("identity-center", "somebody else is reading it")
        return True
    try:
        whole = _go_on(look, run.aws, run.time_left, lambda done, of: _show(run, done, of))
    except LostLook:
        run.finish("identity-center", "somebody else is reading it")
        return True
    if whole:
        run.finish("identity-center", words(look))
    return whole


def _show(run: Run, done: int, of: int) -> None:
    # Each word of progress writes the row of the sync, and there may be thousands of assignments.
    if done % _TOLD_EACH == 0 or done == of:
        run.advance("identity-center", done, of)


def words(look: CenterLook) -> str:
    """`105 people, 6 groups, 6 permission sets, 9 assignments; 2 changes`."""
    said = (
        f"{len(look.people)} people, {len(look.groups)} groups, "
        f"{len(look.permission_sets)} permission sets, {len(look.assignments)} assignments"
    )
    number = len(look.changed)
    return f"{said}; {number} change{'' if number == 1 else 's'}" if number else said


def _open_look(account: Account, region: str, person: Person | None) -> CenterLook:
    try:
        with transaction.atomic():
            return CenterLook.objects.create(
                account=account, region=region, asked_by=person, asked_at=clock.now()
            )
    except IntegrityError:
        # Somebody asked a moment ago, or a sync is at it.
        return CenterLook.objects.get(account=account, status__in=CenterLook.OPEN)


def _claim(pk: int) -> CenterLook | None:
    """Take a look for a slice; None if it is over or another worker has it."""
    now = clock.real_now()
    taken = (
        CenterLook.objects.filter(pk=pk, status__in=CenterLook.OPEN)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(status=CenterLook.Status.READING, lease_until=now + LEASE)
    )
    if taken != 1:
        return None
    look = CenterLook.objects.select_related("account").get(pk=pk)
    look.claims += 1
    CenterLook.objects.filter(pk=pk).update(claims=look.claims)
    if look.claims > _MOST_CLAIMS:
        told = f"Its worker stopped {_MOST_CLAIMS} times without an answer."
        _fail(look, AwsFailure("Stuck", told))
        return None
    return look


def _go_on(
    look: CenterLook,
    session: AwsSession,
    time_left: Callable[[], float],
    told: Callable[[int, int], None],
) -> bool:
    """Read a claimed look for a slice; True when it is whole. Raises AwsFailure, LostLook."""
    pace = Limiter(f"identity-center:{look.account.account_id}", CALLS_PER_SECOND)
    session.pace("sso-admin", pace.wait)
    before = _whole(look.account).first()
    try:
        whole = Reading(look, before, session).slice(time_left, told)
    except AwsFailure as failed:
        _fail(look, failed)
        raise
    with transaction.atomic():
        if whole:
            _finish(look, before)
        else:
            look.claims = 0
            _write(look)
    return whole


def _finish(look: CenterLook, before: CenterLook | None) -> None:
    """Whole; whoever listens sees it in the same transaction, or it is not."""
    look.changed = changes(content_of(before), content_of(look)) if before else []
    look.state.clear()
    look.taken_at, look.status = clock.now(), CenterLook.Status.WHOLE
    _write(look)
    Alert.objects.filter(key=_key(look.account), closed_at=None).update(closed_at=clock.now())
    center_read.send(sender=CenterLook, look=look)
    others = CenterLook.objects.filter(account=look.account).exclude(pk=look.pk)
    others.exclude(status__in=CenterLook.OPEN).exclude(held=True).delete()


def content_of(look: CenterLook) -> Content:
    """What a look holds, to be compared."""
    return Content(look.people, look.groups, look.permission_sets, look.assignments)


def _whole(account: Account) -> QuerySet[CenterLook]:
    return CenterLook.objects.whole().filter(account=account)


def _write(look: CenterLook) -> None:
    """Save it and let go. Raises LostLook where another worker has it by now."""
    held = CenterLook.objects.filter(pk=look.pk, lease_until=look.lease_until)
    if not held.select_for_update().exists():
        raise LostLook
    look.lease_until = None
    look.save()


def _fail(look: CenterLook, failed: AwsFailure) -> None:
    """It is over, and nothing of it stays but the words."""
    now = clock.now()
    with transaction.atomic():
        mine = CenterLook.objects.filter(pk=look.pk, lease_until=look.lease_until)
        blank = CenterLook()
        empty = {name: getattr(blank, name) for name in CenterLook.CONTENT}
        if not mine.update(
            status=CenterLook.Status.FAILED,
            error=failed.words,
            taken_at=now,
            lease_until=None,
            **empty,
        ):
            return
        others = CenterLook.objects.filter(account=look.account, status=CenterLook.Status.FAILED)
        others.exclude(pk=look.pk).delete()
        last = _whole(look.account).values_list("taken_at", flat=True).first()
        if failed.code == SHORT or last is None or last < now - BLIND_AFTER:
            _alarm(look.account, failed, f"{last:since %d %b, %H:%M} UTC" if last else "yet")


def _alarm(account: Account, failed: AwsFailure, since: str) -> None:
    Alert.objects.get_or_create(
        key=_key(account),
        closed_at=None,
        defaults={
            "kind": "identity-center",
            "title": "Identity Center could not be read whole",
            "text": (
                f"{failed.words}\n\nNothing was changed by it. Whether groups lost what they were"
                f" given is not known {since}."
            ),
            "account": account,
            "raised_at": clock.now(),
        },
    )


def _key(account: Account) -> str:
    return f"identity-center:{account.account_id}"
