"""The one door by which rows become facts of a plan; the rest of the package knows no database.

Whole accounts are read in a handful of statements, so that a download of all plans asks as often as
one does. A use names resources only where every event of it did: else the policy says that it was
widened, and why.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Sum
from django.utils.dateparse import parse_datetime

from inventory.callers import Call, callers
from inventory.models import (
    Activity,
    ArchiveCoverage,
    Credential,
    IamUser,
    PolicyText,
    Team,
    TrailCoverage,
)
from inventory.referrers.declared import DECLARED
from inventory.rights.called import policy_prefix
from migrations_app.models import Departure
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
# So many kinds of one action stand as a pattern or two; more tell of no few places.
_MOST_RESOURCES = 100


_Shared = Iterable[tuple[Origin, object]]


def facts_of(departures: Iterable[Departure], now: datetime) -> dict[int, PlanFacts]:
    """By pk of departure the facts of its user, in seven statements, however many there are.

    `user__account` and `owner` are read along with them.
    """
    rows = list(departures)
    texts = _texts({row.user.account_id for row in rows})
    read = _Rows.of({row.user_id: row.user for row in rows})
    return {
        row.pk: _facts(row.user, row.owner, _shared(row.user, texts), read, now) for row in rows
    }


def facts(
    user: IamUser, *, team: Team | None, shared: _Shared, generated_at: datetime
) -> PlanFacts:
    """The facts of one user, whose `account` is read along with it.

    `shared`: every managed policy and every policy of its groups, each with its document, None
    where AWS gave none. An attached policy that is not among them counts as not given.
    """
    return _facts(user, team, shared, _Rows.of({user.pk: user}), generated_at)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database holds of these users, by pk of user."""

    used: Mapping[int, list[Used]]
    calls: Mapping[int, list[Call]]
    keys: Mapping[int, list[Credential]]
    trails: Mapping[int, dict[str, TrailCoverage]]
    archive: Mapping[int, dict[str, ArchiveCoverage]]  # by pk of account

    @classmethod
    def of(cls, users: Mapping[int, IamUser]) -> _Rows:
        keys: defaultdict[int, list[Credential]] = defaultdict(list)
        for key in Credential.objects.filter(user__in=users, gone_at=None):
            keys[key.user_id].append(key)
        trails: defaultdict[int, dict[str, TrailCoverage]] = defaultdict(dict)
        for trail in TrailCoverage.objects.filter(user__in=users):
            trails[trail.user_id][trail.region] = trail
        archive: defaultdict[int, dict[str, ArchiveCoverage]] = defaultdict(dict)
        accounts = {user.account_id for user in users.values()}
        whole = ArchiveCoverage.objects.filter(account__in=accounts, error="", gaps={})
        for one in whole.defer("draft"):
            archive[one.account_id][one.region] = one
        return cls(_used(users), _calls(users), keys, trails, archive)


def _facts(
    user: IamUser, team: Team | None, shared: _Shared, read: _Rows, generated_at: datetime
) -> PlanFacts:
    policies = [(Origin(name), document) for name, document in user.inline_policies.items()]
    policies += list(shared)
    told = {origin.arn for origin, _ in policies}
    policies += [(_managed(arn), None) for arn in user.attached_policies if arn not in told]
    used = read.used[user.pk]
    since, until = _span(user, read, generated_at)
    called = callers(read.calls[user.pk])
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
        used=tuple(used),
        unlogged=tuple(_unlogged(user, used, read.keys[user.pk])),
        user_agents=tuple(agent for one in called for agent in one.agents),
        callers=tuple(called),
        repositories=tuple(_repositories(user)),
        key_ids=tuple(_key_ids(read.keys[user.pk])),
        terraform_managed="aws_iam_user" if in_terraform(user) else "",
        generated_at=generated_at,
        evidence_from=since,
        evidence_to=until,
    )


_Texts = Mapping[tuple[int, str, str, str], object]


def _texts(accounts: Iterable[int]) -> _Texts:
    """The documents of shared policies: managed ones by ARN, others by group and name."""
    rows = PolicyText.objects.filter(account__in=accounts)
    return {
        (row.account_id, row.arn, row.group, "" if row.arn else row.name): row.document
        for row in rows
    }


def _shared(user: IamUser, texts: _Texts) -> Iterator[tuple[Origin, object]]:
    """The policies that the last reading of rights found beside the user's own."""
    rows = user.privilege_facts.get("policies", ())
    found = [Origin(row["name"], row["kind"], row["arn"], row["group"]) for row in rows]
    # Attached by now, though rights were not worked out since.
    told = {one.arn for one in found}
    for origin in (*found, *(_managed(arn) for arn in user.attached_policies if arn not in told)):
        if origin.arn:
            yield origin, texts.get((user.account_id, origin.arn, "", ""))
        elif origin.group:
            yield origin, texts.get((user.account_id, "", origin.group, origin.name))


