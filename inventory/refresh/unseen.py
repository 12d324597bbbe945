"""Accounts that nobody has read whole for a day: an alert each, in AWS's own words, that closes
itself when the account is read whole again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, Min, OuterRef, Q, Subquery

from inventory import clock
from inventory.models import Account, Alert, Sync

UNSEEN_AFTER = timedelta(hours=24)
# A sync that was asked for lately may still bring the account; one that lies longer brings nothing.
_PATIENCE = timedelta(hours=1)
_KIND = "unseen"
_WORDS = 600


def watch_accounts() -> None:
    """Raise, reword and close these alerts; two statements while nothing changes."""
    now = clock.now()
    late = {account.pk: account for account in _late(now)}
    held = {alert.account_id: alert for alert in Alert.objects.filter(kind=_KIND, closed_at=None)}
    for pk, alert in held.items():
        if pk not in late:
            _close(alert, now)
    for pk, account in late.items():
        text = _text(account)
        if pk in held:
            if held[pk].text != text:
                Alert.objects.filter(pk=held[pk].pk).update(text=text)
        elif not account.being_read:  # type: ignore[attr-defined]  # annotated below
            _raise(account, text, now)


def seen_whole(account: Account) -> None:
    """The account was read whole just now."""
    Alert.objects.filter(key=_key(account), closed_at=None).update(closed_at=clock.now())


def advice(error: str, account: Account) -> str:
    """What to do about a sync that ended with `error`."""
    role = account.reader_role or "the ambient role"
    words = (
        (
            "service control policy",
            "A service control policy of the organization denies it: ask whoever keeps it to leave"
            " the reader role out.",
        ),
        ("NoExternalId", "Set that environment variable for every read worker."),
        (
            "WrongAccount",
            "The declared id and the reader role belong to different accounts: correct one of them"
            " in iamcleanup.yaml.",
        ),
        ("NoCredentials", "Give the read workers AWS credentials."),
        (
            "AssumeRole: AccessDenied",
            f"See that {role} exists, trusts the role of the read workers, and asks for the"
            " external id that iamcleanup.yaml declares.",
        ),
        (
            "AccessDenied",
            "Give the reader role the policy that"
            f" “manage.py iam_policy reader --account {account.account_id}” prints.",
        ),
        ("should exist and", "Look at the account under Settings: accept the listing or wait."),
        ("Its worker stopped", "The log of the read worker says why."),
    )
    told = next((text for sign, text in words if sign in error), "")
    return told or "Sync it again; should that not help, the last syncs stand under Settings."


def _late(now: datetime) -> list[Account]:
    """Active accounts not read whole for a day, counted from the first try where none succeeded."""
    before = now - UNSEEN_AFTER
    trying = Sync.objects.filter(
        account=OuterRef("pk"), status__in=Sync.OPEN, asked_at__gt=now - _PATIENCE
    )
    never = Q(last_whole_at=None, first_asked__lt=before)
    ended = Sync.objects.filter(account=OuterRef("pk")).exclude(status__in=Sync.OPEN)
    return list(
        Account.objects.filter(active=True)
        .annotate(
            first_asked=Min("syncs__asked_at"),
            being_read=Exists(trying),
            last_error=Subquery(ended.order_by("-asked_at").values("error")[:1]),
        )
        .filter(Q(last_whole_at__lt=before) | never)
    )


def _text(account: Account) -> str:
    seen = account.last_whole_at
    since = f"Last read whole on {seen:%d %b %Y %H:%M} UTC." if seen else "Never read whole."
    error: str = account.last_error or ""  # type: ignore[attr-defined]  # annotated below
    if not error:
        return f"{since} No sync ended since. See that a read worker runs."
    return f"{since} {error[:_WORDS]} What to do: {advice(error, account)}"


def _raise(account: Account, text: str, now: datetime) -> None:
    Alert.objects.get_or_create(
        key=_key(account),
        closed_at=None,
        defaults={
            "kind": _KIND,
            "title": f"{account.name} was not read whole for a day",
            "text": text,
            "account": account,
            "raised_at": now,
        },
    )


def _close(alert: Alert, now: datetime) -> None:
    Alert.objects.filter(pk=alert.pk, closed_at=None).update(closed_at=now)


def _key(account: Account) -> str:
    return f"{_KIND}:{account.account_id}"
