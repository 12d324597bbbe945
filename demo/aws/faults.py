"""Faults that can be set while the account runs, for an operation or for all of them.

Each says whether the call is applied: a caller that sees only a broken connection cannot tell.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

from .calls import Call
from .errors import AwsError, denied_by

KINDS = {
    "throttling": "Throttling / ThrottlingException, not applied",
    "error": "500 ServiceFailure, not applied",
    "error-after": "500 ServiceFailure, applied",
    "reset": "connection reset, not applied",
    "reset-after": "connection reset, applied: the answer is lost",
    "time-out": "no answer until the client gives up, applied",
    "access-denied": "403 AccessDenied, not applied",
    "region-disabled": "UnrecognizedClientException / InvalidClientTokenId, not applied",
    "not-permitted": "400 OperationNotPermittedException, not applied",
    "latency": "the answer comes `seconds` later",
    "delete-conflict": "409 DeleteConflict, not applied",
    "temporarily-unmodifiable": "409 EntityTemporarilyUnmodifiable, not applied",
    "concurrent-modification": "409 ConcurrentModification, not applied",
    "limit-exceeded": "409 LimitExceeded, not applied",
    "no-such-entity": "404 NoSuchEntity, not applied",
    "expired-token": "403 ExpiredToken, not applied",
    "stale": "a read answers what it answered before (eventual consistency)",
    "short-pages": "pages of at most `size` rows",
    "job-failed": "a job that began ends as FAILED",
    "job-stuck": "a job that began stays IN_PROGRESS",
}
_ERRORS = {
    "error": ("ServiceFailure", "Internal failure. Please try again.", 500),
    "error-after": ("ServiceFailure", "Internal failure. Please try again.", 500),
    "delete-conflict": (
        "DeleteConflict", "Cannot delete entity, must remove all referenced objects first.", 409),
    "temporarily-unmodifiable": (
        "EntityTemporarilyUnmodifiable",
        "The entity is temporarily unmodifiable. Please try again later.", 409),
    "concurrent-modification": (
        "ConcurrentModification",
        "The request was rejected because multiple requests to change this object were "
        "submitted simultaneously.", 409),
    "limit-exceeded": ("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10", 409),
    "no-such-entity": ("NoSuchEntity", "The entity cannot be found.", 404),
    "not-permitted": (
        "OperationNotPermittedException", "The requested operation is not permitted.", 400),
    "expired-token": (
        "ExpiredToken", "The security token included in the request is expired", 403),
}  # fmt: skip


@dataclass
class Fault:
    """`operation` is a name such as `DeleteUser`, or `*`. It strikes `count` times (None: until
    cleared), each time with `probability`, after letting `skip` matching calls pass, and only for
    calls whose parameters contain `match`."""

    kind: str
    operation: str = "*"
    count: int | None = 1
    probability: float = 1.0
    skip: int = 0
    match: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    size: int = 1
    message: str = ""
    region: str = ""
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"No such fault: {self.kind}. There are: {', '.join(sorted(KINDS))}.")

    def fits(self, call: Call) -> bool:
        """Whether it is about this call."""
        if self.operation not in ("*", call.operation):
            return False
        if self.region and self.region != call.region:
            return False
        return all(str(call.params.get(name)) == value for name, value in self.match.items())

    def error(self, call: Call) -> AwsError:
        """The error this fault answers with."""
        if self.kind == "throttling":
            if call.service == "s3":
                return AwsError("SlowDown", "Please reduce your request rate.", 503)
            query = call.service in ("iam", "sts", "ec2", "sns")
            code = "Throttling" if query else "ThrottlingException"
            return AwsError(code, "Rate exceeded", 400)
        if self.kind == "access-denied":
            action = f"{call.service}:{call.operation}"
            code, status = denied_by(call.service)
            words = f"User is not authorized to perform: {action}"
            return AwsError(code, self.message or words, status)
        if self.kind == "region-disabled":
            query = call.service in ("iam", "sts", "ec2")
            code = "InvalidClientTokenId" if query else "UnrecognizedClientException"
            words = "The security token included in the request is invalid."
            return AwsError(code, self.message or words, 403 if query else 400)
        code, message, status = _ERRORS[self.kind]
        return AwsError(code, self.message or message, status)


class Faults:
    """The faults that are set now."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self._random = random.Random(0)

    def add(self, fault: Fault) -> None:
        self._set.append(fault)

    def clear(self) -> None:
        self._set = []

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._set]

    def strike(self, call: Call) -> list[Fault]:
        """The faults that hit this call, in the order they were set; counts them down."""
        hits = []
        for fault in self._set:
            if not fault.fits(call):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif (fault.count is None or fault.count > 0) and (
                self._random.random() < fault.probability
            ):
                fault.count = None if fault.count is None else fault.count - 1
                fault.struck += 1
                hits.append(fault)
        return hits
