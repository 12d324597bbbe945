"""One slice of one sync: who works on it, how far it is, and when the slice is over.

The row is the truth. It is claimed by a conditional UPDATE and held by a lease on real time; a
worker that lost its lease finds out at its next word and stops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from inventory import clock
from inventory.aws.session import AwsSession
from inventory.models import Account, Sync
from inventory.signals import sync_ended

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=150)
SLICE_SECONDS = 45.0
# Claimed this often without getting anywhere: something about this account kills its workers.
_MOST_CLAIMS = 6
_WORDS = 300

STEPS: Mapping[str, str] = {
    "report": "Credential report",
    "users": "Users, policies, groups",
    "credentials": "Passwords, keys, MFA",
    "trail": "CloudTrail, 90 days",
    "archive": "CloudTrail, 400 days",
    "services": "Access Advisor",
    "references": "Who refers to them",
    "judge": "Verdicts",
    "posture": "CIS AWS Foundations",
    "identity-center": "Identity Center",
    "describe": "What users in use do",
}


class LostLease(Exception):
    """Another worker took this sync over, or somebody ended it."""


class Halted(Exception):
    """What was read must not be believed, so nothing was changed; the text says why."""


def fresh_steps() -> list[dict[str, Any]]:
    """The steps of a sync that has not begun."""
    return [
        {"key": key, "label": label, "status": "waiting", "done": 0, "total": 0, "detail": ""}
        for key, label in STEPS.items()
    ]


class Run:
    """A claimed sync with its session; made by `claim` only."""

    def __init__(self, sync: Sync) -> None:
        self.sync = sync
        self.account: Account = sync.account
        self.session: AwsSession | None = None
        self._ends_at = time.monotonic() + SLICE_SECONDS

    @property
    def aws(self) -> AwsSession:
        if self.session is None:
            raise RuntimeError("The session of this run is not open.")
        return self.session

    def time_left(self) -> float:
        """Seconds of this slice that are left; zero or less means: stop at the next good place."""
        return self._ends_at - time.monotonic()

    def step(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = next(step for step in self.sync.steps if step["key"] == key)
        return found

    def begin(self, key: str, total: int = 0) -> None:
        """Show the step as running; its real start time is kept over slices."""
        step = self.step(key)
        step["status"] = "running"
        step["total"] = total or step["total"]
        step.setdefault("since", _stamp())
        self.keep()

    def advance(self, key: str, done: int, total: int, detail: str = "") -> None:
        self.step(key).update(done=done, total=total, detail=detail)
        self.keep()

    def finish(self, key: str, detail: str = "") -> None:
        step = self.step(key)
        step.update(
            status="done",
            detail=detail or step["detail"],
            until=_stamp(),
            read_at=clock.now().isoformat(),
        )
        self.keep()

    def fail(self, key: str, detail: str) -> None:
        """The step did not succeed; others go on."""
        self.step(key).update(status="failed", detail=detail, until=_stamp())
        self.keep()

    def ended(self, key: str) -> bool:
        return self.step(key)["status"] in {"done", "failed"}

    def keep(self) -> None:
        """Save how far it is and stay the holder. Raises LostLease."""
        self._write(lease_until=clock.real_now() + LEASE)

    def release(self) -> None:
        """The slice is over; whoever comes next goes on from the rows. Raises LostLease."""
        self.sync.calls["claims"] = 0
        self._write(lease_until=None)

    def stumble(self, error: Exception) -> None:
        """Let go after something unexpected, and keep its words. What this slice had in hand is
        not written: it may be what broke."""
        words = f"{type(error).__name__}: {error}".replace("\x00", "")[:_WORDS]
        held = Sync.objects.filter(
            pk=self.sync.pk, status=Sync.Status.RUNNING, lease_until=self.sync.lease_until
        )
        try:
            held.update(lease_until=None, calls=self.sync.calls | {"stumbled": words})
        except DatabaseError:
            # The lease ends by itself.
            log.exception("Sync %s could not be let go.", self.sync.pk)

    def end(self, status: Sync.Status, error: str = "") -> None:
        """The sync is over. Raises LostLease."""
        self._write(lease_until=None, status=status, error=error, finished_at=clock.now())
        sync_ended.send(sender=Sync, sync=self.sync)

    def _write(self, **columns: Any) -> None:
        if self.session is not None:
            self.sync.calls["made"] = self._made()
        held = Sync.objects.filter(
            pk=self.sync.pk, status=Sync.Status.RUNNING, lease_until=self.sync.lease_until
        ).update(
            steps=self.sync.steps,
            calls=self.sync.calls,
            changes=self.sync.changes,
            users_seen=self.sync.users_seen,
            report_generated_at=self.sync.report_generated_at,
            **columns,
        )
        if held != 1:
            raise LostLease
        for name, value in columns.items():
            setattr(self.sync, name, value)

    def _made(self) -> dict[str, int]:
        counted = dict(self.sync.calls.get("made", {}))
        for operation, count in self.aws.take_counts().items():
            counted[operation] = counted.get(operation, 0) + count
        return counted


def _stamp() -> str:
    """Real time: how long a step took does not depend on a clock that somebody moves."""
    return clock.real_now().isoformat()


def claim(sync_id: int) -> Run | None:
    """Take the sync for a slice, or None: it is over, or another worker holds it."""
    now = clock.real_now()
    lease = now + LEASE
    taken = (
        Sync.objects.filter(pk=sync_id, status__in=Sync.OPEN)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(status=Sync.Status.RUNNING, lease_until=lease)
    )
    if taken != 1:
        return None
    sync = Sync.objects.select_related("account").get(pk=sync_id)
    if sync.started_at is None:
        sync.started_at = clock.now()
        Sync.objects.filter(pk=sync_id).update(started_at=sync.started_at)
    # A sync that an older release asked for lacks the steps that are new.
    known = {step["key"]: step for step in sync.steps}
    sync.steps = [known.get(step["key"], step) for step in fresh_steps()]
    run = Run(sync)
    sync.calls["claims"] = sync.calls.get("claims", 0) + 1
    run.keep()
    if sync.calls["claims"] > _MOST_CLAIMS:
        told = f"Its worker stopped {_MOST_CLAIMS} times without an answer."
        last = sync.calls.get("stumbled", "")
        run.end(Sync.Status.FAILED, f"{told} {last}".strip())
        return None
    return run
