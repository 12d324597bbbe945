"""What may pass is told from what will not, whatever botocore calls it."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from inventory.aws.failure import failure

URL = "https://iam.amazonaws.com"


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        ProxyConnectionError(proxy_url=URL),
    ],
)
def test_a_connection_that_broke_or_never_came_about_may_be_tried_again(
    error: BotoCoreError,
) -> None:
    failed = failure(error, "GetUser")
    assert (failed.code, failed.retryable, failed.http_status) == ("Connection", True, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoCredentialsError(), "NoCredentials"),
        (ParamValidationError(report="no"), "ParamValidationError"),
        (SSLError(endpoint_url=URL, error=ValueError("certificate")), "SSLError"),
    ],
)
def test_what_no_second_try_helps_is_not_tried_again(error: BotoCoreError, code: str) -> None:
    failed = failure(error, "GetUser")
    assert (failed.code, failed.retryable, failed.operation) == (code, False, "GetUser")
