"""How near to zero each account is, who may still make users there, and the files that deny it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from inventory import clock
from inventory.models import Account, IamUser
from migrations_app import break_glass_rows
from migrations_app.lifecycle import Protection
from migrations_app.models import CleanAccount, Departure, Plan
from migrations_app.plans import files, staying_clean
from migrations_app.plans.secrets_manager import rotation_role
from migrations_app.plans.staying_clean import AccountCount, Exceptions

_PRESENT = Q(user__gone_at=None)
# The product's own user stays as well.
_STAYING = (Protection.EXEMPT, Protection.SELF)


@dataclass(frozen=True, slots=True)
class Row:
    """One account of the page; `clean` None while it was never at zero and nothing was said."""

    account: Account
    count: AccountCount
    clean: CleanAccount | None

    @property
    def zero_at(self) -> datetime | None:
        return self.clean.zero_at if self.clean else None

    @property
    def denied_at(self) -> datetime | None:
        return self.clean.denied_at if self.clean else None


def rows(accounts: Iterable[Account] | None = None) -> list[Row]:
    """Every active account, those nearest to zero first; three statements."""
    wanted = list(Account.objects.filter(active=True) if accounts is None else accounts)
    counted: dict[int, list[int]] = {
        int(pk): numbers
        for pk, *numbers in Departure.objects.filter(user__account__in=wanted)
        .order_by()
        .values("user__account")
        .annotate(
            at_start=Count("pk"),
            left=Count("pk", filter=_PRESENT),
            break_glass=Count("pk", filter=_PRESENT & Q(protection=Protection.BREAK_GLASS)),
            exempt=Count("pk", filter=_PRESENT & Q(protection__in=_STAYING)),
        )
        .values_list("user__account", "at_start", "left", "break_glass", "exempt")
    }
    known = {
        row.account_id: row
        for row in CleanAccount.objects.filter(account__in=wanted).select_related("denied_by")
    }
    found = []
    for account in wanted:
        clean = known.get(account.pk)
        at_start, left, break_glass, exempt = counted.get(account.pk, [0, 0, 0, 0])
        count = AccountCount(
            account.account_id,
            account.name,
            at_start,
            left,
            break_glass,
            exempt,
            management=account.manages_organization,
            # A listing that is held for being short says nothing.
            listed_whole=account.last_whole_at is not None and not account.hold_reason,
            zero_at=clean.zero_at if clean else None,
        )
        found.append(Row(account, count, clean))
    return sorted(found, key=lambda row: (row.count.to_go, row.account.name))


def count_of(account: Account) -> AccountCount:
    """The counts of one account."""
    [row] = rows([account])
    return row.count


def exceptions() -> Exceptions:
    """Who may still make users and keys: the break-glass user, and what rotates agreed keys."""
    _, user = break_glass_rows.declared()
    agreed = Plan.objects.filter(
        target=Plan.Target.SECRETS_MANAGER, departure__protection=Protection.EXEMPT
    ).select_related("departure__user__account")
    roles = [
        rotation_role(row.departure.user.arn, row.departure.user.user_name)
        for row in agreed
        if row.choice("approved_by")
    ]
    return Exceptions(user.arn if user else "", tuple(sorted(roles)))


def archive(chosen: Iterable[Row]) -> bytes:
    """Policy, Terraform and README for these accounts, as a ZIP."""
    counts = [row.count for row in chosen]
    return files.archive(staying_clean.files(counts, exceptions(), clock.now()))


def came_since(account: Account, clean: CleanAccount) -> list[IamUser]:
    """Users made since the account was at zero, or since making them is said to be denied."""
    since = min(at for at in (clean.zero_at, clean.denied_at) if at is not None)
    return list(
        account.users.present()
        .filter(created_at__gt=since)
        .exclude(departure__protection__in=(Protection.BREAK_GLASS, Protection.SELF))
        .select_related("account")
    )
