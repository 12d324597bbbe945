"""One claimed forward change: look again, judge again, act, prove, record.

Disable fences (and shuts, where asked for), soak shuts what was watched, delete deletes.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import (
    UserHoldings,
    list_users,
    read_credentials,
    read_fence,
    read_user,
)
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, open_session, own_identity, shared_reader
from inventory.models import IamUser, Organization, Role
from inventory.policy import is_open
from inventory.referrers.references import undated
from inventory.rhythm import GRACE, RARE
from migrations_app import aws, guards
from migrations_app.changes import evidence
from migrations_app.changes.ahead import Ahead
from migrations_app.changes.facts import (
    batch_digest,
    differences,
    frozen_items,
    held,
    without_our_fence,
)
from migrations_app.changes.journal import Halted, RowJournal
from migrations_app.changes.restoring import made_by_us, raise_alert
from migrations_app.changes.situation import Ground, account_blockers, policy_of, situation
from migrations_app.changes.state import move
from migrations_app.lifecycle import Method, MoveName, State
from migrations_app.models import Batch, Call, Change, Departure, Holdings
from migrations_app.outgoing import notices

# AWS refuses requests signed with a clock that is further off (SigV4); no write gets so far.
CLOCK_TOLERANCE = timedelta(minutes=5)


class LeftOut(Exception):
    """This user is not touched; the message says why. Never raised after its first write."""


class NotYet(Exception):
    """Nothing speaks against it, but something must be read first; it is tried again shortly."""


def apply_forward(change: Change, worker: str, ahead: Ahead | None = None) -> str:
    """Bring one change to its end; what was done, in words.

    `ahead` is a look a moment ago that stands for a part of the first look at this user. Raises
    LeftOut, AwsFailure, and what the journal's gate raises. Run again after any of them, or after
    the process died, it goes on where it was: every step looks first.
    """
    with RowJournal(change, worker) as journal:
        journal.look_long()
        return _apply(change, journal, ahead)


def _apply(change: Change, journal: RowJournal, ahead: Ahead | None) -> str:
    name = MoveName(change.move)
    reader = shared_reader(change.departure.user.account)
    # Whoever comes a second time looks at everything anew: the account was not as it seemed.
    begun = change.begun
    if begun or change.attempts > 1:
        ahead = None
    looked_at = time.monotonic()
    live = _look(change, reader, journal, ahead)
    if live is None:
        return _deleted_by_us(change, reader, journal)
    _clock_is_right(change, reader)
    if not begun:
        _judge(change, reader, live, journal, ahead)
    saved = _save_holdings(change, live)
    journal.gate()
    if name is MoveName.DELETE:
        live = aws.union(live, saved)
        writer = _writer(change, journal, aws.DELETE, live)
        # Nearly every call names a part of this very user; GetUser comes again before DeleteUser.
        writer.identity_at = looked_at
        writer.run(aws.DELETE, live)
        return _deleted_by_us(change, reader, journal)
    writer = _writer(change, journal, (*aws.FENCE, *aws.SHUT), live)
    if name is MoveName.DISABLE:
        live = _fence(change, reader, journal, writer, live)
        if change.method == Method.FENCE:
            return "Fenced and read back."
    return _shut(change, reader, journal, writer, live)


def _look(
    change: Change, reader: AwsSession, journal: RowJournal, ahead: Ahead | None
) -> UserHoldings | None:
    """The user as it is now; None when it is gone and our own DeleteUser may have done it."""
    user = change.departure.user
    try:
        live = read_user(reader, user.user_name, ahead.wide if ahead else None)
    except NoSuchUser:
        journal.looked("GetUser", user.user_name, "NoSuchEntity")
        if change.calls.filter(operation="DeleteUser", kind=Call.Kind.WRITE).exists():
            return None
        _gone_or_renamed(change, reader)
    else:
        if live.user_id == user.user_id:
            journal.looked("GetUser", user.user_name, f"same {user.user_id}")
            return live
        journal.looked("GetUser", user.user_name, f"another user: {live.user_id}")
        if change.calls.filter(operation="DeleteUser", kind=Call.Kind.WRITE).exists():
            return None
    raise _not_this_user(change, f"{user} is another user now, under the same name.")


def _clock_is_right(change: Change, reader: AwsSession) -> None:
    """Every answer of AWS is dated. Times of a clock that is off would prove nothing."""
    if reader.ahead is not None and abs(reader.ahead) <= CLOCK_TOLERANCE:
        return
    off = f"{abs(reader.ahead)} off" if reader.ahead is not None else "not to be compared"
    account = change.departure.user.account
    raise_alert(
        f"clock-off:{account.pk}",
        "clock-off",
        f"The clock here is {off} from that of AWS, so nothing is written",
        f"Set the clock of every worker; changes in {account} go on by themselves after that.",
        change.departure,
    )
    raise Halted(f"The clock here is {off} from that of AWS.")


def _not_this_user(change: Change, why: str) -> Exception:
    """Before the first write the user is left out; after it, it is a failure that must be loud."""
    if change.begun:
        return AwsFailure("NamesakeFound", why, operation="GetUser")
    return LeftOut(why)


def _gone_or_renamed(change: Change, reader: AwsSession) -> None:
    """Rule 7: list all, then refuse ("renamed to b") or record "deleted outside"."""
    user = change.departure.user
    listed = list_users(reader)
    renamed = [one.user_name for one in listed if one.user_id == user.user_id]
    if user.user_name in renamed:
        # Two answers that contradict each other prove nothing; IAM is eventually consistent.
        message = f"GetUser shows nobody named {user}, and ListUsers still does."
        raise AwsFailure("NotProven", message, operation="GetUser", retryable=True)
    if renamed:
        raise _not_this_user(change, f"{user} was renamed to {renamed[0]}. Sync the account.")
    if not listed:
        raise AwsFailure("EmptyListing", "ListUsers showed nobody at all.", operation="ListUsers")
    vanish(change.departure)
    raise _not_this_user(change, f"{user} was deleted in AWS, not from here.")


def vanish(departure: Departure) -> Departure:
    """Record that a user is proven missing: GetUser and the complete listing both lack it.

    The caller has proven it. A vanished protected user is an alarm (rule 3).
    """
    now = clock.now()
    with transaction.atomic():
        row = Departure.objects.select_for_update().get(pk=departure.pk)
        if row.state == State.DELETED:
            return row
        open_changes = row.changes.exclude(status__in=[*Change.ENDED, Change.Status.RUNNING])
        open_changes.update(
            status=Change.Status.WITHDRAWN, finished_at=now, result="Deleted outside."
        )
        IamUser.objects.filter(pk=row.user_id).update(gone_at=now)
        moved = move(row, MoveName.VANISH, deleted_at=now, deleted_outside=True)
        if row.protection:
            raise_alert(
                f"vanished:{row.pk}",
                "protected-vanished",
                f"Protected user {row.user} is gone from AWS",
                "Nobody here deleted it. Find out who did, and create it anew.",
                row,
            )
    return moved


def _judge(
    change: Change,
    reader: AwsSession,
    live: UserHoldings,
    journal: RowJournal,
    ahead: Ahead | None = None,
) -> None:
    """Everything that may refuse, before the first write (rules 3, 4, 6, 12, 13)."""
    departure, batch = change.departure, change.batch
    name = MoveName(change.move)
    urgent = bool(batch and batch.urgent)
    # One policy for all that is asked of this user.
    organization = Organization.get()
    refused = account_blockers(departure.user.account, name, True, Ground.of(organization))
    if refused:
        raise Halted(refused[0].text)
    _not_ourselves(live, ahead)
    if batch is not None:
        _approval_holds(change, batch)
    if not urgent:
        _in_its_window(change, organization)
    # Who is fenced already is listened to: the guards ask how far. Its events are new only once.
    bench = ahead.bench if ahead else None
    if (
        name is MoveName.DISABLE
        and not urgent
        and not evidence.look(departure, reader, live, bench)
    ):
        raise LeftOut("A source could not be read, and unknown is never unused.")
    journal.hold()
    _same_as_approved(change, live)
    one = situation(departure, besides=[change], organization=organization)
    found = guards.blockers(one, name, clock.now(), urgent=urgent)
    if found and all(one.code in guards.PASSING for one in found):
        raise NotYet(found[0].text)
    if found:
        raise LeftOut(next(one.text for one in found if one.code not in guards.PASSING))
    if urgent:
        return
    _no_later_activity(change)
    _nothing_new_names_it(change)
    if change.follows_id is None and not notices.reached_in_time(change, organization):
        raise LeftOut(f"{departure.owner} was not reached in time.")


def _not_ourselves(live: UserHoldings, ahead: Ahead | None) -> None:
    """The user that this very process runs as is never touched, whatever was reported before."""
    try:
        own = ahead.own if ahead else own_identity()
    except AwsFailure as refused:
        raise Halted(f"It cannot be told whose credentials these are: {refused}") from refused
    if own.user_id == live.user_id:
        raise LeftOut("The product itself runs as this user.")


def _approval_holds(change: Change, batch: Batch) -> None:
    """Rule 4: the approver still has the role, the window is not over, the batch is unchanged."""
    if batch.approved_by is None or not batch.approved_by.has_role(Role.APPROVER):
        raise Halted(f"{batch.approved_by} is no approver any more.")
    if change.follows_id is None and batch.window_to and clock.now() > batch.window_to:
        raise LeftOut("Its approval lapsed; it needs a new one.")
    if batch_digest(batch, frozen_items(batch)) != batch.approved_digest:
        raise LeftOut("The batch is not the one that was approved.")


def _in_its_window(change: Change, organization: Organization) -> None:
    """Rule 12, for whatever begins outside a batch's own run: an automatic shut, a second try."""
    account, policy = change.departure.user.account, policy_of(change.departure, organization)
    window = policy.delete_window if change.move == MoveName.DELETE else policy.disable_window
    if not is_open(window, policy.freezes, account.time_zone, clock.now()):
        raise NotYet("The change window is closed.")


