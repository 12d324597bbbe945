"""Each fault over HTTP, as a client sees it, and whether the call was applied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)

from demo.aws.account import Simulator
from demo.aws.authentication import ADMIN_CREDENTIALS
from demo.aws.control import Control
from demo.aws.inprocess import simulated
from demo.aws.server import served
from tests.demo.cast import Clock, client, code

HTTP = 60


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A small account over HTTP, shared by this file; each test makes users of its own."""
    with served(Simulator(1, HTTP, Clock(), lookup_rate=0)) as address:
        yield address


@pytest.fixture
def control(endpoint: str) -> Iterator[Control]:
    desk = Control(endpoint)
    yield desk
    desk.clear_faults()


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("throttling", "Throttling"),
        ("error", "ServiceFailure"),
        ("access-denied", "AccessDenied"),
        ("delete-conflict", "DeleteConflict"),
        ("temporarily-unmodifiable", "EntityTemporarilyUnmodifiable"),
        ("concurrent-modification", "ConcurrentModification"),
        ("limit-exceeded", "LimitExceeded"),
        ("no-such-entity", "NoSuchEntity"),
        ("expired-token", "ExpiredToken"),
    ],
)
def test_an_error_before_is_not_applied_and_strikes_once(
    endpoint: str, control: Control, kind: str, wanted: str
) -> None:
    iam = client("iam", endpoint=endpoint)
    control.set_fault(kind, "CreateUser")
    with pytest.raises(ClientError) as refusal:
        iam.create_user(UserName=f"after-{kind}")
    assert code(refusal.value) == wanted
    iam.create_user(UserName=f"after-{kind}")


def test_an_error_after_was_applied(endpoint: str, control: Control) -> None:
    iam = client("iam", endpoint=endpoint)
    control.set_fault("error-after", "CreateUser")
    with pytest.raises(ClientError) as refusal:
        iam.create_user(UserName="half-told")
    assert code(refusal.value) == "ServiceFailure"
    assert iam.get_user(UserName="half-told")["User"]["UserName"] == "half-told"


@pytest.mark.parametrize(("kind", "applied"), [("reset", False), ("reset-after", True)])
def test_a_reset_loses_the_answer_and_perhaps_the_call(
    endpoint: str, control: Control, kind: str, applied: bool
) -> None:
    iam = client("iam", endpoint=endpoint)
    control.set_fault(kind, "CreateUser")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        iam.create_user(UserName=f"lost-{kind}")
    names = [user["UserName"] for page in iam.get_paginator("list_users").paginate()
             for user in page["Users"]]  # fmt: skip
    assert (f"lost-{kind}" in names) is applied
    (call,) = [c for c in control.calls(operation="CreateUser")
               if c["params"]["UserName"] == f"lost-{kind}"]  # fmt: skip
    assert call["outcome"] == "ConnectionLost"
    assert call["applied"] is applied


def test_a_client_that_gave_up_cannot_tell_that_it_was_applied(
    endpoint: str, control: Control
) -> None:
    impatient = Config(retries={"total_max_attempts": 1}, read_timeout=0.3)
    session = boto3.session.Session(
        aws_access_key_id=ADMIN_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ADMIN_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=ADMIN_CREDENTIALS["AWS_SESSION_TOKEN"],
        region_name="us-east-1",
    )
    iam = session.client("iam", endpoint_url=endpoint, config=impatient)
    control.set_fault("time-out", "CreateUser")
    with pytest.raises(ReadTimeoutError):
        iam.create_user(UserName="never-told")
    assert iam.get_user(UserName="never-told")["User"]["UserName"] == "never-told"


def test_every_answer_bears_the_date_of_the_account(endpoint: str) -> None:
    told = client("iam", endpoint=endpoint).get_account_summary()
    stamp = parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert stamp == Clock()().replace(microsecond=0)


def test_the_account_is_put_back_as_it_was_kept() -> None:
    simulator = Simulator(1, 5, Clock(), lookup_rate=0)
    kept = simulator.keep()
    with simulated(simulator):
        client("iam").create_user(UserName="for-now")
        simulator.put_back(kept)
        with pytest.raises(ClientError) as refusal:
            client("iam").get_user(UserName="for-now")
    assert code(refusal.value) == "NoSuchEntity"


def test_latency_delays_the_answer(endpoint: str, control: Control) -> None:
    control.set_fault("latency", "GetAccountSummary", seconds=0.3)
    began = time.monotonic()
    client("iam", endpoint=endpoint).get_account_summary()
    assert time.monotonic() - began >= 0.3


def test_a_stale_read_still_shows_what_is_gone(endpoint: str, control: Control) -> None:
    iam = client("iam", endpoint=endpoint)
    iam.create_user(UserName="ghostly")
    iam.get_user(UserName="ghostly")
    iam.delete_user(UserName="ghostly")
    control.set_fault("stale", "GetUser")
    assert iam.get_user(UserName="ghostly")["User"]["UserName"] == "ghostly"
    with pytest.raises(ClientError) as refusal:
        iam.get_user(UserName="ghostly")
    assert code(refusal.value) == "NoSuchEntity"


def test_short_pages_are_shorter_than_asked(endpoint: str, control: Control) -> None:
    control.set_fault("short-pages", "ListUsers", size=3)
    first = client("iam", endpoint=endpoint).list_users(MaxItems=50)
    assert len(first["Users"]) == 3
    assert first["IsTruncated"]


def test_a_fault_waits_its_turn_and_knows_its_target(endpoint: str, control: Control) -> None:
    iam = client("iam", endpoint=endpoint)
    control.set_fault("throttling", "GetUser", skip=1, match={"UserName": "break-glass"})
    iam.get_user(UserName="break-glass")
    iam.get_role(RoleName="iam-cleanup")
    with pytest.raises(ClientError) as refusal:
        iam.get_user(UserName="break-glass")
    assert code(refusal.value) == "Throttling"


def test_throttling_is_spelled_by_protocol(endpoint: str, control: Control) -> None:
    control.set_fault("throttling", "LookupEvents")
    with pytest.raises(ClientError) as refusal:
        client("cloudtrail", endpoint=endpoint).lookup_events()
    assert code(refusal.value) == "ThrottlingException"


def test_an_unknown_fault_is_refused_at_the_desk(control: Control) -> None:
    with pytest.raises(ValueError, match="No such fault"):
        control.set_fault("gremlins")


def test_the_desk_counts_acts_and_tells_the_truth(endpoint: str, control: Control) -> None:
    before = control.counts().get("GetAccountSummary", 0)
    client("iam", endpoint=endpoint).get_account_summary()
    assert control.counts()["GetAccountSummary"] == before + 1
    assert len(control.truth()) == HTTP
    made = control.act("api", operation="CreateAccessKey", params={"UserName": "break-glass"})
    assert made["result"]["AccessKey"]["AccessKeyId"].startswith("AKIA")
    assert control.act("call", user="break-glass") == {"happened": True}
    assert control.health()["account"] == "123456789012"
