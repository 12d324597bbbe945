"""Rule 5: a listing that lost too many changes nothing until an engineer accepts just that one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import Account, Alert, IamUser
from inventory.refresh import listing
from inventory.refresh.run import Halted
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return cast.account()


def people(account: Account, number: int) -> list[str]:
    """That many users that should exist; their ids."""
    return [cast.iam_user(f"u{each}", account).user_id for each in range(number)]


@pytest.mark.parametrize(
    ("expected", "missing", "alarming"),
    [
        # More than 3 and more than 10 %: both.
        (30, 3, False),
        (40, 4, False),
        (41, 4, False),
        (39, 4, True),
        (50, 5, False),
        (50, 6, True),
        (12, 3, False),
        (12, 4, True),
        # None at all is one too many, however few there were.
        (1, 1, True),
        (3, 3, True),
        (3, 2, False),
        (0, 0, False),
    ],
)
def test_more_than_ten_percent_and_more_than_three_alarm(
    account: Account, expected: int, missing: int, alarming: bool
) -> None:
    ids = people(account, expected)
    assert listing.compare(account, ids[missing:]).alarming is alarming


def test_users_proven_deleted_are_not_expected(account: Account) -> None:
    ids = people(account, 20)
    IamUser.objects.filter(user_id__in=ids[:10]).update(gone_at=clock.now())
    compared = listing.compare(account, ids[10:])
    assert (compared.missing, compared.expected, compared.alarming) == ((), 10, False)


def test_new_users_do_not_make_up_for_those_that_are_missing(account: Account) -> None:
    ids = people(account, 20)
    others = [f"AIDANEW{number}" for number in range(10)]
    assert listing.compare(account, [*ids[5:], *others]).alarming


def test_a_listing_has_the_same_digest_in_any_order(account: Account) -> None:
    ids = people(account, 3)
    assert listing.compare(account, ids).digest == listing.compare(account, ids[::-1]).digest


def judged(account: Account, ids: list[str]) -> str:
    """What holds the account after this listing; and that it was believed, or not."""
    compared = listing.compare(account, ids)
    if compared.alarming and compared.digest != Account.objects.get().accepted_listing:
        with pytest.raises(Halted):
            listing._judge_listing(account, compared)
    else:
        listing._judge_listing(account, compared)
    return Account.objects.get().hold_reason


def accept(account: Account, ids: list[str]) -> None:
    Account.objects.update(accepted_listing=listing.compare(account, ids).digest)


def test_a_second_short_listing_is_told_of_by_the_open_alert(account: Account) -> None:
    ids = people(account, 20)
    judged(account, ids[5:])
    held = judged(account, ids[7:])
    (alert,) = Alert.objects.filter(closed_at=None)
    assert alert.title == "7 users are missing in production"
    assert alert.text == held


def test_a_good_listing_ends_the_hold_even_where_somebody_closed_the_alert(
    account: Account,
) -> None:
    ids = people(account, 20)
    assert "5 are missing" in judged(account, ids[5:])
    Alert.objects.update(closed_at=clock.now())
    assert judged(account, ids) == ""
    assert Account.objects.get().hold_since is None


def test_another_hold_outlives_that_of_a_listing(account: Account) -> None:
    ids = people(account, 20)
    since = clock.now() - timedelta(days=1)
    Account.objects.update(hold_reason="Protected entry sealed matches nobody.", hold_since=since)
    held = judged(account, ids[5:])
    assert held.startswith("AWS listed 15 users")
    assert "Protected entry sealed matches nobody." in held
    assert judged(account, ids) == "Protected entry sealed matches nobody."
    assert Account.objects.get().hold_since == since


def test_what_was_accepted_is_believed_as_long_as_aws_lists_just_that(account: Account) -> None:
    ids = people(account, 20)
    judged(account, ids[5:])
    accept(account, ids[5:])
    assert judged(account, ids[5:]) == ""
    assert judged(account, ids[5:]) == ""
    # Everybody is back: who is missing another time is another question.
    assert judged(account, ids) == ""
    assert "5 are missing" in judged(account, ids[5:])


def test_an_acceptance_is_not_for_a_listing_that_lost_one_more(account: Account) -> None:
    ids = people(account, 20)
    accept(account, ids[5:])
    assert "6 are missing" in judged(account, ids[6:])
    assert Account.objects.get().accepted_listing == ""
