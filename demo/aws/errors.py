"""What the simulated account refuses with: an AWS error code, its words and its HTTP status."""

from __future__ import annotations


class AwsError(Exception):
    """An error answer. `code` is the wire code, e.g. `NoSuchEntity`; `status` the HTTP status.

    `more` are the further fields that a JSON error of its service has.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, more: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.more = more or {}


class ConnectionLost(Exception):
    """The connection breaks instead of an answer. Whether the call was applied stays unknown."""


class NoAnswer(ConnectionLost):
    """The connection stands, and nothing comes until the client gives up."""


def no_such_entity(message: str) -> AwsError:
    """404 NoSuchEntity, with IAM's wording given by the caller."""
    return AwsError("NoSuchEntity", message, 404)


def conflict(message: str) -> AwsError:
    """409 DeleteConflict, naming what is left."""
    return AwsError("DeleteConflict", message, 409)


def exists(message: str) -> AwsError:
    """409 EntityAlreadyExists."""
    return AwsError("EntityAlreadyExists", message, 409)


def limit(what: str, quota: int) -> AwsError:
    """409 LimitExceeded in IAM's wording, e.g. `Cannot exceed quota for PoliciesPerUser: 10`."""
    return AwsError("LimitExceeded", f"Cannot exceed quota for {what}: {quota}", 409)


def invalid(message: str) -> AwsError:
    """400 ValidationError."""
    return AwsError("ValidationError", message, 400)


def denied_by(service: str) -> tuple[str, int]:
    """The code and status with which each service refuses for want of permission."""
    if service in ("iam", "sts", "s3"):
        return "AccessDenied", 403
    if service == "sns":
        return "AuthorizationError", 403
    return "AccessDeniedException", 403 if service == "eks" else 400


def denied(message: str) -> AwsError:
    """403 AccessDenied."""
    return AwsError("AccessDenied", message, 403)
