"""Whether a plan's new way in is used: CloudTrail's assumed roles become its evidence.

Inventory keeps what IAM users do, not who assumes roles. So for each plan whose role exists this
reads the sessions of that one role, in every enabled Region, and keeps counts by day. A role that
somebody tried by hand is not the workload: only the way in that the plan is about counts.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from inventory import clock, ledger
from inventory.aws import role_sessions
from inventory.aws.cloudtrail import HISTORY, Line
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.role_sessions import Assumed, ListedRole
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, IamUser
from inventory.refresh.activity import regions_of
from inventory.refresh.deepening import deepen
from migrations_app.lifecycle import HAS_ACCESS, Protection
from migrations_app.models import Plan, PlanAccess
from migrations_app.plans.way_in import WayIn, same_person, way_in
from migrations_app.replacement.planning import needing

log = structlog.get_logger(__name__)

# A task works a minute at most.
SLICE = 40.0
_AT_ONCE = 10
# Events come late: each look begins with the day of an hour before the last one ended, so that it
# counts whole days, and a day that is read in part never has less than before.
_OVERLAP = timedelta(hours=1)
_SERVICES = {
    "eks": ("pods.eks.amazonaws.com",),
    "instance-profile": ("ec2.amazonaws.com",),
    "ecs": ("ecs-tasks.amazonaws.com",),
    "lambda": ("lambda.amazonaws.com",),
    "outside": ("rolesanywhere.amazonaws.com",),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the new way in: `Plan.seen`. Times are ISO 8601.

    `role`: under which name it stands in the account. `who` and `session`: of the last one.
    """

    role: str
    who: str
    session: str
    event: str
    first_at: str
    last_at: str
    count: int


def look(account: Account, began: datetime | None = None) -> int:
    """Read the new ways in of an account's plans for a slice; how many are left.

    `began` is when this round did: what was read since is not read again in it. Raises AwsFailure
    where roles cannot be listed; a Region that cannot be read is said at the plans it concerns.
    """
    began = began or clock.now()
    ends = time.monotonic() + SLICE
    waiting = list(_waiting(account, began))
    if not waiting:
        return 0
    session = open_session(account, "reader")
    session.pace("iam", Limiter.for_reads(account).wait)
    listed = role_sessions.roles(session)
    while waiting and time.monotonic() <= ends:
        some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        _look_at(account, session, some, listed)
    return len(waiting)


def read_what_they_do(account: Account) -> int:
    """Read further back what the users with plans do, for a slice; how many looks got further.

    A sync reads of users in use only that they are. A policy from use needs all that is there.
    Whoever was read further is drafted anew.
    """
    users = IamUser.objects.present().filter(
        pk__in=Plan.objects.filter(needing(), departure__user__account=account).values(
            "departure__user"
        )
    )
    session = open_session(account, "reader")
    ends = time.monotonic() + SLICE / 2
    read = deepen(account, users, session, lambda: time.monotonic() <= ends)
    Plan.objects.filter(departure__user__in=read).update(figures_at=None)
    return len(read)


def _waiting(account: Account, began: datetime) -> Iterable[Plan]:
    """Plans of users who are still there; those that were not looked at for longest first."""
    return (
        Plan.objects.filter(
            departure__user__account=account,
            departure__state__in=HAS_ACCESS,
            departure__protection=Protection.NONE,
        )
        .exclude(target=Plan.Target.SECRETS_MANAGER)
        .exclude(access_read_to__gte=began)
        .select_related("departure__user__account")
        .defer("generated_files")
        .order_by(F("access_read_to").asc(nulls_first=True), "pk")
    )


def _look_at(
    account: Account, session: AwsSession, plans: Sequence[Plan], listed: Sequence[ListedRole]
) -> None:
    until = clock.now()
    roles = {plan.pk: role_of(plan, listed) for plan in plans}
    since: dict[str, datetime] = {}
    for plan in plans:
        if role := roles[plan.pk]:
            start = _begin(plan.access_read_to, until)
            since[role.arn] = min(start, since.get(role.arn, start))
    found, failures = _sessions(account, session, since, until)
    for plan in plans:
        role = roles[plan.pk]
        sessions = found.get(role.arn, []) if role else []
        keep(plan, role, sessions, until, failures if role else "")


def _begin(read_to: datetime | None, until: datetime) -> datetime:
    """Where to read on: at the begin of a day, or where event history begins."""
    oldest = until - HISTORY
    start = oldest if read_to is None else max(read_to - _OVERLAP, oldest)
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return max(day, oldest.replace(microsecond=0))


def role_of(plan: Plan, listed: Iterable[ListedRole]) -> ListedRole | None:
    """The role through which this plan's way in would show; None while there is none."""
    way = way_of(plan)
    return next((one for one in listed if way.is_role(one.name)), None)


def way_of(plan: Plan) -> WayIn:
    """What this plan's new way in is called; a drafted permission set until one is chosen."""
    choices = plan.choices
    if not choices.get("permission_set") and plan.figures.get("name"):
        choices = choices | {"permission_set": plan.figures["name"]}
    return way_in(plan.target, plan.departure.user.user_name, choices)


