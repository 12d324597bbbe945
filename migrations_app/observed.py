"""What syncs saw change in AWS, as the pages show it: lines of one user, and groups of many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Count, F, Subquery, Sum, Window
from django.db.models.functions import RowNumber

from inventory.models import Account, IamUser, Observation, ObservationCount, Sync
from inventory.models.observations import ObservationQuerySet
from inventory.observation_words import brief, counted, told
from inventory.observations import Kind
from inventory.statements import Instances
from migrations_app.batch_plan import cut_keys

WEEK = timedelta(days=7)
# So many of each kind are named; the others are counted.
NAMED = 4
# What a line shows. All of a user would be some thirty columns, policies among them.
_READ = (
    *("kind", "params", "aws_at", "seen_at", "since_at", "account__name", "user__user_id"),
    *("user__user_name", "user__account__account_id", "user__account__name"),
)
_LATEST_FIRST = (F("seen_at").desc(), F("pk").desc())


@dataclass(frozen=True, slots=True)
class Line:
    """One change that a sync saw. It happened between `since` and `at`, or as AWS says at `at`.

    Without a user it is the root user of `account`.
    """

    user: IamUser | None
    account: str
    text: str
    brief: str
    at: datetime
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Group:
    """All changes of one kind: how many, and the latest of them."""

    kind: str
    text: str
    lines: tuple[Line, ...]
    more: int


def of_user(user: IamUser) -> ObservationQuerySet:
    """What was seen of one user by a foreign hand; its end is told by the ledger."""
    return Observation.objects.filter(user=user).foreign().exclude(kind=Kind.GONE)


def week(account_id: str, now: datetime) -> list[Group]:
    """What others changed in seven days, in one account or in all; two queries.

    How many there are is kept, so that it costs the same after a sync that saw much.
    """
    rows = Observation.objects.filter(seen_at__gte=now - WEEK).foreign()
    kept = ObservationCount.objects.filter(seen_at__gte=now - WEEK, number__gt=0)
    if account_id:
        # By its key, so that the index of one account's latest is walked.
        account = Subquery(Account.objects.filter(account_id=account_id).values("pk"))
        rows, kept = rows.filter(account=account), kept.filter(account=account)
    kinds = kept.exclude(kind=Kind.FIRST_LOOK).order_by().values_list("kind")
    counts = dict(kinds.annotate(Sum("number")))
    latest = [
        rows.filter(kind=kind).order_by(*_LATEST_FIRST).values("pk")[:NAMED]
        for kind in sorted(counts)
    ]
    if not latest:
        return []
    first, *others = latest
    return _groups(_named().among(first.union(*others, all=True) if others else first), counts)


def of_sync(sync: Sync) -> list[Group]:
    """What one sync saw that others changed."""
    rows = Observation.objects.filter(sync=sync).foreign()
    # Numbered are narrow rows: after a sync that saw much, wide ones would be sorted on disk.
    numbered = rows.annotate(
        place=Window(RowNumber(), partition_by=F("kind"), order_by=_LATEST_FIRST),
        of=Window(Count("pk"), partition_by=F("kind")),
    ).filter(place__lte=NAMED)
    found = list(numbered.order_by().values_list("pk", "kind", "of"))
    named = _named().get([pk for pk, *_ in found])
    return _groups(named, {kind: of for _, kind, of in found})


def line(one: Observation) -> Line:
    """One observation for a person to read, the ids of credentials cut."""
    return Line(
        user=one.user,
        account=one.account.name,
        text=cut_keys(told(one.kind, one.params)),
        brief=cut_keys(brief(one.kind, one.params)),
        at=one.aws_at or one.seen_at,
        since=None if one.aws_at else one.since_at,
    )


@cache
def _named() -> Instances:
    named = Observation.objects.select_related("account", "user__account").only(*_READ)
    return Instances.of(named.order_by(*_LATEST_FIRST))


def _groups(named: Iterable[Observation], counts: Mapping[str, int]) -> list[Group]:
    """A group of each kind of which `counts` says how many there are; `named` are its latest, the
    latest first."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for one in named:
        lines[one.kind].append(line(one))
    kinds = sorted(lines, key=lambda kind: Kind(kind).rank)
    return [_group(kind, counts[kind], lines[kind]) for kind in kinds]


def _group(kind: str, number: int, lines: list[Line]) -> Group:
    if kind == Kind.FIRST_LOOK:
        return Group(kind, lines[0].text, (), 0)
    return Group(kind, counted(kind, number), tuple(lines), number - NAMED)
