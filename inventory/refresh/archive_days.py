"""Days from the longer history become rows, and which source a day belongs to.

Activity of the last 90 days can come from two sources, and no call may count twice. The archive
owns the days that it has read whole, by account and Region; event history owns the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta

from django.db import transaction

from inventory import clock
from inventory.aws.cloudtrail import HISTORY
from inventory.models import Activity, ArchiveCoverage
from inventory.refresh.tally import Kind, Sum, Sums

# Access Advisor reaches as far back, and a yearly job shows twice for a month after it ran.
DEPTH = timedelta(days=400)
LACKS = "Event history knows calls of that day that the archive lacks."
_DAY = timedelta(days=1)
_BATCH = 1000
_UNIQUE = (
    "user",
    "day",
    "region",
    "service",
    "action",
    "access_key_id",
    "source_address",
    "user_agent",
    "outcome",
)
_Row = tuple[int, Kind]
_Known = dict[_Row, tuple[int, int, datetime, datetime]]


def gap(row: ArchiveCoverage, days: Iterable[date], text: str, *, again: bool) -> None:
    """Note that these days were not read whole. `again`: another try may read them."""
    for day in days:
        told = row.gaps.get(day.isoformat())
        if told and not told["again"]:
            continue
        row.gaps[day.isoformat()] = {
            "text": text.replace("\x00", "")[:500],
            "again": again,
            "tried_at": clock.now().isoformat(),
        }


def keep_days(
    row: ArchiveCoverage, days: Mapping[date, Sums], owned: tuple[date, date] | None
) -> int:
    """Save what was read of `days`; rows that were written or taken away.

    `owned`: first and last day that were read whole, quiet ones too, but for the gaps in `row`. In
    them the archive's rows replace those of event history. Of other days older than event history
    what was read is added: it is use, if perhaps not all of it. Saves `row`; all or nothing.
    """
    with transaction.atomic():
        # The lock under which event history asks who owns a day.
        ArchiveCoverage.objects.select_for_update().get(pk=row.pk)
        wanted = {day: dict(_flat(sums)) for day, sums in days.items()}
        first, last = _span(wanted, owned)
        known = _known(row, first, last) if first <= last else {}
        horizon = (clock.now() - HISTORY).date()
        written: list[Activity] = []
        superfluous: list[int] = []
        for day in sorted({*wanted, *known}):
            told, held = wanted.get(day, {}), known.get(day, {})
            is_owned = owned is not None and owned[0] <= day <= owned[1]
            is_owned = is_owned and day.isoformat() not in row.gaps
            if is_owned and _lacks(told, held):
                gap(row, [day], LACKS, again=False)
                told = _only_new(told, held)
            elif is_owned:
                superfluous += [known_as[0] for key, known_as in held.items() if key not in told]
            elif day >= horizon:
                continue
            written += _changed(row, day, told, held, whole=is_owned)
        if superfluous:
            Activity.objects.filter(pk__in=superfluous).delete()
        Activity.objects.bulk_create(
            written,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=_UNIQUE,
            update_fields=["count", "first_at", "last_at", "resources"],
        )
        row.save()
    return len(written) + len(superfluous)


def _span(wanted: Mapping[date, object], owned: tuple[date, date] | None) -> tuple[date, date]:
    days = [*wanted, *(owned or ())]
    return (min(days), max(days)) if days else (date.max, date.min)


def _flat(sums: Sums) -> Iterator[tuple[_Row, Sum]]:
    for user, kinds in sums.items():
        for kind, one in kinds.items():
            yield (user, kind), one


def _known(row: ArchiveCoverage, first: date, last: date) -> dict[date, _Known]:
    found: dict[date, _Known] = defaultdict(dict)
    rows = Activity.objects.filter(
        user__account=row.account_id, region=row.region, day__gte=first, day__lte=last
    ).values_list("pk", "count", "first_at", "last_at", "day", "user", *_UNIQUE[3:])
    for pk, count, first_at, last_at, day, user, *kind in rows:
        service, action, key, address, agent, outcome = kind
        known_as = (service, action, key, address, agent, outcome)
        found[day][user, known_as] = (pk, count, first_at, last_at)
    return found


def _coarse(row: _Row) -> tuple[int, str, str, str]:
    user, (service, action, *_, outcome) = row
    return user, service, action, outcome


def _lacks(told: Mapping[_Row, Sum], held: _Known) -> bool:
    """Whether event history knows something that the archive does not know at all.

    A trail may log writes only, or leave services out; such a day stays with event history.
    """
    return not {_coarse(row) for row in held} <= {_coarse(row) for row in told}


def _only_new(told: Mapping[_Row, Sum], held: _Known) -> dict[_Row, Sum]:
    known = {_coarse(row) for row in held}
    return {row: one for row, one in told.items() if _coarse(row) not in known}


def _changed(
    row: ArchiveCoverage, day: date, told: Mapping[_Row, Sum], held: _Known, *, whole: bool
) -> Iterator[Activity]:
    for (user, kind), one in told.items():
        known = held.get((user, kind))
        same = known is not None and known[1:] == (one.count, one.first_at, one.last_at)
        if same or (not whole and known is not None and known[1] >= one.count):
            continue
        service, action, key, address, agent, outcome = kind
        yield Activity(
            user_id=user,
            day=day,
            region=row.region,
            service=service,
            action=action,
            access_key_id=key,
            source_address=address,
            user_agent=agent,
            outcome=outcome,
            count=one.count,
            first_at=one.first_at,
            last_at=one.last_at,
            resources=one.resources,
        )


def start_of(now: datetime) -> date:
    """The first day to read: one before the oldest wanted, whose evening the next one holds."""
    return (now - DEPTH).date() - _DAY
