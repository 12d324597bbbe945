"""Rows become the facts of plans: the one module here that asks the database.

Whole accounts are read in a handful of statements, so that a download of all plans costs what one
costs. Resources of calls are not kept by day, so a use names none: a drafted policy then says
that it was widened, and why.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Sum

from inventory.callers import Call, callers
from inventory.coverage import last_accessed
from inventory.models import Activity, Credential, IamUser, PolicyText, TrailCoverage
from inventory.rights.called import policy_prefix
from migrations_app.models import Departure
from migrations_app.plans.facts import (
    Granted,
    Origin,
    PlanFacts,
    Repository,
    Unlogged,
    Used,
)
from migrations_app.plans.granted import statements

_HISTORY = timedelta(days=90)
_REPOSITORY_TAGS = ("repository", "repo", "github-repository", "github_repository", "source")
_REPOSITORY = re.compile(
    r"(?:https://github\.com/|git@github\.com:|github:)?([\w.-]+)/([\w.-]+?)(?:\.git)?"
)
_MOST_AGENTS = 20
_Texts = Mapping[tuple[int, str, str, str], object]


def facts_of(departures: Iterable[Departure], now: datetime) -> dict[int, PlanFacts]:
    """By pk of departure what is known of its user; `user__account` and `owner` come with it.

    Six statements, however many there are.
    """
    rows = list(departures)
    users = {row.user_id: row.user for row in rows}
    texts = _policy_texts(users.values())
    used, calls = _used(users), _calls(users)
    keys, spans = _keys(users), _spans(users, now)
    found = {}
    for row in rows:
        user = row.user
        granted, unread = _granted(user, texts)
        logged = {policy_prefix(one.service) for one in used[user.pk]}
        since, until = spans[user.pk]
        found[row.pk] = PlanFacts(
            account_id=user.account.account_id,
            account_name=user.account.name,
            user_name=user.user_name,
            user_id=user.user_id,
            arn=user.arn,
            generated_at=now,
            evidence_from=since,
            evidence_to=until,
            path=user.path,
            category=user.shown_category,
            tags=tuple((str(key), str(value)) for key, value in user.tags.items()),
            team=row.owner.name if row.owner else "",
            team_key=row.owner.key if row.owner else "",
            groups=tuple(user.groups),
            attached_policies=tuple(user.attached_policies),
            boundary=user.boundary_arn,
            granted=granted,
            unread=unread,
            used=tuple(used[user.pk]),
            unlogged=tuple(_unlogged(user, logged)),
            user_agents=_agents(calls[user.pk]),
            callers=tuple(callers(calls[user.pk])),
            repositories=tuple(_repositories(user.tags)),
            key_ids=tuple(keys[user.pk]),
            terraform_managed=_terraform(user),
        )
    return found


def _policy_texts(users: Iterable[IamUser]) -> _Texts:
    accounts = {user.account_id for user in users}
    rows = PolicyText.objects.filter(account__in=accounts)
    return {
        (row.account_id, row.arn, row.group, row.name if not row.arn else ""): row.document
        for row in rows
    }


def _granted(user: IamUser, texts: _Texts) -> tuple[tuple[Granted, ...], tuple[Origin, ...]]:
    """Every statement that the user has, and the policies of which no document is known."""
    found: list[Granted] = []
    unread: list[Origin] = []
    for row in _policies(user):
        origin = Origin(row["name"], row["kind"], row["arn"], row["group"])
        if origin.kind == "inline" and not origin.group:
            document = user.inline_policies.get(origin.name)
        else:
            name = "" if origin.arn else origin.name
            group = "" if origin.arn else origin.group
            document = texts.get((user.account_id, origin.arn, group, name))
        if document is None:
            unread.append(origin)
        else:
            found += statements(document, origin)
    return tuple(found), tuple(unread)


def _policies(user: IamUser) -> list[Mapping[str, Any]]:
    """The policies that the last reading of rights found; before it, what stands at the user."""
    if rows := user.privilege_facts.get("policies"):
        return list(rows)
    inline = [
        {"name": one, "kind": "inline", "arn": "", "group": ""} for one in user.inline_policies
    ]
    return inline + [
        {
            "name": arn.rpartition("/")[2],
            "kind": "aws-managed" if ":iam::aws:" in arn else "managed",
            "arn": arn,
            "group": "",
        }
        for arn in user.attached_policies
    ]


def _used(users: Iterable[int]) -> Mapping[int, list[Used]]:
    found: defaultdict[int, list[Used]] = defaultdict(list)
    rows = (
        Activity.objects.filter(user__in=users, outcome="ok")
        .order_by()
        .values_list("user_id", "service", "action")
        .annotate(
            Sum("count"),
            Min("first_at"),
            Max("last_at"),
            regions=ArrayAgg("region", distinct=True),
            days=Count("day", distinct=True),
        )
    )
    for user, service, action, count, first_at, last_at, regions, days in rows:
        found[user].append(
            Used(service, action, count, first_at, last_at, tuple(regions), days=days)
        )
    return found


def _calls(users: Iterable[int]) -> Mapping[int, list[Call]]:
    found: defaultdict[int, list[Call]] = defaultdict(list)
    rows = (
        Activity.objects.filter(user__in=users)
        .exclude(outcome="failed-sign-in")
        .order_by()
        .values_list("user_id", "source_address", "user_agent")
        .annotate(Sum("count"), Min("first_at"), Max("last_at"))
    )
    for user, address, agent, count, first_at, last_at in rows:
        found[user].append(Call(address, agent, count, first_at, last_at))
    return found


def _agents(calls: Sequence[Call]) -> tuple[str, ...]:
    busiest = sorted(calls, key=lambda one: (-one.count, one.agent))
    return tuple(dict.fromkeys(one.agent for one in busiest if one.agent))[:_MOST_AGENTS]


def _keys(users: Iterable[int]) -> Mapping[int, list[str]]:
    """Ids cut to their first and last four signs: whole ones belong in no file."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = Credential.objects.filter(
        user__in=users, kind=Credential.Kind.ACCESS_KEY, gone_at=None
    ).values_list("user_id", "credential_id")
    for user, key in rows:
        found[user].append(f"{key[:4]}…{key[-4:]}")
    return found


