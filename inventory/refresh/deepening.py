"""Event history further back than a verdict needs: all that users do, for whoever replaces them.

A sync reads of a user in use as much as shows that it is; this reads on below that, a few pages at
a time, down to where event history begins. It is no look at the present, so it moves no time that
says how fresh the evidence is.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from inventory import clock
from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import HISTORY, Wanted
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from inventory.models import Account, IamUser, TrailCoverage
from inventory.refresh.activity import Answer, alive_after, keep, regions_of

log = logging.getLogger(__name__)

_PAGES = 10
_AT_ONCE = 4
# History passes away at its end while it is read.
_NEAR = timedelta(hours=6)


def deepen(
    account: Account,
    users: Iterable[IamUser],
    session: AwsSession,
    goes_on: Callable[[], bool],
) -> set[int]:
    """Read these users further back in every Region while `goes_on`; whoever was, by pk.

    A Region that refuses is left out: the syncs say so already.
    """
    known = {user.pk: user for user in users}
    back_to = (clock.now() - HISTORY).replace(microsecond=0)
    rows = (
        TrailCoverage.objects.filter(
            user__in=known,
            region__in=regions_of(account),
            error="",
            read_from__gt=back_to + _NEAR,
        )
        .select_related("user")
        .order_by("-read_from", "pk")
    )
    waiting: defaultdict[str, list[TrailCoverage]] = defaultdict(list)
    for row in rows:
        waiting[row.region].append(row)
    read: set[int] = set()
    while goes_on() and any(waiting.values()):
        answers = _round(account, session, waiting, back_to, goes_on)
        keep(answers)
        read |= {answer.user for answer in answers}
    return read


def _round(
    account: Account,
    session: AwsSession,
    waiting: dict[str, list[TrailCoverage]],
    back_to: datetime,
    goes_on: Callable[[], bool],
) -> list[Answer]:
    """A few lookups in each Region, Regions side by side."""

    def ask(region: str, rows: Sequence[TrailCoverage]) -> list[Answer]:
        limiter = Limiter.for_lookups(account, region)
        found: list[Answer] = []
        for row in rows:
            if not goes_on():
                break
            try:
                answer = _look(session, row, back_to, limiter)
            except AwsFailure as failed:
                log.info("Event history in %s is not read further back: %s", region, failed)
                waiting[region] = []
                break
            if answer:
                found.append(answer)
        return found

    some = {region: rows[:_AT_ONCE] for region, rows in waiting.items() if rows}
    for region in some:
        waiting[region] = waiting[region][_AT_ONCE:]
    with ThreadPoolExecutor(len(some)) as pool:
        told = pool.map(lambda one: ask(*one), some.items())
        return [answer for answers in told for answer in answers]


def _look(
    session: AwsSession, row: TrailCoverage, back_to: datetime, limiter: Limiter
) -> Answer | None:
    """Below what was read; None where that got no further."""
    user = row.user
    if row.read_from is None:
        return None
    names = dict.fromkeys(
        [user.user_name, *user.earlier_names, *alive_after(user.federated_names, back_to)]
    )
    wanted = Wanted(user.user_id, back_to, row.read_from, _PAGES, names=tuple(names))
    found = cloudtrail.look(session, row.region, wanted, limiter)
    if found.read_from >= row.read_from:
        return None
    return Answer(user.pk, row.region, (found,), older=True)
