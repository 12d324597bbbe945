"""Celery shells around the syncs. Each setting of delivery has its reason beside it."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from inventory import refresh
from inventory.aws import identity
from inventory.aws.session import AwsFailure

log = logging.getLogger(__name__)


@shared_task(queue="read")
def run_sync(sync_id: int) -> None:
    """One slice; it enqueues itself until the sync is over."""
    if refresh.run_sync(sync_id):
        run_sync.delay(sync_id)


@shared_task(queue="read")
def sync_due() -> None:
    """Ask for what is due and nudge what lies about: a lost message costs time, never a sync."""
    for sync_id in refresh.due_syncs():
        run_sync.delay(sync_id)


@worker_ready.connect
def report_identity(sender: Any = None, **_: Any) -> None:
    """Tell whose credentials this worker runs on; protection `self` rests on it."""
    try:
        identity.report(str(getattr(sender, "hostname", "")))
    except AwsFailure as failed:
        # Not fatal: where nobody reports, no forward write begins, and the page says so.
        log.warning("This worker cannot tell whose credentials it runs on: %s", failed)
