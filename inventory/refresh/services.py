"""The step `services`: service last accessed for the users that nothing else shows in use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from inventory import clock
from inventory.aws import last_accessed
from inventory.aws.last_accessed import ServiceAccess
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import IamUser, Organization
from inventory.policy import policy_for
from inventory.refresh.judging import evidence_of, of_sync
from inventory.refresh.run import Run
from inventory.refresh.trail import FENCE
from inventory.verdict import VerdictValue, verdict

_CHUNK = 20


def read_services(run: Run) -> bool:
    """The step `services`; False when the slice ended before all were read."""
    doubtful = [user for user in _in_doubt(run) if not _fenced(user)]
    pending = [user for user in doubtful if user.coverage.get("services_sync") != run.sync.pk]
    limiter = Limiter.for_last_accessed(run.account)
    done = len(doubtful) - len(pending)
    for start in range(0, len(pending), _CHUNK):
        if start and run.time_left() <= 0:
            return False
        chunk = pending[start : start + _CHUNK]
        told = last_accessed.read_many(run.aws, [user.arn for user in chunk], limiter)
        with transaction.atomic():
            for user in chunk:
                _keep(run, user, told[user.arn])
            IamUser.objects.bulk_update(chunk, ["coverage"])
            done += len(chunk)
            run.advance("services", done, len(doubtful))
    broken = [user for user in of_sync(run.sync) if "services" in user.coverage["gaps"]]
    if broken:
        words = broken[0].coverage["gaps"]["services"]
        run.fail("services", f"{len(broken)} of {len(doubtful)} users: {words}")
    else:
        run.finish("services", f"{len(doubtful)} users in doubt")
    return True


def _in_doubt(run: Run) -> list[IamUser]:
    organization = Organization.get()
    now = clock.now()
    found = []
    for user in of_sync(run.sync):
        policy = policy_for(organization, run.account, user.shown_category)
        judged = verdict(evidence_of(user, run.account), policy.dormant_after, now)
        # Asked already in this sync: its answer may be what took the doubt away.
        asked = user.coverage.get("services_sync") == run.sync.pk
        if asked or judged.value is not VerdictValue.ACTIVE:
            found.append(user)
    return found


def _fenced(user: IamUser) -> bool:
    """After a deny on everything the list may be empty; what was read before stays true."""
    held = any(arn.endswith(FENCE) for arn in (*user.attached_policies, user.boundary_arn))
    return held and "services" in user.coverage


def _keep(run: Run, user: IamUser, told: tuple[ServiceAccess, ...] | AwsFailure) -> None:
    user.coverage["services_sync"] = run.sync.pk
    if isinstance(told, AwsFailure):
        user.coverage["gaps"] = user.coverage.get("gaps", {}) | {
            "services": f"Access Advisor: {told}"
        }
        return
    user.coverage["services"] = _later_of(user.coverage.get("services", []), told)
    user.coverage["services_at"] = clock.now().isoformat()


def _later_of(
    before: Iterable[dict[str, Any]], told: Iterable[ServiceAccess]
) -> list[dict[str, Any]]:
    """By service the later date of what was known and what is told; never accessed stays None."""
    dates: dict[str, datetime | None] = {
        one["service"]: datetime.fromisoformat(one["at"]) if one["at"] else None for one in before
    }
    for one in told:
        known = dates.get(one.service)
        if one.at is not None and (known is None or one.at > known):
            dates[one.service] = one.at
        dates.setdefault(one.service, one.at)
    return [
        {"service": service, "at": at.isoformat() if at else None}
        for service, at in sorted(dates.items())
    ]
