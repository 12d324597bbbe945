"""Who changed something since a person looked at it, as the ledger knows it."""

from __future__ import annotations

from datetime import datetime

from inventory import clock
from inventory.durations import duration
from inventory.models import IamUser, LedgerEntry, LedgerName, Person

# Of most statuses one says that a batch "is" it.
_WHAT_IT_DOES = {"draft": "is a draft", "waits for approval": "waits for approval"}


def of_user(user: IamUser) -> str:
    """ " by Mei Tanaka, 20 s ago (14:21 UTC)"; empty where nothing is recorded of the user."""
    rows = LedgerEntry.objects.filter(account_id=user.account.account_id, user_id=user.user_id)
    # Who calls a user that is off changes nothing about it.
    return _told(rows.exclude(kind__startswith="hit.").order_by("-seq").first())


def of_batch(number: int) -> str:
    """That a batch is not what somebody looked at, and whose doing that is."""
    by = _told(LedgerEntry.objects.filter(batch=number).order_by("-seq").first())
    return f"Batch #{number} changed since you looked at it{by}. Look at it again."


def batch_is(number: int, status: str, but: str) -> str:
    """That a batch is in another status than somebody thought, and who saw to it last.

    "Batch #10 is aborted, not running. Last changed by Mei Tanaka, 20 s ago (14:21 UTC)."
    """
    by = _told(LedgerEntry.objects.filter(batch=number).order_by("-seq").first())
    what = _WHAT_IT_DOES.get(status.lower(), f"is {status.lower()}")
    return f"Batch #{number} {what}{but}.{f' Last changed{by}.' if by else ''}"


def at(person: Person | None, moment: datetime | None) -> str:
    """ " by Mei Tanaka, 20 s ago (14:21 UTC)" of what a row says of itself."""
    return _by(str(person or ""), moment) if moment else ""


def _told(entry: LedgerEntry | None) -> str:
    if entry is None:
        return ""
    name = LedgerName.objects.filter(hash=entry.actor).values_list("name", flat=True).first()
    return _by(name or "", entry.at)


def _by(name: str, moment: datetime) -> str:
    now = clock.now()
    at = f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%-d %b %H:%M}"
    return f" by {name or 'IAM Cleanup'}, {duration(now - moment)} ago ({at} UTC)"
