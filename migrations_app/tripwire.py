"""Listening during watch and soak: CloudTrail in every enabled Region, and what the account shows.

An attempt is a hit, what an outsider can cause by knowing a name is a knock; our own calls, and
what was under way when the fence went on, are neither (DESIGN.md section 3).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Count

from inventory import clock, refresh
from inventory.aws.cloudtrail import FAILED_SIGN_IN, TrailEvent
from inventory.aws.failure import NoSuchUser
from inventory.aws.holdings import UserHoldings, read_user
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, Activity, Alert, Credential, TrailCoverage
from migrations_app import aws
from migrations_app.changes import hits
from migrations_app.changes.ahead import read_ahead
from migrations_app.changes.hits import Attempt
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Call, Change, Departure, Hit

log = structlog.get_logger(__name__)

# A task works a minute at most: events take the first part of it, what the account shows the rest.
# Who was not reached is first in the next slice.
SLICE = 50.0
EVENTS = 30.0
# Whoever is due is heard first, but not twice before the others were heard once.
HEARD_LATELY = timedelta(minutes=15)
# Rounds that break off, one after the other, before somebody is told.
FAILURES = 3


def listen(account: Account, began: datetime | None = None) -> int:
    """Listen to the fenced and shut users of the account for a slice; how many are left unheard.

    `began` is when this round did: whoever was heard since is not heard again in it. Whoever is due
    and was not heard lately comes first, then whoever was not listened to for longest. A user that
    cannot be read is left as it was, and silences no other. What broke off is kept with the
    account; after three rounds in a row it is an alert. Raises whatever made all of it fail.
    """
    began = began or clock.now()
    try:
        left, broken = _slice(account, began)
    except Exception as failed:
        _note(account, f"{type(failed).__name__}: {failed}")
        raise
    if broken or not left:
        _note(account, broken)
    return left


def _slice(account: Account, began: datetime) -> tuple[int, str]:
    """How many are left, and in which words a user could not be heard, if one could not."""
    started = time.monotonic()
    session = open_session(account, "reader")
    session.pace("iam", Limiter.for_reads(account).wait)
    rows = in_order(account)
    _hear(account, rows, session, began, started + EVENTS)
    read_ahead(account, session, lambda: time.monotonic() <= started + EVENTS)
    waiting = [
        row for row in rows if row.last_used_read_at is None or row.last_used_read_at < began
    ]
    looked, broken = 0, {}
    while waiting and time.monotonic() <= started + SLICE:
        departure = waiting.pop(0)
        try:
            look(departure, session)
            looked += 1
        except Exception as failed:
            # Whatever is wrong with one must not silence the others; it is kept, and told.
            log.warning("unheard", user=departure.user.user_id, exc_info=True)
            broken[departure] = failed
    if broken and not looked:
        raise next(iter(broken.values()))
    words = "; ".join(f"{row.user}: {why}" for row, why in list(broken.items())[:3])
    return len({*waiting, *_unheard(rows, began)}), words


def _hear(
    account: Account,
    rows: Iterable[Departure],
    session: AwsSession,
    began: datetime,
    ends: float,
) -> None:
    """Read the events of these users on; what they attempted is recorded as it comes."""
    known = {row.user_id: row for row in rows}
    now = clock.now()
    for pk, events in refresh.hear(
        account,
        [row.user for row in known.values()],
        session,
        now,
        fresh=now - began,
        goes_on=lambda: time.monotonic() <= ends,
    ):
        hits.record(known[pk], list(_from_trail(known[pk], events)))


def _unheard(rows: Iterable[Departure], began: datetime) -> list[Departure]:
    """Of whom a Region was not asked since the round began."""
    asked = dict(
        TrailCoverage.objects.filter(user__departure__in=list(rows), looked_at__gte=began)
        .order_by()
        .values_list("user_id")
        .annotate(Count("pk"))
    )
    return [
        row for row in rows if asked.get(row.user_id, 0) < len(row.user.account.enabled_regions)
    ]


def _note(account: Account, broken: str) -> None:
    """Keep that a round broke off, or forget it; the third one in a row is an alert."""
    failures = account.listening_failures + 1 if broken else 0
    if not broken and not account.listening_failures and not account.listening_error:
        return
    account.listening_failures, account.listening_error = failures, broken
    account.save(update_fields=["listening_failures", "listening_error"])
    key = f"listening:{account.account_id}"
    if not broken:
        Alert.objects.filter(key=key, closed_at=None).update(closed_at=clock.now())
    elif failures >= FAILURES:
        Alert.objects.get_or_create(
            key=key,
            closed_at=None,
            defaults={
                "kind": "listening",
                "title": f"Listening to {account.name} breaks off"[:200],
                "text": (
                    f"{broken}\n\nWhoever is not heard stays as it is: nobody is shut or deleted"
                    " without whole listening. It is tried again every quarter of an hour."
                ),
                "account": account,
                "raised_at": clock.now(),
            },
        )


def look(departure: Departure, session: AwsSession) -> None:
    """Look at what one user holds and when it was last used.

    A last use that cannot be read holds the user's clock. Raises AwsFailure.
    """
    user = departure.user
    try:
        holdings = read_user(session, user.user_name)
    except NoSuchUser:
        return
    if holdings.user_id != user.user_id or departure.fenced_at is None:
        return
    asked_at = clock.now()
    keys = refresh.read_last_used(user, session, holdings)
    attempts = [
        *_overlooked(departure),
        *_last_used(departure, keys or [], holdings),
        *_from_holdings(departure, holdings),
    ]
    hits.record(departure, attempts)
    hits.lengthen(departure)
    # Last: until what was found is written down, the clock is held.
    if keys is not None:
        Departure.objects.filter(pk=departure.pk).update(last_used_read_at=asked_at)


def _overlooked(departure: Departure) -> Iterator[Attempt]:
    """Uses and knocks that are kept as activity, but of which no hit tells perhaps.

    An event is new only once: a listener that died after saving it, or a sync that read it first,
    must not lose it. What was told already is told by its caller's last attempt.
    """
    if departure.fenced_at is None:
        return
    since = departure.fenced_at + hits.FENCE_SETTLES
    for row in departure.user.activity.filter(last_at__gt=since).order_by("last_at"):
        yield _attempt(departure, _event_of(row))


def in_order(account: Account) -> list[Departure]:
    """Whom to listen to, first to last: who is due and was not heard lately, then the longest."""
    rows = list(
        Departure.objects.switched_off()
        .filter(user__account=account)
        .exclude(fenced_at=None)
        .select_related("user__account", "owner")
    )
    now = clock.now()

    def urgency(row: Departure) -> tuple[bool, float]:
        read = row.last_used_read_at
        due = row.due_at is not None and row.due_at <= now
        first = due and (read is None or read < now - HEARD_LATELY)
        return (not first, read.timestamp() if read else 0.0)

    return sorted(rows, key=urgency)


def _from_trail(departure: Departure, events: Iterable[TrailEvent]) -> Iterator[Attempt]:
    if departure.fenced_at is None:
        return
    since = departure.fenced_at + hits.FENCE_SETTLES
    for event in events:
        if event.at > since:
            yield _attempt(departure, event)


def _attempt(departure: Departure, event: TrailEvent) -> Attempt:
    knock = event.kind == FAILED_SIGN_IN
    return Attempt(
        Hit.Kind.KNOCK if knock else Hit.Kind.HIT,
        "trail",
        f"{event.service.removesuffix('.amazonaws.com')}:{event.action}"
        + (f", {event.error_code}" if event.error_code else ""),
        event.at,
        {
            "who": departure.user.user_name,
            "where": event.source_address,
            "region": event.region,
            "with": event.user_agent,
            "key": event.access_key_id,
            "error": event.error_code,
            "service": event.service.removesuffix(".amazonaws.com"),
        },
    )


def _event_of(row: Activity) -> TrailEvent:
    """The last of the events that a row of activity sums up."""
    return TrailEvent(
        event_id="",
        at=row.last_at,
        region=row.region,
        service=row.service,
        action=row.action,
        access_key_id=row.access_key_id,
        source_address=row.source_address,
        user_agent=row.user_agent,
        error_code="" if row.outcome == "ok" else row.outcome,
        kind=row.outcome,
        principal_id="",
    )


def _last_used(
    departure: Departure, keys: list[Credential], holdings: UserHoldings
) -> Iterator[Attempt]:
    """Data-plane use leaves no event, but it moves a key's last-used date."""
    if departure.fenced_at is None:
        return
    since = departure.fenced_at + hits.FENCE_SETTLES
    for credential in keys:
        if credential.last_used_at and credential.last_used_at > since:
            yield Attempt(
                Hit.Kind.HIT,
                "last-used",
                f"key used for {credential.last_used_service or 'an unnamed service'}",
                credential.last_used_at,
                {
                    "key": credential.credential_id,
                    "region": credential.last_used_region,
                    "service": credential.last_used_service,
                },
            )
    signed_in = holdings.password_last_used_at
    if signed_in and signed_in > since:
        how = {"service": "signin"}
        yield Attempt(Hit.Kind.HIT, "last-used", "console password used", signed_in, how)


