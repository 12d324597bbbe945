"""What a line would do is said before it is done, and never guessed."""

from __future__ import annotations

import pytest

from inventory import clock
from inventory.models import Account, IamUser, LedgerEntry
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.owner_import import Match, Outcome, preview, read
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def staging() -> Account:
    return cast.account("210987654321", "staging")


def matched(text: str) -> list[Match]:
    return preview(read(text.encode()))


def only(row: str, header: str = "user,account,team,category,note") -> Match:
    (match,) = matched(f"{header}\n{row}\n")
    return match


def test_nobodys_user_gets_an_owner() -> None:
    row = cast.departure("pay-deploy")
    match = only("pay-deploy,,payments,,Jenkins")
    assert (match.outcome, match.departure, match.from_team, match.team) == (
        Outcome.ASSIGN,
        row.pk,
        "",
        "payments",
    )
    assert match.note == "Jenkins"
    assert match.account == cast.ACCOUNT_ID


@pytest.mark.parametrize("said", ["payments", "PAYMENTS", "Payments"])
def test_another_teams_user_changes_owner_and_says_from_whom(
    everybody: cast.Cast, said: str
) -> None:
    cast.departure("pay-deploy", State.OWNER_ASSIGNED, everybody.platform)
    match = only(f"pay-deploy,,{said},,")
    assert (match.outcome, match.from_team, match.team) == (Outcome.CHANGE, "platform", "payments")
    assert match.said == "platform → payments"


def test_a_category_that_people_know_better_is_set(everybody: cast.Cast) -> None:
    cast.departure("pay-deploy", State.OWNER_ASSIGNED, everybody.payments)
    match = only("pay-deploy,,payments,third-party,")
    assert (match.outcome, match.team) == (Outcome.CATEGORY, "")
    assert (match.from_category, match.category) == ("ci-cd", "third-party")


def test_what_is_so_already_changes_nothing(everybody: cast.Cast) -> None:
    cast.departure("pay-deploy", State.OWNER_ASSIGNED, everybody.payments)
    assert only("pay-deploy,,payments,ci-cd,").outcome == Outcome.SAME


@pytest.mark.parametrize("state", [State.DISABLED, State.SOAKING])
def test_the_owner_may_change_in_every_state_but_deleted(state: State) -> None:
    cast.departure("pay-deploy", state)
    cast.departure("pay-gone", State.DELETED)
    assert only("pay-deploy,,payments,,").outcome == Outcome.CHANGE
    match = only("pay-gone,,payments,,")
    assert (match.outcome, match.why) == (Outcome.DELETED, "It was deleted. Nothing changes.")


def test_a_protected_user_is_named_as_such() -> None:
    cast.departure("sealed", protection="break-glass")
    match = only("sealed,,payments,,")
    assert (match.outcome, match.protection) == (Outcome.ASSIGN, "break-glass")


def test_a_name_counts_in_any_case_and_only_where_one_account_has_it(staging: Account) -> None:
    here = cast.departure(cast.iam_user("Pay-Deploy"))
    assert only("pay-DEPLOY,,payments,,").departure == here.pk

    there = cast.departure(cast.iam_user("pay-deploy", staging))
    match = only("pay-deploy,,payments,,")
    assert (match.outcome, match.why) == (
        Outcome.UNMATCHED,
        "2 accounts have it: production, staging. Say which.",
    )
    for account in ("210987654321", "Staging", "2109-8765-4321"):
        assert only(f"pay-deploy,{account},payments,,").departure == there.pk
    assert "no account nowhere" in only("pay-deploy,nowhere,payments,,").why


def test_of_namesakes_only_the_living_one_is_meant() -> None:
    gone = cast.iam_user("pay-deploy", gone_at=clock.now())
    cast.departure(gone, State.DELETED)
    living = cast.departure(cast.iam_user("pay-deploy"))
    assert only("pay-deploy,,payments,,").departure == living.pk
    # By its id the old one is meant, and it stays as it is.
    assert only(f"{gone.user_id},,payments,,").outcome == Outcome.DELETED


def test_an_id_that_is_not_here_is_never_replaced_by_a_name() -> None:
    cast.departure("pay-deploy")
    match = only("pay-deploy,AIDAOLDOLDOLDOLD0001,payments", "user,user_id,team")
    assert match.outcome == Outcome.UNMATCHED
    assert match.why.endswith("One of this name has another id: it was made anew.")


def test_id_and_arn_say_whom_also_from_another_account_column(staging: Account) -> None:
    row = cast.departure(cast.iam_user("pay-deploy", staging))
    cast.departure("pay-deploy")
    assert only(f"{row.user.user_id},,payments,,").departure == row.pk
    assert only(f"{row.user.arn},,payments,,").departure == row.pk
    wrong = only(f"{row.user.user_id},production,payments,,")
    assert "is in staging, not in that account" in wrong.why


def test_whoever_is_not_found_gets_the_nearest_name() -> None:
    cast.departure("payments-deploy")
    cast.departure("billing")
    assert only("payment-deploy,,payments,,").why == (
        "No user has this name. The nearest is payments-deploy."
    )
    assert only("zzz,,payments,,").why == "No user has this name."


def test_an_unknown_team_gets_the_nearest_one() -> None:
    cast.departure("pay-deploy")
    match = only("pay-deploy,,paymnets,,")
    assert (match.outcome, match.why) == (
        Outcome.UNMATCHED,
        "There is no team paymnets. Do you mean payments?",
    )


def test_lines_that_contradict_each_other_are_none_of_them_followed(everybody: cast.Cast) -> None:
    cast.departure("pay-deploy", State.OWNER_ASSIGNED, everybody.payments)
    cast.departure("billing")
    matches = matched(
        "user,team\npay-deploy,payments\nPAY-deploy,platform\nbilling,payments\nbilling,payments\n"
    )
    assert [match.outcome for match in matches] == [
        Outcome.CONFLICT,
        Outcome.CONFLICT,
        Outcome.ASSIGN,
        Outcome.SAME,
    ]
    assert "Lines 2, 3 say different things" in matches[0].why
    assert matches[3].why == "Line 4 says the same."


def test_a_problem_of_a_line_stays_with_it() -> None:
    assert "no category" in only("x,,payments,robot,").why


def test_five_thousand_lines_take_few_queries_and_write_nothing() -> None:
    account = cast.account()
    users = [IamUser(account=account, **_user(n)) for n in range(5000)]
    users = IamUser.objects.bulk_create(users)
    now = clock.now()
    Departure.objects.bulk_create(
        Departure(user=user, state=State.DISCOVERED, state_since=now) for user in users
    )
    text = "user,team\n" + "".join(f"user-{n},payments\n" for n in range(5000))
    text += "".join(f"usr-{n}x,payments\n" for n in range(50))
    with at_most(8):
        matches = matched(text)
    assert [match.outcome for match in matches].count(Outcome.ASSIGN) == 5000
    assert matches[-1].outcome == Outcome.UNMATCHED
    assert not LedgerEntry.objects.exists()


def _user(number: int) -> dict[str, object]:
    now = clock.now()
    return {
        "user_name": f"user-{number}",
        "user_id": f"AIDAMANY{number:012d}",
        "arn": f"arn:aws:iam::{cast.ACCOUNT_ID}:user/user-{number}",
        "created_at": now,
        "first_seen_at": now,
        "last_seen_at": now,
    }
