"""The step `services`: service last accessed, for users in doubt each time, for all within a week.

Whoever nothing else shows in use is asked about first: there the answer decides. The others are
asked so that yearly jobs show and that what is granted can be held against what is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, OuterRef, Q, Subquery

from inventory import clock
from inventory.aws import last_accessed
from inventory.aws.last_accessed import ServiceAccess
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import Activity, IamUser, Organization
from inventory.policy import policy_for
from inventory.reads import listed_by
from inventory.refresh.bulk import update
from inventory.refresh.run import Run
from inventory.refresh.trail import FENCE

_CHUNK = 20
_OTHERS_EVERY = timedelta(days=7)
# 28 syncs a week: enough for all 5,000 users that IAM allows, and no sync waits long for it.
_OTHERS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    """A user as far as this step needs it; `asked` in this sync already."""

    pk: int
    arn: str
    doubtful: bool
    asked: bool


def read_services(run: Run) -> bool:
    """The step `services`; False when the slice ended before all were read."""
    chosen = _chosen(run)
    pending = [one for one in chosen if not one.asked]
    limiter = Limiter.for_last_accessed(run.account)
    done = len(chosen) - len(pending)
    refused: AwsFailure | None = None
    for start in range(0, len(pending), _CHUNK):
        if start and run.time_left() <= 0:
            return False
        chunk = pending[start : start + _CHUNK]
        told: dict[str, tuple[ServiceAccess, ...] | AwsFailure]
        if refused is None:
            told = last_accessed.read_many(run.aws, [one.arn for one in chunk], limiter)
            refused = _refused(told.values())
        else:
            # Refused for all of a chunk is refused for all: the others are told without asking.
            told = dict.fromkeys([one.arn for one in chunk], refused)
        _save(run, chunk, told)
        done += len(chunk)
        run.advance("services", done, len(chosen))
    _forget_gaps(run)
    _conclude(run, chosen)
    return True


def _forget_gaps(run: Run) -> None:
    """Who did not have to be asked this time lacks nothing any more."""
    gone = listed_by(run.sync).filter(coverage__gaps__has_key="services")
    with transaction.atomic():
        users = list(
            gone.exclude(coverage__services_sync=run.sync.pk)
            .only("pk", "coverage")
            .order_by("pk")
            .select_for_update(no_key=True)
        )
        for user in users:
            del user.coverage["gaps"]["services"]
        update(users, ["coverage"])


def _conclude(run: Run, chosen: list[_Asked]) -> None:
    doubtful = sum(one.doubtful for one in chosen)
    broken = listed_by(run.sync).filter(coverage__gaps__has_key="services")
    words = broken.values_list("coverage__gaps__services", flat=True).first()
    if words:
        run.fail("services", f"{broken.count()} of {doubtful} users in doubt: {words}")
        return
    said = f"{doubtful} users in doubt, {len(chosen) - doubtful} others"
    unread = listed_by(run.sync).filter(
        coverage__services_sync=run.sync.pk, coverage__has_key="services_note"
    )
    if count := unread.count():
        said += f"; {count} not answered, asked again in the next sync"
    run.finish("services", said)


def _chosen(run: Run) -> list[_Asked]:
    """Whom this sync asks about: all in doubt, then those whose answer is a week old."""
    used = Activity.objects.filter(user=OuterRef("pk")).exclude(outcome="failed-sign-in")
    # Light columns only: thousands of users and all they did would fill the worker's memory.
    rows = (
        listed_by(run.sync)
        .order_by("pk")
        .annotate(
            key_used_at=Max("credentials__last_used_at", filter=Q(credentials__gone_at=None)),
            seen_at=Subquery(used.order_by("-last_at").values("last_at")[:1]),
        )
        .values_list(
            "pk",
            "arn",
            "attached_policies",
            "boundary_arn",
            "category",
            "category_override",
            "password_last_used_at",
            "key_used_at",
            "seen_at",
            "coverage__services_at",
            "coverage__services_sync",
        )
    )
    organization, now = Organization.get(), clock.now()
    after: dict[str, timedelta] = {}
    doubtful: list[tuple[str, _Asked]] = []
    others: list[tuple[str, _Asked]] = []
    for pk, arn, policies, boundary, sorted_as, override, *times, read_at, read_in in rows:
        asked = read_in == run.sync.pk
        if _is_fenced(policies, boundary) and read_at and not asked:
            continue
        category = override or sorted_as
        if category not in after:
            after[category] = policy_for(organization, run.account, category).dormant_after
        last = max((at for at in times if at), default=None)
        in_doubt = last is None or last <= now - after[category]
        one = _Asked(pk, arn, in_doubt, asked)
        if in_doubt:
            doubtful.append((read_at or "", one))
        elif asked or _is_due(read_at, now):
            others.append((read_at or "", one))
    for group in (doubtful, others):
        # Asked ones stay chosen over slices; of the rest those first who waited longest.
        group.sort(key=lambda pair: (not pair[1].asked, pair[0]))
    return [one for _, one in [*doubtful, *others[:_OTHERS_AT_ONCE]]]


def _is_due(read_at: str | None, now: datetime) -> bool:
    return not read_at or datetime.fromisoformat(read_at) <= now - _OTHERS_EVERY


def _is_fenced(policies: Iterable[str], boundary: str) -> bool:
    """After a deny on everything the list may be empty; what was read before stays true."""
    return any(arn.endswith(FENCE) for arn in (*policies, boundary))


def _refused(told: Iterable[tuple[ServiceAccess, ...] | AwsFailure]) -> AwsFailure | None:
    failures = [one if isinstance(one, AwsFailure) else None for one in told]
    return failures[0] if all(one is not None and one.denied for one in failures) else None


def _save(
    run: Run, chunk: list[_Asked], told: dict[str, tuple[ServiceAccess, ...] | AwsFailure]
) -> None:
    by_pk = {one.pk: one for one in chunk}
    with transaction.atomic():
        users = list(
            IamUser.objects.filter(pk__in=by_pk)
            .only("pk", "coverage", "attached_policies", "boundary_arn", "privilege_facts")
            .order_by("pk")
            .select_for_update()
        )
        for user in users:
            asked = by_pk[user.pk]
            user.coverage["services_sync"] = run.sync.pk
            _keep(user, told[asked.arn], doubtful=asked.doubtful)
        update(users, ["coverage"])


def _keep(user: IamUser, told: tuple[ServiceAccess, ...] | AwsFailure, *, doubtful: bool) -> None:
    coverage = user.coverage
    coverage.get("gaps", {}).pop("services", None)
    if isinstance(told, AwsFailure):
        coverage["services_note"] = f"Access Advisor: {told}"
        if doubtful:
            # Where other sources show use, nothing is missing from the verdict.
            gap = {"services": coverage["services_note"]}
            coverage["gaps"] = coverage.get("gaps", {}) | gap
        return
    if not told and (_is_granted_something(user) or coverage.get("services")):
        # So it is after a deny on everything. An empty list is then no proof of silence.
        coverage["services_note"] = (
            "Access Advisor told nothing, although policies allow something."
        )
        return
    now = clock.now()
    coverage.pop("services_note", None)
    coverage["services"] = _later_of(coverage.get("services", []), told)
    coverage["services_granted"] = len(told)
    coverage["services_at"] = now.isoformat()
    coverage["services_from"] = (now - last_accessed.TRACKED).isoformat()


def _is_granted_something(user: IamUser) -> bool:
    fenced = _is_fenced(user.attached_policies, user.boundary_arn)
    return fenced or bool(user.privilege_facts.get("services_count"))


def _later_of(
    before: Iterable[dict[str, Any]], told: Iterable[ServiceAccess]
) -> list[dict[str, Any]]:
    """By service the later date of what was known and what is told; without those never accessed.

    They are hundreds for a broad policy, and are told by what is granted and not in this list.
    """
    dates = {one["service"]: datetime.fromisoformat(one["at"]) for one in before if one["at"]}
    for one in told:
        known = dates.get(one.service)
        if one.at is not None and (known is None or one.at > known):
            dates[one.service] = one.at
    return [{"service": service, "at": at.isoformat()} for service, at in sorted(dates.items())]