def _from_holdings(departure: Departure, holdings: UserHoldings) -> Iterator[Attempt]:
    """A credential made or made active again, or a fence taken off by a foreign hand."""
    if Change.objects.filter(departure=departure, status=Change.Status.RUNNING).exists():
        return
    if _given_back_by_half(departure):
        return
    # Whoever put it on: without it the user is not what its state says.
    if not aws.fenced(holdings) and not _taken_off_by_us(departure, aws.deny_all(holdings)):
        yield _seen("fence", _without_fence(departure, holdings))
    saved = departure.holdings.order_by("-taken_at").first()
    if saved is None:
        return
    before = UserHoldings.from_document(saved.document)
    shut = departure.state == State.SOAKING
    live = {part.id: part.status == "Active" for part in _parts(before)}
    for part in _parts(holdings):
        if part.id not in live:
            yield _seen("credential", f"a credential was made: {part.id}", part.id)
        elif part.status == "Active" and (shut or not live[part.id]):
            yield _seen("credential", f"a credential is Active again: {part.id}", part.id)
    if holdings.has_login_profile and (shut or not before.has_login_profile):
        yield _seen("credential", "a console password was set")


def _seen(source: str, what: str, key: str = "") -> Attempt:
    """What the account shows has no time of its own."""
    return Attempt(Hit.Kind.HIT, source, what, clock.now(), {"key": key} if key else {})


