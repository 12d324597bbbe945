"""Celery shells around syncs and tests of access. Settings of delivery have their reason beside.

Read workers take slices of syncs from one queue, in order. A sync has one message in it at a time,
so the queue is a round: the next slice of a large account waits behind one slice of every other.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from inventory import access, refresh
from inventory.aws import identity
from inventory.aws.session import AwsFailure

log = logging.getLogger(__name__)


@shared_task(queue="read")
def run_sync(sync_id: int) -> None:
    """One slice; the sync goes to the end of the queue until it is over."""
    refresh.taken_up(sync_id)
    if refresh.run_sync(sync_id):
        refresh.enqueue(sync_id)


@shared_task(queue="read")
def run_look(look_id: int) -> None:
    """One slice of a look at Identity Center; it goes to the end of the queue until it is over."""
    if refresh.run_look(look_id):
        refresh.enqueue_look(look_id)


@shared_task(queue="read")
def sync_due() -> None:
    """Ask for what is due and nudge what lies about: a lost message costs time, never a sync."""
    for sync_id in refresh.due_syncs():
        refresh.enqueue(sync_id)
    for look_id in refresh.unheld_looks():
        refresh.enqueue_look(look_id)
    for test in access.lying_about():
        access.enqueue(test)
    refresh.watch_accounts()


@shared_task(queue="read")
def try_access(test_id: int) -> None:
    """A slice of a test of what an account's roles may do; it goes on until it is over."""
    if test := access.run_test(test_id, "read"):
        access.enqueue(test)


# By the workers that will use those roles: who else could tell whether they may assume them?
@shared_task(queue="write")
def try_change_access(test_id: int) -> None:
    """The lines of such a test that are about assuming the change roles."""
    if test := access.run_test(test_id, "write"):
        access.enqueue(test)


@worker_ready.connect
def report_identity(sender: Any = None, **_: Any) -> None:
    """Tell whose credentials this worker runs on; protection `self` rests on it."""
    try:
        identity.report(str(getattr(sender, "hostname", "")))
    except AwsFailure as failed:
        # Not fatal: where nobody reports, no forward write begins, and the page says so.
        log.warning("This worker cannot tell whose credentials it runs on: %s", failed)
