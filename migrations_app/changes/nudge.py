"""Telling a worker that a row waits. The row is the truth; a lost nudge costs time only.

A broker that is down must not undo a request, least of all a restore: the sweep finds the row.
"""

from __future__ import annotations

import functools
import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def dry_run(batch_pk: int) -> None:
    _on_commit("dry_run_batch", "read", batch_pk)


def run_batch(batch_pk: int) -> None:
    _on_commit("run_batch", "write", batch_pk)


def run_change(change_pk: int) -> None:
    """A shut that follows a watch, or a deletion to be finished."""
    _on_commit("run_change", "write", change_pk)


def import_owners(import_pk: int) -> None:
    _on_commit("import_owners", "read", import_pk)


def build_pack(pack_pk: int) -> None:
    _on_commit("build_pack", "read", pack_pk)


def restore(change_pk: int) -> None:
    _on_commit("run_restore", "restore", change_pk)


def restore_soon(change_pk: int) -> None:
    """The forward change it outranks has not let go yet."""
    _send("run_restore", "restore", change_pk, countdown=1)


def break_glass() -> None:
    """Look at the break-glass user now, not at the next tick."""
    _on_commit("watch_break_glass", "read", True)


def _on_commit(task: str, queue: str, pk: int | bool) -> None:
    transaction.on_commit(functools.partial(_send, task, queue, pk))


def _send(task: str, queue: str, pk: int | bool, countdown: int = 0) -> None:
    name = f"migrations_app.tasks.{task}"
    try:
        current_app.send_task(name, args=[pk], queue=queue, retry=False, countdown=countdown)
    except OperationalError as error:
        log.warning("The broker took no nudge for %s %s (%s); the sweep will.", task, pk, error)
