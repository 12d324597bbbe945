"""The one door by which rows become facts of a plan; the rest of the package knows no database.

What rows do not hold is given in: the documents of managed policies and of groups, which a sync
reads and does not keep for each user, and the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Sum
from django.utils.dateparse import parse_datetime

from inventory.callers import Call, Caller, callers
from inventory.models import Activity, ArchiveCoverage, Credential, IamUser, Team, TrailCoverage
from inventory.referrers.declared import DECLARED
from inventory.rights.called import policy_prefix
from migrations_app.plans.facts import Granted, Origin, PlanFacts, Repository, Unlogged, Used
from migrations_app.plans.granted import statements

_TERRAFORM = frozenset({"Terraform", "OpenTofu"})
_REPOSITORY_TAGS = frozenset({"repo", "repository", "github-repo", "github-repository", "git-repo"})
_REPOSITORY = re.compile(
    r"(?:(?:https?://|git@)github\.com[/:])?([A-Za-z0-9-]{1,39})/([\w.-]{1,100}?)(?:\.git)?/?"
)
# Access Advisor is late by hours; a use a day after the last event has no event.
_LATE = timedelta(days=1)
_MOST_PAIRS = 500


def facts(
    user: IamUser,
    *,
    team: Team | None,
    shared: Iterable[tuple[Origin, object]],
    generated_at: datetime,
) -> PlanFacts:
    """The facts of one user; six queries. `user.account` is read along with it.

    `shared`: every managed policy and every policy of its groups, each with its document, None
    where AWS gave none. An attached policy that is not among them counts as not given.
    """
    policies = [(Origin(name), document) for name, document in user.inline_policies.items()]
    policies += list(shared)
    told = {origin.arn for origin, _ in policies}
    policies += [(_managed(arn), None) for arn in user.attached_policies if arn not in told]
    used = _used(user)
    since, until = _read(user, generated_at)
    called = _called_from(user)
    return PlanFacts(
        account_id=user.account.account_id,
        account_name=user.account.name,
        user_name=user.user_name,
        user_id=user.user_id,
        arn=user.arn,
        path=user.path,
        category=user.shown_category,
        tags=tuple(user.tags.items()),
        team=team.name if team else "",
        team_key=team.key if team else "",
        groups=tuple(user.groups),
        attached_policies=tuple(user.attached_policies),
        boundary=user.boundary_arn,
        granted=tuple(_granted(policies)),
        unread=tuple(origin for origin, document in policies if document is None),
        used=used,
        unlogged=tuple(_unlogged(user, used)),
        user_agents=tuple(agent for one in called for agent in one.agents),
        callers=tuple(called),
        repositories=tuple(_repositories(user)),
        key_ids=tuple(_keys(user)),
        terraform_managed=_terraform(user),
        generated_at=generated_at,
        evidence_from=since,
        evidence_to=until,
    )


def _managed(arn: str) -> Origin:
    kind = "aws-managed" if ":iam::aws:" in arn else "managed"
    return Origin(arn.rpartition("/")[2], kind, arn)


def _granted(policies: Iterable[tuple[Origin, object]]) -> Iterator[Granted]:
    for origin, document in policies:
        yield from statements(document, origin)


def _used(user: IamUser) -> tuple[Used, ...]:
    rows = (
        Activity.objects.filter(user=user, outcome="ok")
        .order_by()
        .values_list("service", "action")
        .annotate(
            calls=Sum("count"),
            first=Min("first_at"),
            last=Max("last_at"),
            regions=ArrayAgg("region", distinct=True),
            days=Count("day", distinct=True),
        )
    )
    return tuple(
        Used(service, action, calls, first, last, tuple(regions), (), days)
        for service, action, calls, first, last, regions, days in rows
    )


def _unlogged(user: IamUser, used: Iterable[Used]) -> Iterator[Unlogged]:
    """Services used without an event, or a day and more after their last one."""
    logged: dict[str, datetime] = {}
    for one in used:
        service = policy_prefix(one.service)
        logged[service] = max(one.last_at, logged.get(service, one.last_at))
    told: dict[str, Unlogged] = {}
    for said in _told(user):
        at, known = logged.get(said.service), told.get(said.service)
        later = at is None or said.last_at > at + _LATE
        if later and (known is None or known.last_at < said.last_at):
            told[said.service] = said
    yield from told.values()


def _told(user: IamUser) -> Iterator[Unlogged]:
    for row in user.coverage.get("services") or ():
        if (at := parse_datetime(row["at"] or "")) is not None:
            yield Unlogged(row["service"], at)
    keys = user.credentials.filter(gone_at=None, last_used_at__isnull=False)
    for key in keys.exclude(last_used_service=""):
        if key.last_used_at is not None:
            service = policy_prefix(key.last_used_service)
            yield Unlogged(service, key.last_used_at, "Access key last used")


def _read(user: IamUser, now: datetime) -> tuple[datetime, datetime]:
    """Between when CloudTrail was read in every Region without a gap; nothing if one is missing."""
    trails = {row.region: row for row in TrailCoverage.objects.filter(user=user)}
    archive = {
        row.region: row
        for row in ArchiveCoverage.objects.filter(account=user.account_id, error="", gaps={})
    }
    since: list[datetime] = []
    until: list[datetime] = []
    for region in user.account.enabled_regions:
        trail = trails.get(region)
        if trail is None or trail.read_from is None or trail.read_to is None:
            return now, now
        start = trail.read_from
        older = archive.get(region)
        if older is not None and older.read_from and older.read_to:
            ends = datetime.combine(older.read_to, time.max, UTC)
            if ends >= start - timedelta(seconds=1):
                start = min(start, datetime.combine(older.read_from, time.min, UTC))
        since.append(start)
        until.append(trail.read_to)
    return (max(since), min(until)) if since else (now, now)


def _called_from(user: IamUser) -> list[Caller]:
    rows = (
        Activity.objects.filter(user=user, outcome="ok")
        .order_by()
        .values_list("source_address", "user_agent")
        .annotate(calls=Sum("count"), first=Min("first_at"), last=Max("last_at"))
        .order_by("-calls", "source_address", "user_agent")[:_MOST_PAIRS]
    )
    return callers(Call(*row) for row in rows)


def _repositories(user: IamUser) -> Iterator[Repository]:
    for key, value in user.tags.items():
        found = _REPOSITORY.fullmatch(value.strip()) if key.lower() in _REPOSITORY_TAGS else None
        if found is not None:
            yield Repository(found[1], found[2])


def _keys(user: IamUser) -> Iterator[str]:
    kind = Credential.Kind.ACCESS_KEY
    for key in user.credentials.filter(kind=kind, gone_at=None).values_list(
        "credential_id", flat=True
    ):
        yield f"{key[:4]}…{key[-4:]}"


def _terraform(user: IamUser) -> str:
    """That Terraform has it, if signs say so and nobody recorded that it was taken out."""
    known = any(
        one.get("kind") == DECLARED and one.get("name") in _TERRAFORM and one.get("blocks")
        for one in user.references
    )
    return "aws_iam_user" if known else ""
