"""Who assumed a role is read from STS's own events, whatever else stands in event history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.aws.role_sessions import as_assumed

ARN = "arn:aws:iam::123456789012:role/github-shop"
AT = datetime(2025, 3, 6, 14, tzinfo=UTC)
SUB = "repo:acme/shop:ref:refs/heads/main"
WEB: dict[str, Any] = {
    "eventSource": "sts.amazonaws.com",
    "eventName": "AssumeRoleWithWebIdentity",
    "userIdentity": {"type": "WebIdentityUser", "principalId": f"provider:{SUB}", "userName": SUB},
    "requestParameters": {"roleArn": ARN, "roleSessionName": "run-881"},
}


def test_a_pipeline_is_known_by_its_subject_and_session() -> None:
    found = as_assumed(WEB, AT, ARN)
    assert found is not None
    assert (found.at, found.event, found.who, found.session) == (
        AT,
        "AssumeRoleWithWebIdentity",
        SUB,
        "run-881",
    )


@pytest.mark.parametrize(
    ("identity", "who", "account"),
    [
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "ec2.amazonaws.com", ""),
        (
            {"type": "AWSAccount", "principalId": "AROAX:etl", "accountId": "999988887777"},
            "AROAX:etl",
            "999988887777",
        ),
        (
            {"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/a/b", "accountId": "1"},
            "arn:aws:sts::1:assumed-role/a/b",
            "1",
        ),
    ],
)
def test_a_service_and_another_account_are_told_apart(
    identity: dict[str, str], who: str, account: str
) -> None:
    found = as_assumed(WEB | {"eventName": "AssumeRole", "userIdentity": identity}, AT, ARN)
    assert found is not None
    assert (found.who, found.account_id) == (who, account)


@pytest.mark.parametrize(
    "change",
    [
        {"errorCode": "AccessDenied"},
        {"eventSource": "iam.amazonaws.com"},
        {"eventName": "GetCallerIdentity"},
        {"requestParameters": {"roleArn": ARN + "-2"}},
        {"requestParameters": None},
    ],
)
def test_what_began_no_session_of_this_role_is_none(change: dict[str, Any]) -> None:
    assert as_assumed(WEB | change, AT, ARN) is None


def test_an_event_without_a_time_proves_nothing() -> None:
    assert as_assumed(WEB, None, ARN) is None


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.sampled_from(list(WEB)), inner)))  # fmt: skip
def test_whatever_shape_a_record_has_nothing_breaks(record: Any) -> None:
    assert as_assumed(record, AT, ARN) is None
