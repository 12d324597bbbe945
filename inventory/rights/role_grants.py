"""Whether a role's policies, as they are written, grant an action; and what they grant too much.

Read, not run: service control policies and boundaries are not seen, and conditions of an Allow are
taken to hold. A Deny counts where nothing limits it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inventory.rights.known_actions import wildcard

# Each gives somebody access that they did not have (AWS_FACTS.md 8b): none of the three roles
# needs one of them, whatever it is limited to.
GIVES_ACCESS = (
    "iam:AddUserToGroup",
    "iam:AttachRolePolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:CreateUser",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "iam:UpdateUser",
)
_EVERYWHERE = frozenset({"*"})
Documents = Iterable[Mapping[str, Any]]


def granted(documents: Documents, action: str) -> bool:
    """Whether a statement allows `action`, on anything, and none denies it on everything."""
    statements = [one for document in documents for one in _statements(document)]
    if any(_denies_wholly(one) and _names(one, action) for one in statements):
        return False
    return any(one.get("Effect") == "Allow" and _names(one, action) for one in statements)


def gives_access(documents: Documents) -> list[str]:
    """The actions of GIVES_ACCESS that are granted."""
    held = list(documents)
    return [action for action in GIVES_ACCESS if granted(held, action)]


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _listed(document.get("Statement")) if isinstance(one, Mapping)]


def _denies_wholly(statement: Mapping[str, Any]) -> bool:
    resources = {str(one) for one in _listed(statement.get("Resource"))}
    limited = statement.get("Condition") or not resources & _EVERYWHERE
    return statement.get("Effect") == "Deny" and not limited


def _names(statement: Mapping[str, Any], action: str) -> bool:
    if "Action" in statement:
        return _matches(statement["Action"], action)
    return "NotAction" in statement and not _matches(statement["NotAction"], action)


def _matches(patterns: Any, action: str) -> bool:
    wanted = action.lower()
    return any(wildcard(str(one).lower()).match(wanted) for one in _listed(patterns))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