def _same_as_approved(change: Change, live: UserHoldings) -> None:
    """Rule 4: what runs is exactly what was approved, or nothing."""
    departure, facts = change.departure, change.facts
    if not change.digest or ledger.digest(facts) != change.digest:
        raise LeftOut("What was approved is not what is stored here.")
    if facts["user_id"] != live.user_id or facts["user_name"] != live.user_name:
        raise LeftOut(f"It was approved as {facts['user_name']} ({facts['user_id']}).")
    if facts["path"] != live.path:
        raise LeftOut(f"It was approved under {facts['path']} and is under {live.path} now.")
    if facts["protection"] != departure.protection:
        raise LeftOut("Its protection changed since it was approved.")
    owner = departure.owner.key if departure.owner else ""
    if change.follows_id is None and facts["owner"] != owner:
        raise LeftOut(f"It changed owner since it was approved, to {departure.owner}.")
    seen = without_our_fence(live, departure.fence) if change.follows_id else live
    now = held(seen)
    if change.follows_id and departure.fence == "boundary":
        now["boundary"] = facts["holdings"]["boundary"]
    changed = differences(facts["holdings"], now)
    if changed:
        raise LeftOut(f"Its {' and '.join(changed)} changed since it was approved.")


def _no_later_activity(change: Change) -> None:
    looked = change.judged.get("looked_at")
    last = change.departure.user.last_activity_at
    if change.move != MoveName.DISABLE or not last or not looked:
        return
    if last > datetime.fromisoformat(looked):
        raise LeftOut(f"It was used at {last:%d %b %H:%M} UTC, after it was looked at.")


