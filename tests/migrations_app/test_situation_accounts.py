"""Why nothing may be written in an account, told to whoever asks, and what of a plan is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.aws import identity
from inventory.models import Account, Organization
from migrations_app.changes.situation import (
    account_blockers,
    account_situation,
    break_glass,
    policy_of,
    situation,
)
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Plan
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_account(everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch) -> Account:
    """One in which nothing stands in the way of a disable."""
    monkeypatch.setattr(identity, "reported", lambda: {"arn:aws:iam::123456789012:user/worker"})
    cast.iam_user("break-glass", mfa=[{"serial": "1", "kind": "hardware"}])
    Organization.objects.update(break_glass_account=cast.ACCOUNT_ID, break_glass_user="break-glass")
    everybody.account.actor_role = "arn:aws:iam::123456789012:role/It"
    return everybody.account


def codes(account: Account, move: str = "disable", urgent: bool | None = None) -> list[str]:
    found = (
        account_blockers(account, move)
        if urgent is None
        else account_blockers(account, move, urgent)
    )
    return [one.code for one in found]


def test_where_nothing_stands_in_the_way_nothing_is_told(open_account: Account) -> None:
    assert codes(open_account) == []
    assert codes(open_account, "delete") == ["read-only"]


def test_an_open_hit_holds_every_disable_but_an_urgent_one(open_account: Account) -> None:
    cast.hit(cast.departure("called", State.DISABLED))
    assert codes(open_account) == codes(open_account, urgent=False) == ["open-hit"]
    assert codes(open_account, urgent=True) == []


def test_a_sandbox_that_may_be_real_by_now_is_held_with_the_reason(open_account: Account) -> None:
    open_account.sandbox = True
    reason = account_situation(open_account, MoveName.DISABLE).hold_reason
    assert open_account.account_id in reason
    assert [one.text for one in account_blockers(open_account, MoveName.DISABLE)] == [reason]


def test_only_a_confirmed_plan_on_hold_holds_its_user_with_the_reason(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED, everybody.payments)
    plan = cast.plan(row, held_reason="Group eng is gone.")
    assert situation(row).plan_held == ""
    Plan.objects.filter(pk=plan.pk).update(status="confirmed", confirmed_at=clock.now())
    assert situation(row).plan_held == "Group eng is gone."
    Plan.objects.filter(pk=plan.pk).update(held_reason="")
    assert situation(row).plan_held == ""


def test_what_is_asked_without_an_organization_is_judged_by_the_declared_one(
    open_account: Account,
) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED)
    Organization.objects.update(policy={"dormant_after": "33d"})
    assert policy_of(row).dormant_after == timedelta(days=33)
    loaded = Organization(policy={"dormant_after": "44d"}, break_glass_user="")
    assert policy_of(row, loaded).dormant_after == timedelta(days=44)
    assert break_glass() is not None
    assert break_glass(loaded) is None
