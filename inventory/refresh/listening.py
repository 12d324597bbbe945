"""Listening to one user in every Region without a gap: what it still attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import TrailEvent, TrailLook, Wanted
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.models import Account, IamUser, TrailCoverage
from inventory.refresh.activity import (
    Answer,
    alive_after,
    federated_name,
    keep,
    regions_of,
    since,
)

# 10,000 events since the last look: more is not one user at work, and is told as a gap.
_PAGES = 200
_Told = Mapping[str, TrailLook | AwsFailure]


def listen_user(user: IamUser, session: AwsSession, until: datetime) -> list[TrailEvent]:
    """Read the user's events up to `until` in every Region; those not seen before, oldest first.

    Failed sign-ins and denied calls are among them, and what was done under its earlier names and
    in its GetFederationToken sessions. Coverage and activity are saved. A Region that could not
    be read, or not without a gap, keeps its old coverage with AWS's words as `error`; the others
    count.
    """
    account = user.account
    # Whole listening means every enabled Region, also one that the file does not name for syncs.
    regions = list(account.enabled_regions) or regions_of(account)
    rows = {row.region: row for row in user.trail_coverage.all()}
    wanted = {
        region: _wanted(user, row.read_to if row and row.read_from else None, until)
        for region in regions
        for row in [rows.get(region)]
    }
    told = _look(account, session, wanted)
    answers = [_answer(user, region, told[region]) for region in regions]
    began = _began(user, told)
    if began:
        # A session is used in other Regions than the one in which it began.
        further = {region: replace(each, names=began) for region, each in wanted.items()}
        more = _look(account, session, further)
        answers = [_joined(answer, more[answer.region]) for answer in answers]
    found = [event for events in keep(answers) for event in events]
    return sorted(found, key=lambda event: event.at)


def _wanted(user: IamUser, read_to: datetime | None, until: datetime) -> Wanted:
    start = since(read_to, until)
    names = (user.user_name, *user.earlier_names, *alive_after(user.federated_names, start))
    return Wanted(user.user_id, start, until, _PAGES, names=tuple(dict.fromkeys(names)))


def _look(account: Account, session: AwsSession, wanted: Mapping[str, Wanted]) -> _Told:
    """Every Region at once; AWS's refusal in place of what one did not tell."""

    def look(region: str) -> TrailLook | AwsFailure:
        limiter = Limiter.for_lookups(account, region)
        try:
            return cloudtrail.look(session, region, wanted[region], limiter)
        except AwsFailure as failed:
            return failed

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(look, wanted), strict=True))


def _answer(user: IamUser, region: str, told: TrailLook | AwsFailure) -> Answer:
    if isinstance(told, AwsFailure):
        return Answer(user.pk, region, error=str(told))
    if told.complete or told.unreadable:
        # Beside an event that nobody can read, those that can be read are heard.
        return Answer(user.pk, region, (told,), told.unreadable)
    return Answer(user.pk, region, error=_too_many(told))


def _joined(answer: Answer, told: TrailLook | AwsFailure) -> Answer:
    """The answer of a Region with what further names showed there; a gap stays one."""
    if isinstance(told, AwsFailure):
        return replace(answer, looks=(), error=answer.error or str(told))
    if not answer.looks:
        return answer
    if not told.complete and not told.unreadable:
        return replace(answer, looks=(), error=_too_many(told))
    (first,) = answer.looks
    heard = replace(first, read_from=max(first.read_from, told.read_from))
    also = replace(told, read_from=told.read_to)
    return replace(answer, looks=(heard, also), error=answer.error or told.unreadable)


def _too_many(told: TrailLook) -> str:
    return f"Events before {told.read_from:%d %b %H:%M} could not be read: too many."


def _began(user: IamUser, told: _Told) -> tuple[str, ...]:
    """Names of sessions that began in what was heard and were not asked for."""
    names = {
        federated_name(event)
        for one in told.values()
        if isinstance(one, TrailLook)
        for event in one.events
    }
    known = {"", user.user_name, *user.earlier_names, *user.federated_names}
    return tuple(sorted(names - known))


def listened_to(
    user: IamUser, regions: Iterable[str] | None = None, *, since: datetime | None = None
) -> datetime | None:
    """Until when every Region was read without a gap; None if one was not.

    `regions` defaults to those that event history is read in. None too where the last look failed
    or, with `since`, where a Region was not read back to then.
    """
    wanted = list(regions) if regions is not None else regions_of(user.account)
    rows = {row.region: row for row in TrailCoverage.objects.filter(user=user, region__in=wanted)}
    if not wanted or len(rows) < len(set(wanted)):
        return None
    ends = []
    for row in rows.values():
        if row.error or row.read_from is None or row.read_to is None:
            return None
        if since is not None and row.read_from > since:
            return None
        ends.append(row.read_to)
    return min(ends)