def _managed(arn: str) -> Origin:
    kind = "aws-managed" if ":iam::aws:" in arn else "managed"
    return Origin(arn.rpartition("/")[2], kind, arn)


def _granted(policies: Iterable[tuple[Origin, object]]) -> Iterator[Granted]:
    for origin, document in policies:
        yield from statements(document, origin)


def _used(users: Iterable[int]) -> Mapping[int, list[Used]]:
    found: defaultdict[int, list[Used]] = defaultdict(list)
    rows = (
        Activity.objects.filter(user__in=users, outcome="ok")
        .order_by()
        .values_list("user_id", "service", "action")
        .annotate(
            calls=Sum("count"),
            first=Min("first_at"),
            last=Max("last_at"),
            regions=ArrayAgg("region", distinct=True),
            days=Count("day", distinct=True),
            named=ArrayAgg("resources", distinct=True),
        )
    )
    for user, service, action, calls, first, last, regions, days, named in rows:
        on = _resources(named)
        found[user].append(Used(service, action, calls, first, last, tuple(regions), on, days))
    return found


def _resources(named: Iterable[list[str] | None]) -> tuple[str, ...]:
    """What all rows name together; nothing where one of them named nothing, or they are many."""
    found: set[str] = set()
    for one in named:
        if not one:
            return ()
        found.update(one)
    return tuple(sorted(found)) if len(found) <= _MOST_RESOURCES else ()


def _calls(users: Iterable[int]) -> Mapping[int, list[Call]]:
    """By user its busiest pairs of address and client."""
    found: defaultdict[int, list[Call]] = defaultdict(list)
    rows = (
        Activity.objects.filter(user__in=users, outcome="ok")
        .order_by()
        .values_list("user_id", "source_address", "user_agent")
        .annotate(calls=Sum("count"), first=Min("first_at"), last=Max("last_at"))
        .order_by("-calls", "source_address", "user_agent")
    )
    for user, *call in rows.iterator():
        if len(found[user]) < _MOST_PAIRS:
            found[user].append(Call(*call))
    return found


def _unlogged(
    user: IamUser, used: Iterable[Used], keys: Iterable[Credential]
) -> Iterator[Unlogged]:
    """Services used without an event, or a day and more after their last one."""
    logged: dict[str, datetime] = {}
    for one in used:
        service = policy_prefix(one.service)
        logged[service] = max(one.last_at, logged.get(service, one.last_at))
    told: dict[str, Unlogged] = {}
    for said in _told(user, keys):
        at, known = logged.get(said.service), told.get(said.service)
        later = at is None or said.last_at > at + _LATE
        if later and (known is None or known.last_at < said.last_at):
            told[said.service] = said
    yield from told.values()


def _told(user: IamUser, keys: Iterable[Credential]) -> Iterator[Unlogged]:
    for row in user.coverage.get("services") or ():
        if (at := parse_datetime(row["at"] or "")) is not None:
            yield Unlogged(row["service"], at)
    for key in keys:
        if key.last_used_at is not None and key.last_used_service:
            service = policy_prefix(key.last_used_service)
            yield Unlogged(service, key.last_used_at, "Access key last used")


def _span(user: IamUser, read: _Rows, now: datetime) -> tuple[datetime, datetime]:
    """Between when CloudTrail was read in every Region without a gap; nothing if one is missing."""
    trails, archive = read.trails[user.pk], read.archive[user.account_id]
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


def _repositories(user: IamUser) -> Iterator[Repository]:
    for key, value in user.tags.items():
        found = _REPOSITORY.fullmatch(value.strip()) if key.lower() in _REPOSITORY_TAGS else None
        if found is not None:
            yield Repository(found[1], found[2])


def _key_ids(keys: Iterable[Credential]) -> Iterator[str]:
    """Cut to their first and last four signs: whole ones belong in no file."""
    for key in keys:
        if key.kind == Credential.Kind.ACCESS_KEY:
            yield f"{key.credential_id[:4]}…{key.credential_id[-4:]}"


def in_terraform(user: IamUser) -> bool:
    """That Terraform has it, if signs say so and nobody recorded that it was taken out."""
    return any(
        one.get("kind") == DECLARED and one.get("name") in _TERRAFORM and one.get("blocks")
        for one in user.references
    )
