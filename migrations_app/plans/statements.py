"""Policy statements as values: merged, put in order, written as JSON, and cut to AWS's sizes. Pure.

AWS counts a policy's characters without white space: 6,144 of a managed policy, 10,240 of all
inline policies of a role and of a permission set's inline policy (IAM quotas).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrations_app.plans.facts import Condition

MANAGED = 6_144
INLINE = 10_240
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """One statement of a new policy; `why` are sentences for who reads it, in order."""

    sid: str
    effect: str = "Allow"
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    why: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As IAM takes it."""
        told: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect}
        for name in ("actions", "not_actions", "resources", "not_resources"):
            if values := list(getattr(self, name)):
                told[_NAMES[name]] = values
        tests: dict[str, dict[str, list[str]]] = {}
        for one in self.conditions:
            tests.setdefault(one.operator, {})[one.key] = list(one.values)
        if tests:
            told["Condition"] = tests
        return told


_NAMES = {
    "actions": "Action",
    "not_actions": "NotAction",
    "resources": "Resource",
    "not_resources": "NotResource",
}


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": [one.json() for one in statements]}


def written(told: dict[str, Any]) -> str:
    """A document as the text of a file."""
    return json.dumps(told, indent=2, ensure_ascii=True) + "\n"


def json_text(value: str) -> str:
    """A text as JSON, in plain letters."""
    return json.dumps(value, ensure_ascii=True)


def size(statements: Sequence[Statement]) -> int:
    """How many characters AWS counts."""
    return len(_SPACE.sub("", json.dumps(document(statements), separators=(",", ":"))))


def split(statements: Iterable[Statement], limit: int) -> tuple[tuple[Statement, ...], ...]:
    """As few documents as it takes in this order, each within `limit`; none where there is nothing.

    A statement too large by itself is cut along its actions, then its resources. One that cannot
    be cut (a single deny of old) stands alone, whatever its size.
    """
    parts: list[tuple[Statement, ...]] = []
    held: tuple[Statement, ...] = ()
    for one in (piece for whole in statements for piece in _pieces(whole, limit)):
        if held and size((*held, one)) > limit:
            parts.append(held)
            held = ()
        held = (*held, one)
    return (*parts, held) if held else tuple(parts)


def _pieces(statement: Statement, limit: int) -> Iterator[Statement]:
    if size((statement,)) <= limit:
        yield statement
        return
    cut = _halves(statement)
    if cut is None:
        yield statement
        return
    for half in cut:
        yield from _pieces(half, limit)


def _halves(statement: Statement) -> tuple[Statement, Statement] | None:
    """The statement in two that together say the same; None if it cannot be cut."""
    one, other = (replace(statement, sid=f"{statement.sid}{each}") for each in "ab")
    if (half := len(statement.actions) // 2) > 0:
        return (
            replace(one, actions=statement.actions[:half]),
            replace(other, actions=statement.actions[half:]),
        )
    if (half := len(statement.resources) // 2) > 0:
        return (
            replace(one, resources=statement.resources[:half]),
            replace(other, resources=statement.resources[half:]),
        )
    return None
