"""Rows become what the guards judge: one `Situation` per IAM user, one per account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings
from django.db.models import Exists, Q, QuerySet

from inventory import at_once, clock, refresh
from inventory.aws import identity
from inventory.models import (
    Account,
    IamUser,
    Organization,
    ReadPass,
    TrailCoverage,
    TrailGap,
)
from inventory.organization import sandbox_refusal
from inventory.policy import Policy, policy_for
from inventory.reads import last_seen
from inventory.referrers.references import holds_alone, sentence
from inventory.rights.privilege import ADMIN
from migrations_app import guards
from migrations_app.aws import QUARANTINE
from migrations_app.guards import Blocker, Rules, Situation, StillNamed, WayIn
from migrations_app.lifecycle import FORWARD_MOVES, MoveName, State
from migrations_app.models import Change, Departure, EmergencyStop, Hit, Plan
from migrations_app.outgoing import addressees


def policy_of(departure: Departure, organization: Organization | None = None) -> Policy:
    """The policy that holds for this user: its account's and its category's."""
    user = departure.user
    return policy_for(organization or Organization.get(), user.account, user.shown_category)


def situations(
    departures: Iterable[Departure],
    *,
    besides: Iterable[Change] = (),
    organization: Organization | None = None,
) -> dict[int, Situation]:
    """By departure id; `besides` are the changes that ask, which do not stand in their own way.

    A number of queries that does not grow with the number of departures. `organization` as it was
    loaded a moment ago.
    """
    rows = list(departures)
    if not rows:
        return {}
    ids = [row.pk for row in rows]
    owners = {row.owner_id for row in rows if row.owner_id}
    organization = organization or Organization.get()
    told = at_once.ask(
        Departure.objects.filter(pk=ids[0]),
        {
            "hits": Hit.objects.filter(departure__in=ids, kind=Hit.Kind.HIT, closed="").values(
                "departure"
            ),
            "busy": _busy(ids, besides),
            "read": TrailCoverage.objects.filter(user__in=[row.user_id for row in rows]),
            "gaps": TrailGap.objects.filter(user__in=[row.user_id for row in rows]),
            # A draft on hold stops nobody whom the evidence calls dormant.
            "plans": Plan.objects.filter(departure__in=ids, status=Plan.Status.CONFIRMED).values(
                "departure", "confirmed_at", "held_reason"
            ),
            "reachable": addressees.reachable(owners).values("pk"),
        },
    )
    hit = {one["departure"] for one in told["hits"]}
    busy = {
        one.departure_id: f"batch {one.batch}" if one.batch else f"a {one.move}"
        for one in told["busy"]
    }
    listening = _heard(rows, told["read"], told["gaps"])
    plans = {one["departure"]: one for one in told["plans"]}
    held = {pk: one["held_reason"] for pk, one in plans.items() if one["held_reason"]}
    confirmed = {pk: one["confirmed_at"] for pk, one in plans.items() if pk not in held}
    reachable = {one["pk"] for one in told["reachable"]}
    present = _sharing(rows)
    policies: dict[tuple[int, str], Policy] = {}
    made = {}
    for row in rows:
        user = row.user
        key = (user.account_id, user.shown_category)
        if key not in policies:
            policies[key] = policy_for(organization, user.account, user.shown_category)
        policy = policies[key]
        made[row.pk] = Situation(
            user_name=user.user_name,
            state=State(row.state),
            rules=Rules(policy.dormant_after, policy.quiet, policy.evidence_max_age),
            protection=row.protection,
            has_owner=row.owner_id is not None,
            owner_name=row.owner.name if row.owner else "",
            owner_can_be_reached=row.owner_id in reachable,
            answer=row.answer,
            answered_at=row.answered_at,
            claim_pending=row.claim_pending_team_id is not None,
            contested=row.contested_by_team_id is not None,
            handed_over=row.handed_to_id is not None,
            disputed_until=row.disputed_until,
            created_at=user.created_at,
            verdict=user.verdict,
            coverage_whole=user.coverage_whole,
            evidence_at=user.evidence_at,
            last_activity_at=user.last_activity_at,
            overruled_at=row.overruled_at,
            overruled_verdict=row.overruled_verdict,
            plan_confirmed_at=confirmed.get(row.pk),
            plan_held=held.get(row.pk, ""),
            quarantined=any(QUARANTINE in arn for arn in user.attached_policies),
            restored_at=row.restored_at,
            other_change=busy.get(row.pk, ""),
            open_hit=row.pk in hit,
            fenced_at=row.fenced_at,
            due_at=row.due_at,
            listened_from=listening[user.pk].since,
            listened_to=listening[user.pk].until,
            unheard=listening[user.pk].gaps,
            last_used_read_at=row.last_used_read_at,
            references_that_block=tuple(
                StillNamed(sentence(one, user.user_name), str(one.get("fix", "")))
                for one in user.references
                if holds_alone(one, present)
            ),
            partly_deleted=row.partly_deleted,
            gone=user.gone_at is not None,
        )
    return made


def _sharing(rows: Iterable[Departure]) -> frozenset[str]:
    """Which of the users that share something with these are still there."""
    shared = {
        one
        for row in rows
        for named in row.user.references
        for one in named.get("shared_with") or ()
    }
    if not shared:
        return frozenset()
    return frozenset(
        IamUser.objects.present().filter(user_id__in=shared).values_list("user_id", flat=True)
    )


def situation(
    departure: Departure,
    *,
    besides: Iterable[Change] = (),
    organization: Organization | None = None,
) -> Situation:
    """What the guards judge of one user."""
    return situations([departure], besides=besides, organization=organization)[departure.pk]


def blockers_for(
    departures: Iterable[Departure],
    move: MoveName | str,
    urgent: bool = False,
    besides: Iterable[Change] = (),
    organization: Organization | None = None,
) -> dict[int, list[Blocker]]:
    """Why `move` must not happen now, by departure id; an empty list means it may."""
    now = clock.now()
    judged = situations(departures, besides=besides, organization=organization)
    return {
        pk: guards.blockers(one, MoveName(move), now, urgent=urgent) for pk, one in judged.items()
    }


def _busy(ids: Sequence[int], besides: Iterable[Change]) -> QuerySet[Change]:
    """What stands in the way of another change: open forward changes of another batch, and
    restores."""
    forward = Q(move__in=[move.value for move in FORWARD_MOVES])
    # A restore outranks everything, also one that failed and waits for a person.
    rows = Change.objects.filter(
        forward | Q(move=MoveName.RESTORE), departure__in=ids, status__in=Change.OPEN
    ).select_related("batch")
    rows = rows.exclude(pk__in=[change.pk for change in besides])
    # One that is only being read back holds nobody: the gate before each call waits for it.
    rows = rows.exclude(
        move=MoveName.RESTORE,
        finished_at__isnull=False,
        status__in=[Change.Status.QUEUED, Change.Status.RUNNING],
    )
    return rows.only("departure_id", "move", "batch__number")


def _heard(
    rows: Iterable[Departure], coverage: Iterable[TrailCoverage], lost: Iterable[TrailGap]
) -> dict[int, Heard]:
    """By user id, how far CloudTrail was read in every enabled Region."""
    read: dict[int, dict[str, TrailCoverage]] = defaultdict(dict)
    for one in coverage:
        read[one.user_id][one.region] = one
    gaps: dict[int, list[TrailGap]] = defaultdict(list)
    for gap in lost:
        gaps[gap.user_id].append(gap)
    return {row.user_id: heard(row, read[row.user_id], gaps[row.user_id]) for row in rows}


@dataclass(frozen=True, slots=True)
class Heard:
    """Whole listening: the latest start and the earliest end over every enabled Region.

    `gaps`: Regions in which something in between may still be read. What cannot be read any more
    has lengthened the clock instead.
    """

    since: datetime | None = None
    until: datetime | None = None
    gaps: tuple[str, ...] = ()


def heard(
    departure: Departure, read: Mapping[str, TrailCoverage], gaps: Iterable[TrailGap]
) -> Heard:
    """Nothing while a Region was never read, or AWS has not told yet which are enabled."""
    regions = departure.user.account.enabled_regions
    spans = [read.get(region) for region in regions]
    if not regions or any(one is None or one.read_to is None for one in spans):
        return Heard()
    since = departure.fenced_at
    of = {region: [gap for gap in gaps if gap.region == region] for region in regions}
    return Heard(
        max(
            refresh.reaching_back(one.read_from, of[one.region])
            for one in spans
            if one and one.read_from
        ),
        min(one.read_to for one in spans if one and one.read_to),
        tuple(
            region
            for region, found in of.items()
            if any(gap.lost_at is None and (not since or gap.until_at > since) for gap in found)
        ),
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What all batches stand on, as it was loaded a moment ago: never longer than one check."""

    organization: Organization
    keeper: IamUser | None

    @classmethod
    def of(cls, organization: Organization | None = None) -> Ground:
        """Now. `organization` as it was loaded a moment ago."""
        organization = organization or Organization.get()
        return cls(organization, break_glass(organization))


