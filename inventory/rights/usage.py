"""What an IAM user was granted against what it used, service by service. Pure.

Granted is what its policies name, used is what Access Advisor (400 days, data plane included) and
CloudTrail saw. Nothing here says "never used" unless Access Advisor answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.rights.called import actions_of, policy_prefix
from inventory.rights.known_actions import wildcard

# Signing in needs a password, and GetCallerIdentity nothing at all.
_ASK_NO_POLICY = {"signin", "sts"}


@dataclass(frozen=True, slots=True)
class Done:
    """One kind of call that succeeded: the event's service and name, and when it was last seen."""

    service: str
    action: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """One policy: what it grants and what of that was used. `services` 0: it grants nothing."""

    name: str
    kind: str
    group: str
    level: str
    every_action: bool
    actions: int
    services: int
    service_names: tuple[str, ...]
    used_services: tuple[str, ...]
    used_actions: int
    unread: str

    @property
    def actions_words(self) -> str:
        """`every action`, `1 action`, `20,195 actions`."""
        return "every action" if self.every_action else _counted(self.actions, "action")

    @property
    def services_words(self) -> str:
        return _counted(self.services, "service")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all policies together. `never_used` is None where Access Advisor was not read, or where
    too much is granted to name it. `beyond`: used, though no policy of today grants it."""

    granted: int
    used: tuple[tuple[str, datetime], ...]
    beyond: tuple[str, ...]
    never_used: tuple[str, ...] | None
    policies: tuple[PolicyUse, ...]


def usage(
    facts: Mapping[str, Any], services: Sequence[Mapping[str, Any]] | None, done: Iterable[Done]
) -> Usage:
    """From `IamUser.privilege_facts` and `coverage["services"]`, which is None if never read."""
    actions, used = _used(services or (), done)
    granted: dict[str, str] = facts.get("services", {})
    count = int(facts.get("services_count", 0))
    within = {
        service: at
        for service, at in used.items()
        if service in granted or (not granted and count and _is_granted(facts, service))
    }
    beyond = tuple(sorted(used.keys() - within.keys() - _ASK_NO_POLICY)) if facts else ()
    never = tuple(one for one in granted if one not in used) if services is not None else None
    return Usage(
        granted=count,
        used=tuple(sorted(within.items(), key=lambda pair: (-pair[1].timestamp(), pair[0]))),
        beyond=beyond,
        never_used=never if granted else None,
        policies=tuple(_policy(row, within, actions) for row in facts.get("policies", ())),
    )


def _used(
    services: Iterable[Mapping[str, Any]], done: Iterable[Done]
) -> tuple[set[str], dict[str, datetime]]:
    """Actions (lower case, as policies name them), and services with their last use."""
    actions: set[str] = set()
    used: dict[str, datetime] = {}
    told = [(one["service"], datetime.fromisoformat(one["at"])) for one in services if one["at"]]
    for call in done:
        service = policy_prefix(call.service)
        actions.update(actions_of(call.service, call.action))
        told.append((service, call.at))
    for service, at in told:
        used[service] = max(at, used.get(service, at))
    return actions, used


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _is_granted(facts: Mapping[str, Any], service: str) -> bool:
    """For policies that grant more services than are kept by name: all but the few are granted."""
    rows = facts.get("policies", ())
    return any(not row["services"] or service in row["services"] for row in rows)


def _policy(
    row: Mapping[str, Any], used: Mapping[str, datetime], actions: Iterable[str]
) -> PolicyUse:
    named: list[str] = row["services"]
    by_name = set(named)
    mine = [service for service in used if service in by_name or (not named and row["actions"])]
    patterns = [wildcard(pattern) for pattern in row["patterns"]]
    calls = [
        action
        for action in actions
        if any(pattern.match(action) for pattern in patterns)
        or (not patterns and action.partition(":")[0] in mine)
    ]
    return PolicyUse(
        name=row["name"],
        kind=row["kind"],
        group=row["group"],
        level=row["level"],
        every_action=row["every_action"],
        actions=row["actions"],
        services=row["services_count"],
        service_names=tuple(named),
        used_services=tuple(sorted(mine)),
        used_actions=len(calls),
        unread=row["unread"],
    )
