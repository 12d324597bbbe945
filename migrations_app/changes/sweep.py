"""The sweep: what is due is started, what was lost is picked up. Each tick is idempotent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from inventory import chain, clock, ledger
from inventory.models import Account, LedgerEntry, Organization, Role
from inventory.policy import is_open, next_opening, policy_for
from inventory.refusals import Refused
from inventory.templatetags.times import day_text, due_text
from migrations_app import guards, kept_numbers
from migrations_app.changes import (
    approval,
    campaigns,
    database_home,
    enrolling,
    handing_over,
    hits,
    nudge,
    ownership,
    protecting,
    running,
    stop,
    undo,
)
from migrations_app.changes.situation import (
    account_blockers,
    blockers_for,
    lock_out,
    policy_of,
    situation,
)
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, Departure, KeptAnswer, Notice
from migrations_app.outgoing import announcing, notices
from migrations_app.progress import headcount

SHUT_TOLD_BEFORE = timedelta(days=1)
DRY_RUN_LOST = timedelta(minutes=5)
# A shut that was left out, because the user is not what was approved, is not tried every minute.
LEFT_OUT_RESTS = timedelta(hours=1)
ANSWERS_KEPT = timedelta(hours=48)


def sweep() -> None:
    """Once a minute: start approved batches, shut what was watched, wake what was lost."""
    for part in PARTS.values():
        part()


def enroll_all() -> None:
    """A departure for every user that a running sync has listed, and its protection with it."""
    for account in Account.objects.filter(active=True):
        if enrolling.enroll(account):
            # Not after the sync: nobody may act on a protected user in between.
            protecting.bind_protection(account)


def start_what_is_due() -> None:
    """First approved, first run: a later batch must not make an earlier one settle."""
    for batch in (
        Batch.objects.filter(status=Batch.Status.APPROVED)
        .order_by("approved_at", "number")
        .select_related("account", "approved_by")
    ):
        start_if_due(batch)


def dry_run_what_was_lost() -> None:
    """A dry run whose worker died is asked for again."""
    late = clock.now() - DRY_RUN_LOST
    drafts = Batch.objects.filter(status=Batch.Status.DRAFT, dry_run_asked_at__lt=late)
    for batch in drafts:
        Batch.objects.filter(pk=batch.pk).update(dry_run_asked_at=clock.now())
        nudge.dry_run(batch.pk)


def waits_for(batch: Batch) -> list[str]:
    """Why an approved batch does not run yet, in sentences; empty when it may start."""
    now, account = clock.now(), batch.account
    reasons = [one.text for one in account_blockers(account, batch.move, batch.urgent)]
    if batch.resume_needed:
        reasons.append(stop.HALTED)
    if not approval.approver_still_may(batch):
        reasons.append(f"{batch.approved_by} is no approver any more; it needs another approval.")
    leaving = [
        change.departure
        for change in batch.changes.filter(status=Change.Status.QUEUED).select_related(
            "departure__user__account", "departure__owner"
        )
    ]
    reasons += [one.text for one in lock_out(account, leaving) if one.code not in batch.overrides]
    if batch.urgent:
        return reasons
    policy = policy_for(Organization.get(), account)
    unreached = notices.unreached(batch)
    if unreached:
        names = ", ".join(team.name for team in unreached)
        reasons.append(f"A lead of {names} has not opened the message yet.")
    else:
        over = notices.notice_over(batch, policy)
        if over and now < over:
            reasons.append(f"The notice to the owners ends on {over:%a %d %b, %H:%M} UTC.")
    if batch.move == MoveName.DISABLE:
        reasons += _settling(batch, policy.settle)
    else:
        reasons += _listening(batch)
    window = policy.delete_window if batch.move == MoveName.DELETE else policy.disable_window
    if not is_open(window, policy.freezes, account.time_zone, now):
        reasons.append("The change window is closed.")
    return reasons


def start_if_due(batch: Batch) -> bool:
    """Start an approved batch whose time has come; whether it started. An approval lapses."""
    now = clock.now()
    if batch.window_to and now > batch.window_to:
        _lapse(batch)
        return False
    if waits_for(batch):
        return False
    with transaction.atomic():
        # Two sweeps at once, or a stop pulled in between: ask again, one at a time per account.
        Account.objects.select_for_update().get(pk=batch.account_id)
        if waits_for(batch):
            return False
        # In the transaction of the start: no write without its way back.
        started = Batch.objects.filter(pk=batch.pk, status=Batch.Status.APPROVED).update(
            status=Batch.Status.RUNNING, started_at=now, undo_script=undo.script(batch)
        )
        if started != 1:
            return False
        announcing.started(batch)
        ledger.append("batch.started", batch=batch.number)
        nudge.run_batch(batch.pk)
    return True


def shut_what_is_due() -> int:
    """Queue the automatic shut of every user whose watch is over and was listened to whole."""
    due = [
        row
        for row in Departure.objects.filter(state=State.DISABLED, clock_started_at__isnull=False)
        .exclude(changes__move=MoveName.SOAK, changes__status__in=Change.OPEN)
        .select_related("user__account", "owner")
        if row.due_at and row.due_at <= clock.now()
    ]
    return sum(_queue_shut(row) for row in due)


def shut_waits_for(departure: Departure) -> list[str]:
    """Why a watched user is not shut yet, in sentences; empty when it will be at the next sweep."""
    account, policy = departure.user.account, policy_of(departure)
    reasons = [one.text for one in _blockers_of_shut(departure, clock.now())]
    if not is_open(policy.disable_window, policy.freezes, account.time_zone, clock.now()):
        reasons.append("The change window is closed.")
    return reasons + _not_covered(departure)


def _blockers_of_shut(departure: Departure, at: datetime) -> list[guards.Blocker]:
    """What would hold its shut at `at`, as far as it is known now."""
    return [
        *account_blockers(departure.user.account, MoveName.SOAK, urgent=True),
        *guards.blockers(situation(departure), MoveName.SOAK, at),
    ]


def _not_covered(departure: Departure) -> list[str]:
    """Why the approval of its fence does not cover its shut at the moment, in sentences."""
    fence, reasons = _fence_of(departure), []
    if fence is None:
        reasons.append("It was shut by half. Try its failed change again, or restore it.")
    elif fence.batch is None or not approval.approver_still_may(fence.batch):
        reasons.append("Its approver has lost the role; another approver must take it over.")
    elif fence.batch.resume_needed:
        reasons.append(f"Batch {fence.batch}: {stop.HALTED}")
    left_out = departure.changes.filter(
        move=MoveName.SOAK,
        status=Change.Status.LEFT_OUT,
        finished_at__gt=clock.now() - LEFT_OUT_RESTS,
    ).last()
    if left_out is not None:
        reasons.append(f"It was left out: {left_out.result}")
    return reasons


def tell_of_shuts() -> None:
    """Owners hear of a shut the day before; not while something holds it that does not pass."""
    now = clock.now()
    watched = Departure.objects.filter(
        state=State.DISABLED, clock_started_at__isnull=False, owner__isnull=False
    )
    soon: dict[str, tuple[Departure, datetime]] = {}
    for row in watched.select_related("user__account", "owner"):
        if row.due_at is None or row.due_at - SHUT_TOLD_BEFORE > now:
            continue
        at = _shut_at(row, row.due_at)
        if at is not None and at - SHUT_TOLD_BEFORE <= now < at:
            soon[f"shut:{row.pk}:{at:%Y%m%d%H%M}"] = (row, at)
    # Whoever heard of it a minute ago is not judged anew each minute of the day.
    heard = notices.owners_told(soon)
    for key, (row, at) in soon.items():
        if key in heard or _is_held(row, at):
            continue
        zone = row.user.account.time_zone
        notices.tell_owner(
            row,
            "shut-tomorrow",
            key,
            f"{row.user} will be shut on {day_text(at.astimezone(ZoneInfo(zone)), now)}",
            f"At {due_text(at, zone, now)} or later its keys become inactive and its console "
            "password goes. Say so if you need it.",
            security=False,
        )


def _shut_at(departure: Departure, due_at: datetime) -> datetime | None:
    """When a user due at `due_at` is shut: then, or when the window opens next, if ever."""
    policy, zone = policy_of(departure), departure.user.account.time_zone
    try:
        return next_opening(policy.disable_window, policy.freezes, zone, due_at)[0]
    except Refused:
        return None


def _is_held(departure: Departure, at: datetime) -> bool:
    """Whether more than reads, which come in time by themselves, stands in the way of a shut."""
    found = _blockers_of_shut(departure, at)
    return any(one.code not in guards.PASSING for one in found) or bool(_not_covered(departure))


def tell_the_head() -> None:
    """Rule 15: once a day the head of the ledger goes out, so that a cut tail shows."""
    today = clock.now().date()
    if Notice.objects.filter(key=f"ledger:{today}").exists():
        return
    last = LedgerEntry.objects.order_by("-seq").first()
    if last is not None:
        notices.tell(
            "ledger",
            f"ledger:{today}",
            f"The ledger has {last.seq} entries",
            role=Role.ADMIN,
            text=f"Check it any day with: manage.py ledger verify --head {last.seq}:{last.hash}",
        )


def _settling(batch: Batch, settle: timedelta) -> list[str]:
    """Rule 12: the last disable batch of the account must be this old."""
    earlier = (
        Batch.objects.filter(account=batch.account, move=MoveName.DISABLE, started_at__isnull=False)
        .exclude(pk=batch.pk)
        .order_by("-started_at")
        .first()
    )
    if earlier is None or earlier.started_at is None:
        return []
    if earlier.status in Batch.LIVE:
        return [f"Batch {earlier} is not finished."]
    ends = (earlier.finished_at or earlier.started_at) + settle
    if clock.now() < ends:
        return [f"Batch {earlier} settles until {ends:%a %d %b, %H:%M} UTC."]
    return []


def _listening(batch: Batch) -> list[str]:
    """A delete waits until CloudTrail and last-used dates were read up to now for all its users."""
    changes = list(
        batch.changes.filter(status=Change.Status.QUEUED).select_related(
            "departure__user__account", "departure__owner"
        )
    )
    found = blockers_for([one.departure for one in changes], batch.move, besides=changes)
    waiting = sum(any(one.code in guards.PASSING for one in reasons) for reasons in found.values())
    if not waiting:
        return []
    return [f"CloudTrail is being read up to now for {waiting} of {len(changes)} users."]


def _lapse(batch: Batch) -> None:
    """Rule 4: an approval holds seven days; after it the batch is a draft again."""
    with transaction.atomic():
        row = Batch.objects.select_for_update().get(pk=batch.pk)
        if row.status != Batch.Status.APPROVED:
            return
        approval.to_draft(row, "Its approval lapsed.")
        row.comments.create(
            person_id=row.composed_by_id,
            at=clock.now(),
            text="The approval lapsed after 7 days; ask again.",
        )
        ledger.append("batch.lapsed", batch=row.number)


def _fence_of(departure: Departure) -> Change | None:
    return (
        departure.changes.filter(move=MoveName.DISABLE, status=Change.Status.DONE)
        .select_related("batch__approved_by")
        .order_by("-pk")
        .first()
    )


def _queue_shut(departure: Departure) -> bool:
    if shut_waits_for(departure):
        return False
    fence = _fence_of(departure)
    if fence is None:
        return False
    try:
        with transaction.atomic():
            change = Change.objects.create(
                departure=departure,
                batch=fence.batch,
                follows=fence,
                move=MoveName.SOAK,
                method=fence.method,
                status=Change.Status.QUEUED,
                requested_by=fence.requested_by,
                requested_at=clock.now(),
                facts=fence.facts,
                digest=fence.digest,
                judged=fence.judged,
            )
            nudge.run_change(change.pk)
    except IntegrityError:
        # Another sweep was quicker, or a restore holds the user.
        return False
    return True


def forget_answers() -> None:
    """Answers of the API are kept for two days, for whoever lost the first one on its way."""
    KeptAnswer.objects.filter(at__lt=clock.now() - ANSWERS_KEPT).delete()


# Each is run by a task of its own, so that one that fails does not hold the others.
PARTS: dict[str, Callable[[], object]] = {
    "database": database_home.look,
    "exemptions": protecting.end_exemptions,
    "enroll": enroll_all,
    "dry runs": dry_run_what_was_lost,
    "start": start_what_is_due,
    "tell of batches": announcing.tomorrow,
    "tell again": announcing.remind,
    "tell of shuts": tell_of_shuts,
    "tell the head": tell_the_head,
    "offers": handing_over.give_back_what_nobody_took,
    "disputes": ownership.tell_of_lapsed_disputes,
    "answers": campaigns.note_answers,
    "named teams": campaigns.ask_who_was_named,
    "reminders": campaigns.remind,
    "unreached": campaigns.tell_unreached,
    "overdue": campaigns.escalate,
    "tell of knocks": hits.tell_of_knocks,
    "shut": shut_what_is_due,
    "stuck": running.end_what_is_stuck,
    "wake": running.nudge_running,
    "kept answers": forget_answers,
    "head counts": headcount.keep_up,
    "kept numbers": kept_numbers.keep_up,
    "the chain": chain.keep_up,
}
