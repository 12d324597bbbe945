"""What one IAM user did, as its page shows it: lanes of evidence, services, and what called.

CloudTrail's event history holds management calls; Access Advisor holds the last access per service,
data plane included, but neither action nor caller. Both stand beside each other here, because where
they differ lies what a reader must know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, Min, QuerySet, Sum

from inventory import sentences
from inventory.callers import Call, Caller, callers
from inventory.coverage import last_accessed, services_at, tracked
from inventory.models import Activity, Credential, IamUser
from inventory.rhythm import EACH, RARE
from inventory.rights.called import policy_prefix
from inventory.timelines import Evidence, Lane, evidence_lanes
from migrations_app.models import PlanAccess
from migrations_app.users import user_rows

EVIDENCE_DAYS = 90
_SIGN_IN = ("signin", "ConsoleLogin")
# More pairs of client and address than this are told by the busiest ones.
_MOST_PAIRS = 2000
# Whose calls to data leave no trace in event history.
_DATA_SERVICES = frozenset({"s3", "dynamodb", "sqs", "sns", "kinesis", "bedrock", "ses", "logs"})
_NAMES = {
    "apigateway": "API Gateway",
    "athena": "Athena",
    "autoscaling": "Auto Scaling",
    "bedrock": "Bedrock",
    "budgets": "Budgets",
    "ce": "Cost Explorer",
    "cloudformation": "CloudFormation",
    "cloudfront": "CloudFront",
    "cloudtrail": "CloudTrail",
    "cloudwatch": "CloudWatch",
    "codebuild": "CodeBuild",
    "codecommit": "CodeCommit",
    "dynamodb": "DynamoDB",
    "elasticloadbalancing": "Load Balancing",
    "glue": "Glue",
    "kinesis": "Kinesis",
    "lambda": "Lambda",
    "logs": "CloudWatch Logs",
    "organizations": "Organizations",
    "secretsmanager": "Secrets Manager",
    "signin": "Console sign-in",
}
_SHORT = frozenset(
    {
        *("acm", "ec2", "ecr", "ecs", "efs", "eks", "emr", "iam"),
        *("kms", "rds", "s3", "ses", "sns", "sqs", "ssm", "sts"),
    }
)


@dataclass(frozen=True, slots=True)
class Service:
    """One AWS service: what event history shows, and when Access Advisor saw the last access.

    `calls` is 0 and `last_at` None where only Access Advisor knows of it; `why` then says why.
    `tracked`: Access Advisor tells of it, so no `accessed_at` means that it saw no access.
    """

    name: str
    weeks: tuple[int, ...]
    calls: int
    most_called: str
    last_at: datetime | None
    accessed_at: datetime | None
    why: str = ""
    tracked: bool = True


@dataclass(frozen=True, slots=True)
class Older:
    """Calls before the 90 days, from logs in S3 or from Lake."""

    calls: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was seen of the user in 90 days."""

    services: tuple[Service, ...]
    calls: int
    actions: int
    denied: int
    lanes: Evidence
    next_run: str
    advisor_at: datetime | None
    older: Older | None


def done(user: IamUser, now: datetime) -> QuerySet[Any]:
    """What it did in 90 days, by service, action, day and outcome.

    A failed sign-in is nobody's use: it is left out.
    """
    rows = Activity.objects.filter(user=user, day__gte=now.date() - timedelta(days=EVIDENCE_DAYS))
    used = rows.exclude(outcome="failed-sign-in").order_by()
    groups = used.values("service", "action", "day", "outcome")
    return groups.annotate(calls=Sum("count"), latest=Max("last_at"))


def new_access(user: IamUser, now: datetime) -> QuerySet[PlanAccess]:
    """On which of the 90 days its replacement was used."""
    first = now.date() - timedelta(days=EVIDENCE_DAYS)
    rows = PlanAccess.objects.filter(plan__departure__user=user, day__gte=first)
    return rows.select_related("plan").only("day", "count", "first_at", "plan__seen")


def seen(
    user: IamUser,
    credentials: Sequence[Credential],
    now: datetime,
    told: Iterable[Mapping[str, Any]] | None = None,
    access: Iterable[PlanAccess] | None = None,
) -> Seen:
    """What was seen in 90 days per service, and all sources as lanes over one calendar.

    `told` are the rows of `done`, `access` those of `new_access`, asked for if they are not given;
    one query more where a longer history is declared.
    """
    today = now.date()
    groups = [tuple(row.values()) for row in (done(user, now) if told is None else told)]
    per_day, sign_ins = Counter[date](), Counter[date]()
    by_service: dict[str, list[_Done]] = defaultdict(list)
    denied = 0
    for service, action, day, outcome, number, last_at in groups:
        denied += number if outcome == "denied" else 0
        per_day[day] += number
        if (service, action) == _SIGN_IN:
            sign_ins[day] += number
        by_service[policy_prefix(service)].append(_Done(action, day, number, last_at))
    return Seen(
        services=tuple(_services(by_service, last_accessed(user), tracked(user), today)),
        calls=per_day.total(),
        actions=len({(service, action) for service, action, *_ in groups}),
        denied=denied,
        lanes=_lanes(
            user,
            credentials,
            per_day,
            sign_ins,
            list(new_access(user, now) if access is None else access),
            today,
        ),
        next_run=_next_run(user, now),
        advisor_at=services_at(user),
        older=_older(user, today) if user.account.trail_archive else None,
    )


