"""Rules of EventBridge as it lists them: names, patterns and how many targets hear them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .calls import Context, operation
from .errors import AwsError

_PAGE = 100


@dataclass
class EventRule:
    """A rule of a Region's default bus."""

    name: str
    region: str
    pattern: dict[str, Any] | None = None
    state: str = "ENABLED"
    targets: list[str] = field(default_factory=list)


def _here(context: Context) -> list[EventRule]:
    return [one for one in context.account.rules if one.region == context.call.region]


@operation("events", "ListRules")
def list_rules(context: Context) -> dict[str, Any]:
    """The rules of this Region, a page at a time."""
    found = sorted(_here(context), key=lambda one: one.name)
    start = int(context.params.get("NextToken") or 0)
    last = start + min(_PAGE, context.page_limit)
    answer: dict[str, Any] = {"Rules": [_shown(context, one) for one in found[start:last]]}
    return answer | ({"NextToken": str(last)} if last < len(found) else {})


def _shown(context: Context, rule: EventRule) -> dict[str, Any]:
    arn = f"arn:aws:events:{rule.region}:{context.account.id}:rule/{rule.name}"
    shown = {"Name": rule.name, "Arn": arn, "State": rule.state, "EventBusName": "default"}
    return shown | ({"EventPattern": json.dumps(rule.pattern)} if rule.pattern else {})


@operation("events", "ListTargetsByRule")
def list_targets_by_rule(context: Context) -> dict[str, Any]:
    """Who hears a rule; ResourceNotFoundException."""
    name = str(context.params.get("Rule"))
    for rule in _here(context):
        if rule.name == name:
            targets = enumerate(rule.targets)
            return {"Targets": [{"Id": str(number), "Arn": arn} for number, arn in targets]}
    raise AwsError("ResourceNotFoundException", f"Rule {name} does not exist.", 400)
