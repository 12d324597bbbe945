"""An account that came to zero stays there, and whoever is made later is told with its maker."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Account, Alert, IamUser, LedgerEntry, Organization
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes, clean_accounts
from migrations_app.changes import clean as verbs
from migrations_app.lifecycle import State
from migrations_app.models import CleanAccount, Departure, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db
PAGE = "/plans/staying-clean/"


@pytest.fixture
def people() -> cast.Cast:
    """One user is deleted, and only the break-glass user and an exempt one are left."""
    everybody = cast.cast()
    account = everybody.account
    Organization.objects.update(break_glass_account=cast.ACCOUNT_ID, break_glass_user="glass")
    gone = cast.iam_user("old-deploy", account, gone_at=clock.now())
    cast.departure(gone, State.DELETED, everybody.payments)
    for name, kind in (("glass", "break-glass"), ("mainframe", "exempt")):
        row = cast.departure(cast.iam_user(name, account), State.OWNER_ASSIGNED, everybody.security)
        Departure.objects.filter(pk=row.pk).update(protection=kind)
    return everybody


def made(account: Account, name: str = "fresh", **columns: str) -> None:
    user = cast.iam_user(name, account, created_at=clock.now() - timedelta(minutes=1), **columns)
    cast.departure(user, State.DISCOVERED)


def synced(account: Account) -> list[IamUser]:
    return changes.stay_clean(account, clock.now() - timedelta(minutes=5))


def test_zero_is_recorded_once_with_its_date(people: cast.Cast) -> None:
    synced(people.account)
    first = CleanAccount.objects.get().zero_at
    assert first is not None
    synced(people.account)
    assert CleanAccount.objects.get().zero_at == first
    assert LedgerEntry.objects.filter(kind="account.at-zero").count() == 1


def test_an_account_that_was_denied_first_gets_its_date_too(people: cast.Cast) -> None:
    verbs.say_denied(people.account, people.ada)
    synced(people.account)
    clean = CleanAccount.objects.get()
    assert clean.zero_at is not None
    assert clean.zero_at < clock.now() - timedelta(minutes=4)
    entry = LedgerEntry.objects.get(kind="account.at-zero")
    assert (entry.account_id, entry.data["users"]) == (cast.ACCOUNT_ID, 2)


def test_an_account_that_had_one_user_comes_to_zero_too(people: cast.Cast) -> None:
    Departure.objects.exclude(state=State.DELETED).delete()
    synced(people.account)
    assert CleanAccount.objects.get().zero_at is not None


@pytest.mark.parametrize("why", ["left", "held", "empty"])
def test_an_account_that_is_not_at_zero_for_sure_gets_no_date(people: cast.Cast, why: str) -> None:
    if why == "left":
        made(people.account)
    elif why == "held":
        people.account.hold_reason = "AWS listed 3 users, but 40 should exist."
    else:
        Departure.objects.all().delete()
    assert synced(people.account) == []
    assert not CleanAccount.objects.exists()


def test_whoever_is_made_after_zero_is_an_alert_that_names_the_maker(people: cast.Cast) -> None:
    synced(people.account)
    made(people.account)
    synced(people.account)
    alert = Alert.objects.get()
    assert alert.title == "fresh was made in production, which was at zero"
    assert " by " not in alert.text
    people.account.users.filter(user_name="fresh").update(
        created_by="olivia.hart", created_with="Terraform/1.9"
    )
    synced(people.account)
    alert.refresh_from_db()
    assert "by olivia.hart with Terraform/1.9" in alert.text
    assert Notice.objects.filter(kind=verbs.MADE).count() == 1
    Alert.objects.update(closed_at=clock.now())
    synced(people.account)
    assert Alert.objects.count() == 1
    assert CleanAccount.objects.get().zero_at is not None


def test_whoever_was_made_is_given_back_and_told_to_the_engineers(people: cast.Cast) -> None:
    assert synced(people.account) == []
    made(people.account)
    (user,) = synced(people.account)
    alert, notice = Alert.objects.get(), Notice.objects.get()
    assert (alert.kind, alert.account, alert.user) == ("made-after-zero", people.account, user)
    assert (notice.kind, notice.role) == ("made-after-zero", "engineer")
    assert (notice.title, notice.text) == (alert.title, alert.text)
    assert notice.url == f"/users/{cast.ACCOUNT_ID}/{user.user_id}/"


def test_what_was_closed_is_not_written_anew(people: cast.Cast) -> None:
    synced(people.account)
    made(people.account)
    synced(people.account)
    Alert.objects.update(closed_at=clock.now())
    people.account.users.filter(user_name="fresh").update(created_by="olivia.hart")
    synced(people.account)
    assert "olivia" not in Alert.objects.get().text


@pytest.mark.parametrize("seconds", [0, 1])
def test_whoever_was_made_before_it_was_denied_was_made_where_it_was_at_zero(
    people: cast.Cast, seconds: int
) -> None:
    synced(people.account)
    made(people.account)
    at = people.account.users.get(user_name="fresh").created_at
    verbs.say_denied(people.account, people.ada)
    CleanAccount.objects.update(denied_at=at + timedelta(seconds=seconds))
    synced(people.account)
    alert = Alert.objects.get()
    assert alert.title == "fresh was made in production, which was at zero"
    assert "still attached" not in alert.text


def test_the_longest_names_fit(people: cast.Cast) -> None:
    # PostgreSQL drops a blank that is too much without a word, so none stands at that place.
    Account.objects.update(name="a" * 98)
    people.account.refresh_from_db()
    verbs.say_denied(people.account, people.ada)
    made(people.account, "u" * 64)
    CleanAccount.objects.update(denied_at=clock.now() - timedelta(hours=1))
    synced(people.account)
    assert len(Alert.objects.get().title) == 200


def test_what_is_said_of_a_deny_is_kept_and_recorded_once(people: cast.Cast) -> None:
    with CaptureQueriesContext(connection) as asked:
        clean = verbs.say_denied(people.account, people.ada)
    assert any("FOR UPDATE" in one["sql"] and "cleanaccount" in one["sql"] for one in asked)
    clean.refresh_from_db()
    assert (clean.denied_by, clean.denied_at is None) == (people.ada, False)
    again = verbs.say_denied(people.account, people.jonas)
    assert (again.denied_by, again.denied_at) == (people.ada, clean.denied_at)
    entry = LedgerEntry.objects.get(kind="account.denied")
    assert entry.account_id == cast.ACCOUNT_ID

    other = cast.account("210987654321", "staging")
    CleanAccount.objects.create(account=other, zero_at=clock.now())
    with pytest.raises(Refused, match="Nobody says"):
        verbs.take_back(other, people.ada)
    with pytest.raises(NotAllowed):
        verbs.take_back(people.account, people.sara)
    verbs.take_back(people.account, people.jonas)
    clean.refresh_from_db()
    assert (clean.denied_by, clean.denied_at) == (None, None)
    entry = LedgerEntry.objects.get(kind="account.denied-no-more")
    assert entry.account_id == cast.ACCOUNT_ID


def test_a_denied_account_tells_of_whoever_comes_though_it_is_not_at_zero(
    people: cast.Cast,
) -> None:
    user = cast.iam_user("last-one", people.account, created_at=clock.now() - timedelta(days=900))
    cast.departure(user, State.DISCOVERED)
    verbs.say_denied(people.account, people.jonas)
    CleanAccount.objects.update(denied_at=clock.now() - timedelta(hours=1))
    made(people.account)
    synced(people.account)
    alert = Alert.objects.get()
    assert alert.title == "fresh was made in production, where making users is denied"
    assert "still attached" in alert.text


def test_only_near_zero_and_only_by_who_may_is_it_said_to_be_denied(people: cast.Cast) -> None:
    with pytest.raises(NotAllowed):
        verbs.say_denied(people.account, people.sara)
    with pytest.raises(Refused, match="Nobody says"):
        verbs.take_back(people.account, people.ada)
    verbs.say_denied(people.account, people.ada)
    verbs.take_back(people.account, people.jonas)
    assert CleanAccount.objects.get().denied_at is None
    for number in range(9):
        made(people.account, f"still-{number}")
    with pytest.raises(Refused, match="not near zero"):
        verbs.say_denied(people.account, people.ada)


def test_the_deny_spares_break_glass_and_what_rotates_agreed_keys(
    client: Client, people: cast.Cast
) -> None:
    row = Departure.objects.get(user__user_name="mainframe")
    plan = cast.plan(row, target=Plan.Target.SECRETS_MANAGER)
    assert clean_accounts.exceptions().role_arns == ()
    plan.choices = {"until": "2099-01-01", "approved_by": "mei"}
    plan.save()
    client.force_login(people.jonas)
    answer = client.get(f"{PAGE}no-new-iam-users.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as told:
        assert sorted(told.namelist()) == ["README.md", "main.tf", "policy.json"]
        text = told.read("policy.json").decode()
        assert cast.ACCOUNT_ID in told.read("main.tf").decode()
    assert f"arn:aws:iam::{cast.ACCOUNT_ID}:role/rotate-mainframe" in text
    assert f"arn:aws:iam::{cast.ACCOUNT_ID}:user/glass" in text


def test_the_page_shows_dates_and_buttons_to_those_who_may(
    client: Client, people: cast.Cast
) -> None:
    synced(people.account)
    made(people.account, "<b>bold")
    synced(people.account)
    client.force_login(people.jonas)
    page = client.get(PAGE).content.decode()
    assert "1 account is near zero" in page
    assert "&lt;b&gt;bold was made in production" in page
    assert "1 break-glass, 1 exempt" in page
    client.post(f"{PAGE}{cast.ACCOUNT_ID}/deny/")
    assert "says Jonas Weber" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}{cast.ACCOUNT_ID}/take-back/")
    assert "says Jonas Weber" not in client.get(PAGE).content.decode()
    client.force_login(people.vera)
    page = client.get(PAGE).content.decode()
    assert "Say that it is denied" not in page
    assert "no-new-iam-users.zip" not in page


def test_far_from_zero_there_is_nothing_to_apply(client: Client, people: cast.Cast) -> None:
    for number in range(9):
        made(people.account, f"still-{number}")
    client.force_login(people.jonas)
    assert "No account is near zero yet" in client.get(PAGE).content.decode()
    assert client.get(f"{PAGE}no-new-iam-users.zip").status_code == 422


def test_the_management_account_is_marked_and_gets_no_policy_that_would_not_act(
    client: Client, people: cast.Cast
) -> None:
    synced(people.account)
    client.force_login(people.jonas)
    words = "Management account: no organization policy acts here"
    assert words not in client.get(PAGE).content.decode()
    Account.objects.update(manages_organization=True)
    page = client.get(PAGE).content.decode()
    assert words in page
    assert "Do its own roles deny it?" in page
    assert "Is the policy attached" not in page
    answer = client.get(f"{PAGE}no-new-iam-users.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as told:
        assert "aws_organizations_policy_attachment" not in told.read("main.tf").decode()
        assert "`production` is the management account" in told.read("README.md").decode()
