"""What IAM users did, added up by the database: no more of it is held than verdicts rest on.

A year of logs is hundreds of thousands of rows about one busy user, so whoever judges takes these
sums, and a few hundred users at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import BooleanField, ExpressionWrapper, F, Max, Min, Q, QuerySet, Sum, Window

from inventory.evidence import EVENT_HISTORY, Happening
from inventory.models import Activity

_FAILED = "failed-sign-in"


@dataclass(slots=True)
class Doings:
    """What one user did. All but `kinds` leave failed sign-ins out.

    `days`: the last use of each day, of the day on which event history begins the last before and
    the last after that. `kinds`: for each service, action and outcome first, last and number of
    calls. `moments`: the first use of each day. `agents` and `addresses`: calls by user agent and
    by source address.
    """

    days: list[Happening] = field(default_factory=list)
    kinds: list[Happening] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    agents: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """What a verdict rests on, the latest first: to it this is as good as every single row."""
        told = [*self.days, *self.kinds]
        told.sort(key=lambda one: (one.service, one.action, one.outcome))
        return tuple(sorted(told, key=lambda one: one.last_at, reverse=True))

    @property
    def actions(self) -> Counter[str]:
        """Calls by "service:action"."""
        found: Counter[str] = Counter()
        for one in self.kinds:
            if one.outcome != _FAILED:
                found[f"{one.service}:{one.action}"] += one.count
        return found

    @property
    def signed_in(self) -> bool:
        """Whether somebody came in at the console."""
        return any(one.action == "ConsoleLogin" and one.outcome != _FAILED for one in self.kinds)


def doings_of(users: Collection[int], now: datetime) -> dict[int, Doings]:
    """By pk what these users did, in four statements; an empty one for whoever did nothing.

    `now` is the moment of the verdict: it tells what event history still shows.
    """
    found: dict[int, Doings] = {pk: Doings() for pk in users}
    if not found:
        return found
    rows = Activity.objects.filter(user__in=list(users)).order_by()
    used = rows.exclude(outcome=_FAILED)
    _fill_days(found, used, now)
    kinds = rows.values_list("user_id", "service", "action", "outcome").annotate(
        Min("first_at"), Max("last_at"), Sum("count")
    )
    for pk, service, action, outcome, first_at, last_at, count in kinds:
        found[pk].kinds.append(Happening(first_at, last_at, service, action, outcome, count))
    for pk, agent, count in used.values_list("user_id", "user_agent").annotate(Sum("count")):
        found[pk].agents[agent] = count
    for pk, place, count in used.values_list("user_id", "source_address").annotate(Sum("count")):
        found[pk].addresses[place] = count
    return found


def _fill_days(found: dict[int, Doings], used: QuerySet[Activity], now: datetime) -> None:
    recent = ExpressionWrapper(Q(last_at__gte=now - EVENT_HISTORY), output_field=BooleanField())
    rows = (
        used.annotate(
            recent=recent,
            began_at=Window(Min("first_at"), partition_by=[F("user_id"), F("day")]),
        )
        .order_by("user_id", "day", "recent", "-last_at", "service", "action", "outcome")
        .distinct("user_id", "day", "recent")
        .values_list(
            "user_id",
            "day",
            "recent",
            "first_at",
            "last_at",
            "service",
            "action",
            "outcome",
            "began_at",
        )
    )
    began: dict[int, dict[object, datetime]] = defaultdict(dict)
    for pk, day, _, first_at, last_at, service, action, outcome, began_at in rows:
        found[pk].days.append(Happening(first_at, last_at, service, action, outcome))
        began[pk][day] = began_at
    for pk, moments in began.items():
        found[pk].moments = list(moments.values())
