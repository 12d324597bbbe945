"""What the simulator's tests stand on: a clock to move, clients to call with, users to act on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.authentication import ADMIN_CREDENTIALS, PRODUCT_CREDENTIALS

WEDNESDAY = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/{}"
EXTERNAL_ID = "demo-external-id"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = WEDNESDAY) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


def client(
    service: str,
    credentials: dict[str, str] = ADMIN_CREDENTIALS,
    region: str = "us-east-1",
    endpoint: str | None = None,
) -> Any:
    """A boto3 client that tries once and waits for nobody."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
        config=Config(retries={"total_max_attempts": 1}, read_timeout=5),
    )


def key_credentials(access_key_id: str) -> dict[str, str]:
    """Credentials made of a long-term access key."""
    return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": "any"}


def assumed(role: str, **how: Any) -> dict[str, str]:
    """Credentials of one of the three roles, as the product gets them."""
    asked: dict[str, Any] = {
        "RoleArn": ROLE.format(role),
        "RoleSessionName": "worker-1",
        "ExternalId": EXTERNAL_ID,
        **how,
    }
    given = client("sts", PRODUCT_CREDENTIALS).assume_role(**asked)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def code(error: ClientError) -> str:
    """AWS's error code."""
    return str(error.response["Error"]["Code"])


def named(simulator: Simulator, **facts: str) -> list[str]:
    """The names of the users about whom these facts are true."""
    return [
        str(truth["user_name"])
        for truth in simulator.truth
        if all(truth[fact] == value for fact, value in facts.items())
    ]


def trap(simulator: Simulator, name: str) -> str:
    """The name of the first user that plays this trap."""
    return next(str(t["user_name"]) for t in simulator.truth if name in t["traps"])


def one_key(simulator: Simulator, user_name: str) -> str:
    """An active access key of a user."""
    keys = simulator.account.user(user_name).keys.values()
    return next(key.id for key in keys if key.status == "Active")


def events(region: str = "us-east-1", **attribute: str) -> list[dict[str, Any]]:
    """All events of Event history for one attribute, e.g. `Username="marta.ruiz"`."""
    wanted = [{"AttributeKey": key, "AttributeValue": value} for key, value in attribute.items()]
    pages = client("cloudtrail", region=region).get_paginator("lookup_events")
    return [event for page in pages.paginate(LookupAttributes=wanted) for event in page["Events"]]