def break_glass(organization: Organization | None = None) -> IamUser | None:
    """The organization's break-glass user, as it was last seen."""
    organization = organization or Organization.get()
    if not organization.break_glass_user:
        return None
    return (
        IamUser.objects.present()
        .filter(
            account__account_id=organization.break_glass_account,
            user_name__iexact=organization.break_glass_user,
        )
        .first()
    )


def self_is_known() -> bool:
    """Whether any worker reported whose credentials it runs on; without it no forward write."""
    try:
        return bool(identity.reported())
    except redis.RedisError:
        return False


def _refused_sandbox(account: Account) -> str:
    """Rule 20 again at run time: what was a sandbox when it was declared may be real by now."""
    if not account.sandbox:
        return ""
    return sandbox_refusal(
        account.account_id,
        endpoint=settings.AWS_ENDPOINT_URL,
        allowed=settings.IAMCLEANUP_SANDBOX_ACCOUNTS,
        batched_for_real=account.batched_for_real,
    )


def account_situation(
    account: Account, move: MoveName, ground: Ground | None = None
) -> guards.AccountSituation:
    """What the guards judge of an account before a forward write."""
    keeper = (ground or Ground.of()).keeper
    # By the user itself, and not by the copy that the lists read: on this a batch may begin.
    hits = Hit.objects.filter(
        departure__user__account=account, kind=Hit.Kind.HIT, closed=""
    ).values("departure__user__user_name")
    told = at_once.ask(
        Account.objects.filter(pk=account.pk),
        {
            "stopped": Exists(EmergencyStop.objects.filter(lifted_at=None)),
            "hits": hits,
            "passes": ReadPass.objects.filter(account=keeper.account_id if keeper else None),
        },
    )
    role = account.deleter_role if move is MoveName.DELETE else account.actor_role
    return guards.AccountSituation(
        name=account.name,
        has_role=bool(role),
        sandbox=account.sandbox,
        stopped=told["stopped"],
        hold_reason=account.hold_reason or _refused_sandbox(account),
        self_known=self_is_known(),
        break_glass_seen_at=last_seen(keeper, told["passes"]) if keeper else None,
        break_glass_has_mfa=bool(keeper and keeper.mfa),
        open_hits=tuple(hit["departure__user__user_name"] for hit in told["hits"]),
    )


