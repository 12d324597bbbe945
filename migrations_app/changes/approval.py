"""The second person: view, checks, approve, send back, withdraw; and steering a run.

An approval binds to the digest of what the person saw; it lets each user's first write begin within
its window, 7 days at most.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from inventory import clock, ledger
from inventory.models import Account, Organization, Person, Role
from inventory.permissions import Action, may, require
from inventory.policy import Policy, next_opening, policy_for
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import announcing, notices
from migrations_app.changes import meanwhile, nudge, restoring, stop
from migrations_app.changes.batches import words_for
from migrations_app.changes.evidence import NAMED, quarantines
from migrations_app.changes.reasons import blocked_users, refused_for
from migrations_app.changes.situation import account_blockers, blockers_for, lock_out
from migrations_app.guards import Blocker
from migrations_app.lifecycle import SWITCHED_OFF, MoveName
from migrations_app.models import Batch, Change, EmergencyStop, Viewed

APPROVAL_HOLDS = timedelta(days=7)
OWN_BATCH = "You asked for this batch, so somebody else approves it."


@dataclass(frozen=True, slots=True)
class Check:
    """One machine check before an approval; a failed one says what to do."""

    code: str
    ok: bool
    text: str
    fix: str = ""
    overridable: bool = False


def view(change: Change, person: Person) -> Viewed:
    """The approver looked at this user as it is now; counts until its facts change."""
    require(person, Action.APPROVE)
    seen, _ = Viewed.objects.update_or_create(
        change=change, person=person, defaults={"digest": change.digest, "at": clock.now()}
    )
    return seen


def checks(batch: Batch, person: Person) -> list[Check]:
    """What must hold before `person` may approve; asked again on approval, and at the run."""
    changes = list(
        batch.changes.filter(status=Change.Status.ASKED).select_related(
            "departure__user__account", "departure__owner"
        )
    )
    asked_by = str(batch.asked_by) if batch.asked_by else "Nobody"
    own = person.pk in (batch.asked_by_id, batch.composed_by_id)
    found = [
        Check(
            "four-eyes",
            not own,
            OWN_BATCH if own else f"Four eyes: {asked_by} asked, you decide",
        )
    ]
    found += [_check(one) for one in account_blockers(batch.account, batch.move, batch.urgent)]
    judged = blockers_for(
        [change.departure for change in changes], batch.move, batch.urgent, besides=changes
    )
    blocked = [reasons[0] for reasons in judged.values() if reasons]
    found += _by_code(blocked)
    if not blocked:
        found.append(Check("users", True, _all_may_go(batch, len(changes))))
    locked_out = lock_out(batch.account, [change.departure for change in changes])
    found += [Check(one.code, False, one.text, one.fix, overridable=True) for one in locked_out]
    found.append(_evidence_age(batch, changes))
    if batch.move == MoveName.DELETE:
        found += _named_elsewhere(changes, person)
        found += _quarantined(changes)
    unseen = len(changes) - seen_by(batch, person)
    found.append(
        Check(
            "viewed",
            unseen == 0,
            "Every user viewed"
            if unseen == 0
            else f"{unseen} user{'' if unseen == 1 else 's'} not viewed yet",
            "" if unseen == 0 else "Open each user and tick Viewed.",
        )
    )
    return found


def seen_by(batch: Batch, person: Person) -> int:
    """How many users of the batch this person viewed as they are now."""
    viewed = Q(viewed__person=person, viewed__digest=F("digest"))
    return batch.changes.filter(viewed, status=Change.Status.ASKED).count()


def approve(
    batch: Batch,
    person: Person,
    digest: str,
    words: str = "",
    overrides: dict[str, str] | None = None,
) -> Batch:
    """The second person approves exactly what bears `digest`; a delete needs the typed words.

    `overrides` gives a reason per overridable check (rule 19). Stale when the batch changed since
    it was shown. The run starts when the notice is over and the window open.
    """
    require(person, Action.APPROVE)
    overrides = {code: why.strip() for code, why in (overrides or {}).items() if why.strip()}
    with transaction.atomic():
        row = _locked(batch)
        if row.status != Batch.Status.ASKED:
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}; nothing to approve.")
        if person.pk in (row.asked_by_id, row.composed_by_id):
            raise NotAllowed(OWN_BATCH, rule="four-eyes")
        if not digest or digest != row.digest:
            raise Stale(meanwhile.of_batch(row.number), rule="digest")
        failed = [
            one
            for one in checks(row, person)
            if not one.ok and not (one.overridable and one.code in overrides)
        ]
        if failed:
            raise refused_for(failed, blocked_users(row))
        if row.move == MoveName.DELETE and words.strip() != words_for(row):
            raise Refused(f"Type “{words_for(row)}” to approve.", rule="words")
        now = clock.now()
        row.approved_by, row.approved_at, row.approved_digest = person, now, row.digest
        row.overrides, row.status = overrides, Batch.Status.APPROVED
        row.window_from, row.window_to = _window(row, now), now + APPROVAL_HOLDS
        row.save()
        row.changes.filter(status=Change.Status.ASKED).update(status=Change.Status.QUEUED)
        if not row.sandbox:
            Account.objects.filter(pk=row.account_id).update(batched_for_real=True)
        ledger.append(
            "batch.approved",
            actor=person,
            batch=row.number,
            digest=row.digest,
            overrides=overrides,
        )
    return row


def send_back(batch: Batch, person: Person, reason: str) -> Batch:
    """The approver returns the batch to a draft, with the reason as a comment."""
    require(person, Action.APPROVE)
    if not reason.strip():
        raise Refused("Say what should change.")
    with transaction.atomic():
        row = _locked(batch)
        if row.status != Batch.Status.ASKED:
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}, not waiting.")
        row.comments.create(person=person, at=clock.now(), text=reason.strip())
        to_draft(row, f"{person} sent it back.")
        ledger.append("batch.sent-back", actor=person, batch=row.number, reason=reason)
    return row


def withdraw(batch: Batch, person: Person) -> Batch:
    """The requester, or that approver, takes a batch back before it runs; it is a draft again."""
    require(person, Action.WITHDRAW)
    with transaction.atomic():
        row = _locked(batch)
        if row.status not in (Batch.Status.ASKED, Batch.Status.APPROVED):
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}; pause or abort it.")
        if person.pk not in (row.asked_by_id, row.approved_by_id):
            raise NotAllowed(
                f"Only {row.asked_by} or its approver withdraws batch {row}.", rule="requester"
            )
        to_draft(row, f"{person} withdrew it.")
        ledger.append("batch.withdrawn", actor=person, batch=row.number)
    return row


def pause(batch: Batch, person: Person) -> Batch:
    """Finish the running users, hold the rest."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _locked(batch)
        if row.status == Batch.Status.PAUSED:
            return row
        if row.status != Batch.Status.RUNNING:
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}, not running.")
        _pause(row, f"Paused by {person}.", "by a person", actor=person)
    return row


