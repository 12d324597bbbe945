"""What pages say of several accounts: which were not read whole, since when, what to do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import Account, Sync
from migrations_app.models import Departure
from tests import cast
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db

WORDS = "AssumeRole: AccessDenied: User: <b>me</b> is not authorized"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def staging(everybody: cast.Cast) -> Account:
    """An account whose last sync failed, two days after it was last read whole."""
    role = "arn:aws:iam::222222222222:role/IamCleanupReader"
    seen = clock.now() - timedelta(days=2)
    account = cast.account("222222222222", "staging", reader_role=role, last_whole_at=seen)
    failed(account, WORDS)
    return account


def failed(account: Account, error: str) -> Sync:
    now = clock.now()
    return Sync.objects.create(
        account=account, asked_at=now, finished_at=now, status=Sync.Status.FAILED, error=error
    )


def test_the_switcher_counts_the_accounts_that_were_not_read_whole(
    everybody: cast.Cast, staging: Account
) -> None:
    text = text_of(browser(everybody.vera).get("/users/"))

    assert "1 of 2 not read whole" in text
    assert text.count("last read whole") == 1


def test_the_switcher_is_calm_about_the_account_looked_at(
    everybody: cast.Cast, staging: Account
) -> None:
    text = text_of(browser(everybody.vera).get(f"/users/?account={cast.ACCOUNT_ID}"))

    assert "not read whole" not in text


def test_settings_show_since_when_and_what_to_do(everybody: cast.Cast, staging: Account) -> None:
    text = text_of(browser(everybody.jonas).get("/settings/accounts/"))

    assert "staging was not read whole." in text
    assert "asks for the external id that iamcleanup.yaml declares" in text
    assert "last read whole" in text


def test_the_account_shows_the_words_of_aws_and_runs_none_of_them(
    everybody: cast.Cast, staging: Account
) -> None:
    text = text_of(browser(everybody.jonas).get("/settings/accounts/222222222222/"))

    assert "The last sync did not read it whole" in text
    assert "&lt;b&gt;me&lt;/b&gt;" in text
    assert "<b>me</b>" not in text


def test_the_overview_of_all_accounts_tells_each_that_was_not_whole(
    everybody: cast.Cast, staging: Account
) -> None:
    cast.departure("a")

    text = text_of(browser(everybody.vera).get("/"))

    assert "The last sync of staging was not whole." in text
    assert "The last sync of production was not whole." not in text
    assert "last read whole" in text


def test_the_foot_of_many_accounts_is_folded(everybody: cast.Cast) -> None:
    cast.departure("a")
    for number in range(7):
        cast.account(f"{number:012d}", f"team-{number}")

    assert "8 accounts, when each was last read" in text_of(browser(everybody.vera).get("/"))


@pytest.mark.parametrize("unknown", ["999999999999", "nonsense"])
def test_an_account_that_is_not_there_chooses_nothing(
    unknown: str, everybody: cast.Cast, staging: Account
) -> None:
    cast.departure("watched", "disabled", clock_started_at=clock.now())
    vera = browser(everybody.vera)

    assert "1 watched" in text_of(vera.get(f"/soak/?account={unknown}"))
    assert vera.get(f"/users/?account={unknown}").context["total"] == "1"
    assert "1 watched" in text_of(vera.get("/soak/"))


def test_nor_does_it_take_away_what_was_chosen(everybody: cast.Cast, staging: Account) -> None:
    vera = browser(everybody.vera)
    vera.get("/?switch=1&account=222222222222")

    vera.get("/?switch=1&account=999999999999")

    assert vera.session["account"] == "222222222222"


@pytest.fixture
def twins(everybody: cast.Cast) -> list[Departure]:
    """A user of the same name in each of two accounts."""
    accounts = [None, cast.account("222222222222", "staging")]
    return [
        cast.departure(
            cast.iam_user("marta.ruiz", of, verdict="active", suggested_team=everybody.payments)
        )
        for of in accounts
    ]


def lines(page: str) -> list[str]:
    """What stands beside each name of these users, without markup."""
    beside = re.findall(r"marta\.ruiz</a>(.*?)</(?:th|h2)>", page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", one).strip() for one in beside]


def test_users_of_one_name_are_told_apart_by_what_stands_first(
    everybody: cast.Cast, twins: list[Departure]
) -> None:
    client = browser(everybody.jonas)

    both = sorted(lines(text_of(client.get("/users/"))))
    one = lines(text_of(client.get(f"/users/?account={cast.ACCOUNT_ID}")))

    assert [line.partition(",")[0] for line in both] == ["production", "staging"]
    assert len(one) == 1
    assert "production" not in one[0]


def test_claims_of_one_name_are_told_apart(everybody: cast.Cast, twins: list[Departure]) -> None:
    both = sorted(lines(text_of(browser(everybody.jonas).get("/claims/"))))

    assert [line.partition(",")[0] for line in both] == ["production", "staging"]


def test_plans_of_one_name_are_told_apart(everybody: cast.Cast, twins: list[Departure]) -> None:
    for row in twins:
        cast.plan(row)

    assert sorted(lines(text_of(browser(everybody.jonas).get("/plans/")))) == [
        "production",
        "staging",
    ]


def test_a_lead_reads_of_which_account_each_card_is(
    everybody: cast.Cast, twins: list[Departure]
) -> None:
    page = text_of(browser(everybody.sara).get("/claim/payments/"))

    assert sorted(line.rpartition("in ")[2] for line in lines(page)) == ["production", "staging"]
    assert "2 accounts" in page


def test_the_head_of_a_lead_names_the_only_account(
    everybody: cast.Cast, twins: list[Departure]
) -> None:
    twins[1].delete()

    page = text_of(browser(everybody.sara).get("/claim/payments/"))

    assert f'production, <span class="mono">{cast.ACCOUNT_ID}</span>' in page
    assert "in production" not in page
