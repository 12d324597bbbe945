"""What guards the break-glass user in AWS: rules that hear of its use, policies that deny changes.

Only what stands there is read; whether it is enough is judged elsewhere, without AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask, token_listing
from inventory.aws.session import AwsSession

# With this one also calls that only read are told (EventBridge user guide, CloudTrail events).
_EVERYTHING = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
_ON = frozenset({"ENABLED", _EVERYTHING})
_ALONE = "AWSOrganizationsNotInUseException"
_SCP = "SERVICE_CONTROL_POLICY"
# Account, organizational units (five levels at most), root.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """An EventBridge rule that is switched on. `pattern` is JSON; `targets`: how many hear it."""

    name: str
    pattern: str
    targets: int


@dataclass(frozen=True, slots=True)
class OrganizationPolicies:
    """Service control policies that reach an account.

    `out_of_reach`: none acts there, since it manages its organization or is in none.
    """

    out_of_reach: bool
    documents: tuple[Any, ...]


def rules(session: AwsSession, region: str, wanted: Callable[[str], bool]) -> tuple[Rule, ...]:
    """The rules of the Region's default bus whose pattern is `wanted`. Raises AwsFailure.

    CloudTrail's events arrive on the default bus alone. Targets are asked for only of those rules.
    """
    client = session.client("events", region)
    found = []
    for told in token_listing(client.list_rules, "ListRules", "Rules"):
        pattern = str(told.get("EventPattern") or "")
        if told.get("State") not in _ON or not pattern or not wanted(pattern):
            continue
        name = str(told["Name"])
        targets = token_listing(
            client.list_targets_by_rule, "ListTargetsByRule", "Targets", Rule=name
        )
        found.append(Rule(name, pattern, len(targets)))
    return tuple(found)


def organization_policies(session: AwsSession, account_id: str) -> OrganizationPolicies:
    """What the organization denies in this account. Raises AwsFailure.

    AWS answers the management account and delegated administrators alone.
    """
    client = session.client("organizations")
    try:
        told = ask(client.describe_organization, "DescribeOrganization")["Organization"]
    except AwsFailure as failed:
        if failed.code == _ALONE and session.account_id == account_id:
            return OrganizationPolicies(True, ())
        raise
    if str(told["MasterAccountId"]) == account_id:
        return OrganizationPolicies(True, ())
    ids: dict[str, None] = {}
    for target in _above(client, account_id):
        attached = token_listing(
            client.list_policies_for_target,
            "ListPoliciesForTarget",
            "Policies",
            TargetId=target,
            Filter=_SCP,
        )
        ids |= dict.fromkeys(str(one["Id"]) for one in attached)
    return OrganizationPolicies(False, tuple(_document(client, one) for one in ids))


def _above(client: Any, account_id: str) -> Iterator[str]:
    """The account, its organizational units and the root."""
    target: str | None = account_id
    for _ in range(_DEEPEST):
        if target is None:
            return
        yield target
        if target.startswith("r-"):
            return
        parents = token_listing(client.list_parents, "ListParents", "Parents", ChildId=target)
        target = str(parents[0]["Id"]) if parents else None


def _document(client: Any, policy_id: str) -> Any:
    """The document as JSON; None where it is none."""
    policy = ask(client.describe_policy, "DescribePolicy", PolicyId=policy_id)["Policy"]
    try:
        return json.loads(policy["Content"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