def pause_by_itself(batch: Batch, why: str, ledgered: str = "") -> None:
    """Rule 12: the run holds by itself, and says why; `ledgered` is the reason without names."""
    with transaction.atomic():
        row = _locked(batch)
        if row.status == Batch.Status.RUNNING:
            _pause(row, f"Paused by itself: {why}", ledgered or why, actor=None)


def resume(batch: Batch, person: Person) -> Batch:
    """Go on with a batch that is paused, or that the emergency stop halted; checks hold as ever."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _locked(batch)
        if row.resume_needed and row.status != Batch.Status.PAUSED:
            stop.resume_halted(row, person)
            return row
        if row.status != Batch.Status.PAUSED:
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}, not paused.")
        blocked = account_blockers(row.account, row.move, urgent=True)
        if blocked:
            raise refused_for(blocked)
        row.status, row.pause_reason, row.resume_needed = Batch.Status.RUNNING, "", False
        row.paused_at = None
        row.save()
        ledger.append("batch.resumed", actor=person, batch=row.number)
        nudge.run_batch(row.pk)
    return row


def abort(batch: Batch, person: Person, restore: bool = False) -> Batch:
    """Stop for good: queued users stay as they are; those done are left, or all restored."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _locked(batch)
        if row.status not in (*Batch.LIVE, Batch.Status.APPROVED):
            raise Stale(f"Batch {row} is {row.get_status_display().lower()}; nothing to abort.")
        now = clock.now()
        withdraw_unclaimed(row, "The batch was aborted.")
        row.status, row.finished_at = Batch.Status.ABORTED, now
        row.save()
        announcing.aborted(row, restored=restore)
        ledger.append("batch.aborted", actor=person, batch=row.number, restore=restore)
        if restore and row.move == MoveName.DISABLE:
            restore_batch(row, person, f"Batch {row} was aborted.")
    return row


def withdraw_unclaimed(row: Batch, why: str) -> None:
    """End the waiting users of a batch; one that was begun fails, to be tried again or restored."""
    now = clock.now()
    waiting = (*Change.UNCLAIMED, Change.Status.FAILED)
    for change in row.changes.filter(status__in=waiting, irreversible_at=None):
        begun = change.begun
        Change.objects.filter(pk=change.pk, status__in=waiting).update(
            status=Change.Status.FAILED if begun else Change.Status.WITHDRAWN,
            finished_at=None if begun else now,
            result=why,
            error=f"{why} It is done by half: restore it, or try it again." if begun else "",
        )