def _sessions(
    account: Account, session: AwsSession, since: Mapping[str, datetime], until: datetime
) -> tuple[dict[str, list[Assumed]], str]:
    """By role's ARN its sessions in all Regions, and in AWS's words which could not be read."""
    if not since:
        return {}, ""

    def read(region: str) -> tuple[dict[str, list[Assumed]], str]:
        limiter = Limiter.for_lookups(account, region)
        told: dict[str, list[Assumed]] = {}
        try:
            for arn, start in since.items():
                told[arn] = role_sessions.assumed(Line(session, region, limiter), arn, start, until)
        except AwsFailure as failed:
            return told, f"{region}: {failed.words}"
        return told, ""

    regions = regions_of(account)
    if not regions:
        return {}, "No enabled Region is known, so CloudTrail could not be asked."
    with ThreadPoolExecutor(len(regions)) as pool:
        answers = list(pool.map(read, regions))
    found: defaultdict[str, list[Assumed]] = defaultdict(list)
    for told, _ in answers:
        for arn, sessions in told.items():
            found[arn] += sessions
    return found, "; ".join(words for _, words in answers if words)


def fits(plan: Plan, one: Assumed) -> bool:
    """Whether a session is this plan's way in, and not somebody who tried the role by hand."""
    user = plan.departure.user
    match plan.target:
        case Plan.Target.IDENTITY_CENTER:
            # Whom the directory knows under another name than the IAM user's signs in as that.
            known = str(plan.figures.get("signs_in_as", ""))
            name, tags = (known, {}) if known else (user.user_name, user.tags)
            return one.event == role_sessions.SAML and same_person(one.session, name, tags)
        case Plan.Target.GITHUB_OIDC:
            return one.event == role_sessions.WEB_IDENTITY and one.who.startswith("repo:")
        case Plan.Target.CROSS_ACCOUNT_ROLE:
            vendor = plan.choice("vendor_account")
            other = one.account_id not in ("", user.account.account_id)
            return one.event == role_sessions.ASSUME and (
                one.account_id == vendor if vendor else other
            )
        case Plan.Target.EKS if one.event == role_sessions.WEB_IDENTITY:
            return one.who.startswith("system:serviceaccount:")
        case _:
            services = _SERVICES.get(str(plan.choice("place")) or plan.target, ())
            services = services or _SERVICES.get(plan.target, ())
            return one.event == role_sessions.ASSUME and one.who in services


def keep(
    plan: Plan, role: ListedRole | None, sessions: Iterable[Assumed], until: datetime, error: str
) -> None:
    """Keep what was seen by day; a draft whose way in was used becomes tested.

    What could not be read is no proof of anything: it is said, and read again the next time.
    """
    mine = sorted((one for one in sessions if fits(plan, one)), key=lambda one: one.at)
    with transaction.atomic():
        # Somebody may choose another way at this moment: then this was about the way before.
        row = Plan.objects.select_for_update().defer("generated_files").filter(pk=plan.pk).first()
        if row is None or (row.target, row.choices) != (plan.target, plan.choices):
            return
        if mine and role:
            _add(row, mine)
            row.seen = asdict(_seen(row, role, mine[-1]))
            if row.tested_at is None:
                row.tested_at = mine[0].at
        if row.status == Plan.Status.DRAFT and row.tested_at is not None:
            row.status = Plan.Status.TESTED
            ledger.append(
                "plan.tested", user=plan.departure.user, target=row.target, role=row.seen["role"]
            )
        row.access_error = error
        if not error:
            row.access_read_to = until
        row.save(update_fields=["seen", "tested_at", "status", "access_error", "access_read_to"])


def _add(plan: Plan, sessions: Sequence[Assumed]) -> None:
    """Counts by day."""
    by_day: defaultdict[date, list[datetime]] = defaultdict(list)
    for one in sessions:
        by_day[one.at.date()].append(one.at)
    held = {row.day: row for row in plan.access.filter(day__in=by_day)}
    for day, times in by_day.items():
        row = held.get(day) or PlanAccess(
            plan=plan, day=day, count=0, first_at=times[0], last_at=times[-1]
        )
        row.count = max(row.count, len(times))
        row.first_at, row.last_at = min(row.first_at, times[0]), max(row.last_at, times[-1])
        row.save()


def _seen(plan: Plan, role: ListedRole, last: Assumed) -> Seen:
    days = list(plan.access.values_list("first_at", "last_at", "count"))
    return Seen(
        role=role.name,
        who=last.who,
        session=last.session,
        event=last.event,
        first_at=min(one[0] for one in days).isoformat(),
        last_at=max(one[1] for one in days).isoformat(),
        count=sum(one[2] for one in days),
    )


def weeks_access(plans: Iterable[Plan], today: date) -> dict[int, tuple[int, ...]]:
    """By pk of plan how often its way in was used on each of the last seven days; one query."""
    first = today - timedelta(days=6)
    found: defaultdict[int, Counter[date]] = defaultdict(Counter)
    rows = PlanAccess.objects.filter(plan__in=list(plans), day__gte=first)
    for pk, day, count in rows.values_list("plan_id", "day", "count"):
        found[pk][day] += count
    days = [first + timedelta(days=number) for number in range(7)]
    return {pk: tuple(counts[day] for day in days) for pk, counts in found.items()}
