"""Listening during watch and soak: CloudTrail in every enabled Region, and what the account shows.

An attempt is a hit, what an outsider can cause by knowing a name is a knock; our own calls, and
what was under way when the fence went on, are neither (DESIGN.md section 3).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db.models import Max

from inventory import clock, refresh
from inventory.aws.cloudtrail import TrailEvent
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import UserHoldings, read_user
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, Credential
from migrations_app import aws
from migrations_app.changes import hits
from migrations_app.changes.hits import Attempt
from migrations_app.lifecycle import State
from migrations_app.models import Change, Departure, Hit

log = structlog.get_logger(__name__)

# A task works a minute at most; who was not reached is first in the next round.
SLICE = 50.0
# Whoever is due is heard first, but not twice before the others were heard once.
HEARD_LATELY = timedelta(minutes=15)
_NEVER = datetime.min.replace(tzinfo=UTC)


def listen(account: Account) -> int:
    """Listen to the fenced and shut users of the account for a slice; how many are left unheard.

    Whoever is due and was not heard lately comes first, then whoever was not listened to for
    longest; nobody twice in a slice. A user that cannot be read is left as it was, and silences no
    other. Raises AwsFailure when the account cannot be read at all.
    """
    ends = time.monotonic() + SLICE
    session = open_session(account, "reader")
    waiting = in_order(account)
    heard = 0
    refused: AwsFailure | None = None
    while waiting and time.monotonic() <= ends:
        departure = waiting.pop(0)
        try:
            listen_to(departure, session)
            heard += 1
        except AwsFailure as failed:
            log.warning("unheard", user=departure.user.user_id, error=str(failed))
            refused = failed
    if refused and not heard:
        raise refused
    lately = clock.now() - HEARD_LATELY
    return sum(
        1 for row in waiting if row.last_used_read_at is None or row.last_used_read_at < lately
    )


def listen_to(departure: Departure, session: AwsSession) -> list[Hit]:
    """Listen to one user in all Regions and look at what it holds; new hits and knocks.

    A Region that could not be read stays unread in the coverage, and so holds the user's clock.
    """
    user = departure.user
    try:
        holdings = read_user(session, user.user_name)
    except NoSuchUser:
        return []
    if holdings.user_id != user.user_id or departure.fenced_at is None:
        return []
    events = refresh.listen_user(user, session, clock.now())
    asked_at = clock.now()
    keys = refresh.read_last_used(user, session, holdings)
    new = hits.record(departure, list(_from_trail(departure, events)))
    attempts = [
        *_overlooked(departure),
        *_last_used(departure, keys or [], holdings),
        *_from_holdings(departure, holdings),
    ]
    new += hits.record(departure, attempts)
    # Last: until what was found is written down, the clock is held.
    if keys is not None:
        Departure.objects.filter(pk=departure.pk).update(last_used_read_at=asked_at)
    return new


def _overlooked(departure: Departure) -> Iterator[Attempt]:
    """Uses that are kept as activity, but of which no hit tells.

    An event is new only once: a listener that died after saving it, or a sync that read it first,
    must not lose it.
    """
    if departure.fenced_at is None:
        return
    heard = departure.hits.filter(kind=Hit.Kind.HIT).exclude(source__in=hits.STANDING)
    told = heard.aggregate(last=Max("last_at"))["last"]
    since = max(filter(None, (departure.fenced_at + hits.FENCE_SETTLES, told)))
    for row in departure.user.activity.filter(last_at__gt=since).exclude(outcome="failed-sign-in"):
        yield Attempt(
            Hit.Kind.HIT,
            "trail",
            f"{row.service.removesuffix('.amazonaws.com')}:{row.action}, {row.outcome}",
            row.last_at,
            {
                "who": departure.user.user_name,
                "where": row.source_address,
                "region": row.region,
                "with": row.user_agent,
                "key": row.access_key_id,
                "error": "" if row.outcome == "ok" else row.outcome,
            },
        )


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


def _from_trail(departure: Departure, events: list[TrailEvent]) -> Iterator[Attempt]:
    if departure.fenced_at is None:
        return
    since = departure.fenced_at + hits.FENCE_SETTLES
    for event in events:
        if event.at <= since:
            continue
        knock = event.kind == "failed-sign-in"
        yield Attempt(
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
            },
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
                {"key": credential.credential_id, "region": credential.last_used_region},
            )
    signed_in = holdings.password_last_used_at
    if signed_in and signed_in > since:
        yield Attempt(Hit.Kind.HIT, "last-used", "console password used", signed_in)


def _from_holdings(departure: Departure, holdings: UserHoldings) -> Iterator[Attempt]:
    """A credential made or made active again, or a fence taken off by a foreign hand."""
    now = clock.now()
    if Change.objects.filter(departure=departure, status=Change.Status.RUNNING).exists():
        return
    if departure.fence and not aws.fenced(holdings):
        yield Attempt(Hit.Kind.HIT, "fence", "the fence was taken off in AWS", now)
    saved = departure.holdings.order_by("-taken_at").first()
    if saved is None:
        return
    before = UserHoldings.from_document(saved.document)
    old = {part.id for part in _parts(before)}
    for part in _parts(holdings):
        if part.id not in old:
            yield Attempt(
                Hit.Kind.HIT,
                "credential",
                f"a credential was made: {part.id}",
                now,
                {"key": part.id},
            )
        elif departure.state == State.SOAKING and part.status == "Active":
            yield Attempt(
                Hit.Kind.HIT,
                "credential",
                f"a credential is Active again: {part.id}",
                now,
                {"key": part.id},
            )
    if departure.state == State.SOAKING and holdings.has_login_profile:
        yield Attempt(Hit.Kind.HIT, "credential", "a console password was set", now)


def _parts(holdings: UserHoldings) -> list[Any]:
    return [
        *holdings.access_keys,
        *holdings.ssh_keys,
        *holdings.certificates,
        *holdings.service_credentials,
    ]
