"""Only what this IAM user did itself counts as its event."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.aws.cloudtrail import as_event

USER_ID = "AIDA1"


def record(identity: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "eventID": "e-1",
        "eventTime": "2025-02-27T15:51:00Z",
        "awsRegion": "us-east-1",
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListBuckets",
        "sourceIPAddress": "203.0.113.24",
        "userAgent": "aws-cli/2.15",
        "userIdentity": identity or {"type": "IAMUser", "principalId": USER_ID},
        **more,
    }


def test_its_own_call_is_use() -> None:
    event = as_event(record(), USER_ID)
    assert event is not None
    assert (event.service, event.action, event.kind) == ("s3", "ListBuckets", "use")
    assert event.at.tzinfo is not None


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "AssumedRole", "principalId": "AROA1:sara", "userName": "sara"},
        {"type": "IAMUser", "principalId": "AIDA2", "userName": "sara"},
        {"type": "Root", "principalId": "123456789012"},
        {},
    ],
)
def test_somebody_else_of_the_same_name_is_not_it(identity: dict[str, Any]) -> None:
    assert as_event({**record(), "userIdentity": identity}, USER_ID) is None


def test_a_federation_token_is_its_issuers_use() -> None:
    identity = {
        "type": "FederatedUser",
        "principalId": "123456789012:anybody",
        "sessionContext": {"sessionIssuer": {"type": "IAMUser", "principalId": USER_ID}},
    }
    assert as_event(record(identity), USER_ID) is not None


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"]
)
def test_a_refused_call_is_denied(code: str) -> None:
    event = as_event(record(errorCode=code), USER_ID)
    assert event is not None
    assert event.kind == "denied"


def test_an_error_other_than_a_refusal_is_use() -> None:
    event = as_event(record(errorCode="NoSuchBucket"), USER_ID)
    assert event is not None
    assert event.kind == "use"


@pytest.mark.parametrize(
    "told",
    [
        {"errorMessage": "Failed authentication"},
        {"responseElements": {"ConsoleLogin": "Failure"}},
    ],
)
def test_a_failed_sign_in_is_its_own_kind(told: dict[str, Any]) -> None:
    signed = record(eventSource="signin.amazonaws.com", eventName="ConsoleLogin", **told)
    event = as_event(signed, USER_ID)
    assert event is not None
    assert event.kind == "failed-sign-in"