def _nothing_new_names_it(change: Change) -> None:
    """Before a delete: who names the user now is what the approver ticked, or less."""
    departure = change.departure
    if change.move != MoveName.DELETE or departure.partly_deleted:
        return
    ticked = {undated(one["text"]) for one in change.warnings}
    seen = {one["code"] for one in change.warnings}
    for code, text in evidence.reference_warnings(departure.user, MoveName.DELETE):
        if code == evidence.REFERENCE and undated(text) not in ticked:
            raise LeftOut(f"It is named elsewhere since it was approved. {text}.")
        if code == evidence.REFERENCE_UNREAD and code not in seen:
            # The approver saw that all was looked at.
            raise LeftOut(f"{text}. That was not so when it was approved.")


def _save_holdings(change: Change, live: UserHoldings) -> UserHoldings:
    """Rule 8: everything needed to undo or re-create, before the first write; the first look."""
    first = change.holdings.order_by("taken_at").first()
    if first is None:
        first = Holdings.objects.create(
            departure=change.departure,
            change=change,
            taken_at=clock.now(),
            document=live.document(),
        )
    return UserHoldings.from_document(first.document)


def _writer(
    change: Change,
    journal: RowJournal,
    steps: tuple[aws.Step, ...],
    holdings: UserHoldings,
) -> aws.Writer:
    """Sends as the deleter for a delete, else as the actor."""
    user, approver = change.departure.user, change.batch.approved_by if change.batch else None
    session = open_session(
        user.account,
        "deleter" if change.move == MoveName.DELETE else "actor",
        source_identity=approver.username if approver else "iam-cleanup",
        session_policy=aws.session_policy(steps, holdings),
    )
    limiter = Limiter.for_writes(user.account)
    return aws.Writer(session, journal, user.user_name, user.user_id, limiter)


