"""Many lookups at once: a thread for each Region asks AWS, the caller's thread writes what comes.

Answers are collected for about a second and saved together. Rows are the truth: whatever a killed
worker had not saved is asked again, and nothing else.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from inventory.aws.cloudtrail import FAILED_SIGN_IN, refuses_all
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.refresh.activity import Answer, keep
from inventory.refresh.run import Run
from inventory.refresh.subjects import Subject

_COLLECT_SECONDS = 1.0
_MOST_AT_ONCE = 60
# Throttled to the end for this many users one after the other: others need this Region's limit.
_MOST_THROTTLED = 2
_PACE = "2 calls a second and Region"


@dataclass(frozen=True, slots=True)
class Read:
    """How far one Region was read for one user before."""

    read_from: datetime | None
    read_to: datetime | None
    looked_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """One user to be asked for in one Region, and what was read there before."""

    subject: Subject
    before: Read | None = None


class Interrupted(Exception):
    """The slice ended in the middle of a look that says nothing yet."""


# Asks AWS; may raise AwsFailure or Interrupted.
Ask = Callable[[str, Lookup, Limiter, Callable[[], bool]], Answer]


@dataclass(slots=True)
class _Talk:
    """Between the threads that ask and the one that writes. None on the queue: a thread ended."""

    run: Run
    ask: Ask
    enough_after: Mapping[int, datetime]
    # Bounded: should rows be written more slowly than AWS answers, the threads wait.
    answers: queue.Queue[Answer | Lookup | None] = field(
        default_factory=lambda: queue.Queue(_MOST_AT_ONCE)
    )
    stop: threading.Event = field(default_factory=threading.Event)
    in_use: set[int] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    broken: list[BaseException] = field(default_factory=list)

    writing: bool = True

    def goes_on(self) -> bool:
        return not self.stop.is_set()

    def tell(self, told: Answer | Lookup | None) -> None:
        """To whoever writes; lost only if that one broke off and nobody takes it any more."""
        while self.writing:
            try:
                self.answers.put(told, timeout=0.2)
            except queue.Full:
                continue
            return


def ask_all(
    run: Run,
    step: str,
    pending: Mapping[str, Sequence[Lookup]],
    ask: Ask,
    *,
    total: int,
    enough_after: Mapping[int, datetime] | None = None,
) -> bool:
    """Ask in every Region at once, each in the order given; whether all of it was answered.

    Of `total` lookups those not `pending` are done already. With `enough_after` (by user) a use
    later than that settles the question about a user: what is left of it is not asked. False when
    the slice ended first. A Region that refuses is asked once in a sync. Raises LostLease.
    """
    left = sum(len(waiting) for waiting in pending.values())
    talk = _Talk(run, ask, enough_after or {}, refused=refusals(run))
    threads = [
        threading.Thread(target=_ask_region, args=(talk, region, waiting), name=f"trail {region}")
        for region, waiting in pending.items()
        if waiting
    ]
    for thread in threads:
        thread.start()
    try:
        left -= _write(talk, step, len(threads), done=total - left, total=total)
    finally:
        # Whatever happens here, no thread goes on asking.
        talk.stop.set()
        talk.writing = False
        for thread in threads:
            thread.join()
    run.step("trail")["refused"] = talk.refused
    if talk.broken:
        raise talk.broken[0]
    return left <= 0


def refusals(run: Run) -> dict[str, str]:
    """Regions that refused every lookup in this sync, with AWS's words."""
    return dict(run.step("trail").get("refused", {}))


def _ask_region(talk: _Talk, region: str, waiting: Sequence[Lookup]) -> None:
    """One Region's thread: it asks AWS only, and touches no row."""
    limiter = Limiter.for_lookups(talk.run.account, region)
    refused, throttled = talk.refused.get(region, ""), 0
    try:
        for lookup in waiting:
            if talk.stop.is_set():
                return
            user = lookup.subject.pk
            if user in talk.in_use:
                talk.tell(lookup)
                continue
            if refused:
                # Refused for one is refused for all: the others are told without asking again.
                talk.tell(Answer(user, region, error=refused))
                continue
            try:
                answer = talk.ask(region, lookup, limiter, talk.goes_on)
            except AwsFailure as failed:
                throttled = throttled + 1 if failed.throttled else 0
                if refuses_all(failed) or throttled >= _MOST_THROTTLED:
                    refused = talk.refused[region] = str(failed)
                answer = Answer(user, region, error=str(failed))
            except Interrupted:
                return
            else:
                throttled = 0
            if _settles(answer, talk.enough_after.get(user)):
                talk.in_use.add(user)
            talk.tell(answer)
    except BaseException as error:  # noqa: BLE001
        # A fault of ours must reach whoever started this, or the step would never end.
        talk.broken.append(error)
    finally:
        talk.tell(None)


def _settles(answer: Answer, after: datetime | None) -> bool:
    return after is not None and any(
        event.at > after and event.kind != FAILED_SIGN_IN
        for look in answer.looks
        for event in look.events
    )


def _write(talk: _Talk, step: str, threads: int, *, done: int, total: int) -> int:
    """Save answers as they come until all threads ended; how many lookups are settled by that."""
    began = done
    collected: list[Answer] = []
    due = time.monotonic() + _COLLECT_SECONDS
    while threads:
        try:
            told = talk.answers.get(timeout=max(due - time.monotonic(), 0.01))
        except queue.Empty:
            told = None
        else:
            if told is None:
                threads -= 1
            elif isinstance(told, Answer):
                collected.append(told)
            else:
                done += 1
        if threads and time.monotonic() < due and len(collected) < _MOST_AT_ONCE:
            continue
        done += _save(collected)
        collected = []
        talk.run.advance(step, done, total, _PACE)
        due = time.monotonic() + _COLLECT_SECONDS
        if talk.run.time_left() <= 0 and done > began:
            talk.stop.set()
    return done - began


def _save(collected: list[Answer]) -> int:
    if collected:
        keep(collected)
    return len(collected)
