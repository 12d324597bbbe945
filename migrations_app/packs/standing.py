"""What a pack takes as it stands when it is read: users with their evidence, and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from inventory.models import Account, Organization
from inventory.organization.policy_section import CATEGORIES
from inventory.policy import Policy, in_words, policy_for
from migrations_app import exports
from migrations_app.models import Departure
from migrations_app.packs.scope import Scope

Row = Mapping[str, Any]
_POLICY = tuple(one.name for one in fields(Policy))
POLICY_FIELDS = ("account_id", "account", "category", *_POLICY)


def _users(scope: Scope) -> QuerySet[Departure]:
    rows = Departure.objects.all()
    return rows.filter(user__account=scope.account) if scope.account else rows


def users_count(scope: Scope) -> int:
    return _users(scope).count()


def users(scope: Scope, after: Any, most: int) -> tuple[Sequence[Row], Any, int]:
    """Every IAM user with its verdict, the reasons, and what was and was not read of its evidence.

    Account by account: what an account was read with is asked once for each on a page.
    """
    found = _users(scope).order_by("user__account", "pk")
    if after is not None:
        account, pk = after
        found = found.filter(Q(user__account__gt=account) | Q(user__account=account, pk__gt=pk))
    keys = list(found.values_list("user__account", "pk")[:most])
    page = Departure.objects.filter(pk__in=[pk for _, pk in keys]).order_by("user__account", "pk")
    rows = list(exports.user_rows(page, whole_ids=scope.whole)) if keys else []
    return rows, list(keys[-1]) if keys else None, len(keys)


def _accounts(scope: Scope) -> QuerySet[Account]:
    rows = Account.objects.all()
    return rows.filter(pk=scope.account.pk) if scope.account else rows


def policies_count(scope: Scope) -> int:
    return _accounts(scope).count()


def policies(scope: Scope, after: Any, most: int) -> tuple[Sequence[Row], Any, int]:
    """The policy of each account, and of each category whose policy differs from it."""
    accounts = list(_accounts(scope).filter(pk__gt=after or 0).order_by("pk")[:most])
    organization = Organization.get()
    rows = []
    for account in accounts:
        usual = policy_for(organization, account)
        rows.append(_policy(account, "", usual))
        for category in CATEGORIES:
            own = policy_for(organization, account, category)
            if own != usual:
                rows.append(_policy(account, category, own))
    return rows, accounts[-1].pk if accounts else None, len(accounts)


def _policy(account: Account, category: str, policy: Policy) -> Row:
    values = {name: _said(getattr(policy, name)) for name in _POLICY}
    return {
        "account_id": account.account_id,
        "account": account.name,
        "category": category,
        **values,
    }


def _said(value: Any) -> Any:
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, (list, tuple)):
        return [f"{one.start} to {one.end} {one.reason}".strip() for one in value]
    return value if isinstance(value, (bool, int, str)) or value is None else str(value)