def _given_back_by_half(departure: Departure) -> bool:
    """A restore that is not finished, or failed, took off or made Active what would be found."""
    ours = Call.objects.filter(
        change__departure=departure,
        change__move=MoveName.RESTORE,
        change__finished_at=None,
        kind=Call.Kind.WRITE,
    )
    return ours.exclude(outcome__in=Call.NOT_APPLIED).exists()


def _taken_off_by_us(departure: Departure, fence: str) -> bool:
    """A deletion takes the fence off last, and may stop before DeleteUser."""
    ours = Call.objects.filter(
        change__departure=departure,
        change__irreversible_at__isnull=False,
        operation="DetachUserPolicy",
        params__PolicyArn=fence,
    )
    return departure.partly_deleted and ours.exclude(outcome__in=Call.NOT_APPLIED).exists()


def _without_fence(departure: Departure, holdings: UserHoldings) -> str:
    if departure.fence == "boundary" and holdings.boundary:
        name = holdings.boundary.rpartition("/")[2]
        return f"the fence was replaced in AWS by the boundary {name}"
    return "the fence was taken off in AWS"


def _parts(holdings: UserHoldings) -> list[Any]:
    return [
        *holdings.access_keys,
        *holdings.ssh_keys,
        *holdings.certificates,
        *holdings.service_credentials,
    ]
