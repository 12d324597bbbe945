"""One Region's days from CloudTrail Lake: AWS sums them up, some days with each query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.aws.trail_lake import LakeStore
from inventory.models import ArchiveCoverage
from inventory.refresh.archive_days import DEPTH, gap, keep_days
from inventory.refresh.tally import DayTally, Sum, cut

# A store gets its events within minutes; a day is asked about once it is over for so long.
LATE = timedelta(hours=6)
_DAY = timedelta(days=1)
_DAYS_A_QUERY = 20
_AGAIN = 5
# What is wrong with the store or with our rights is wrong for every day.
_ONE_QUERY_ONLY = ("QueryFAILED", "QueryTIMED_OUT", "QueryCANCELLED", "QueryTooSlow")


def read_lake(
    row: ArchiveCoverage, store: LakeStore, users: Mapping[str, int], beat: Callable[[], float]
) -> bool:
    """Read on where `row` ends until all is read or the time is over; whether all is read.

    Days of a query that did not end well are a gap, and asked about again by a later sync. Raises
    AwsFailure where the store itself cannot be asked.
    """
    last = (clock.now() - LATE).date() - _DAY
    first = row.read_to + _DAY if row.read_to else (clock.now() - DEPTH).date()
    held = store.bounds(row.region, first, last + _DAY)
    # As with files: before the first event and from the last on nothing shows that the store was
    # there and was told of everything.
    if held and row.read_from is None:
        first = held[0].date()
        row.read_from = first + _DAY
    last = min(last, held[1].date() - _DAY) if held else first - _DAY
    began = row.read_to
    while first <= last:
        to = min(first + (_DAYS_A_QUERY - 1) * _DAY, last)
        _ask(row, store, users, first, to)
        first = to + _DAY
        if beat() <= 0 and first <= last:
            return False
    _ask_again(row, store, users, began, beat)
    return True


def _ask(
    row: ArchiveCoverage, store: LakeStore, users: Mapping[str, int], first: date, last: date
) -> None:
    days: dict[date, DayTally] = {}
    try:
        for one in store.uses(row.region, first, last):
            user = users.get(one.user_id)
            if user is None:
                continue
            what = (one.service, one.action, one.access_key_id)
            kind = cut((*what, one.source_address, one.user_agent, one.outcome))
            told = Sum(one.count, one.first_at, one.last_at)
            days.setdefault(one.day, DayTally()).add_sum(user, kind, told)
    except AwsFailure as failed:
        if failed.code not in _ONE_QUERY_ONLY:
            raise
        asked = [first + n * _DAY for n in range((last - first).days + 1)]
        gap(row, asked, str(failed), again=True)
        days = {}
    if row.read_from and last >= row.read_from:
        row.read_to = max(row.read_to or last, last)
    owned = max(first, row.read_from or first)
    found = {day: tally.users for day, tally in days.items()}
    keep_days(row, found, (owned, last) if owned <= last else None)


def _ask_again(
    row: ArchiveCoverage,
    store: LakeStore,
    users: Mapping[str, int],
    began: date | None,
    beat: Callable[[], float],
) -> None:
    """Gaps of earlier syncs, those first that were not tried for longest."""
    oldest = (clock.now() - DEPTH).date().isoformat()
    row.gaps = {day: told for day, told in row.gaps.items() if day >= oldest}
    before = began.isoformat() if began else ""
    again = [
        (told["tried_at"], day) for day, told in row.gaps.items() if told["again"] and day <= before
    ]
    for _, text in sorted(again)[:_AGAIN]:
        if beat() <= 0:
            return
        day = date.fromisoformat(text)
        told = row.gaps.pop(text)
        try:
            _ask(row, store, users, day, day)
        except AwsFailure:
            row.gaps[text] = told
            raise