def _spans(users: Mapping[int, IamUser], now: datetime) -> Mapping[int, tuple[datetime, datetime]]:
    """By user what was read in every enabled Region: the latest begin, the earliest end."""
    rows = TrailCoverage.objects.filter(user__in=users).values_list(
        "user_id", "region", "read_from", "read_to"
    )
    read: defaultdict[int, dict[str, tuple[datetime, datetime]]] = defaultdict(dict)
    for number, region, since, until in rows:
        if since and until:
            read[number][region] = (since, until)
    found = {}
    for pk, user in users.items():
        spans = [read[pk].get(region) for region in user.account.enabled_regions]
        known = [one for one in spans if one]
        if known and len(known) == len(spans):
            until = min(one[1] for one in known)
            found[pk] = (min(max(one[0] for one in known), until), until)
        else:
            # A Region was never read: nothing can be said to be covered.
            found[pk] = (now, now)
    return found


def _unlogged(user: IamUser, logged: set[str]) -> Iterable[Unlogged]:
    for service, at in last_accessed(user).items():
        if service not in logged:
            yield Unlogged(service, at)


def _repositories(tags: Mapping[str, Any]) -> Iterable[Repository]:
    """What a tag names as `owner/name`, or by its address on GitHub."""
    for key, value in tags.items():
        if key.lower() in _REPOSITORY_TAGS and (told := _REPOSITORY.fullmatch(str(value).strip())):
            yield Repository(told[1], told[2])


def _terraform(user: IamUser) -> str:
    """Said by a sign that holds; the address in the code is nowhere in AWS."""
    declared = any(
        one.get("kind") == "declared"
        and one.get("name") in ("Terraform", "OpenTofu")
        and one.get("blocks")
        for one in user.references
    )
    return "aws_iam_user" if declared else ""
