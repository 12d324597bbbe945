"""Who was listed gets a departure and a drafted plan, however many they are, and only once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from inventory import clock, ledger
from inventory.models import Account, Activity, IamUser, LedgerEntry
from migrations_app import changes
from migrations_app.models import Departure, Plan
from tests import cast

pytestmark = pytest.mark.django_db

MANY = 300


@pytest.fixture
def account() -> Account:
    account = cast.account()
    now = clock.now()
    IamUser.objects.bulk_create(
        IamUser(
            account=account,
            user_id=f"AIDA{number:012}",
            user_name=f"user-{number}",
            arn=f"arn:aws:iam::{account.account_id}:user/user-{number}",
            created_at=now - timedelta(days=400),
            first_seen_at=now,
            last_seen_at=now,
            category="ci-cd",
        )
        for number in range(MANY)
    )
    return account


def test_everybody_listed_is_enrolled_once_and_told_in_one_chain(account: Account) -> None:
    assert changes.enroll(account) == MANY
    assert changes.enroll(account) == 0
    assert Departure.objects.count() == MANY
    assert LedgerEntry.objects.filter(kind="user.discovered").count() == MANY
    assert ledger.verify().intact


def test_enrolling_hundreds_takes_the_statements_of_a_few(
    account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(14):
        changes.enroll(account)


def test_plans_are_drafted_from_what_each_user_was_seen_with(
    account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    changes.enroll(account)
    now = clock.now()
    Activity.objects.create(
        user=account.users.get(user_name="user-7"),
        day=now.date(),
        region="us-east-1",
        service="ecr",
        action="GetAuthorizationToken",
        user_agent="aws-sdk EC2 i-1",
        outcome="ok",
        count=1,
        first_at=now,
        last_at=now,
    )
    with django_assert_max_num_queries(6):
        assert changes.draft_plans(account) == MANY
    assert changes.draft_plans(account) == 0
    targets = dict(Plan.objects.values_list("departure__user__user_name", "target"))
    assert targets["user-7"] == Plan.Target.INSTANCE_PROFILE
    assert targets["user-8"] == Plan.Target.GITHUB_OIDC
