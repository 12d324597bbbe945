"""Whether policies deny every change of one IAM user, whoever asks for it through them. Pure.

Only a deny that is sure to hold counts: without a condition, with one on the user's own tag, or
with one that only spares whoever may act all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inventory.rights.known_actions import wildcard
from migrations_app.plans.facts import Condition, Granted, Origin
from migrations_app.plans.granted import actions_of, covers, statements

# What would take away its way in, or give it to somebody else.
CHANGES = (
    "iam:AttachUserPolicy",
    "iam:DeactivateMFADevice",
    "iam:DeleteLoginProfile",
    "iam:DeleteUser",
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:UpdateAccessKey",
    "iam:UpdateLoginProfile",
)
_TAG_KEYS = ("aws:resourcetag/", "iam:resourcetag/")


def denied(
    documents: Iterable[Any], user_arn: str, tags: Mapping[str, str], principal_arn: str
) -> bool:
    """Whether these documents deny `principal_arn` each of `CHANGES` on the user.

    A document that is none denies nothing.
    """
    denies = [
        one
        for document in documents
        for one in statements(document, Origin("guard"))
        if one.effect == "Deny"
        and covers(one, user_arn)
        and all(_holds(each, tags, principal_arn) for each in one.conditions)
    ]
    return all(any(_names(one, action) for one in denies) for action in CHANGES)


def _names(statement: Granted, action: str) -> bool:
    return action.lower() in actions_of(statement)


def _holds(test: Condition, tags: Mapping[str, str], principal_arn: str) -> bool:
    """Whether a test is sure to be met; False in doubt."""
    key, operator = test.key.lower(), test.operator.lower()
    if key == "aws:principalarn":
        spared = any(wildcard(one).match(principal_arn) for one in test.values)
        return operator in ("arnnotlike", "arnnotequals", "stringnotlike") and not spared
    for prefix in _TAG_KEYS:
        if key.startswith(prefix) and operator == "stringequals":
            told = {name.lower(): value for name, value in tags.items()}
            return told.get(key.removeprefix(prefix)) in test.values
    return False
