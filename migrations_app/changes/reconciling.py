"""After a database restore: what AWS shows against what the rows say, and recording what is proven.

The rows are as they were at an earlier time. Whatever was done since, CloudTrail and the account
itself still tell: our own calls with their request ids, who is fenced, who is gone. Nothing here
writes to AWS. What is recorded makes a user restorable again, or says that it is gone; what is not
proven is only listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from inventory import clock, ledger
from inventory.aws import account_details
from inventory.aws.account_details import UserDetails
from inventory.aws.cloudtrail import HISTORY
from inventory.aws.failure import AwsFailure
from inventory.aws.holdings import ListedUser, UserHoldings, list_users, read_user
from inventory.aws.own_calls import OwnCall, own_calls
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import aws
from migrations_app.changes import state
from migrations_app.changes.forward import vanish
from migrations_app.changes.restoring import made_by_us, record_restore
from migrations_app.lifecycle import SWITCHED_OFF, MoveName, State
from migrations_app.models import Answer, Call, Change, Departure, EmergencyStop, Holdings

REASON = "Found in CloudTrail after the database was restored."
# The last entry may be older than the last call: a batch may have been under way.
_BEFORE = timedelta(days=1)
_GIVES_BACK = ("DetachUserPolicy", "DeleteUserPermissionsBoundary")


@dataclass(frozen=True, slots=True)
class Difference:
    """One user about whom AWS shows something else than the rows say.

    `records` says what `record` writes down; "" where nothing is proven and a person must look.
    `calls` are calls of ours that the journal lacks.
    """

    departure: Departure
    kind: str  # gone | half-deleted | fenced | restored | fence-gone | foreign-fence | unclear
    aws_shows: str
    records: str = ""
    calls: tuple[OwnCall, ...] = ()

    def values(self) -> dict[str, Any]:
        """For the page of the stop."""
        user = self.departure.user
        return {
            "account": user.account.account_id,
            "user_id": user.user_id,
            "user_name": user.user_name,
            "kind": self.kind,
            "rows_say": self.rows_say,
            "aws_shows": self.aws_shows,
            "records": self.records,
        }

    @property
    def rows_say(self) -> str:
        return State(self.departure.state).label


def differences(account: Account, since: datetime) -> list[Difference]:
    """Read an account whole and compare it; `since` is the last that the rows know of.

    Raises AwsFailure rather than comparing with a part.
    """
    session = open_session(account, "reader")
    listed = {user.user_id: user for user in list_users(session)}
    if not listed:
        raise AwsFailure("EmptyListing", "ListUsers showed nobody at all.", operation="ListUsers")
    details = account_details.read(session).users
    now = clock.now()
    since = max(since - _BEFORE, now - HISTORY)
    lost = _unknown(own_calls(session, account, since=since, until=now))
    rows = Departure.objects.filter(user__account=account).exclude(state=State.DELETED)
    found = []
    for row in rows.select_related("user__account", "owner"):
        calls = lost.get(row.user.user_name.lower(), ())
        one = _missing(row, session, calls) if row.user.user_id not in listed else None
        if row.user.user_id in listed and row.user.user_id in details:
            seen = details[row.user.user_id]
            one = _present(row, listed[row.user.user_id], seen, calls)
        if one is not None:
            found.append(one)
    return found


def record(difference: Difference, person: Person) -> None:
    """Write down what is proven about one user, in one transaction; an engineer's."""
    require(person, Action.OPERATE)
    if not difference.records:
        raise Refused(f"Nothing is proven about {difference.departure.user}. Look at it by hand.")
    departure = difference.departure
    # Read before the transaction: none is open while AWS is asked.
    live = _live(departure) if difference.kind in ("fenced", "half-deleted") else None
    with transaction.atomic():
        if difference.kind == "gone":
            vanish(departure)
        elif difference.kind == "restored":
            _record_restored(difference, person)
        else:
            _record_calls(difference, person, live)
        ledger.append(
            "reconcile.recorded",
            actor=person,
            user=departure.user,
            found=difference.kind,
            request_ids=[call.request_id for call in difference.calls],
        )


