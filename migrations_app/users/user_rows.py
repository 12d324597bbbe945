"""One page of departures as rows of the Users table; one query however many rows it has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection

from inventory.models import Credential, IamUser
from migrations_app.lifecycle import HAS_ACCESS, State
from migrations_app.models import Departure, Plan
from migrations_app.models.listed import NO_KEY, Listed
from migrations_app.telling import Client, Held, telling_fact, why_unknown
from migrations_app.users.listing import has_hit

WEEKS = 13


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the Users table."""

    departure: Departure
    weeks: tuple[int, ...]
    oldest_key: timedelta | None
    mfa: str  # yes | no | n/a
    fact: str
    flags: tuple[str, ...]
    going_quiet: bool
    # Why the last use is not known, where it is not.
    unknown: str

    @property
    def key_age(self) -> str:
        """The age of the oldest active access key: "3.1 y", or days below one year."""
        if self.oldest_key is None:
            return ""
        days = self.oldest_key.days
        return f"{days / 365.25:.1f} y" if days >= 365 else f"{days} d"


def rows_of(departures: Iterable[Departure], now: datetime) -> list[Row]:
    """The table's rows for departures as `listing.page` gives them; one query for all of them."""
    page = list(departures)
    weeks, clients = _done_by([row.user_id for row in page], now.date())
    held = {row.user_id: [Held(**one) for one in row.held] for row in page}  # type: ignore[attr-defined]
    return [
        Row(
            departure=row,
            weeks=weeks.get(row.user_id, (0,) * WEEKS),
            oldest_key=_age(Listed.of(row).oldest_key_at, now),
            mfa=Listed.of(row).mfa,
            fact=telling_fact(row.user, clients.get(row.user_id), held[row.user_id]),
            flags=flags(row, now, has_hit=has_hit(row)),
            going_quiet=going_quiet(row),
            unknown=why_unknown(row.user, held[row.user_id]),
        )
        for row in page
    ]


def going_quiet(row: Departure) -> bool:
    """Whether a confirmed plan has taken over; the query must have read the plan."""
    plan = getattr(row, "plan", None)
    return plan is not None and plan.status == Plan.Status.CONFIRMED


def _age(made_at: datetime, now: datetime) -> timedelta | None:
    return None if made_at == NO_KEY else now - made_at


def _done_by(users: list[int], today: date) -> tuple[dict[int, tuple[int, ...]], dict[int, Client]]:
    """Of each user the calls per week for 13 weeks, and what calls most in its name.

    Both in one statement, which reads the calls once. Failed sign-ins are nobody's use.
    """
    weeks: dict[int, list[int]] = {}
    agents: defaultdict[int, Counter[str]] = defaultdict(Counter)
    regions: defaultdict[int, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_DONE, [today, users, today - timedelta(weeks=WEEKS), today])
        for user, ago, agent, region, calls in cursor:
            if ago is None:
                agents[user][agent] += calls
                regions[user].add(region)
            else:
                weeks.setdefault(user, [0] * WEEKS)[WEEKS - 1 - ago] += calls
    clients = {
        user: Client(
            agent=counted.most_common(1)[0][0],
            region=next(iter(regions[user])) if len(regions[user]) == 1 else "",
        )
        for user, counted in agents.items()
    }
    return {user: tuple(counted) for user, counted in weeks.items()}, clients


_DONE = """
SELECT user_id, ago, user_agent, region, sum(count)
FROM (
    SELECT *, (%s - day) / 7 AS ago FROM inventory_activity
    WHERE user_id = ANY(%s) AND day > %s AND day <= %s AND outcome <> 'failed-sign-in'
) done
GROUP BY GROUPING SETS ((user_id, ago), (user_id, user_agent, region))
ORDER BY 1, 2, 3, 4
"""


def told_of(
    users: Iterable[IamUser], today: date
) -> tuple[dict[int, tuple[int, ...]], dict[int, str]]:
    """Of each of these users the calls per week for 13 weeks, oldest first, where there are any;
    and what tells it apart beside its category, "" where nothing does."""
    rows = list(users)
    pks = [row.pk for row in rows]
    held: defaultdict[int, list[Held]] = defaultdict(list)
    active = Credential.objects.filter(user__in=pks, status="Active", gone_at=None).order_by("pk")
    for user, kind, service in active.values_list("user_id", "kind", "service"):
        held[user].append(Held(kind, service))
    weeks, clients = _done_by(pks, today)
    return weeks, {row.pk: telling_fact(row, clients.get(row.pk), held[row.pk]) for row in rows}


def week_of(day: date, today: date) -> int | None:
    """Which of the 13 weeks that end today holds `day`, 0 the oldest; None outside them."""
    place = WEEKS - 1 - (today - day).days // 7
    return place if 0 <= place < WEEKS else None


def flags(departure: Departure, now: datetime, has_hit: bool) -> tuple[str, ...]:
    """What stands beside the state, most urgent first; names of `state_badge`."""
    due = departure.due_at
    soaking = departure.state == State.SOAKING
    shown = (
        ("hit", has_hit),
        ("ready", soaking and due is not None and due <= now and not has_hit),
        ("disputed", bool(departure.disputed_until and departure.disputed_until >= now.date())),
        ("extended", bool(departure.not_before and departure.not_before > now)),
        (
            "restored",
            departure.restored_at is not None
            and departure.state in HAS_ACCESS
            and now - departure.restored_at < timedelta(days=30),
        ),
    )
    return tuple(name for name, holds in shown if holds)
