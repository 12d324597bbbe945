"""The permissions of one IAM user as its page shows them: how far, by which path, used for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, QuerySet
from django.utils.dateparse import parse_datetime

from inventory.models import Activity, IamUser
from inventory.reads import DETAILS, Reads
from inventory.rights.privilege import ADMIN
from inventory.rights.usage import Done, Usage, usage

_PATHS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """One path to administrator rights, or what makes an administrator."""

    text: str
    conditional: bool


@dataclass(frozen=True, slots=True)
class Permissions:
    """`read_at` is None while no sync could read the policies: then nothing else is known."""

    read_at: datetime | None
    gap: str
    ways: tuple[Way, ...]
    more_ways: int
    closed_ways: int
    narrowed_by: str
    unread: tuple[str, ...]
    unknown_actions: tuple[str, ...]
    usage: Usage
    services_at: datetime | None
    services_from: datetime | None
    services_note: str


def permissions(
    user: IamUser, reads: Reads, told: Iterable[Mapping[str, Any]] | None = None
) -> Permissions:
    """What the last sync kept of the user's policies, held against what it did.

    `told` are the rows of `done`, asked for if they are not given.
    """
    rows = done(user) if told is None else told
    facts, coverage = user.privilege_facts, user.coverage
    ways = [Way(one["text"], one["conditional"]) for one in facts.get("paths", ())]
    return Permissions(
        read_at=reads.at(user, DETAILS),
        gap=coverage.get("gaps", {}).get("policies", ""),
        ways=tuple(ways[:_PATHS]),
        more_ways=max(0, facts.get("paths_count", 0) - _PATHS),
        closed_ways=facts.get("missing_count", 0) if user.privilege != ADMIN else 0,
        narrowed_by=_narrowed_by(user, facts),
        unread=tuple(facts.get("unread", ())),
        unknown_actions=tuple(facts.get("unknown_actions", ())),
        usage=usage(facts, coverage.get("services"), [Done(*row.values()) for row in rows]),
        services_at=parse_datetime(coverage.get("services_at") or ""),
        services_from=parse_datetime(coverage.get("services_from") or ""),
        services_note=coverage.get("services_note", ""),
    )


def done(user: IamUser) -> QuerySet[Any]:
    """Which actions succeeded, and when each did last."""
    rows = Activity.objects.filter(user=user, outcome="ok").order_by()
    return rows.values("service", "action").annotate(latest=Max("last_at"))


def _narrowed_by(user: IamUser, facts: dict[str, Any]) -> str:
    """What may make it reach less than is shown, as the subject of a sentence; "" for nothing."""
    found = []
    if facts.get("denies"):
        found.append("denies")
    if facts.get("conditions"):
        found.append("conditions")
    if user.boundary_arn:
        found.append(f"the permissions boundary {user.boundary_arn.rpartition('/')[2]}")
    words = " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))
    return words[:1].upper() + words[1:]
