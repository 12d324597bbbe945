"""A policy document as the statements it makes, whatever somebody typed into it. Pure.

IAM refuses most malformed documents, yet what arrives here may be old, hand-made or cut. Nothing
in it raises: what cannot be read is a sentence in `problems`, and what is doubtful counts as
granting more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Allow:
    """One statement that allows. Patterns are lower case; `resources` are as written.

    `actions` empty means: everything but `not_actions`. `conditional`: it has a Condition.
    """

    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditional: bool


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """What a document allows, whether it also denies, and what of it could not be read."""

    allows: tuple[Allow, ...]
    denies: bool
    problems: tuple[str, ...]


def read(document: object) -> PolicyDocument:
    """Any JSON value as a PolicyDocument; never raises."""
    if not isinstance(document, Mapping):
        return PolicyDocument((), False, ("It is no policy document.",))
    told = document.get("Statement")
    if told is None:
        return PolicyDocument((), False, ("It has no statement.",))
    # AWS takes a lone statement without its list.
    statements = told if isinstance(told, list) else [told]
    allows: list[Allow] = []
    denies = False
    problems: list[str] = []
    for statement in statements:
        effect = _effect(statement)
        if effect == "allow":
            allow = _allow(statement)
            allows += [allow] if allow else []
            problems += [] if allow else ["A statement names no action."]
        elif effect == "deny":
            denies = True
        else:
            problems.append("A statement neither allows nor denies.")
    return PolicyDocument(tuple(allows), denies, tuple(dict.fromkeys(problems)))


def _effect(statement: object) -> str:
    return str(statement.get("Effect", "")).lower() if isinstance(statement, Mapping) else ""


def _allow(statement: Mapping[str, Any]) -> Allow | None:
    actions = tuple(one.lower() for one in _words(statement.get("Action")))
    not_actions: tuple[str, ...] = ()
    if not actions:
        if "NotAction" not in statement:
            return None
        not_actions = tuple(one.lower() for one in _words(statement["NotAction"]))
    # NotResource leaves nearly everything, and a statement without any is taken the same way.
    resources = _words(statement.get("Resource")) or (EVERYTHING,)
    return Allow(actions, not_actions, resources, bool(statement.get("Condition")))


def _words(value: object) -> tuple[str, ...]:
    """One string or a list of them; whatever else stands there is left out."""
    told = value if isinstance(value, list) else [value]
    return tuple(one.strip() for one in told if isinstance(one, str) and one.strip())
