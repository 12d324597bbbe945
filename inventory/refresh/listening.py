"""Listening to one user in every Region without a gap: what it still attempts."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db import transaction

from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import TrailEvent, TrailLook
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.models import IamUser, TrailCoverage
from inventory.refresh.activity import keep_failure, keep_look, regions_of, since

# 10,000 events since the last look: more is not one user at work, and is told as a gap.
_PAGES = 200


def listen_user(user: IamUser, session: AwsSession, until: datetime) -> list[TrailEvent]:
    """Read the user's events up to `until` in every Region; those not seen before, oldest first.

    Failed sign-ins and denied calls are among them. Coverage and activity are saved. A Region that
    could not be read, or not without a gap, keeps its old coverage with AWS's words as `error`;
    the others count.
    """
    account = user.account
    # Whole listening means every enabled Region, also one that the file does not name for syncs.
    regions = list(account.enabled_regions) or regions_of(account)
    rows = {row.region: row for row in user.trail_coverage.all()}

    def look(region: str) -> TrailLook | AwsFailure:
        try:
            return cloudtrail.lookup(
                session,
                region,
                user_name=user.user_name,
                user_id=user.user_id,
                since=since(rows.get(region), until),
                until=until,
                limiter=Limiter.for_lookups(account, region),
                max_pages=_PAGES,
            )
        except AwsFailure as failed:
            return failed

    with ThreadPoolExecutor(max(1, len(regions))) as pool:
        told = dict(zip(regions, pool.map(look, regions), strict=True))
    found: list[TrailEvent] = []
    for region, answer in told.items():
        row = rows.get(region)
        with transaction.atomic():
            if isinstance(answer, AwsFailure):
                keep_failure(user, row, region, str(answer))
            elif not answer.complete:
                gap = f"Events before {answer.read_from:%d %b %H:%M} could not be read: too many."
                keep_failure(user, row, region, gap)
            else:
                found += keep_look(user, row, region, answer)
    return sorted(found, key=lambda event: event.at)


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
