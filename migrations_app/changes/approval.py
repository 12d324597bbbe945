"""The second person: approve, send back, withdraw, answer for what another approved.

An approval binds to the digest of what the person saw; it lets each user's first write begin within
its window, 7 days at most.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from inventory import clock, ledger, meanwhile
from inventory.models import Account, Person, Role
from inventory.permissions import Action, require
from inventory.policy import next_opening
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.changes.batches import words_for
from migrations_app.changes.checking import OWN_BATCH, checks, policy_of_batch
from migrations_app.changes.reasons import blocked_users, refused_for
from migrations_app.changes.state import elsewhere, locked_batch
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change
from migrations_app.outgoing import announcing, notices

APPROVAL_HOLDS = timedelta(days=7)


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
        row = locked_batch(batch)
        if row.status != Batch.Status.ASKED:
            raise elsewhere(row, "; nothing to approve")
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
        row = locked_batch(batch)
        if row.status != Batch.Status.ASKED:
            raise elsewhere(row, ", not waiting")
        row.comments.create(person=person, at=clock.now(), text=reason.strip())
        to_draft(row, f"{person} sent it back.")
        ledger.append("batch.sent-back", actor=person, batch=row.number, reason=reason)
    return row


def withdraw(batch: Batch, person: Person) -> Batch:
    """The requester, or that approver, takes a batch back before it runs; it is a draft again."""
    require(person, Action.WITHDRAW)
    with transaction.atomic():
        row = locked_batch(batch)
        if row.status not in (Batch.Status.ASKED, Batch.Status.APPROVED):
            raise elsewhere(row, "; pause or abort it")
        if person.pk not in (row.asked_by_id, row.approved_by_id):
            raise NotAllowed(
                f"Only {row.asked_by} or its approver withdraws batch {row}.", rule="requester"
            )
        to_draft(row, f"{person} withdrew it.")
        ledger.append("batch.withdrawn", actor=person, batch=row.number)
    return row


def take_over(batch: Batch, person: Person) -> Batch:
    """Another approver answers for the shuts that a batch still owes (rule 4).

    Only for users fenced under an approval whose approver has lost the role since. Whatever has not
    begun loses its approval with the role: it goes back to a draft.
    """
    require(person, Action.APPROVE)
    with transaction.atomic():
        row = locked_batch(batch)
        if row.approved_by is None or approver_still_may(row):
            raise Refused(f"Batch {row} has an approver who may still approve.")
        if row.started_at is None:
            why = f"{row.approved_by} approved it and may not approve any more."
            to_draft(row, why)
            row.comments.create(
                person=person, at=clock.now(), text=f"{why} It needs approval again."
            )
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


def approver_still_may(batch: Batch) -> bool:
    """Rule 4: an approval counts only while the approver has the role."""
    return batch.approved_by is not None and batch.approved_by.has_role(Role.APPROVER)


def _window(batch: Batch, now: datetime) -> datetime:
    """When the first write may begin, as far as notice and window tell now; rows may move it."""
    if batch.urgent:
        return now
    policy = policy_of_batch(batch)
    told = notices.notice_over(batch, policy) or now
    window = policy.delete_window if batch.move == MoveName.DELETE else policy.disable_window
    return next_opening(window, policy.freezes, batch.account.time_zone, max(now, told))[0]
