"""What listening could not read: tried again for as long as that may help, then lost and said so.

A gap lies between what was read before it and what is read after it. It ends as it began, by what
AWS answers: read after all, older than event history reaches, or unreadable after honest tries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q

from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import HISTORY, TrailEvent, TrailLook, Wanted
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.aws.trail_events import text
from inventory.models import Account, IamUser, TrailCoverage, TrailGap
from inventory.refresh.activity import Answer, alive_after, keep

TRIES = 8
REST = timedelta(minutes=10)
# So many pages of 50 in each try; the next goes on below.
_PAGES = 200


def note(user: IamUser, before: TrailCoverage, wanted: Wanted, told: TrailLook, why: str) -> None:
    """Keep that `told` does not reach back to what was read `before`; the same one once."""
    ends = told.read_from
    if before.read_from is None or before.read_to is None:
        return
    if not told.unreadable and ends <= before.read_to:
        return
    TrailGap.objects.get_or_create(
        user=user,
        region=before.region,
        until_at=ends,
        defaults={
            # What shows late lies before the end of the last look.
            "from_at": before.read_to if before.read_to < ends else wanted.since,
            "read_from": before.read_from,
            "why": text(why),
        },
    )


def try_again(
    account: Account, users: Mapping[int, IamUser], session: AwsSession, now: datetime
) -> Iterator[tuple[int, list[TrailEvent]]]:
    """Read what can be read of the gaps of these users; by pk what was found there.

    A refusal of AWS is no try: such a gap holds until it is too old.
    """
    rest = Q(tried_at=None) | Q(tried_at__lte=now - REST)
    for gap in TrailGap.objects.filter(rest, user__in=users, lost_at=None):
        gap.tried_at = now
        if gap.until_at <= now - HISTORY:
            _lose(gap, now)
            continue
        user = users[gap.user_id]
        starts = max(gap.from_at, now - HISTORY)
        names = (user.user_name, *user.earlier_names, *alive_after(user.federated_names, starts))
        wanted = Wanted(user.user_id, starts, gap.until_at, _PAGES, names=names)
        limiter = Limiter.for_lookups(account, gap.region)
        try:
            told = cloudtrail.look(session, gap.region, wanted, limiter)
        except AwsFailure:
            gap.save(update_fields=["tried_at"])
            continue
        yield gap.user_id, _tried(gap, told, starts, now)


def _tried(gap: TrailGap, told: TrailLook, starts: datetime, now: datetime) -> list[TrailEvent]:
    if told.complete and starts == gap.from_at:
        # What was read before it and after it is one piece now.
        (events,) = keep([_answer(gap, replace(told, read_from=gap.read_from))])
        _joined(gap, gap.read_from)
        gap.delete()
        return events
    (events,) = keep([_answer(gap, told)])
    gap.tries += 1
    if not told.unreadable:
        _joined(gap, told.read_from)
        gap.until_at = told.read_from
    if gap.tries >= TRIES or told.complete:
        _lose(gap, now)
    else:
        gap.save(update_fields=["tries", "tried_at", "until_at"])
    return events


def _joined(gap: TrailGap, reached: datetime) -> None:
    """What was read after this gap reaches further back now; a later gap begins after that."""
    later = TrailGap.objects.filter(user=gap.user_id, region=gap.region, read_from=gap.until_at)
    later.update(read_from=reached)


def _answer(gap: TrailGap, told: TrailLook) -> Answer:
    return Answer(gap.user_id, gap.region, (told,), told.unreadable)


def _lose(gap: TrailGap, now: datetime) -> None:
    gap.lost_at = now
    gap.save(update_fields=["tries", "tried_at", "until_at", "lost_at"])


def reaching_back(read_from: datetime, gaps: Iterable[TrailGap]) -> datetime:
    """From when on a Region was read, what lies in these gaps of it aside."""
    for gap in sorted(gaps, key=lambda gap: gap.until_at, reverse=True):
        if gap.until_at >= read_from:
            read_from = min(read_from, gap.read_from)
    return read_from
