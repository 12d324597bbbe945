"""Where a real worker may die. Loaded by the worker under test (`--include`), by nobody else.

The worker passes points: around each journal line and each send, each commit that tells of a state,
each message it enqueues. A one-shot key in Redis makes the next task either tell every point it
passes, or die at one of them by SIGKILL, as the kernel or a power cut would end it.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from typing import Any

import pytest
import redis
from botocore.httpsession import URLLib3Session
from celery import Task, shared_task
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.signals import connection_created

from inventory.aws import limiter, session
from inventory.models import Person
from migrations_app import aws, changes
from migrations_app.changes import nudge, running
from migrations_app.changes.journal import RowJournal
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.cells.points import ARMED, PASSED, TOLD

SLICE = running.SLICE
# What the queue tells of a change or of its user. Journal lines alone have points of their own, and
# a lease renewed is no news.
_TELLING = re.compile(
    r'^(?:INSERT INTO|UPDATE|DELETE FROM) "(migrations_app_\w+|inventory_ledger\w+)"'
)
_LEASE_ONLY = re.compile(r'^UPDATE "migrations_app_change" SET "lease_until" = \S+ WHERE')


class _Points:
    """What this process passes during one task."""

    def __init__(self) -> None:
        self.order: dict[str, Any] | None = None
        self.counts: Counter[str] = Counter()
        self.sending = ""
        self.pending: set[str] = set()
        self.store = redis.Redis.from_url(settings.REDIS_URL)

    def begin(self) -> None:
        armed = self.store.getdel(ARMED)
        self.order = json.loads(armed) if armed else None
        running.SLICE = self.order.get("slice", SLICE) if self.order else SLICE
        self.counts.clear()
        self.pending.clear()
        self.sending = ""

    def passes(self, point: str, label: str) -> None:
        """Tell the point, or die here where that was ordered."""
        if self.order is None:
            return
        number = self.counts[point]
        self.counts[point] += 1
        if self.order["do"] == "tell":
            self.store.rpush(PASSED, json.dumps([point, number, label]))
        elif (self.order["point"], self.order["number"]) == (point, number):
            self.store.rpush(TOLD, f"dies {os.getpid()}")
            if self.order["do"] == "kill worker":
                os.killpg(os.getpgid(0), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


points = _Points()


@task_prerun.connect
def _begin(task: Task[..., Any], **_: object) -> None:
    if task.name.startswith(("migrations_app.", "cells.")):
        points.begin()


@task_postrun.connect
def _end(task: Task[..., Any], **_: object) -> None:
    points.order = None
    points.store.rpush(TOLD, f"ran {task.name}")


@shared_task(name="cells.verb", queue="write", acks_late=False, reject_on_worker_lost=False)
def verb(name: str, pk: int, username: str) -> None:
    """A request of a person as the web process runs it: it does not come again by itself."""
    person = Person.objects.get(username=username)
    if name in ("restore", "finish_deleting"):
        getattr(changes, name)(Departure.objects.get(pk=pk), person)
    elif name == "retry":
        changes.retry(Change.objects.get(pk=pk), person)
    else:
        getattr(changes, name)(Batch.objects.get(pk=pk), person)


# Nothing of it is undone: the worker is there for this alone.
_for_good = pytest.MonkeyPatch()


def _around_writes() -> None:
    really_before, really_after = RowJournal.before, RowJournal.after
    really_send = URLLib3Session.send

    def before(journal: RowJournal, call: aws.PlannedCall, attempt: int) -> int:
        label = f"{call.operation} {call.target}"
        points.passes("before the journal line", label)
        line = really_before(journal, call, attempt)
        points.passes("journalled, not sent", label)
        points.sending = label
        return line

    def send(http: URLLib3Session, request: Any) -> Any:
        answer = really_send(http, request)
        if points.sending:
            points.passes("applied, answer lost", points.sending)
        return answer

    def after(journal: RowJournal, line: int, answer: aws.Answer) -> None:
        label, points.sending = points.sending, ""
        points.passes("answered, not journalled", label)
        really_after(journal, line, answer)
        points.passes("journalled, not closed", label)

    _for_good.setattr(RowJournal, "before", before)
    _for_good.setattr(RowJournal, "after", after)
    _for_good.setattr(URLLib3Session, "send", send)


def _around_commits() -> None:
    really_commit, really_rollback = DatabaseWrapper.commit, DatabaseWrapper.rollback

    def commit(connection: DatabaseWrapper) -> None:
        told, points.pending = sorted(points.pending), set()
        if told:
            points.passes("before a commit", " ".join(told))
        really_commit(connection)
        if told:
            points.passes("after a commit", " ".join(told))

    def rollback(connection: DatabaseWrapper) -> None:
        # What is taken back, like the trial of the ledger, is told by no later commit.
        points.pending = set()
        really_rollback(connection)

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = _TELLING.match(sql)
        if found is None or found[1] == "migrations_app_call" or _LEASE_ONLY.match(sql):
            return execute(sql, params, many, context)
        if context["connection"].in_atomic_block:
            points.pending.add(found[1])
            return execute(sql, params, many, context)
        points.passes("before a commit", found[1])
        result = execute(sql, params, many, context)
        points.passes("after a commit", found[1])
        return result

    def connected(connection: DatabaseWrapper, **_: object) -> None:
        if watch not in connection.execute_wrappers:
            connection.execute_wrappers.append(watch)

    _for_good.setattr(DatabaseWrapper, "commit", commit)
    _for_good.setattr(DatabaseWrapper, "rollback", rollback)
    connection_created.connect(connected, weak=False)


def _around_enqueues() -> None:
    really_send = nudge._send

    def send(task: str, queue: str, pk: int, countdown: int = 0) -> None:
        points.passes("committed, not enqueued", task)
        really_send(task, queue, pk, countdown)
        points.passes("enqueued", task)

    _for_good.setattr(nudge, "_send", send)


def _hurry() -> None:
    """The pace towards AWS is not what is tested here, nor is reading API models in each child."""
    limiter.LOOKUPS_PER_SECOND = limiter.READS_PER_SECOND = 10_000.0
    limiter.LAST_ACCESSED_PER_SECOND = 10_000.0
    for service in ("iam", "sts", "cloudtrail"):
        session._core().create_client(service, region_name="us-east-1")


_around_writes()
_around_commits()
_around_enqueues()
_hurry()
