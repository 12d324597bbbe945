"""The step `trail`: one look per user and Region, Regions side by side, users in doubt first.

A fenced or shut user is left to whoever listens to it, as long as somebody does: what a sync
read would not be new to the listener any more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from inventory import clock
from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import TrailLook
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import IamUser, TrailCoverage
from inventory.refresh.activity import keep_failure, keep_look, regions_of, since
from inventory.refresh.judging import of_sync
from inventory.refresh.run import Run

_PAGES = 40
_LISTENED_WITHIN = timedelta(hours=24)
_FEDERATED_WITHIN = timedelta(days=30)
FENCE = ":iam::aws:policy/AWSDenyAll"


@dataclass(frozen=True, slots=True)
class _Answer:
    user: IamUser
    region: str
    told: TrailLook | AwsFailure


class _Talk:
    """Between the threads that ask and the one that writes: answers, None at a thread's end."""

    def __init__(self) -> None:
        self.answers: queue.Queue[_Answer | None] = queue.Queue()
        self.stop = threading.Event()


def read_trail(run: Run) -> bool:
    """The step `trail`; False when the slice ended before every Region answered for every user."""
    regions = regions_of(run.account)
    if not regions:
        run.fail("trail", "No enabled Region is known, so event history could not be asked.")
        return True
    users = of_sync(run.sync)
    coverage = _coverage(users)
    pending = {region: _pending(run, users, region, coverage) for region in regions}
    total = len(users) * len(regions)
    left = sum(len(waiting) for waiting in pending.values())
    talk = _Talk()
    threads = [
        threading.Thread(
            target=_ask_region, args=(run, region, waiting, coverage, talk), name=f"trail {region}"
        )
        for region, waiting in pending.items()
        if waiting
    ]
    for thread in threads:
        thread.start()
    try:
        left -= _save_answers(run, coverage, talk, len(threads), total=total, left=left)
    finally:
        # Whatever happens here, no thread goes on asking.
        talk.stop.set()
        for thread in threads:
            thread.join()
    if left > 0:
        return False
    return _conclude(run, users, regions)


def _pending(
    run: Run,
    users: Iterable[IamUser],
    region: str,
    coverage: dict[tuple[int, str], TrailCoverage],
) -> list[IamUser]:
    """Who still has to be looked up, users in doubt first."""
    started_at = run.sync.started_at
    waiting = []
    for user in users:
        row = coverage.get((user.pk, region))
        if row and started_at and row.looked_at >= started_at:
            continue
        if row and _is_listened_to(user, row):
            continue
        waiting.append(user)
    return sorted(waiting, key=_recent_use)


def _is_listened_to(user: IamUser, row: TrailCoverage) -> bool:
    fenced = any(arn.endswith(FENCE) for arn in (*user.attached_policies, user.boundary_arn))
    return fenced and not row.error and row.looked_at > clock.now() - _LISTENED_WITHIN


def _recent_use(user: IamUser) -> float:
    """Sorts those first whose credentials were last used longest ago, or never."""
    used = [one.last_used_at for one in user.credentials.all() if one.last_used_at]
    if user.password_last_used_at:
        used.append(user.password_last_used_at)
    return max(used).timestamp() if used else 0.0


def _coverage(users: Iterable[IamUser]) -> dict[tuple[int, str], TrailCoverage]:
    rows = TrailCoverage.objects.filter(user__in=[user.pk for user in users])
    return {(row.user_id, row.region): row for row in rows}


def _ask_region(
    run: Run,
    region: str,
    waiting: list[IamUser],
    coverage: dict[tuple[int, str], TrailCoverage],
    talk: _Talk,
) -> None:
    """One Region's thread: it asks AWS only; rows are written by the thread that started it."""
    limiter = Limiter.for_lookups(run.account, region)
    refused: AwsFailure | None = None
    try:
        for user in waiting:
            if talk.stop.is_set():
                return
            # Refused for one is refused for all: the others are told without asking again.
            told = refused or _look(run, region, user, coverage.get((user.pk, region)), limiter)
            if isinstance(told, AwsFailure) and not told.retryable:
                refused = told
            talk.answers.put(_Answer(user, region, told))
    finally:
        talk.answers.put(None)


def _look(
    run: Run, region: str, user: IamUser, row: TrailCoverage | None, limiter: Limiter
) -> TrailLook | AwsFailure:
    until = clock.now()
    try:
        return cloudtrail.lookup(
            run.aws,
            region,
            user_name=user.user_name,
            user_id=user.user_id,
            since=since(row, until),
            until=until,
            limiter=limiter,
            max_pages=_PAGES,
            latest_only=row is None,
        )
    except AwsFailure as failed:
        return failed


def _save_answers(
    run: Run,
    coverage: dict[tuple[int, str], TrailCoverage],
    talk: _Talk,
    threads: int,
    *,
    total: int,
    left: int,
) -> int:
    """Write answers as they come until all threads ended; how many were written."""
    written, told_at = 0, run.time_left()
    while threads:
        answer = talk.answers.get()
        if answer is None:
            threads -= 1
            continue
        row = coverage.get((answer.user.pk, answer.region))
        with transaction.atomic():
            if isinstance(answer.told, AwsFailure):
                keep_failure(answer.user, row, answer.region, str(answer.told))
            else:
                keep_look(answer.user, row, answer.region, answer.told)
        written += 1
        if run.time_left() <= 0:
            talk.stop.set()
        if told_at - run.time_left() > 1:
            told_at = run.time_left()
            run.advance("trail", total - left + written, total, "2 calls a second and Region")
    run.advance("trail", total - left + written, total, "2 calls a second and Region")
    return written


def _conclude(run: Run, users: list[IamUser], regions: list[str]) -> bool:
    _note_federated(run, regions)
    broken = TrailCoverage.objects.filter(user__in=users, region__in=regions).exclude(error="")
    words = broken.values_list("region", "error").order_by("region").first()
    if words:
        count = broken.values("user").distinct().count()
        run.fail("trail", f"{count} of {len(users)} users: {words[0]}: {words[1]}")
    else:
        run.finish("trail", f"{len(users)} users in {len(regions)} Regions")
    return True


def _note_federated(run: Run, regions: list[str]) -> None:
    """When people last signed in without an IAM user, and when one of them as an administrator."""
    until = clock.now()
    found = []
    for region in regions:
        try:
            found += cloudtrail.federated_sign_ins(
                run.aws,
                region,
                since=until - _FEDERATED_WITHIN,
                until=until,
                limiter=Limiter.for_lookups(run.account, region),
            )
        except AwsFailure:
            # That Region is shown as not covered already; this is no evidence about a user.
            continue
    if not found:
        return
    run.account.federated_sign_in_at = max(at for at, _ in found)
    run.account.save(update_fields=["federated_sign_in_at"])
    admins = set(run.sync.changes.get("admin_roles", []))
    as_admin = [at for at, role in found if role in admins]
    if as_admin:
        run.sync.changes["federated_admin_at"] = max(as_admin).isoformat()
