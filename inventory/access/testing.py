"""A test of access from asking to its end: claimed by UPDATE, one line at a time, never a write.

The read worker tries the reader and reads what the change roles are allowed; the write worker tries
whether it may assume those. The row is the truth: whoever comes second changes nothing, and after
a kill the next message goes on with the first line that is still waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Q

from inventory import clock
from inventory.access import looking
from inventory.access.checks import Check, Part, planned, waiting
from inventory.models import AccessTest, Account, Connection, Person
from inventory.permissions import Action, require

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
SLICE_SECONDS = 45.0
_TASKS: Mapping[Part, str] = {
    "read": "inventory.tasks.try_access",
    "write": "inventory.tasks.try_change_access",
}


class _LostLease(Exception):
    """Another worker took this test over."""


def ask_test(account: Account, writes: Mapping[str, Iterable[str]], person: Person) -> AccessTest:
    """Ask for a test of the roles that `account` names, which needs no row of its own.

    The open one if there is one already. `writes` as `checks.planned` takes it. Raises NotAllowed.
    """
    require(person, Action.SYNC)
    named = _roles(account)
    try:
        with transaction.atomic():
            test = AccessTest.objects.create(
                account_id=account.account_id,
                roles=named,
                external_id=account.external_id,
                regions=account.regions,
                asked_by=person,
                asked_at=clock.now(),
                checks=planned(named, writes),
            )
            transaction.on_commit(lambda: enqueue(test))
    except IntegrityError:
        return AccessTest.objects.get(account_id=account.account_id, status__in=AccessTest.OPEN)
    return test


def last_test(account: Account) -> AccessTest | None:
    """The last test of these very roles with this very external id, finished or not."""
    return AccessTest.objects.filter(
        account_id=account.account_id, external_id=account.external_id, roles=_roles(account)
    ).first()


def as_tested(account: Account) -> Account:
    """The account with the roles to test: those prepared too, where the browser connected it."""
    row = Connection.objects.filter(account_id=account.account_id).first()
    return row.account() if row else account


def enqueue(test: AccessTest) -> None:
    """A nudge to whoever does the next line; should it be lost, `lying_about` finds the row."""
    part: Part = "read" if waiting(test.checks, "read") else "write"
    current_app.send_task(_TASKS[part], args=[test.pk], queue=part)


def lying_about() -> list[AccessTest]:
    """Open tests that no worker holds now, to be nudged."""
    unheld = Q(lease_until=None) | Q(lease_until__lt=clock.real_now())
    return list(AccessTest.objects.filter(unheld, status__in=AccessTest.OPEN))


def run_test(test_id: int, part: Part) -> AccessTest | None:
    """Work on a test for less than a minute; the test if somebody has to go on with it."""
    test = _claim(test_id)
    if test is None:
        return None
    try:
        return _slice(test, part)
    except _LostLease:
        log.info("Access test %s is held by somebody else now.", test_id)
        return None


def _roles(account: Account) -> dict[str, str]:
    return {
        "reader": account.reader_role,
        "actor": account.actor_role,
        "deleter": account.deleter_role,
    }


def _slice(test: AccessTest, part: Part) -> AccessTest | None:
    ends_at = time.monotonic() + SLICE_SECONDS
    eyes = looking.Eyes(test)
    # One at a time: a look may add lines, as that at the Regions does.
    while (left := waiting(test.checks, part)) and time.monotonic() < ends_at:
        _look(eyes, left[0])
        _keep(test, lease_until=clock.real_now() + LEASE)
    if waiting(test.checks, "read") or waiting(test.checks, "write"):
        _keep(test, lease_until=None)
        return test
    _keep(test, lease_until=None, status=AccessTest.Status.DONE, finished_at=clock.now())
    return None


def _look(eyes: looking.Eyes, check: Check) -> None:
    """One line. Whatever breaks here is that line's answer, and the others are looked at."""
    try:
        eyes.look(check)
    except Exception as error:
        log.exception("Access test %s broke off at %s.", eyes.test.pk, check["text"])
        check["status"] = "attention"
        check["said"] = f"{type(error).__name__} on our side."
        check["advice"] = "It is not known. The log of the worker says more; test again."


def _claim(test_id: int) -> AccessTest | None:
    now = clock.real_now()
    lease = now + LEASE
    taken = (
        AccessTest.objects.filter(pk=test_id, status__in=AccessTest.OPEN)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(status=AccessTest.Status.RUNNING, lease_until=lease)
    )
    return AccessTest.objects.get(pk=test_id) if taken == 1 else None


def _keep(test: AccessTest, **columns: object) -> None:
    """Save the lines and stay the holder. Raises _LostLease."""
    held = AccessTest.objects.filter(
        pk=test.pk, status=AccessTest.Status.RUNNING, lease_until=test.lease_until
    ).update(checks=test.checks, **columns)
    if held != 1:
        raise _LostLease
    for name, value in columns.items():
        setattr(test, name, value)