def restore_batch(batch: Batch, person: Person, reason: str = "") -> list[Change]:
    """Restore every user of this batch that is off and that `person` may restore; the requests."""
    require(person, Action.RESTORE)
    owners = {one.departure.owner for one in batch.changes.select_related("departure__owner")}
    if owners and not any(may(person, Action.RESTORE, owner) for owner in owners):
        raise NotAllowed(
            "None of these users is your team's. Ask Security to restore them.", rule="team"
        )
    touched = batch.changes.filter(
        status__in=[Change.Status.DONE, Change.Status.RUNNING, Change.Status.FAILED],
        move=MoveName.DISABLE,
    ).select_related("departure__user__account", "departure__owner")
    asked = []
    for change in touched:
        departure = change.departure
        # Restored since, or past the point of no return: the others are restored all the same.
        off = departure.state in SWITCHED_OFF or change.status != Change.Status.DONE
        if off and not departure.irreversible_at and may(person, Action.RESTORE, departure.owner):
            asked.append(restoring.restore(departure, person, reason))
    return asked


def skip(change: Change, person: Person) -> Change:
    """Leave one queued or failed user out of the run."""
    require(person, Action.OPERATE)
    if change.begun:
        raise Refused(f"Calls were made for {change.departure.user}. Try it again, or restore it.")
    with transaction.atomic():
        skippable = (Change.Status.QUEUED, Change.Status.ASKED, Change.Status.FAILED)
        changed = Change.objects.filter(
            pk=change.pk, status__in=skippable, irreversible_at=None
        ).update(
            status=Change.Status.LEFT_OUT,
            finished_at=clock.now(),
            result=f"Skipped by {person}.",
        )
        if not changed:
            raise Stale(f"{change.departure.user} runs already or has ended.")
        change.refresh_from_db()
        ledger.append(
            "change.skipped",
            actor=person,
            user=change.departure.user,
            batch=change.batch.number if change.batch else None,
        )
    return change


def retry(change: Change, person: Person) -> Change:
    """Try a failed user again, under the approval it has."""
    require(person, Action.OPERATE)
    forward = change.move != MoveName.RESTORE
    if forward and EmergencyStop.objects.filter(lifted_at=None).exists():
        raise Refused("The emergency stop is pulled. Another person lifts it first.")
    ended = (Batch.Status.ABORTED, Batch.Status.WITHDRAWN)
    if forward and change.batch and change.batch.status in ended and not change.irreversible_at:
        raise Refused(f"Batch {change.batch} has ended. Restore the user, or compose a new batch.")
    if forward and change.batch and change.batch.resume_needed:
        raise Refused(f"Batch {change.batch} was halted by the emergency stop. Resume it first.")
    with transaction.atomic():
        changed = Change.objects.filter(pk=change.pk, status=Change.Status.FAILED).update(
            status=Change.Status.QUEUED, attempts=0, try_after=None, error="", error_code=""
        )
        if not changed:
            raise Stale(f"{change.departure.user} did not fail; there is nothing to try again.")
        change.refresh_from_db()
        ledger.append("change.retried", actor=person, user=change.departure.user)
        # A batch that ended with this failure runs again for it. The shut that follows a fence is
        # no part of a run, and nobody would end the batch after it.
        if change.batch_id and change.follows_id is None:
            Batch.objects.filter(pk=change.batch_id, status=Batch.Status.DONE).update(
                status=Batch.Status.RUNNING, finished_at=None
            )
        if change.move == MoveName.RESTORE:
            nudge.restore(change.pk)
        else:
            nudge.run_change(change.pk)
    return change


def take_over(batch: Batch, person: Person) -> Batch:
    """Another approver answers for the shuts that a batch still owes (rule 4).

    Only for users fenced under an approval whose approver has lost the role since. Whatever has not
    begun loses its approval with the role: it goes back to a draft.
    """
    require(person, Action.APPROVE)
    with transaction.atomic():
        row = _locked(batch)
        if row.approved_by is None or approver_still_may(row):
            raise Refused(f"Batch {row} has an approver who may still approve.")
        if row.started_at is None:
            to_draft(row, "It changed after it was approved.")
            ledger.append("batch.approval-void", actor=person, batch=row.number)
            return row
        if row.move != MoveName.DISABLE:
            raise Refused(f"Batch {row} deletes; compose a new one, to be looked at anew.")
        if person.pk in (row.asked_by_id, row.composed_by_id):
            raise NotAllowed(OWN_BATCH, rule="four-eyes")
        ledger.append(
            "batch.taken-over", actor=person, batch=row.number, digest=row.approved_digest
        )
        row.approved_by, row.approved_at = person, clock.now()
        row.save()
    return row


