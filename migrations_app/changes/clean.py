"""Staying clean: when an account came to zero, that making users is denied, and who came later."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.urls import reverse

from inventory import clock, ledger
from inventory.models import Account, Alert, IamUser, Person, Role
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import clean_accounts
from migrations_app.changes.enrolling import by_whom
from migrations_app.models import CleanAccount
from migrations_app.outgoing import notices

MADE = "made-after-zero"


def stay_clean(account: Account, as_of: datetime) -> list[IamUser]:
    """After a sync that began at `as_of`: record that nobody is left to go; users who came since.

    Zero is reached once; whoever is made after it is an alert, and never moves the date.
    """
    clean = CleanAccount.objects.filter(account=account).first()
    count = clean_accounts.count_of(account)
    if (clean is None or clean.zero_at is None) and _at_zero(account, count.at_start, count.to_go):
        with transaction.atomic():
            clean, _ = CleanAccount.objects.get_or_create(account=account)
            if clean.zero_at is None:
                clean.zero_at = as_of
                clean.save(update_fields=["zero_at"])
                ledger.append("account.at-zero", account_id=account.account_id, users=count.left)
    if clean is None:
        return []
    made = clean_accounts.came_since(account, clean)
    for user in made:
        _alert(user, clean)
    return made


def _at_zero(account: Account, at_start: int, to_go: int) -> bool:
    # A short listing holds the account, and who is missing counts until AWS proved it.
    return not account.hold_reason and at_start > 0 and to_go == 0


def _alert(user: IamUser, clean: CleanAccount) -> None:
    """Once per user; who made it is added as soon as event history tells."""
    account = user.account
    denied = clean.denied_at is not None and user.created_at > clean.denied_at
    state = "where making users is denied" if denied else "which was at zero"
    title = f"{user} was made in {account.name}, {state}"[:200]
    text = (
        f"{user.user_id} was made on {user.created_at:%d %b %Y at %H:%M} UTC{by_whom(user)}."
        " Ask why a role or a permission set does not do; then let it go like the others."
    )
    if denied:
        text += " See that the policy is still attached, and that it was not made by an exception."
    with transaction.atomic():
        alert, new = Alert.objects.get_or_create(
            key=f"{MADE}:{user.pk}",
            defaults={
                "kind": MADE,
                "title": title,
                "text": text,
                "account": account,
                "user": user,
                "raised_at": clock.now(),
            },
        )
        if new:
            notices.tell(
                MADE,
                f"{MADE}:{user.pk}",
                title,
                role=Role.ENGINEER,
                text=text,
                url=reverse("user", args=[account.account_id, user.user_id]),
            )
        elif alert.closed_at is None and alert.text != text:
            Alert.objects.filter(pk=alert.pk).update(text=text)


def say_denied(account: Account, person: Person) -> CleanAccount:
    """The organization denies making users there from now on; whoever comes later is an alert."""
    require(person, Action.GUARD)
    if not clean_accounts.count_of(account).near_zero:
        raise Refused(f"{account.name} is not near zero yet: too many would be refused a new key.")
    with transaction.atomic():
        clean, _ = CleanAccount.objects.select_for_update().get_or_create(account=account)
        if clean.denied_at is None:
            clean.denied_at, clean.denied_by = clock.now(), person
            clean.save(update_fields=["denied_at", "denied_by"])
            ledger.append("account.denied", actor=person, account_id=account.account_id)
    return clean


def take_back(account: Account, person: Person) -> None:
    """The deny is no longer in place."""
    require(person, Action.GUARD)
    with transaction.atomic():
        changed = CleanAccount.objects.filter(account=account, denied_at__isnull=False).update(
            denied_at=None, denied_by=None
        )
        if not changed:
            raise Refused("Nobody says that it is in place.")
        ledger.append("account.denied-no-more", actor=person, account_id=account.account_id)
