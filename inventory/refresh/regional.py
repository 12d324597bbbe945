"""Many users asked for in many Regions at once, in each Region the cheaper way.

Either a lookup for each name, or the events of everybody, newest first, for as long as that takes
fewer calls. A thread for each Region asks AWS; rows are the caller's business.
"""

from __future__ import annotations

import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache

from inventory.aws import cloudtrail
from inventory.aws.account_trail import look_at_all
from inventory.aws.cloudtrail import PAGE, TrailLook, Wanted
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.models import Account

_COLLECT_SECONDS = 1.0
# Of so few names each is looked up; of the account's history so many pages are read at most: 40 s.
_FEW = 4
_MOST_PAGES = 80
# Throttled to the end for this many users one after the other: others need this Region's limit.
_MOST_THROTTLED = 2
# How busy a Region is was so once, and is found out again after this long.
_BUSY_FOR = 3600
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What one Region told about one user (by key), or AWS's refusal.

    `sessions`: also what was done in sessions under names that were not asked for.
    """

    user: int
    region: str
    look: TrailLook | AwsFailure
    sessions: bool = False


def ask_all(
    account: Account,
    session: AwsSession,
    wanted: Mapping[str, Mapping[int, Wanted]],
    goes_on: Callable[[], bool],
) -> Iterator[list[Told]]:
    """What the Regions tell, collected for about a second; users by key, in the order given.

    After `goes_on` says no, nobody further is asked for. A Region that refuses is asked once.
    """
    answers: queue.SimpleQueue[Told | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def ask(region: str) -> None:
        """One Region's thread. None on the queue: it ended."""
        try:
            for told in _ask_region(
                account, session, region, wanted[region], lambda: goes_on() and not stop.is_set()
            ):
                answers.put(told)
        except BaseException as error:  # noqa: BLE001
            # A fault of ours must reach whoever asked.
            answers.put(error)
        finally:
            answers.put(None)

    threads = [
        threading.Thread(target=ask, args=(region,), name=f"trail {region}")
        for region, users in wanted.items()
        if users
    ]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            some = _collected(answers, running)
            running -= some.count(None)
            for broken in some:
                if isinstance(broken, BaseException):
                    raise broken
            yield [told for told in some if isinstance(told, Told)]
    finally:
        # Whatever happens there, no thread goes on asking.
        stop.set()
        for thread in threads:
            thread.join()


def _collected(
    answers: queue.SimpleQueue[Told | BaseException | None], running: int
) -> list[Told | BaseException | None]:
    some = [answers.get()]
    due = time.monotonic() + _COLLECT_SECONDS
    while some.count(None) < running and (wait := due - time.monotonic()) > 0:
        try:
            some.append(answers.get(timeout=wait))
        except queue.Empty:
            break
    return some


def _ask_region(
    account: Account,
    session: AwsSession,
    region: str,
    wanted: Mapping[int, Wanted],
    goes_on: Callable[[], bool],
) -> Iterator[Told]:
    limiter = Limiter.for_lookups(account, region)
    busy = f"trail:events-an-hour:{account.pk}:{region}"
    left = dict(wanted)
    refused: AwsFailure | None = None
    if goes_on() and _takes_fewer_calls(left, cache.get(busy)):
        try:
            found = look_at_all(session, region, left, limiter, _MOST_PAGES)
        except AwsFailure as failed:
            refused = failed if cloudtrail.refuses_all(failed) else None
        else:
            until = max(one.until for one in left.values())
            hours = max((until - found.reached) / _HOUR, 1 / 3600)
            cache.set(busy, found.events / hours, timeout=_BUSY_FOR)
            for user, look in found.looks.items():
                del left[user]
                yield Told(user, region, look, sessions=True)
    throttled = 0
    for user, each in left.items():
        if refused is not None:
            # Refused for one is refused for all: the others are told without asking again.
            yield Told(user, region, refused)
            continue
        if not goes_on():
            return
        try:
            yield Told(user, region, cloudtrail.look(session, region, each, limiter))
            throttled = 0
        except AwsFailure as failed:
            throttled = throttled + 1 if failed.throttled else 0
            if cloudtrail.refuses_all(failed) or throttled >= _MOST_THROTTLED:
                refused = failed
            yield Told(user, region, failed)


def _takes_fewer_calls(wanted: Mapping[int, Wanted], an_hour: float | None) -> bool:
    """Whether everybody's events are likely to fill fewer pages than there are names."""
    lookups = sum(len(one.names) for one in wanted.values())
    if lookups <= _FEW:
        return False
    if an_hour is None:
        return True
    hours = statistics.median((one.until - one.since) / _HOUR for one in wanted.values())
    return an_hour * hours / PAGE < min(lookups, _MOST_PAGES)