def policy_of_batch(batch: Batch) -> Policy:
    return policy_for(Organization.get(), batch.account)


def _window(batch: Batch, now: datetime) -> datetime:
    """When the first write may begin, as far as notice and window tell now; rows may move it."""
    if batch.urgent:
        return now
    policy = policy_of_batch(batch)
    told = notices.notice_over(batch, policy) or now
    window = policy.delete_window if batch.move == MoveName.DELETE else policy.disable_window
    return next_opening(window, policy.freezes, batch.account.time_zone, max(now, told))[0]


def _pause(row: Batch, why: str, ledgered: str, actor: Person | None) -> None:
    row.status, row.pause_reason, row.paused_at = Batch.Status.PAUSED, why, clock.now()
    row.save()
    # Rule 15: names of people stand apart from the ledger.
    ledger.append("batch.paused", actor=actor, batch=row.number, reason=ledgered)


def to_draft(row: Batch, why: str) -> None:
    """Void what was asked and approved, and tell the owners; the users stay, to be looked at."""
    announcing.called_off(row, why)
    row.changes.filter(status__in=[Change.Status.ASKED, Change.Status.QUEUED]).update(
        status=Change.Status.DRAFT
    )
    row.status = Batch.Status.DRAFT
    row.asked_by = row.asked_at = row.approved_by = row.approved_at = None
    row.approved_digest, row.overrides = "", {}
    row.window_from = row.window_to = None
    # Whoever approves it anew also says that it may go on.
    row.resume_needed = False
    row.save()


def _locked(batch: Batch) -> Batch:
    return Batch.objects.select_for_update(of=("self",)).select_related("account").get(pk=batch.pk)


def _check(one: Blocker) -> Check:
    return Check(one.code, False, one.text, one.fix)


def _by_code(blocked: list[Blocker]) -> list[Check]:
    """One failed check per kind, with the first user's sentence and how many more there are."""
    first: dict[str, Blocker] = {}
    for one in blocked:
        first.setdefault(one.code, one)
    counts = Counter(one.code for one in blocked)
    return [
        Check(
            code,
            False,
            one.text if counts[code] == 1 else f"{one.text} So it is for {counts[code] - 1} more.",
            one.fix,
        )
        for code, one in first.items()
    ]


def _all_may_go(batch: Batch, count: int) -> str:
    if batch.move == MoveName.DELETE:
        return f"Soak complete, no open hit, for {count} of {count}"
    return f"{count} of {count} may be disabled by the evidence"


def _named_elsewhere(changes: list[Change], person: Person) -> list[Check]:
    """Whoever is still named somewhere, or was not looked for everywhere, is ticked as viewed."""
    named = [change for change in changes if any(one["code"] in NAMED for one in change.warnings)]
    if not named:
        return []
    open_ones = [
        change
        for change in named
        if not change.viewed.filter(person=person, digest=change.digest).exists()
    ]
    if not open_ones:
        count = len(named)
        return [Check("references", True, f"Who still names {count} of them was ticked")]
    user = open_ones[0].departure.user
    more = f" and {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
    text = f"Who still names {user}{more} is not ticked yet"
    return [Check("references", False, text, "Read its warnings, then tick Viewed.")]


def _quarantined(changes: list[Change]) -> list[Check]:
    """AWS says not to remove these policies, so taking one off is a line of its own to approve."""
    found = []
    for change in changes:
        attached = change.facts.get("holdings", {}).get("managed policies", [])
        for name in quarantines(attached):
            text = f"Detaches {name}, which AWS put on {change.departure.user}"
            fix = "Close the support case first; say which it was."
            code = f"quarantine:{change.departure.user.user_id}"
            found.append(Check(code, False, text, fix, overridable=True))
    return found


def _evidence_age(batch: Batch, changes: list[Change]) -> Check:
    limit = policy_of_batch(batch).evidence_max_age
    looked = [
        datetime.fromisoformat(change.judged["looked_at"])
        for change in changes
        if change.judged.get("looked_at")
    ]
    if not looked or len(looked) < len(changes):
        return Check("evidence", False, "Not every user was looked at.", "Send it back.")
    age = clock.now() - min(looked)
    hours = int(age.total_seconds() // 3600)
    minutes = int(age.total_seconds() // 60)
    text = f"Evidence is {hours} hours old" if hours > 1 else f"Evidence is {minutes} minutes old"
    fix = "" if age <= limit else "Send it back, so that its dry run is made again."
    return Check("evidence", age <= limit, text, fix)


def approver_still_may(batch: Batch) -> bool:
    """Rule 4: an approval counts only while the approver has the role."""
    return batch.approved_by is not None and batch.approved_by.has_role(Role.APPROVER)