def calls(user: IamUser) -> QuerySet[Any]:
    """From which address with which client it was called."""
    return (
        Activity.objects.filter(user=user)
        .exclude(source_address="")
        .exclude(outcome="failed-sign-in")
        .order_by()
        .values("source_address", "user_agent")
        .annotate(calls=Sum("count"), first=Min("first_at"), last=Max("last_at"))
        .order_by("-calls")[:_MOST_PAIRS]
    )


def called_from(user: IamUser, told: Iterable[Mapping[str, Any]] | None = None) -> list[Caller]:
    """What called in the name of the user and from where; only for whom that may be shown.

    `told` are the rows of `calls`, asked for if they are not given.
    """
    return callers(Call(*row.values()) for row in (calls(user) if told is None else told))


def service_name(prefix: str) -> str:
    """A service as people call it: "s3" is "S3", "cloudformation" is "CloudFormation"."""
    return _NAMES.get(prefix) or (prefix.upper() if prefix in _SHORT else prefix)


@dataclass(frozen=True, slots=True)
class _Done:
    """Calls of one action on one day."""

    action: str
    day: date
    calls: int
    last_at: datetime


def _services(
    done: Mapping[str, list[_Done]],
    accessed: Mapping[str, datetime],
    told_of: Collection[str],
    today: date,
) -> list[Service]:
    """Services with calls first, the busiest on top; then those of which only a date is known."""
    rows = [
        _called(prefix, of, accessed.get(prefix), prefix in told_of, today)
        for prefix, of in done.items()
    ]
    rows.sort(key=lambda service: (-service.calls, service.name))
    dated = sorted(
        ((at, prefix) for prefix, at in accessed.items() if prefix not in done), reverse=True
    )
    return rows + [_dated(prefix, at, today) for at, prefix in dated]


def _called(
    prefix: str, done: list[_Done], accessed_at: datetime | None, is_tracked: bool, today: date
) -> Service:
    weeks, actions = [0] * user_rows.WEEKS, Counter[str]()
    for one in done:
        actions[one.action] += one.calls
        if (place := user_rows.week_of(one.day, today)) is not None:
            weeks[place] += one.calls
    return Service(
        service_name(prefix),
        tuple(weeks),
        actions.total(),
        actions.most_common(1)[0][0],
        max(one.last_at for one in done),
        accessed_at,
        tracked=is_tracked,
    )


def _dated(prefix: str, at: datetime, today: date) -> Service:
    if (today - at.date()).days > EVIDENCE_DAYS:
        why = "longer ago than event history keeps"
    elif prefix == "s3":
        why = "object calls are not in event history"
    elif prefix in _DATA_SERVICES:
        why = "calls to data are not in event history"
    else:
        why = "no call in event history"
    return Service(service_name(prefix), (), 0, "", None, at, why)


def _lanes(  # noqa: PLR0917 (one argument for each source)
    user: IamUser,
    credentials: Sequence[Credential],
    per_day: Counter[date],
    sign_ins: Counter[date],
    access: Sequence[PlanAccess],
    today: date,
) -> Evidence:
    used = sorted(key.last_used_at.date() for key in credentials if key.last_used_at)
    accessed = sorted(at.date() for at in last_accessed(user).values())
    signed_in, last = user.password_last_used_at, user.last_activity_at
    lanes = [
        Lane("CloudTrail", "calls per day", "bars", tuple(sorted(per_day.items()))),
        Lane("Credential report", "key last used", "squares", tuple((day, 1) for day in used)),
        Lane(
            "Access Advisor",
            "service last used" if services_at(user) else "not asked yet",
            "diamonds",
            tuple((day, 1) for day in accessed),
        ),
    ]
    if user.has_console_password or signed_in or sign_ins:
        days = sign_ins | Counter({signed_in.date(): 1} if signed_in else {})
        lanes.append(Lane("Console", "sign-ins", "squares", tuple(sorted(days.items()))))
    sentence = (
        f"Last use {last:%-d %b %Y %H:%M} UTC, {user.last_activity_source}"
        if last
        else "No use was ever seen"
    )
    if access:
        marks = tuple((row.day, row.count) for row in access)
        role = str(access[0].plan.seen.get("role", ""))
        lanes.append(Lane("New access", role, "bars", marks, tone="done"))
        first = min(row.first_at for row in access)
        sentence += f"; new access first seen {first:%-d %b %Y %H:%M} UTC"
    quiet = last.date() if last else user.created_at.date()
    return evidence_lanes(lanes, today, sentence, quiet_since=quiet if quiet < today else None)


def _older(user: IamUser, today: date) -> Older | None:
    rows = Activity.objects.filter(user=user, day__lt=today - timedelta(days=EVIDENCE_DAYS))
    found = rows.exclude(outcome="failed-sign-in").aggregate(
        calls=Sum("count"), first=Min("day"), last=Max("day")
    )
    return Older(**found) if found["calls"] else None


def _next_run(user: IamUser, now: datetime) -> str:
    """When a rare rhythm is due again: silence until then says nothing."""
    if user.rhythm not in RARE or user.next_expected_at is None:
        return ""
    day = sentences.day(user.next_expected_at, now)
    return f"It runs each {EACH[user.rhythm]}, next about {day}: silence until then says nothing."
