"""Whether a rule of EventBridge would hear of a use of the break-glass user. Pure.

Patterns are read as EventBridge reads them (user guide, "Amazon EventBridge event patterns"). What
is not understood here matches nothing: an alarm that nobody can vouch for does not count as one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from inventory.rights.known_actions import wildcard
from migrations_app.plans.break_glass import BreakGlass

_MISSING = object()


def hears(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether a pattern, as JSON, matches an event; False where it is no pattern."""
    try:
        told = json.loads(pattern)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, Mapping) and bool(told) and _matches(told, event)


def hears_a_use(pattern: str, facts: BreakGlass, region: str) -> bool:
    """Whether a pattern matches a sign-in or a call of the user."""
    return any(hears(pattern, event) for event in uses(facts, region))


def everything_heard(patterns: Iterable[str], facts: BreakGlass, region: str) -> bool:
    """Whether these patterns together match both."""
    told = list(patterns)
    return all(any(hears(one, event) for one in told) for event in uses(facts, region))


def uses(facts: BreakGlass, region: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sign-in and a call, as CloudTrail tells them to EventBridge."""
    who = {
        "type": "IAMUser",
        "principalId": facts.user_id,
        "arn": facts.arn,
        "accountId": facts.account_id,
        "userName": facts.user_name,
    }
    shared = {"userIdentity": who, "awsRegion": region, "recipientAccountId": facts.account_id}
    around = {"version": "0", "account": facts.account_id, "region": region, "resources": []}
    sign_in = shared | {
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "eventType": "AwsConsoleSignIn",
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"MFAUsed": "Yes", "MobileVersion": "No"},
    }
    call = shared | {
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "eventType": "AwsApiCall",
        "readOnly": False,
    }
    return (
        around
        | {
            "source": "aws.signin",
            "detail-type": "AWS Console Sign In via CloudTrail",
            "detail": sign_in,
        },
        around
        | {"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "detail": call},
    )


def _matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Every field has to match; `$or` holds alternatives."""
    for name, wanted in pattern.items():
        if name == "$or":
            if not isinstance(wanted, list) or not any(
                isinstance(one, Mapping) and _matches(one, event) for one in wanted
            ):
                return False
            continue
        value = event.get(name, _MISSING) if isinstance(event, Mapping) else _MISSING
        if isinstance(wanted, Mapping):
            if not _matches(wanted, value):
                return False
        elif not isinstance(wanted, list) or not _any(wanted, value):
            return False
    return True


def _any(wanted: list[Any], value: Any) -> bool:
    values = value if isinstance(value, list) and value else [value]
    return any(_one(test, each) for test in wanted for each in values)


def _one(test: Any, value: Any) -> bool:
    if not isinstance(test, Mapping):
        return value is not _MISSING and not isinstance(value, Mapping | list) and value == test
    if len(test) != 1:
        return False
    ((operator, told),) = test.items()
    if operator == "exists":
        return told is (value is not _MISSING)
    if operator == "anything-but":
        return value is not _MISSING and _anything_but(told, value)
    return isinstance(value, str) and _text(operator, told, value)


def _anything_but(told: Any, value: Any) -> bool:
    if isinstance(told, Mapping):
        if len(told) != 1 or not isinstance(value, str):
            return False
        ((operator, text),) = told.items()
        return operator in _TESTS and not _text(operator, text, value)
    return value not in (told if isinstance(told, list) else [told])


def _text(operator: str, told: Any, value: str) -> bool:
    several = told if isinstance(told, list) else [told]
    return any(_like(operator, one, value) for one in several)


def _like(operator: str, told: Any, value: str) -> bool:
    if isinstance(told, Mapping):
        folded = told.get("equals-ignore-case")
        return isinstance(folded, str) and _like(operator, folded.lower(), value.lower())
    test = _TESTS.get(operator)
    return test is not None and isinstance(told, str) and test(told, value)


def _wildcard(told: str, value: str) -> bool:
    # There is no `?` in it.
    return "?" not in told and wildcard(told).fullmatch(value) is not None


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": lambda told, value: value.startswith(told),
    "suffix": lambda told, value: value.endswith(told),
    "equals-ignore-case": lambda told, value: value.lower() == told.lower(),
    "wildcard": _wildcard,
}