def account_blockers(
    account: Account, move: MoveName | str, urgent: bool = False, ground: Ground | None = None
) -> list[Blocker]:
    """Why no forward write may happen in this account now."""
    situation = account_situation(account, MoveName(move), ground)
    return guards.account_blockers(situation, MoveName(move), clock.now(), urgent=urgent)


def lock_out(
    account: Account, leaving: Iterable[Departure], ground: Ground | None = None
) -> list[Blocker]:
    """Rule 19, for a batch that takes `leaving` away."""
    rows = list(leaving)
    keeper = (ground or Ground.of()).keeper
    ways = [
        WayIn(name=user.user_name, seen_at=user.last_activity_at)
        for user in IamUser.objects.present()
        # Not those who could only become one: they are no way in when it is needed.
        .filter(account=account, privilege=ADMIN)
        .filter(departure__state__in=[State.DISCOVERED, State.OWNER_ASSIGNED])
        .exclude(pk__in=[row.user_id for row in rows])
        .exclude(pk=keeper.pk if keeper else 0)
        # On its way out already, in this batch or in another.
        .exclude(
            departure__changes__status__in=Change.OPEN,
            departure__changes__move__in=[move.value for move in FORWARD_MOVES],
        )
    ]
    ways.append(WayIn(name="federated administrator", seen_at=account.admin_seen_at))
    console = any(row.user.shown_category == "human-console" for row in rows)
    return guards.lock_out(tuple(ways), account.federated_sign_in_at, console, clock.now())
