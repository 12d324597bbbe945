"""The soak board's questions: who is off, sorted into columns by the database.

Thousands may be off in many accounts; a board shows a few of each column and how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    DateField,
    DateTimeField,
    ExpressionWrapper,
    F,
    Func,
    Max,
    Min,
    Q,
    QuerySet,
    Value,
    When,
    Window,
)
from django.db.models.functions import Greatest, RowNumber

from inventory.models import Team
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, Departure, Hit, HitCaller, Notice

PANELS = 10
# What no card shows, and what is long.
_WIDE = (
    *("user__inline_policies", "user__privilege_facts", "user__coverage", "user__references"),
    *("user__verdict_reasons", "user__category_reasons", "user__suggestion_reasons", "user__tags"),
    *("user__federated_names", "user__attached_policies", "user__groups"),
    *("user__account__references_read", "user__account__dead_references"),
    *("user__account__report_notes", "user__account__trail_archive"),
)


# Who was called, then who is due next.
_FIRST = (F("called").desc(), F("due").asc(nulls_last=True), F("pk").asc())


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose users: of these teams (all without any), in one account (all with an empty id)."""

    teams: Sequence[Team] = ()
    account_id: str = ""

    def departures(self) -> QuerySet[Departure]:
        rows = Departure.objects.switched_off()
        if self.account_id:
            rows = rows.filter(listed__account__account_id=self.account_id)
        return rows.filter(owner__in=self.teams) if self.teams else rows


def in_columns(scope: Scope, now: datetime) -> QuerySet[Departure]:
    """Who is off with `due`, `called`, `column` (partly, extended, watch, ready or day) and, of
    the column of a day, `ends_on`: the day on which its soak ends, in its account's time zone."""
    length = Case(When(state=State.DISABLED, then=F("watch")), default=F("soak"))
    over = ExpressionWrapper(
        F("clock_started_at") + length + F("lengthened_by"), output_field=DateTimeField()
    )
    called, restoring = Q(pk__in=_called()), Q(pk__in=restoring_now().values("departure"))
    free = ~restoring & (Q(disputed_until=None) | Q(disputed_until__lt=now.date()))
    column = Case(
        When(irreversible_at__isnull=False, then=Value("partly")),
        When(free & Q(not_before__gt=now), then=Value("extended")),
        When(state=State.DISABLED, then=Value("watch")),
        When(free & Q(due__lte=now, called=False), then=Value("ready")),
        default=Value("day"),
    )
    return (
        scope.departures()
        .annotate(due=Greatest(over, "not_before"))
        .annotate(called=ExpressionWrapper(called, output_field=BooleanField()))
        .annotate(column=column)
        .annotate(ends_on=Case(When(column="day", then=_local_day()), output_field=DateField()))
    )


def groups(scope: Scope, now: datetime) -> QuerySet[Any]:
    """By column how many there are, how many of them are in a batch already, and when it ends."""
    batched = Q(pk__in=in_batches().values("departure"))
    # The type checker does not see what `in_columns` annotates.
    rows: Any = in_columns(scope, now).order_by()
    found: QuerySet[Any] = rows.values("column", "ends_on").annotate(
        users=Count("pk"),
        watched=Count("pk", filter=Q(state=State.DISABLED)),
        were_called=Count("pk", filter=Q(called=True)),
        earliest=Min("due", filter=Q(called=False)),
        free=Count("pk", filter=~batched),
        of_account=Min("listed__account__account_id", filter=~batched),
    )
    return found


def first_of_each(scope: Scope, now: datetime, number: int) -> QuerySet[Departure]:
    """The first of each column: who was called, then who is due next."""
    place = Window(
        RowNumber(),
        partition_by=[F("column"), F("ends_on")],
        order_by=[*_FIRST],
    )
    narrow: Any = in_columns(scope, now).annotate(place=place)
    return _shown(scope, now, narrow.filter(place__lte=number))


def by_due(
    scope: Scope, now: datetime, column: str, start: int, number: int
) -> QuerySet[Departure]:
    """So many of everybody, or of one column by its key, after the first `start`."""
    named = {"column": column} if column in NAMED else {"column": "day", "ends_on": column}
    narrow: Any = in_columns(scope, now)
    narrow = (narrow.filter(**named) if column else narrow).order_by(*_FIRST)
    return _shown(scope, now, narrow[start : start + number])


NAMED = ("watch", "ready", "extended", "partly")


def panels(scope: Scope) -> QuerySet[Hit]:
    """The latest open hits."""
    hits = Hit.objects.filter(kind=Hit.Kind.HIT, closed="", departure__in=scope.departures())
    return hits.select_related("departure__user__account", "departure__owner").order_by("-last_at")[
        :PANELS
    ]


def callers(hits: QuerySet[Hit]) -> QuerySet[HitCaller]:
    return HitCaller.objects.filter(hit__in=hits.values("pk"))


def told(hits: QuerySet[Hit]) -> QuerySet[Any]:
    """By departure when its team was last told of a hit."""
    rows = Notice.objects.filter(
        kind="hit", team__isnull=False, departures__in=hits.values("departure")
    )
    return rows.order_by().values("departures").annotate(told=Max("at"))


def restoring_now() -> QuerySet[Change]:
    under_way = (Change.Status.QUEUED, Change.Status.RUNNING)
    return Change.objects.filter(move=MoveName.RESTORE, status__in=under_way)


def in_batches() -> QuerySet[Change]:
    """Changes of delete batches that have not ended."""
    rows = Change.objects.filter(move=MoveName.DELETE, batch__status__in=Batch.OPEN)
    return rows.exclude(status__in=Change.ENDED)


def knocks(scope: Scope) -> QuerySet[Hit]:
    """Failed sign-ins at the names of users that are off: shown, and holding nothing."""
    return Hit.objects.filter(kind=Hit.Kind.KNOCK, departure__in=scope.departures())


def next_batch() -> QuerySet[Batch]:
    rows = Batch.objects.filter(status=Batch.Status.APPROVED).defer("undo_script")
    return rows.order_by("window_from")[:1]


def _called() -> QuerySet[Any]:
    return Hit.objects.filter(kind=Hit.Kind.HIT, closed="").values("departure")


def _shown(scope: Scope, now: datetime, chosen: QuerySet[Departure]) -> QuerySet[Departure]:
    """What is shown of the chosen ones; who they are is found by narrow rows before."""
    rows: Any = in_columns(scope, now).filter(pk__in=chosen.values("pk"))
    shown: QuerySet[Departure] = rows.select_related("user__account", "owner").defer(*_WIDE)
    return shown.order_by(*_FIRST)


def _local_day() -> Func:
    return Func(
        F("listed__account__time_zone"),
        F("due"),
        template="(timezone(%(expressions)s))::date",
        output_field=DateField(),
    )
