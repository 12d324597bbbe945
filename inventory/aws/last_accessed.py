"""Service last accessed: when a user last reached each service, data plane included, 400 days back.

It counts denied attempts too and knows only services that the user's policies allow, so it says
most before a fence. Only the role session that started a job may read it: a job is begun and read
within one call here, and a worker that takes over begins another.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession

# AWS tells at least this much; a user's first days may be missing from it.
TRACKED = timedelta(days=400)
_PATIENCE_SECONDS = 20
_THREADS = 4


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """One service by its namespace; `at` is None where AWS tracked no access."""

    service: str
    at: datetime | None


def read_many(
    session: AwsSession, arns: Iterable[str], limiter: Limiter
) -> dict[str, tuple[ServiceAccess, ...] | AwsFailure]:
    """Each user's services, or why they could not be read."""
    wanted = list(arns)
    with ThreadPoolExecutor(_THREADS) as pool:
        # All jobs are started first: while one is waited for, AWS works on the others.
        jobs = list(pool.map(lambda arn: _start(session, arn, limiter), wanted))
        ends_at = time.monotonic() + _PATIENCE_SECONDS
        told = pool.map(lambda job: _wait_for(session, job, limiter, ends_at), jobs)
        return dict(zip(wanted, told, strict=True))


def _start(session: AwsSession, arn: str, limiter: Limiter) -> str | AwsFailure:
    limiter.wait()
    try:
        started = ask(
            session.client("iam").generate_service_last_accessed_details,
            "GenerateServiceLastAccessedDetails",
            Arn=arn,
            Granularity="SERVICE_LEVEL",
        )
    except AwsFailure as failed:
        return failed
    return str(started["JobId"])


def _wait_for(
    session: AwsSession, job: str | AwsFailure, limiter: Limiter, ends_at: float
) -> tuple[ServiceAccess, ...] | AwsFailure:
    if isinstance(job, AwsFailure):
        return job
    try:
        return _finished(session, job, limiter, ends_at)
    except AwsFailure as failed:
        return failed


def _finished(
    session: AwsSession, job: str, limiter: Limiter, ends_at: float
) -> tuple[ServiceAccess, ...]:
    while True:
        limiter.wait()
        told = _details(session, job)
        if told["JobStatus"] == "COMPLETED":
            break
        if told["JobStatus"] == "FAILED" or time.monotonic() > ends_at:
            reason = str(told.get("Error", {}).get("Message") or "The job did not finish.")
            operation = "GetServiceLastAccessedDetails"
            raise AwsFailure("JobFailed", reason, operation=operation, retryable=True)
        time.sleep(0.5)
    services = list(told["ServicesLastAccessed"])
    seen: set[str] = set()
    while told.get("IsTruncated"):
        marker = str(told.get("Marker") or "")
        if not marker or marker in seen:
            reason = "AWS said that the list goes on, but not where."
            operation = "GetServiceLastAccessedDetails"
            raise AwsFailure("HalfRead", reason, operation=operation, retryable=True)
        seen.add(marker)
        limiter.wait()
        told = _details(session, job, Marker=marker)
        services += told["ServicesLastAccessed"]
    return tuple(
        ServiceAccess(one["ServiceNamespace"], one.get("LastAuthenticated")) for one in services
    )


def _details(session: AwsSession, job: str, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = ask(
        session.client("iam").get_service_last_accessed_details,
        "GetServiceLastAccessedDetails",
        JobId=job,
        **more,
    )
    return told
