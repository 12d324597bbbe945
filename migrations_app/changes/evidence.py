"""Looking at one user again, live, right before somebody decides or a worker acts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from inventory import refresh
from inventory.aws.holdings import UserHoldings
from inventory.aws.session import AwsSession
from inventory.category import CategoryName
from inventory.models import IamUser, LedgerEntry, LedgerName, Organization
from inventory.policy import policy_for
from inventory.rights.privilege import ADMIN, ADMIN_LEVELS, NOT_LOOKED_AT
from inventory.sentences import days
from migrations_app import aws, guards
from migrations_app.changes.situation import situation
from migrations_app.lifecycle import MoveName
from migrations_app.models import Departure, Hit

REFERENCE, REFERENCE_UNREAD = "reference", "reference-unread"
# What an approver ticks about who still names a user.
NAMED = frozenset({REFERENCE, REFERENCE_UNREAD})


def look(
    departure: Departure,
    session: AwsSession,
    holdings: UserHoldings,
    bench: refresh.Bench | None = None,
) -> bool:
    """Bring the evidence about this user up to now, and judge it; whether every source was read.

    `bench` was made a moment ago for this user among others.
    """
    return refresh.look_at_user(departure.user, session, holdings, bench)


def listened(departure: Departure) -> tuple[datetime | None, bool]:
    """Until when a fenced user was listened to, aware UTC, and whether without a gap.

    It is not looked at for a dry run: its events are new only once, and the tripwire's.
    """
    one = situation(departure)
    if one.listened_to is None or one.last_used_read_at is None or one.fenced_at is None:
        return None, False
    whole = one.listened_from is not None and one.listened_from <= one.fenced_at
    return min(one.listened_to, one.last_used_read_at), whole


def judged(departure: Departure, whole: bool, looked_at: datetime | None) -> dict[str, Any]:
    """What an approver saw besides the hashed facts; looked at again when the change runs."""
    user = departure.user
    return {
        "verdict": user.verdict,
        "confidence": user.verdict_confidence,
        "last_activity_at": user.last_activity_at.isoformat() if user.last_activity_at else "",
        "looked_at": looked_at.isoformat() if looked_at else "",
        "whole": whole,
    }


def warnings(
    departure: Departure,
    holdings: UserHoldings,
    calls: Iterable[tuple[aws.PlannedCall, str]],
    move: MoveName,
) -> list[dict[str, str]]:
    """What an approver should look at first, in sentences."""
    found = [*_warnings(departure, holdings, calls), *reference_warnings(departure.user, move)]
    quarantine = quarantines(holdings.attached_policies)
    if quarantine:
        does = "this detaches it" if move is MoveName.DELETE else "it stays attached"
        found.append(("quarantined", f"AWS put {quarantine[0]} on it; {does}"))
    return [{"code": code, "text": text} for code, text in found]


def quarantines(attached_policies: Iterable[str]) -> list[str]:
    """The names of the policies that AWS put on a user whose key it found in public."""
    names = (arn.rpartition("/")[2] for arn in attached_policies)
    return [name for name in names if name.startswith(aws.QUARANTINE)]


def reference_warnings(user: IamUser, move: MoveName) -> Iterator[tuple[str, str]]:
    """Who still names the user without blocking; for a delete also where nobody looked.

    The approver's Viewed is the tick for these (DESIGN.md section 5).
    """
    for one in user.references:
        if not one.get("blocks"):
            where = f" in {one['region']}" if one.get("region") else ""
            yield REFERENCE, f"{one['name']}{where}: {one['text']}"
    missing = refresh.looked_for(user).missing if move is MoveName.DELETE else ()
    if missing:
        yield REFERENCE_UNREAD, f"Not looked at who names it: {', '.join(missing)}"


def _warnings(
    departure: Departure, holdings: UserHoldings, calls: Iterable[tuple[aws.PlannedCall, str]]
) -> Iterator[tuple[str, str]]:
    user = departure.user
    if guards.overrule_holds(situation(departure)):
        by = departure.overruled_by
        yield "overruled", f"{by} overruled the verdict: {departure.overruled_note}"
    if user.category_override and user.category_override != user.category:
        yield "category", _category_words(user)
    if user.privilege in ADMIN_LEVELS:
        yield "admin", "Admin" if user.privilege == ADMIN else "Can become admin"
    elif user.privilege == NOT_LOOKED_AT:
        yield "rights", "Its policies were not looked at"
    elif user.rights_unread:
        yield "rights", "Not every policy of it could be read: it may do more"
    if departure.owner_id == Organization.get().custodian_id and not departure.answer:
        yield "unclaimed", "Nobody claimed it"
    kinds = {device.kind for device in holdings.mfa}
    if kinds & {"fido", "hardware"} and not holdings.access_keys:
        yield "break-glass", "Break-glass? It has hardware MFA and no access keys"
    if holdings.has_login_profile and not holdings.mfa:
        yield "no-mfa", "No MFA"
    if user.rhythm in ("quarterly", "yearly"):
        proven = user.coverage.get("rhythm_proven", True)
        yield "rare", f"Rare: runs {user.rhythm}" if proven else f"Perhaps rare: {user.rhythm}"
    if any(call.loses for call, _ in calls):
        yield "password", "The password does not come back"
    knocks = departure.hits.filter(kind=Hit.Kind.KNOCK).count()
    if knocks:
        yield "knocks", f"{knocks} failed sign-ins from outside"


def _category_words(user: IamUser) -> str:
    """Who said that the user is for something else than the evidence says, and what it shortens.

    Times are policy of the category: changing it can shorten them, and that is the approver's too.
    """
    said = LedgerEntry.objects.filter(
        kind="category.changed", account_id=user.account.account_id, user_id=user.user_id
    ).order_by("-seq")
    who = LedgerName.objects.filter(hash__in=said.values("actor")[:1]).first()
    before, after = _label(user.category), _label(user.category_override)
    text = f"Category changed from {before} to {after} by {who or 'people'}"
    organization = Organization.get()
    told = policy_for(organization, user.account, user.category)
    held = policy_for(organization, user.account, user.category_override)
    shorter = [
        f"{name} {days(now)} instead of {days(was)}"
        for name, now, was in (
            ("watch", held.watch, told.watch),
            ("soak", held.soak, told.soak),
            ("quiet time", held.quiet, told.quiet),
            ("dormant after", held.dormant_after, told.dormant_after),
        )
        if now < was
    ]
    loosened = f" ({', '.join(shorter)})" if shorter else ""
    return f"{text}{loosened}: {user.category_note}"


def _label(category: str) -> str:
    return CategoryName(category).label if category else "not judged"
