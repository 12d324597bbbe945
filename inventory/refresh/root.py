"""Alerts about the root user of an account: raised once, closed by the sync that sees it mended.

Root is no IAM user and never becomes a row; what is known of it stands in `Account.root_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory import clock
from inventory.models import Account, Alert

# Root is for the few tasks that only it can do; a use this recent is one somebody remembers.
LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RootRisk:
    """One thing that is wrong with root. `key` is the kind of its alert, `short` its words."""

    key: str
    short: str
    title: str
    text: str


def risks(account: Account, now: datetime) -> list[RootRisk]:
    """What is wrong with the root user of `account` as its last sync read it. Pure."""
    facts, name = account.root_facts, account.name
    found = []
    if facts.get("active_keys") or facts.get("has_keys"):
        count = facts.get("active_keys") or 0
        keys = "an access key" if count == 1 else f"{count} access keys" if count else "access keys"
        found.append(
            RootRisk(
                "root-keys",
                f"has {keys}",
                f"Root of {name} has {keys}",
                "Nothing limits what a root access key may do. Whoever uses it needs a role;"
                " then delete the key, signed in as root.",
            )
        )
    if facts.get("mfa_active") is False:
        found.append(
            RootRisk(
                "root-mfa",
                "has no MFA",
                f"Root of {name} has no MFA",
                "Its password alone opens everything. Register a hardware key, signed in as root.",
            )
        )
    used_at = last_used_at(account)
    if used_at and used_at > now - LATELY:
        found.append(
            RootRisk(
                "root-used",
                f"was used on {used_at:%d %b}",
                f"Root of {name} was used on {used_at:%d %b %Y}",
                "Ask who it was and for what. This closes by itself 30 days after the last use.",
            )
        )
    return found


def last_used_at(account: Account) -> datetime | None:
    """When root last signed in or used a key, as the credential report tells it; UTC."""
    facts = account.root_facts
    told = [facts.get("password_last_used_at"), *facts.get("keys_last_used_at", ())]
    return max((datetime.fromisoformat(one) for one in told if one), default=None)


def read_whole(account: Account) -> bool:
    """Whether MFA, keys and last use of root are all known."""
    facts = account.root_facts
    keys = facts.get("has_keys") is not None or facts.get("active_keys") is not None
    return facts.get("mfa_active") is not None and keys and bool(facts.get("at"))


def raise_or_close(account: Account) -> None:
    """Make the open alerts of this account's root what `risks` says; each is raised once."""
    now = clock.now()
    wrong = {risk.key: risk for risk in risks(account, now)}
    known = {
        # Without a date of use or a figure nobody can say that it was mended.
        "root-keys": account.root_facts.get("has_keys") is not None
        or account.root_facts.get("active_keys") is not None,
        "root-mfa": account.root_facts.get("mfa_active") is not None,
        "root-used": True,
    }
    for kind, sure in known.items():
        key = f"{kind}:{account.account_id}"
        if risk := wrong.get(kind):
            if _looked_at(key, risk.title, now):
                continue
            Alert.objects.get_or_create(
                key=key,
                closed_at=None,
                defaults={
                    "kind": "root",
                    "title": risk.title[:200],
                    "text": risk.text,
                    "account": account,
                    "raised_at": now,
                },
            )
        elif sure:
            Alert.objects.filter(key=key, closed_at=None).update(closed_at=now)


def _looked_at(key: str, title: str, now: datetime) -> bool:
    """Whether a person closed this very alert lately: it is not raised again with each sync."""
    closed = Alert.objects.filter(key=key, title=title[:200], closed_by__isnull=False)
    return closed.filter(closed_at__gt=now - LATELY).exists()
