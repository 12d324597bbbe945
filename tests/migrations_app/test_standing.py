"""What people did about users reaches the judgement of others, and their own verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inventory import clock, refresh
from inventory.models import IamUser, TrailCoverage
from migrations_app import changes
from migrations_app.lifecycle import State
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def calling(name: str, address: str = "198.51.100.9", **columns: Any) -> IamUser:
    user = cast.iam_user(name, **columns)
    cast.activity(user, clock.now().date(), source_address=address, user_agent="acme-sync/2")
    return user


def judged(user: IamUser) -> IamUser:
    refresh.judge([user])
    user.refresh_from_db()
    return user


def test_users_claimed_by_a_team_suggest_it_to_who_calls_from_the_same_address(
    everybody: cast.Cast,
) -> None:
    for number in range(4):
        row = cast.departure(calling(f"a{number}"), State.OWNER_ASSIGNED, everybody.payments)
        assert row.owner == everybody.payments
    stranger = judged(calling("svc-orders"))
    assert stranger.suggested_team == everybody.payments
    assert "4 users of Payments call from the same address" in stranger.suggestion_reasons
    assert judged(calling("far-away", "203.0.113.200")).suggestion_reasons != (
        stranger.suggestion_reasons
    )


def test_what_was_only_adopted_for_the_custodian_suggests_nobody(everybody: cast.Cast) -> None:
    rows = [cast.departure(calling(f"a{number}")) for number in range(4)]
    changes.adopt(rows, everybody.jonas)
    assert judged(calling("svc-orders")).suggested_team is None


def test_an_owned_user_that_made_another_suggests_its_owner(everybody: cast.Cast) -> None:
    cast.departure(calling("plat-terraform"), State.OWNER_ASSIGNED, everybody.platform)
    made = cast.iam_user("svc-orders", created_by="plat-terraform")
    # Nobody calls from where it calls: the maker alone speaks.
    assert judged(made).suggested_team == everybody.platform


def test_a_restored_user_counts_as_used(everybody: cast.Cast) -> None:
    now = clock.now()
    user = cast.iam_user("yearly-close", coverage={"credentials_at": now.isoformat()})
    for region in user.account.enabled_regions:
        TrailCoverage.objects.create(
            user=user,
            region=region,
            read_from=now - timedelta(days=90),
            read_to=now,
            looked_at=now,
        )
    row = cast.departure(user, State.OWNER_ASSIGNED, everybody.payments)
    assert judged(user).verdict == "never-used"
    row.restored_at = now - timedelta(days=3)
    row.save()
    assert judged(user).verdict == "active"
    assert user.last_activity_source == "Restore"


def test_the_neighbours_sure_category_speaks_for_a_neutral_user(everybody: cast.Cast) -> None:
    for number in range(4):
        calling(f"ci-deploy-{number}", path="/ci/")
    neutral = calling("svc-orders")
    refresh.judge(IamUser.objects.all())
    neutral.refresh_from_db()
    text = " ".join(neutral.category_reasons)
    assert "4 of 4 others that call from the same address are CI/CD users." in text


def test_judging_many_users_asks_the_database_as_often_as_judging_few(
    everybody: cast.Cast,
) -> None:
    for number in range(30):
        cast.departure(calling(f"a{number}"), State.OWNER_ASSIGNED, everybody.payments)
    with at_most(32):
        refresh.judge(IamUser.objects.all())


def test_what_a_team_denied_and_whom_it_named_reaches_the_next_judgement(
    everybody: cast.Cast,
) -> None:
    everybody.payments.match = {"names": ["^pay-"]}
    everybody.payments.save()
    user = judged(cast.iam_user("pay-x"))
    assert user.suggested_team == everybody.payments
    row = cast.departure(user)

    row = changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    assert judged(user).suggested_team == everybody.platform
    assert "Payments said on" in user.suggestion_reasons[0]

    changes.undo_answer(row, everybody.sara, everybody.payments)
    assert judged(user).suggested_team == everybody.payments


def test_whoever_is_named_after_saying_no_may_be_suggested_again(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("svc-x", suggested_team=everybody.payments))
    row = changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    row = changes.not_ours(row, everybody.platform, everybody.priya)
    assert judged(row.user).suggested_team is None
    changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    assert judged(row.user).suggested_team == everybody.platform


def test_a_claim_that_security_declined_speaks_for_nobody(everybody: cast.Cast) -> None:
    row = changes.claim(cast.departure("svc-x"), everybody.payments, everybody.sara)
    assert judged(row.user).suggested_team == everybody.payments
    changes.decline_claim(row, everybody.jonas)
    assert judged(row.user).suggested_team is None
