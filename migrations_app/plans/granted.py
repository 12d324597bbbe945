"""What an IAM user may do today, statement by statement, as a plan has to know it. Pure.

Nothing that is not allowed here may stand in a new policy. Our own fence, and what AWS attaches to
a leaked key, say nothing about what somebody needs and are not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from inventory.rights import known_actions
from inventory.rights.known_actions import wildcard
from migrations_app.plans.facts import Condition, Granted, Origin, PlanFacts

EVERYTHING = "*"
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_DENIERS = ("AWSDenyAll", "AWSCompromisedKeyQuarantine")
# What is true of an IAM user or its session and not of the role that follows it.
_OF_THE_USER = (
    "aws:username",
    "aws:userid",
    "aws:principalarn",
    "aws:principaltype",
    "aws:principaltag/",
    "aws:multifactorauth",
    "aws:tokenissuetime",
)


def statements(document: object, origin: Origin) -> tuple[Granted, ...]:
    """The statements of any JSON value; what is no statement is left out.

    For sentences about what could not be read see `inventory.rights.policy_documents`.
    """
    told = document.get("Statement") if isinstance(document, Mapping) else None
    found = told if isinstance(told, list) else [told]
    return tuple(
        one for each in found if isinstance(each, Mapping) if (one := _statement(each, origin))
    )


def _statement(told: Mapping[str, Any], origin: Origin) -> Granted | None:
    effect = {"allow": "Allow", "deny": "Deny"}.get(str(told.get("Effect", "")).lower())
    actions, not_actions = _words(told.get("Action")), _words(told.get("NotAction"))
    conditions = _conditions(told.get("Condition"))
    if effect is None or conditions is None or bool(actions) == bool(not_actions):
        return None
    resources, others = _words(told.get("Resource")), _words(told.get("NotResource"))
    if not resources and not others:
        resources = (EVERYTHING,)
    return Granted(origin, effect, actions, not_actions, resources, others, conditions)


def _words(value: object) -> tuple[str, ...]:
    told = value if isinstance(value, list) else [value]
    return tuple(one.strip() for one in told if isinstance(one, str) and one.strip())


def _conditions(value: object) -> tuple[Condition, ...] | None:
    """The tests of a Condition; None if it is none, so that nothing is allowed without it."""
    if value is None:
        return ()
    if not isinstance(value, Mapping) or not all(
        isinstance(one, Mapping) for one in value.values()
    ):
        return None
    return tuple(
        Condition(operator, key, tuple(_plain(one) for one in _several(held)))
        for operator, tests in value.items()
        for key, held in tests.items()
    )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Grants:
    """`actions`: every known action that is allowed and not denied on everything (lower case).

    `allows` and `denies` speak of the user by name where its policies say `${aws:username}`.
    """

    actions: frozenset[str]
    allows: tuple[Granted, ...]
    denies: tuple[Granted, ...]

    def allowing(self, action: str) -> tuple[Granted, ...]:
        """The statements that allow an action, those without a condition first."""
        if action not in self.actions:
            return ()
        found = [one for one in self.allows if action in actions_of(one)]
        return tuple(sorted(found, key=lambda one: (bool(one.conditions), one)))


def grants(facts: PlanFacts) -> Grants:
    """What these facts say the user may do; conditions narrow it and are not weighed here."""
    known = [
        _of_user(one, facts) for one in facts.granted if not one.origin.name.startswith(_DENIERS)
    ]
    allows = tuple(one for one in known if one.effect == "Allow")
    denies = tuple(one for one in known if one.effect == "Deny")
    allowed: set[str] = set()
    for one in allows:
        allowed |= actions_of(one)
    for one in denies:
        if not one.conditions and EVERYTHING in one.resources:
            allowed -= actions_of(one)
    return Grants(frozenset(allowed), allows, denies)


def actions_of(statement: Granted) -> frozenset[str]:
    """Every known action that a statement names."""
    return _expanded(statement.actions, statement.not_actions)


@lru_cache(maxsize=2048)
def _expanded(actions: tuple[str, ...], not_actions: tuple[str, ...]) -> frozenset[str]:
    lowered = (tuple(one.lower() for one in names) for names in (actions, not_actions))
    return known_actions.granted(*lowered)


def _of_user(statement: Granted, facts: PlanFacts) -> Granted:
    """With the user's own name where the statement has a variable for it."""
    known = {"${aws:username}": facts.user_name, "${aws:userid}": facts.user_id}
    known |= {f"${{aws:principaltag/{key.lower()}}}": value for key, value in facts.tags}

    def named(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(_named(one, known) for one in texts)

    return replace(
        statement,
        resources=named(statement.resources),
        not_resources=named(statement.not_resources),
    )


def _named(text: str, known: Mapping[str, str]) -> str:
    lowered = text.lower()
    for variable, value in known.items():
        # A value with a star in it would allow more than the variable did.
        while variable in lowered and not set(value) & set("*?$"):
            at = lowered.index(variable)
            text = text[:at] + value + text[at + len(variable) :]
            lowered = text.lower()
    return text


def about_the_user(condition: Condition) -> bool:
    """Whether a test asks for what only the old user has, so that no role can ever pass it."""
    return condition.key.lower().startswith(_OF_THE_USER)


def covers(statement: Granted, resource: str) -> bool:
    """Whether a statement speaks of everything that this ARN or pattern stands for."""
    if statement.not_resources:
        return all(_apart(resource, one) for one in statement.not_resources)
    # A star in it is tried as nothing, as one letter and as many.
    tried = [resource.replace("*", each) for each in ("", "\x00", "\x00" * 9)]
    return any(
        all(wildcard(one).match(text) for text in tried)
        for one in statement.resources
        if "${" not in one
    )


def _apart(resource: str, pattern: str) -> bool:
    """Whether two patterns have nothing in common; False in doubt."""
    mine, other = (re.split(r"[*?]|\$\{", one, maxsplit=1)[0] for one in (resource, pattern))
    if mine == resource:
        loose = _VARIABLE.sub(EVERYTHING, pattern)
        return wildcard(loose).match(resource) is None
    return not (mine.startswith(other) or other.startswith(mine))