def _fence(
    change: Change,
    reader: AwsSession,
    journal: RowJournal,
    writer: aws.Writer,
    live: UserHoldings,
) -> UserHoldings:
    """Fence the user and record it; the user as the read-back shows it."""
    departure = change.departure
    writer.run(aws.FENCE, live)
    name = departure.user.user_name
    seen = aws.read_back(
        lambda: read_fence(reader, live),
        lambda holdings: holdings.user_id == live.user_id and bool(aws.fenced(holdings)),
        f"{name} is fenced",
    )
    journal.looked("read back", name, f"fenced by {aws.fenced(seen)}")
    if departure.state != State.OWNER_ASSIGNED:
        return seen
    made = made_by_us(departure)
    now = clock.now()
    with journal.recording() as departure:
        change.departure = move(
            departure,
            MoveName.DISABLE,
            actor=change.batch.approved_by if change.batch else None,
            batch=change.batch.number if change.batch else None,
            fence="boundary" if made.boundary_fence else "policy" if made.policy_fence else "",
            fenced_at=now,
            clock_started_at=now,
            watch=timedelta(seconds=change.facts["watch"]),
            soak=timedelta(seconds=change.facts["soak"]),
            compromised=bool(change.batch and change.batch.urgent),
            **_not_before(departure, now),
        )
    return seen


def _shut(
    change: Change,
    reader: AwsSession,
    journal: RowJournal,
    writer: aws.Writer,
    live: UserHoldings,
) -> str:
    name = change.departure.user.user_name
    if not aws.fenced(live):
        raise AwsFailure("FenceGone", f"{name} is not fenced any more.", operation="GetUser")
    writer.run(aws.SHUT, live)
    aws.read_back(
        lambda: read_credentials(reader, live),
        lambda holdings: holdings.user_id == live.user_id and not aws.plan(aws.SHUT, holdings),
        f"{name} is shut",
    )
    journal.looked("read back", name, "shut")
    now = clock.now()
    with journal.recording() as departure:
        if departure.state == State.DISABLED:
            move(
                departure,
                MoveName.SOAK,
                actor=change.batch.approved_by if change.batch else None,
                batch=change.batch.number if change.batch else None,
                clock_started_at=now,
                **_not_before(departure, now),
                last_used_read_at=None,
            )
    return "Shut and read back."


def _not_before(departure: Departure, now: datetime) -> dict[str, Any]:
    """Columns of the clock: a known rare rhythm (next expected run and grace) or an extension, the
    later one, as far as it is still ahead. One run at the year's edge is no known rhythm."""
    user, held = departure.user, departure.not_before
    reason = departure.not_before_reason
    known = user.coverage.get("rhythm_proven", True) or user.rhythm != "yearly"
    if user.rhythm in RARE and known and user.next_expected_at:
        covered = user.next_expected_at + GRACE
        if held is None or covered > held:
            held, reason = covered, "its next expected run"
    if held is None or held <= now:
        return {"not_before": None, "not_before_reason": ""}
    return {"not_before": held, "not_before_reason": reason}


def _deleted_by_us(change: Change, reader: AwsSession, journal: RowJournal) -> str:
    """Prove it (rule 7), then record it."""
    user = change.departure.user
    answered = change.calls.filter(operation="DeleteUser", outcome="ok").exists()
    proof = aws.prove_deleted(reader, user.user_name, user.user_id, answered=answered)
    journal.looked("GetUser", user.user_name, proof.get_user)
    now = clock.now()
    with journal.recording() as departure:
        if departure.state == State.DELETED:
            return f"Gone, proved by GetUser: {proof.get_user}."
        IamUser.objects.filter(pk=user.pk).update(gone_at=now)
        Change.objects.filter(pk=change.pk).update(
            proof={"get_user": proof.get_user, "by": proof.by, "at": now.isoformat()}
        )
        move(
            departure,
            MoveName.DELETE,
            actor=change.batch.approved_by if change.batch else None,
            batch=change.batch.number if change.batch else None,
            note=f"Proved by GetUser: {proof.get_user}, {proof.by}",
            then=[_gone_line(change, proof)],
            deleted_at=now,
        )
    return f"Gone, proved by GetUser: {proof.get_user}."


def _gone_line(change: Change, proof: aws.Proof) -> ledger.Line:
    batch: Batch | None = change.batch
    sent = change.calls.filter(kind=Call.Kind.WRITE, outcome="ok")
    return ledger.Line(
        "user.deleted",
        change.departure.user,
        batch=batch.number if batch else None,
        data={
            "proof": proof.get_user,
            "by": proof.by,
            "asked_by": ledger.person_hash(batch.asked_by) if batch and batch.asked_by else "",
            "request_ids": list(sent.values_list("request_id", flat=True)),
        },
    )