def finish(person: Person, left: Sequence[Difference], skipped: Sequence[str]) -> EmergencyStop:
    """Say that AWS was read; from now on another person may lift the stop."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        stop = EmergencyStop.objects.select_for_update().filter(lifted_at=None).first()
        if stop is None or not stop.reconcile:
            raise Refused("No database restore waits to be reconciled.")
        stop.reconciled_by, stop.reconciled_at = person, clock.now()
        stop.differences = [one.values() for one in left]
        stop.save()
        ledger.append(
            "reconcile.done", actor=person, differences=len(left), skipped=sorted(skipped)
        )
    return stop


def _unknown(calls: Iterable[OwnCall]) -> Mapping[str, tuple[OwnCall, ...]]:
    """By user name, the calls whose request ids no journal line has, oldest first."""
    calls = list(calls)
    known = set(
        Call.objects.filter(request_id__in=[call.request_id for call in calls]).values_list(
            "request_id", flat=True
        )
    )
    by_name: dict[str, list[OwnCall]] = defaultdict(list)
    for call in calls:
        if call.request_id not in known:
            by_name[str(call.params.get("UserName", "")).lower()].append(call)
    return {name: tuple(found) for name, found in by_name.items()}


def _missing(row: Departure, session: AwsSession, calls: tuple[OwnCall, ...]) -> Difference | None:
    user = row.user
    gone = aws.gone_by_get_user(session, user.user_name, user.user_id)
    if not gone:
        return Difference(row, "unclear", "ListUsers lacks it, GetUser shows it. Ask again later.")
    by = "not by us, as far as CloudTrail tells"
    for call in calls:
        if call.operation == "DeleteUser":
            by = f"by our own DeleteUser of {call.at:%d %b %H:%M} UTC ({call.request_id})"
    shows = f"gone, {by}; GetUser: {gone}"
    return Difference(row, "gone", shows, "deleted outside, with this proof", calls)


def _present(
    row: Departure, listed: ListedUser, seen: UserDetails, calls: tuple[OwnCall, ...]
) -> Difference | None:
    if listed.user_name != row.user.user_name:
        return Difference(row, "unclear", f"renamed to {listed.user_name}; sync the account")
    final = tuple(call for call in calls if call.role == "deleter")
    if row.irreversible_at:
        # Partly deleted, and known to be: it may well have lost its fence.
        return None
    if final:
        shows = f"partly deleted by us since {final[0].at:%d %b %H:%M} UTC"
        return Difference(
            row, "half-deleted", shows, "the point of no return, and the calls", final
        )
    return _switched(row, _fence_of(listed.arn, seen), calls)


def _switched(row: Departure, fence: str, calls: tuple[OwnCall, ...]) -> Difference | None:
    """Who is fenced or has access, against what its state says."""
    off = row.state in SWITCHED_OFF
    forward, restored = _last_word(calls)
    if not fence and restored and not forward:
        shows = f"restored by us at {restored[-1].at:%d %b %H:%M} UTC"
        # What it took back as well: alone, it would be found at the next reading.
        both = tuple(call for call in calls if call.role == "actor")
        return Difference(row, "restored", shows, "the restore", both)
    if off and not fence:
        return Difference(row, "fence-gone", "not fenced, and not unfenced by us")
    if forward:
        shows = f"changed by us: {', '.join(dict.fromkeys(call.operation for call in forward))}"
        return Difference(row, "fenced", shows, "the calls, so that it can be restored", forward)
    if fence and not off and made_by_us(row) == aws.Made():
        return Difference(row, "foreign-fence", f"fenced by {fence}, not by us")
    return None


def _fence_of(arn: str, seen: UserDetails) -> str:
    deny = f"arn:{arn.split(':')[1]}:iam::aws:policy/AWSDenyAll"
    if deny in seen.attached_policies:
        return "policy"
    return "boundary" if seen.boundary == deny else ""


def _last_word(
    calls: tuple[OwnCall, ...],
) -> tuple[tuple[OwnCall, ...], tuple[OwnCall, ...]]:
    """(what a fence or shut did, what a restore did) by the last of the two."""
    ours = [call for call in calls if call.role == "actor"]
    forward: list[OwnCall] = []
    restored: list[OwnCall] = []
    for call in ours:
        if _restores(call):
            restored, forward = [*restored, call], []
        else:
            forward.append(call)
    return tuple(forward), tuple(restored)


def _restores(call: OwnCall) -> bool:
    if call.operation == "PutUserPermissionsBoundary":
        return not str(call.params.get("PermissionsBoundary", "")).endswith("/AWSDenyAll")
    return call.operation in _GIVES_BACK or call.params.get("Status") == "Active"


def _live(departure: Departure) -> UserHoldings:
    return read_user(open_session(departure.user.account, "reader"), departure.user.user_name)


def _record_calls(difference: Difference, person: Person, live: UserHoldings | None) -> None:
    """A change that has ended, with the lines that were lost: what is ours is undone by them."""
    departure, deleting = difference.departure, difference.kind == "half-deleted"
    first = difference.calls[0].at
    change = Change.objects.create(
        departure=departure,
        move=MoveName.DELETE if deleting else MoveName.DISABLE,
        status=Change.Status.WITHDRAWN if deleting else Change.Status.SUPERSEDED,
        requested_by=person,
        requested_at=first,
        started_at=first,
        finished_at=clock.now(),
        irreversible_at=first if deleting else None,
        reason=REASON,
        result=REASON,
    )
    _write_lines(change, difference.calls)
    if live is not None:
        before = _before(live, departure, difference.calls)
        Holdings.objects.create(
            departure=departure, change=change, taken_at=first, document=before.document()
        )
    if deleting:
        departure.refresh_from_db()
        state.note(departure, "delete.found-half-done", actor=person, irreversible_at=first)


def _write_lines(change: Change, calls: Iterable[OwnCall]) -> None:
    Call.objects.bulk_create(
        Call(
            change=change,
            seq=number,
            kind=Call.Kind.WRITE,
            operation=call.operation,
            target=str(call.params.get("PolicyArn") or call.params.get("UserName", ""))[:300],
            params=call.params,
            sent_at=call.at,
            answered_at=call.at,
            outcome="ok",
            request_id=call.request_id[:100],
            http_status=200,
        )
        for number, call in enumerate(calls, start=1)
    )


def _before(live: UserHoldings, departure: Departure, calls: Sequence[OwnCall]) -> UserHoldings:
    """The holdings as they were before these calls, as far as that can be told now.

    The boundary under a boundary fence is the one that the last sync saw.
    """
    shut = {str(value) for call in calls for value in call.params.values()}

    def active(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(one, status="Active") if one.id in shut else one for one in parts)

    fence = aws.deny_all(live)
    attached = any(call.operation == "AttachUserPolicy" for call in calls)
    return replace(
        live,
        attached_policies=tuple(
            arn for arn in live.attached_policies if not (attached and arn == fence)
        ),
        boundary=departure.user.boundary_arn if live.boundary == fence else live.boundary,
        access_keys=active(live.access_keys),
        service_credentials=active(live.service_credentials),
        ssh_keys=active(live.ssh_keys),
        certificates=active(live.certificates),
        has_login_profile=live.has_login_profile
        or any(call.operation == "DeleteLoginProfile" for call in calls),
    )


def _record_restored(difference: Difference, person: Person) -> None:
    departure = difference.departure
    change = Change.objects.create(
        departure=departure,
        move=MoveName.RESTORE,
        status=Change.Status.DONE,
        requested_by=person,
        requested_at=difference.calls[-1].at,
        started_at=difference.calls[-1].at,
        reason=REASON,
    )
    _write_lines(change, difference.calls)
    if departure.state not in SWITCHED_OFF:
        # The fence was lost with it: it has access by its row, and rests all the same.
        state.note(
            departure, "restore.found", actor=person, restored_at=clock.now(), answer=Answer.NONE
        )
    record_restore(departure, change, None)
    Change.objects.filter(pk=change.pk).update(result=REASON)
