"""What AWS refused or could not do, in its own words: the one error that leaves these modules."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ResponseStreamingError,
)

THROTTLES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "PriorRequestNotComplete",
    }
)
# IAM answers these while it settles; the same request may succeed a moment later. LimitExceeded and
# DeleteConflict can also be final: whoever retries them has a deadline.
_PASSING = frozenset(
    {
        "EntityTemporarilyUnmodifiable",
        "ConcurrentModification",
        "LimitExceeded",
        "DeleteConflict",
        "ServiceFailure",
        "ServiceUnavailable",
        "InternalFailure",
        "InternalError",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
# botocore calls a connection that never came about by other names than one that broke.
_CONNECTION = (
    HTTPClientError,
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    ResponseStreamingError,
    IncompleteReadError,
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


# A request that was signed wrongly is answered with what should have been signed, and that holds
# the session token. Whatever names a secret is cut at the door: these words go to rows, logs and
# pages.
_SECRET = re.compile(
    r"""(x-amz-security-token|session_?token|secret_?access_?key|x-amz-signature|signature)
        (["'=:>\s]+)([A-Za-z0-9+/=%_.~-]{16,})""",
    re.IGNORECASE | re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """`text` without session tokens, secret keys and signatures, and without NUL characters."""
    return _SECRET.sub(r"\1\2(not shown)", text.replace("\x00", ""))


class AwsFailure(Exception):
    """A call to AWS that did not succeed, or an answer that cannot be trusted.

    `code` and `message` are AWS's own; "Connection" means that no answer came, so a write may or
    may not have been applied. `http_status` is 0 where there was no answer. `retryable` says that
    the same call may succeed later.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        operation: str = "",
        request_id: str = "",
        http_status: int = 0,
        retryable: bool = False,
    ) -> None:
        self.code = code
        self.message = message = without_secrets(message)
        self.operation = operation
        self.request_id = request_id
        self.http_status = http_status
        self.retryable = retryable
        super().__init__(f"{operation}: {code}: {message}" if operation else f"{code}: {message}")

    @property
    def words(self) -> str:
        """As a page shows it: the operation, AWS's own words, the request id."""
        return f"{self} (request {self.request_id})" if self.request_id else str(self)

    @property
    def throttled(self) -> bool:
        return self.code in THROTTLES

    @property
    def denied(self) -> bool:
        """AWS refused for want of permission, in any of its spellings."""
        # SNS says AuthorizationError.
        return self.code.startswith(("AccessDenied", "AuthorizationError")) or self.code.endswith(
            "UnauthorizedOperation"
        )


class NoSuchUser(AwsFailure):
    """GetUser itself answered NoSuchEntity: no user bears this name now."""


def failure(error: ClientError | BotoCoreError, operation: str) -> AwsFailure:
    """`error` as an AwsFailure of `operation` (AWS's name of the call, such as "GetUser")."""
    # It stays the cause, and a traceback in a log line shows the causes too.
    error.args = (without_secrets(str(error)),)
    if isinstance(error, ClientError):
        return _refused(error, operation)
    if isinstance(error, _CONNECTION):
        return AwsFailure("Connection", str(error), operation=operation, retryable=True)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return AwsFailure("NoCredentials", str(error), operation=operation)
    return AwsFailure(type(error).__name__, str(error), operation=operation)


def _refused(error: ClientError, operation: str) -> AwsFailure:
    told = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code = str(told.get("Code") or "Unknown")
    status = int(meta.get("HTTPStatusCode") or 0)
    return AwsFailure(
        code,
        str(told.get("Message") or "AWS gave no message."),
        operation=operation,
        request_id=str(meta.get("RequestId") or ""),
        http_status=status,
        retryable=code in THROTTLES | _PASSING | _EXPIRED or status >= 500,
    )
