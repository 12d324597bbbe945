"""Restore: it outranks every forward change, undoes exactly what we did, and is read back.

Rules 9 and 14.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import UserHoldings, list_users, read_user
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, open_session
from inventory.models import Alert, IamUser, Person, Role
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws
from migrations_app.changes import nudge, outranking
from migrations_app.changes.journal import RowJournal
from migrations_app.changes.state import move, note
from migrations_app.lifecycle import FORWARD_MOVES, SWITCHED_OFF, MoveName, State
from migrations_app.models import Answer, Call, Change, Departure, Hit, Holdings, Plan
from migrations_app.outgoing import notices

# After the first read-back; the product's time.
CHECKS = (timedelta(minutes=5), timedelta(hours=1))
_FORWARD = sorted(name.value for name in FORWARD_MOVES)


def restore(departure: Departure, person: Person | None, reason: str = "") -> Change:
    """Ask for a restore; it is queued at once and needs no approval.

    In one transaction: an unclaimed forward change is superseded, a claimed one is taken over or
    asked to stop (see `outranking`), drafts and approved batches lose the user. A second request
    gives back the first. Refused for a
    user that has access, is deleted, or is past the point of no return. `person` None is the
    product itself, when a fenced user is protected.
    """
    with transaction.atomic():
        row = (
            Departure.objects.select_for_update(of=("self",))
            .select_related("user__account", "owner")
            .get(pk=departure.pk)
        )
        if person is not None:
            require(person, Action.RESTORE, row.owner)
            compromised = row.compromised or _as_compromised(_our_calls(row))
            if compromised and not person.has_role(Role.ENGINEER):
                raise NotAllowed(
                    f"{row.user} was shut as compromised; only an engineer restores it.",
                    rule="compromised",
                )
        asked = row.changes.filter(
            move=MoveName.RESTORE,
            status__in=[Change.Status.QUEUED, Change.Status.RUNNING, Change.Status.FAILED],
        ).first()
        if asked is not None and not (asked.finished_at and may_be_restored(row)):
            return _again(asked)
        _refuse_restore(row)
        if asked is not None:
            # A read-back of an earlier one. What is to be undone now was done after it.
            _no_more_checks(asked, asked.claimed_by)
        outranking.supersede(row)
        change = Change.objects.create(
            departure=row,
            move=MoveName.RESTORE,
            status=Change.Status.QUEUED,
            requested_by=person,
            requested_at=clock.now(),
            reason=reason.strip(),
        )
        notices.tell_owner(
            row, "restored", f"restore:{change.pk}:asked", f"{row.user} is being restored", reason
        )
        ledger.append("restore.asked", actor=person, user=row.user, reason=reason)
        nudge.restore(change.pk)
    return change


def made_by_us(departure: Departure, by: Change | None = None) -> aws.Made:
    """What our forward changes did to this user since its last restore, read from the journal.

    A line without an answer counts: the call may have been applied. What AWS refused does not.
    `by` is the restore that asks, which is not that last one.
    """
    calls = _our_calls(departure, by)

    def ids(operation: str, parameter: str) -> frozenset[str]:
        return frozenset(call.params[parameter] for call in calls if call.operation == operation)

    keys = ids("UpdateAccessKey", "AccessKeyId")
    boundary = [call for call in calls if call.operation == "PutUserPermissionsBoundary"]
    return aws.Made(
        access_keys=frozenset() if _as_compromised(calls) else keys,
        ssh_keys=ids("UpdateSSHPublicKey", "SSHPublicKeyId"),
        service_credentials=ids("UpdateServiceSpecificCredential", "ServiceSpecificCredentialId"),
        certificates=ids("UpdateSigningCertificate", "CertificateId"),
        login_profile=any(call.operation == "DeleteLoginProfile" for call in calls),
        policy_fence=any(call.operation == "AttachUserPolicy" for call in calls),
        boundary_fence=bool(boundary),
        boundary_before=_boundary_before(boundary),
    )


def saved_before(departure: Departure) -> Holdings | None:
    """What the user held before our first write since its last restore: what a rebuild is made of.

    None where nothing was ever written to it.
    """
    last = _restores(departure).order_by("-pk").first()
    cycle = departure.holdings.filter(change__pk__gt=last.pk if last else 0)
    return cycle.order_by("taken_at", "pk").first()


def _restores(departure: Departure) -> QuerySet[Change]:
    """Finished once, it counts also while it is being read back, or where that failed."""
    return departure.changes.filter(move=MoveName.RESTORE, finished_at__isnull=False).exclude(
        status=Change.Status.WITHDRAWN
    )


def _our_calls(departure: Departure, by: Change | None = None) -> list[Call]:
    restores = _restores(departure)
    forward = Call.objects.filter(
        change__departure=departure, change__move__in=[MoveName.DISABLE, MoveName.SOAK]
    )
    if by is not None:
        # Its later read-backs must not undo what was approved after it.
        restores = restores.filter(pk__lt=by.pk)
        forward = forward.filter(change__pk__lt=by.pk)
    last = restores.order_by("-pk").first()
    return list(
        forward.filter(change__pk__gt=last.pk if last else 0, kind=Call.Kind.WRITE)
        .exclude(outcome__in=Call.NOT_APPLIED)
        .select_related("change__batch")
    )


def _as_compromised(calls: list[Call]) -> bool:
    """Whether an urgent batch did it: those access keys stay inactive for good."""
    return any(call.change.batch is not None and call.change.batch.urgent for call in calls)


def may_be_restored(departure: Departure) -> bool:
    """Whether there is anything to restore: it is off, or a change of ours stopped half-way."""
    if departure.state == State.DELETED or departure.irreversible_at:
        return False
    return departure.state in SWITCHED_OFF or made_by_us(departure) != aws.Made()


@dataclass(frozen=True, slots=True)
class RestorePreview:
    """What a restore does, and what it cannot, said before the click."""

    lines: list[str]
    password_command: str


def restore_preview(departure: Departure) -> RestorePreview:
    """In plain words: what comes back in about a minute, and what does not."""
    made = made_by_us(departure)
    lines = []
    if made.policy_fence or made.boundary_fence:
        lines.append("The deny is taken off.")
    credentials = (
        (made.access_keys, "access key"),
        (made.ssh_keys, "SSH public key"),
        (made.service_credentials, "service-specific credential"),
        (made.certificates, "signing certificate"),
    )
    for ids, what in credentials:
        if ids:
            count = "Its" if len(ids) == 1 else f"Its {len(ids)}"
            plural = "" if len(ids) == 1 else "s"
            again = "becomes Active again." if len(ids) == 1 else "become Active again."
            lines.append(f"{count} {what}{plural} {again}")
    if departure.compromised:
        lines.append("It was shut as compromised: its access keys stay inactive.")
    if made.login_profile:
        lines.append(
            "The old password cannot come back. An IAM administrator sets a new one with this "
            "command."
        )
    else:
        lines.append("Nothing was lost, so nothing changes on the caller.")
    command = aws.password_command(departure.user.user_name) if made.login_profile else ""
    return RestorePreview(lines, command)


def apply_restore(change: Change, worker: str) -> None:
    """Do a claimed restore: undo, read back, record. For the restore worker.

    Raises AwsFailure when AWS refused; the journal then says how far it came.
    """
    departure = Departure.objects.select_related("user__account", "owner").get(
        pk=change.departure_id
    )
    if made_by_us(departure, change) == aws.Made() and departure.state not in SWITCHED_OFF:
        # The forward change was stopped before its first call.
        with RowJournal(change, worker).recording() as departure:
            record_restore(departure, change, None)
        return
    with RowJournal(change, worker) as journal:
        holdings = _restored_in_aws(departure, change, journal)
        with journal.recording() as departure:
            record_restore(departure, change, holdings)


def check_restore(change: Change, worker: str) -> None:
    """Read a restore back again, and repair it if AWS drifted; loud if it had to be."""
    departure = Departure.objects.select_related("user__account", "owner").get(
        pk=change.departure_id
    )
    if _fenced_again(departure, change):
        _no_more_checks(change, worker)
        return
    before = change.calls.filter(kind=Call.Kind.WRITE).count()
    with RowJournal(change, worker) as journal:
        _restored_in_aws(departure, change, journal)
    repaired = change.calls.filter(kind=Call.Kind.WRITE).count() - before
    with journal.recording():
        checks = change.checks + 1
        Change.objects.filter(pk=change.pk).update(
            status=Change.Status.DONE,
            checks=checks,
            check_at=change.finished_at + CHECKS[checks]
            if change.finished_at and checks < len(CHECKS)
            else None,
            claimed_by="",
            lease_until=None,
        )
        if repaired:
            raise_alert(
                f"restore-repaired:{change.pk}:{checks}",
                "restore",
                f"The restore of {departure.user} had to be repaired",
                f"{repaired} calls were needed again: something else changed it meanwhile.",
                departure,
            )


def _fenced_again(departure: Departure, change: Change) -> bool:
    """Whether a forward change after this restore may have written: what is there now is its."""
    later = departure.changes.filter(pk__gt=change.pk, move__in=_FORWARD)
    return later.filter(calls__kind=Call.Kind.WRITE).exists()


def _no_more_checks(change: Change, worker: str) -> None:
    Change.objects.filter(pk=change.pk, claimed_by=worker).update(
        status=Change.Status.DONE, check_at=None, claimed_by="", lease_until=None
    )


def raise_alert(key: str, kind: str, title: str, text: str, departure: Departure) -> None:
    """Open an alert about one user, once per key."""
    Alert.objects.get_or_create(
        key=key,
        closed_at=None,
        defaults={
            "kind": kind,
            "title": title[:200],
            "text": text,
            "account": departure.user.account,
            "user": departure.user,
            "raised_at": clock.now(),
        },
    )


def _again(asked: Change) -> Change:
    if asked.status == Change.Status.FAILED:
        Change.objects.filter(pk=asked.pk, status=Change.Status.FAILED).update(
            status=Change.Status.QUEUED, attempts=0, try_after=None
        )
        asked.refresh_from_db()
    nudge.restore(asked.pk)
    return asked


def _refuse_restore(row: Departure) -> None:
    if row.state == State.DELETED:
        raise Refused(f"{row.user} is deleted. It can be re-created, never restored.", rule="state")
    if row.irreversible_at:
        raise Refused(
            f"{row.user} is partly deleted, so it cannot be restored exactly. "
            "Finish deleting, or stop and rebuild it.",
            rule="no-return",
        )
    touched = row.changes.filter(
        move__in=_FORWARD, status__in=[Change.Status.RUNNING, Change.Status.FAILED]
    ).exists()
    if row.state not in SWITCHED_OFF and not touched and made_by_us(row) == aws.Made():
        raise Refused(f"{row.user} has access already; there is nothing to restore.", rule="state")


def _boundary_before(calls: list[Call]) -> str:
    if not calls:
        return ""
    first = min(calls, key=lambda call: call.pk)
    saved = first.change.holdings.order_by("taken_at").first()
    return str(saved.document["boundary"]) if saved else ""


def _restored_in_aws(departure: Departure, change: Change, journal: RowJournal) -> UserHoldings:
    """Undo what is ours and still there, read it back; the user as AWS then shows it."""
    made, user = made_by_us(departure, change), departure.user
    named = _named(departure, made)
    session = _session(change, user, named)
    writer = aws.Writer(
        session, journal, user.user_name, user.user_id, Limiter.for_writes(user.account), first=True
    )
    try:
        writer.same_user()
    except aws.NotTheSameUser as gone:
        raise _renamed(user) or gone from gone
    live = read_user(session, user.user_name)
    if live.arn != named.arn:
        # It was given another path since the account was read; the session is bound to its ARN.
        writer.session = session = _session(change, user, replace(named, arn=live.arn))
    writer.run(aws.RESTORE, live, made)
    holdings = aws.read_back(
        lambda: read_user(session, user.user_name),
        lambda seen: not aws.plan(aws.RESTORE, seen, made),
        f"{user} is restored",
    )
    journal.looked("read back", user.user_name, "restored")
    return holdings


def _session(change: Change, user: IamUser, named: UserHoldings) -> AwsSession:
    return open_session(
        user.account,
        "actor",
        source_identity=change.requested_by.username if change.requested_by else "iam-cleanup",
        session_policy=aws.session_policy(aws.RESTORE, named),
    )


def _renamed(user: IamUser) -> AwsFailure | None:
    """Rule 7: nobody under its name is not yet nobody; None where no other name is known of it."""
    try:
        listed = list_users(open_session(user.account, "reader"))
    except AwsFailure:
        # The restore worker's own credentials may be good for the actor roles only.
        return None
    name = next((one.user_name for one in listed if one.user_id == user.user_id), user.user_name)
    if name == user.user_name:
        return None
    message = f"{user} was renamed to {name}. Sync the account, then try again."
    return aws.NotTheSameUser("Renamed", message, operation="GetUser")


def _named(departure: Departure, made: aws.Made) -> UserHoldings:
    """Holdings that name this user and its old boundary, to narrow the session to."""
    saved = departure.holdings.first()
    if saved is None:
        raise AwsFailure("NothingSaved", f"Nothing of {departure.user} was saved before.")
    holdings = UserHoldings.from_document(saved.document)
    user = departure.user
    return replace(holdings, arn=user.arn, user_name=user.user_name, boundary=made.boundary_before)


def record_restore(departure: Departure, change: Change, holdings: UserHoldings | None) -> None:
    """Record a restore that is done, in the caller's transaction.

    `holdings` is the user as AWS showed it then; None where nothing was sent here.
    """
    now = clock.now()
    cleared: dict[str, Any] = {
        "fence": "",
        "fenced_at": None,
        "clock_started_at": None,
        "watch": None,
        "soak": None,
        "not_before": None,
        "not_before_reason": "",
        "last_used_read_at": None,
        "restored_at": now,
        "answer": Answer.NONE,
        "overruled_at": None,
        "overruled_verdict": "",
        "overruled_note": "",
        "compromised": False,
    }
    lost = ""
    if made_by_us(departure, change).login_profile:
        lost = "; its old password does not come back"
    if holdings is not None and aws.fenced(holdings):
        lost += "; a deny that somebody else put on is still there"
    if departure.state in SWITCHED_OFF:
        move(departure, MoveName.RESTORE, actor=change.requested_by, note=change.reason, **cleared)
    elif holdings is not None:
        # Fenced by half: by its row it had access all the time, and it rests all the same.
        note(departure, "restore.done", actor=change.requested_by, **cleared)
    else:
        ledger.append("restore.done", actor=change.requested_by, user=departure.user)
    # It broke something: whoever confirmed the plan says so anew.
    Plan.objects.filter(departure=departure).unconfirm()
    departure.hits.filter(kind=Hit.Kind.HIT, closed="").update(
        closed=Hit.Closed.RESTORED, closed_at=now, closed_by=change.requested_by
    )
    Change.objects.filter(pk=change.pk).update(
        status=Change.Status.DONE,
        finished_at=now,
        result=f"Restored and read back{lost}." if holdings else "Nothing had been changed yet.",
        check_at=now + CHECKS[0] if holdings else None,
        proof={"user_id": holdings.user_id} if holdings else {},
        claimed_by="",
        lease_until=None,
    )
    notices.tell_owner(
        departure, "restored", f"restore:{change.pk}:done", f"{departure.user} is restored{lost}"
    )
