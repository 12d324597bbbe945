"""How far one policy document reaches, measured once for each distinct document. Pure.

Thousands of users share a few managed policies, so the measure is kept by the document's hash.
Denies and conditions are noted, not weighed: this errs towards "more".
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from inventory.rights import known_actions, policy_documents
from inventory.rights.policy_documents import EVERYTHING, Allow

ASSUME_ROLE = "sts:assumerole"
PASS_ROLE = "iam:passrole"  # noqa: S105 (an action)
_MOST_KEPT = 10_000
_MOST_PATTERNS = 40
_MOST_UNKNOWN = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """On what an action is allowed: resource patterns as written, and whether conditions apply."""

    resources: tuple[str, ...]
    conditional: bool

    @property
    def everywhere(self) -> bool:
        return EVERYTHING in self.resources


@dataclass(frozen=True, slots=True)
class Reach:
    """What one document allows.

    `services`: service -> "write" or "read". `scopes`: of the actions that can lead to
    administrator rights (lower case). `patterns`: the actions as written, where they are few.
    """

    actions: int = 0
    services: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict)
    every_action: bool = False
    patterns: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    denies: bool = False
    conditional: bool = False
    problems: tuple[str, ...] = ()

    def scopes_of(self, action: str) -> tuple[Scope, ...]:
        return self.scopes.get(action, ())

    def allows_everywhere(self, action: str) -> bool:
        return any(scope.everywhere for scope in self.scopes_of(action))


_measured: dict[bytes, Reach] = {}


def reach(document: object) -> Reach:
    """The reach of any JSON value; never raises."""
    try:
        text = json.dumps(document, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):
        return Reach(problems=("It is no policy document.",))
    key = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    found = _measured.get(key)
    if found is None:
        if len(_measured) >= _MOST_KEPT:
            _measured.clear()
        found = _measured[key] = _measure(document)
    return found


def telling_actions() -> frozenset[str]:
    """The actions whose scopes are kept: those of every escalation, and AssumeRole."""
    return frozenset({ASSUME_ROLE}.union(*known_actions.escalation_methods()))


def _measure(document: object) -> Reach:
    told = policy_documents.read(document)
    allowed: set[str] = set()
    everywhere: set[str] = set()
    scopes: dict[str, list[Scope]] = defaultdict(list)
    for allow in told.allows:
        actions = _applying(allow)
        allowed |= actions
        scope = Scope(allow.resources, allow.conditional)
        if scope.everywhere:
            everywhere |= actions
        for action in actions & telling_actions():
            scopes[action].append(scope)
    unknown = [one for one in allowed if not known_actions.is_known(one)]
    return Reach(
        actions=len(allowed),
        services=_services(allowed),
        scopes={action: tuple(found) for action, found in sorted(scopes.items())},
        every_action=len(everywhere.difference(unknown)) >= known_actions.everything(),
        patterns=_patterns(told.allows),
        unknown=tuple(sorted(unknown)[:_MOST_UNKNOWN]),
        denies=told.denies,
        conditional=any(allow.conditional for allow in told.allows),
        problems=told.problems,
    )


def _applying(allow: Allow) -> frozenset[str]:
    """The actions of a statement, without those of `*` that its resources have nothing to do with.

    `Action: *` on one bucket is a lot in S3 and nothing elsewhere.
    """
    actions = known_actions.granted(allow.actions, allow.not_actions)
    if allow.actions and EVERYTHING not in allow.actions:
        return actions
    about = {_service_of(resource) for resource in allow.resources}
    if "iam" in about:
        # Roles are IAM's, and assumed through STS.
        about.add("sts")
    applying = frozenset(one for one in actions if one.partition(":")[0] in about)
    return applying if EVERYTHING not in about and applying else actions


def _service_of(resource: str) -> str:
    parts = resource.split(":", 3)
    service = parts[2].lower() if len(parts) == 4 and parts[0].lower() == "arn" else EVERYTHING
    return EVERYTHING if "*" in service or "?" in service or "$" in service else service


def _services(allowed: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for action in allowed:
        service = action.partition(":")[0]
        if not known_actions.only_reads(action):
            found[service] = "write"
        else:
            found.setdefault(service, "read")
    return dict(sorted(found.items()))


def _patterns(allows: tuple[Allow, ...]) -> tuple[str, ...]:
    if any(not allow.actions for allow in allows):
        return ()
    found = sorted({pattern for allow in allows for pattern in allow.actions})
    return tuple(found) if len(found) <= _MOST_PATTERNS else ()
