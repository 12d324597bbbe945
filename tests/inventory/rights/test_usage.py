"""What was granted against what was used; nothing is called never used without Access Advisor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory.rights.privilege import held, privilege
from inventory.rights.usage import Done, Usage, usage

NOW = datetime(2026, 3, 6, 14, 22, tzinfo=UTC)
ARN = "arn:aws:iam::123456789012:user/ci"


def facts(*actions: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return privilege([held("p", "inline", {"Statement": statement})], (), ARN).facts


def advisor(**used: int | None) -> list[dict[str, Any]]:
    """Services with the days since their last use."""
    return [
        {
            "service": service,
            "at": None if days is None else (NOW - timedelta(days=days)).isoformat(),
        }
        for service, days in used.items()
    ]


def called(*calls: str) -> list[Done]:
    named = (call.partition(":") for call in calls)
    return [Done(service, action, NOW - timedelta(days=1)) for service, _, action in named]


def found(given: dict[str, Any], services: Any, *calls: str) -> Usage:
    return usage(given, services, called(*calls))


def test_used_services_are_counted_among_the_granted_ones() -> None:
    one = found(facts("s3:*", "sqs:*", "ecs:Update*"), advisor(s3=200, ec2=3), "ecs:UpdateService")
    assert one.granted == 3
    assert [service for service, _ in one.used] == ["ecs", "s3"]
    assert one.never_used == ("sqs",)
    assert one.beyond == ("ec2",)


@pytest.mark.parametrize("services", [None])
def test_without_access_advisor_nothing_is_called_never_used(services: None) -> None:
    one = found(facts("s3:*", "sqs:*"), services, "sqs:CreateQueue")
    assert one.never_used is None
    assert [service for service, _ in one.used] == ["sqs"]


def test_a_service_that_advisor_never_saw_is_not_used() -> None:
    one = found(facts("s3:*"), advisor(s3=None))
    assert (one.used, one.never_used) == ((), ("s3",))


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        ("lambda:CreateFunction20150331", "lambda:CreateFunction"),
        ("lambda:UpdateFunctionCode20150331v2", "lambda:updatefunctioncode"),
        ("monitoring:GetMetricData", "cloudwatch:Get*"),
        ("s3:ListBuckets", "s3:ListAllMyBuckets"),
    ],
)
def test_events_are_matched_by_the_names_that_policies_use(call: str, pattern: str) -> None:
    (policy,) = found(facts(pattern), [], call).policies
    assert policy.used_actions == 1
    assert len(policy.used_services) == 1


def test_a_policy_counts_only_what_it_grants() -> None:
    (policy,) = found(facts("ecs:Update*"), [], "ecs:UpdateService", "ecs:RunTask").policies
    assert policy.used_actions == 1


def test_for_an_administrator_everything_used_was_granted() -> None:
    one = found(facts("*"), advisor(s3=3), "ec2:RunInstances", "ecs:RunTask")
    (policy,) = one.policies
    assert policy.every_action
    assert policy.used_actions == 2
    assert [service for service, _ in one.used] == ["ec2", "ecs", "s3"]
    assert one.granted > 400
    assert one.never_used is None


def test_nothing_known_is_nothing_claimed() -> None:
    assert found({}, None) == Usage(0, (), (), None, ())
