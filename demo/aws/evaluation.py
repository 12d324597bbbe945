"""Policy evaluation: an explicit deny anywhere wins, then every layer present has to allow.

Layers: identity policies (own and of groups), permissions boundary, session policy. Resource
policies are not simulated. UG: reference_policies_evaluation-logic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .calls import Caller
from .state import Account, Document, Principal, Role, User

Keys = Mapping[str, str]


@dataclass(frozen=True)
class Decision:
    """`reason` is the end of AWS's message, e.g. `with an explicit deny in a …`."""

    allowed: bool
    explicit: bool = False
    reason: str = ""


ALLOWED = Decision(True)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(f"^{escaped}$", re.DOTALL)


def _like(pattern: str, value: str) -> bool:
    return bool(_pattern(pattern).match(value))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _condition_met(operator: str, key: str, wanted: Any, keys: Keys) -> bool:
    name = operator.removesuffix("IfExists").split(":")[-1]
    actual = keys.get(key.lower())
    values = [str(value) for value in _listed(wanted)]
    if name == "Null":
        return (actual is None) == (values[0].lower() == "true")
    if actual is None:
        return operator.endswith("IfExists") or "Not" in name or operator.startswith("ForAll")
    if name.startswith("Date"):
        earlier = actual < values[0]
        return earlier if "LessThan" in name else not earlier
    if name.startswith(("String", "Arn", "Bool")):
        negated = "Not" in name
        fold = "IgnoreCase" in name or name.startswith("Bool")
        if "Like" in name or name.startswith("Arn"):
            met = any(_like(value, actual) for value in values)
        elif fold:
            met = actual.lower() in [value.lower() for value in values]
        else:
            met = actual in values
        return met != negated
    return False


def _applies(statement: Document, action: str, resource: str, keys: Keys) -> bool:
    folded = action.lower()
    if "Action" in statement:
        if not any(_like(str(each).lower(), folded) for each in _listed(statement["Action"])):
            return False
    elif any(_like(str(each).lower(), folded) for each in _listed(statement["NotAction"])):
        return False
    if "Resource" in statement:
        if not any(_like(str(each), resource) for each in _listed(statement["Resource"])):
            return False
    elif "NotResource" in statement and any(
        _like(str(each), resource) for each in _listed(statement["NotResource"])
    ):
        return False
    return all(
        _condition_met(operator, key, wanted, keys)
        for operator, tests in statement.get("Condition", {}).items()
        for key, wanted in tests.items()
    )


def effect(document: Document, action: str, resource: str, keys: Keys) -> str:
    """`Deny`, `Allow`, or nothing, for one policy document."""
    found = ""
    for statement in _listed(document.get("Statement", [])):
        if _applies(statement, action, resource, keys):
            if statement["Effect"] == "Deny":
                return "Deny"
            found = "Allow"
    return found


def identity_documents(account: Account, principal: Principal) -> Iterator[Document]:
    """The documents attached to a principal, its groups' included."""
    holders: list[Principal] = [principal]
    if isinstance(principal, User):
        holders += [account.groups[name] for name in principal.groups if name in account.groups]
    for holder in holders:
        yield from holder.inline.values()
        for arn in holder.attached:
            if arn in account.policies:
                yield account.policies[arn].document


def decide(caller: Caller, action: str, resource: str, keys: Keys) -> Decision:
    """Whether `caller` may do `action` on `resource`, with the words of a refusal."""
    principal: User | Role | None = caller.user or caller.role
    if principal is None:
        return ALLOWED
    layers: list[tuple[str, list[Document]]] = [
        ("identity-based policy", list(identity_documents(caller.account, principal)))
    ]
    if principal.boundary is not None:
        boundary = caller.account.policies.get(principal.boundary)
        layers.append(("permissions boundary", [boundary.document] if boundary else []))
    if caller.account.scps:
        everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        layers.append(("service control policy", [everything, *caller.account.scps]))
    if caller.session_policy is not None:
        layers.append(("session policy", [caller.session_policy]))
    effects = [
        (name, {effect(document, action, resource, keys) for document in documents})
        for name, documents in layers
    ]
    for name, found in effects:
        if "Deny" in found:
            article = "an" if name[0] == "i" else "a"
            return Decision(False, True, f"with an explicit deny in {article} {name}")
    for name, found in effects:
        if "Allow" not in found:
            reason = f"because no {name} allows the {action} action"
            return Decision(False, False, reason)
    return ALLOWED


def explicitly_denied(account: Account, user: User, action: str) -> str:
    """The words of an explicit deny of `action` for this user, or nothing.

    For the calls of the account's own life: its users are taken to be allowed what they do, until
    somebody denies it. Remembered until the next write.
    """
    known = account.denials.get((user.id, action))
    if known is None:
        caller = Caller(account, user.arn, user.id, "", user=user)
        decision = decide(caller, action, "*", {})
        known = decision.reason if decision.explicit else ""
        account.denials[user.id, action] = known
    return known


def trusts(role: Role, caller: Caller, action: str, keys: Keys) -> bool:
    """Whether the role's trust policy lets `caller` do `action` (sts:AssumeRole and friends)."""
    allowed = False
    for statement in _listed(role.trust.get("Statement", [])):
        if not _principal_matches(statement.get("Principal", {}), caller):
            continue
        if _applies({**statement, "Resource": "*"}, action, role.arn, keys):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def _principal_matches(principal: Any, caller: Caller) -> bool:
    if principal == "*":
        return True
    identity = caller.role.arn if caller.role else caller.arn
    accepted = {identity, caller.arn, caller.account.id, caller.account.arn("root"), "*"}
    if caller.user is not None:
        accepted.add(caller.user.id)
    return any(str(each) in accepted for each in _listed(principal.get("AWS", [])))
