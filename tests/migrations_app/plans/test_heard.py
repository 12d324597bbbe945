"""A rule counts as an alarm only if EventBridge would really match a use with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from migrations_app.plans.break_glass import BreakGlass
from migrations_app.plans.break_glass_files import pattern
from migrations_app.plans.heard import everything_heard, hears, hears_a_use, uses

FACTS = BreakGlass(
    account_id="123456789012",
    user_name="break-glass",
    arn="arn:aws:iam::123456789012:user/breakglass/break-glass",
    user_id="AIDAEXAMPLEBREAKGLASS",
)
SIGN_IN, CALL = uses(FACTS, "us-east-1")
NAMED: dict[str, Any] = {"detail": {"userIdentity": {"userName": ["break-glass"]}}}


def test_the_alarm_that_we_generate_hears_everything() -> None:
    assert everything_heard([json.dumps(pattern(FACTS))], FACTS, "eu-north-1")


def test_an_alarm_on_calls_alone_does_not_hear_a_sign_in() -> None:
    told = json.dumps(NAMED | {"source": ["aws.iam"]})
    assert hears_a_use(told, FACTS, "us-east-1")
    assert not everything_heard([told], FACTS, "us-east-1")
    other = json.dumps(NAMED | {"source": ["aws.signin"]})
    assert everything_heard([told, other], FACTS, "us-east-1")


def test_an_alarm_on_another_user_hears_nothing() -> None:
    other = {"detail": {"userIdentity": {"userName": ["break-glass-02"]}}}
    assert not hears_a_use(json.dumps(other), FACTS, "us-east-1")


@pytest.mark.parametrize(
    ("told", "matches"),
    [
        (NAMED, True),
        ({"detail": {"userIdentity": {"userName": [{"prefix": "break-"}]}}}, True),
        ({"detail": {"userIdentity": {"userName": [{"prefix": "brake"}]}}}, False),
        ({"detail": {"userIdentity": {"userName": [{"suffix": "glass"}]}}}, True),
        ({"detail": {"userIdentity": {"arn": [{"wildcard": "*:user/breakglass/*"}]}}}, True),
        ({"detail": {"userIdentity": {"userName": [{"equals-ignore-case": "BREAK-GLASS"}]}}}, True),
        ({"detail": {"userIdentity": {"userName": [{"prefix": {"equals-ignore-case": "BREAK"}}]}}},
         True),
        ({"detail": {"userIdentity": {"type": [{"anything-but": "Root"}]}}}, True),
        ({"detail": {"userIdentity": {"type": [{"anything-but": ["IAMUser", "Root"]}]}}}, False),
        ({"detail": {"userIdentity": {"type": [{"anything-but": {"prefix": "IAM"}}]}}}, False),
        ({"detail": {"errorCode": [{"exists": False}]}}, True),
        ({"detail": {"errorCode": [{"exists": True}]}}, False),
        ({"detail": {"eventName": ["ConsoleLogin"]}}, True),
        ({"$or": [{"source": ["aws.s3"]}, {"source": ["aws.signin"]}]}, True),
        ({"$or": [{"source": ["aws.s3"]}]}, False),
        ({"source": "aws.signin"}, False),  # no list: EventBridge takes no such pattern
        ({"source": []}, False),
        ({"detail": ["text"]}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_a_pattern_is_read_as_eventbridge_reads_it(told: dict[str, Any], matches: bool) -> None:
    assert hears(json.dumps(told), SIGN_IN) is matches


@pytest.mark.parametrize(
    "told",
    [
        {"source": [{"numeric": ["=", 5]}]},
        {"source": [{"anything-but": {"cidr": "10.0.0.0/8"}}]},
        {"source": [{"prefix": "aws", "suffix": "signin"}]},
        {"source": [{"wildcard": "aws.?ignin"}]},
        {"source": [{"prefix": 5}]},
        {"$or": "aws.signin"},
    ],
)
def test_what_is_not_understood_is_no_alarm(told: dict[str, Any]) -> None:
    assert not hears(json.dumps(told), SIGN_IN)


@pytest.mark.parametrize("text", ["", "no json", "[]", "5", "[" * 5000])
def test_what_is_no_pattern_is_no_alarm(text: str) -> None:
    assert not hears(text, CALL)
