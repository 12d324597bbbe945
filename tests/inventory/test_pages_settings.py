"""The settings pages: what is declared is shown with its line, and nothing else can be changed."""

from __future__ import annotations

import pytest
from django.test import Client

from inventory import clock
from inventory.models import Account, LedgerEntry, Person, ProtectedEntry, Role, Sync
from migrations_app.declared import declare
from tests import cast

pytestmark = pytest.mark.django_db

DOCUMENT = """\
accounts:
  - {id: "123456789012", name: production}
policy:
  soak: 21d
  by_category: {third-party: {soak: 30d}}
teams:
  - {key: payments, lead: sara}
people:
  - {username: sara, name: "<script>alert(1)</script>", roles: [lead], teams: [payments]}
  - {username: jonas, name: Jonas Weber, roles: [engineer, approver]}
  - {username: ada, name: Ada Berg, roles: [admin]}
"""
LISTING = "a1" * 32
HOLD = f"AWS listed 3 users, but 40 should exist. (listing {LISTING})"


@pytest.fixture
def declared() -> None:
    declare.apply(DOCUMENT)


@pytest.fixture
def engineer(client: Client, declared: None) -> Client:
    client.force_login(Person.objects.get(username="jonas"))
    return client


def text(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_the_policy_shows_its_values_with_their_lines(engineer: Client) -> None:
    page = text(engineer, "/settings/policy/")
    assert "21 days" in page
    assert "line 4" in page
    assert 'third-party users <span class="caption nowrap">line 5</span>' in page


def test_teams_and_people_show_their_lines(engineer: Client) -> None:
    teams = text(engineer, "/settings/teams/")
    assert ">7<" in teams
    assert '<td data-label="People"><span class="d-block">&lt;script&gt;' in teams
    assert ">9<" in text(engineer, "/settings/people/")


def test_a_hostile_name_is_text(engineer: Client) -> None:
    page = text(engineer, "/settings/people/")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_an_account_shows_that_its_sync_failed_and_why(engineer: Client) -> None:
    account = Account.objects.get()
    Sync.objects.create(
        account=account, asked_at=clock.now(), status="failed", error="AccessDenied: no role"
    )
    assert "AccessDenied: no role" in text(engineer, f"/settings/accounts/{account.account_id}/")
    assert "Fix" in text(engineer, "/settings/accounts/")


def test_without_a_break_glass_user_the_page_says_what_that_means(engineer: Client) -> None:
    assert "No break-glass user is declared." in text(engineer, "/settings/break-glass/")


def test_an_engineer_accepts_the_very_listing_that_holds_an_account(engineer: Client) -> None:
    Account.objects.update(hold_reason=HOLD)
    engineer.post("/settings/accounts/123456789012/accept-listing/", {"listing": LISTING})
    assert Account.objects.get().accepted_listing == LISTING


def test_another_listing_is_not_accepted(engineer: Client) -> None:
    Account.objects.update(hold_reason=HOLD)
    path = "/settings/accounts/123456789012/accept-listing/"
    assert engineer.post(path, {"listing": "b2" * 32}).status_code == 409
    assert Account.objects.get().accepted_listing == ""


def test_an_account_held_for_another_reason_offers_no_listing(engineer: Client) -> None:
    Account.objects.update(hold_reason="A declared protection is unclear.")
    path = "/settings/accounts/123456789012/accept-listing/"
    assert engineer.post(path, {"listing": ""}).status_code == 409


def test_an_engineer_says_whom_a_protected_entry_means(engineer: Client) -> None:
    account = Account.objects.get()
    entry = ProtectedEntry.objects.create(
        account=account, user_name="scanner", kind="exempt", bound_user_id="AIDAOLD"
    )
    cast.account()
    user = cast.iam_user("scanner", account)
    assert user.user_id in text(engineer, "/settings/accounts/123456789012/")
    engineer.post(f"/settings/accounts/123456789012/bind/{entry.pk}/", {"user": "SCANNER"})
    entry.refresh_from_db()
    assert entry.bound_user_id == user.user_id
    assert LedgerEntry.objects.filter(kind="protection.bound").exists()


def test_a_protected_entry_is_not_bound_to_nobody(engineer: Client) -> None:
    entry = ProtectedEntry.objects.create(
        account=Account.objects.get(), user_name="scanner", kind="exempt"
    )
    path = f"/settings/accounts/123456789012/bind/{entry.pk}/"
    assert engineer.post(path, {"user": "ghost"}).status_code == 422


def test_a_looser_declaration_is_confirmed_in_the_browser_by_another(engineer: Client) -> None:
    declare.apply(DOCUMENT.replace("21d", "7d"), Person.objects.get(username="ada"))
    assert "soak becomes shorter" in text(engineer, "/settings/policy/")
    pending = declare.waiting()
    assert pending is not None
    confirm = f"/settings/policy/{pending.pk}/confirm/"
    assert engineer.post(confirm, {"words": "loosen"}).status_code == 422
    assert declare.waiting() == pending
    engineer.post(confirm, {"words": "Loosen 1 rule"})
    assert "7 days" in text(engineer, "/settings/policy/")
    assert declare.waiting() is None
    assert "last one by ada, confirmed by Jonas Weber" in text(engineer, "/settings/policy/")


def test_the_asker_sees_who_else_confirms_and_no_button(engineer: Client) -> None:
    declare.apply(DOCUMENT.replace("21d", "7d"), Person.objects.get(username="jonas"))
    page = text(engineer, "/settings/policy/")
    assert "another approver or admin confirms it" in page
    assert "/confirm/" not in page


@pytest.mark.usefixtures("declared")
def test_a_viewer_sees_no_settings(client: Client) -> None:
    client.force_login(cast.person("vera", "", [Role.VIEWER]))
    assert client.get("/settings/people/").status_code == 403


def test_an_account_that_is_none_is_not_found(engineer: Client) -> None:
    assert engineer.get("/settings/accounts/../").status_code == 404
    assert engineer.get("/settings/accounts/000000000000/").status_code == 404


def test_an_account_shows_what_is_known_of_root_with_its_dates(engineer: Client) -> None:
    account = Account.objects.get()
    at = clock.now().isoformat()
    page = f"/settings/accounts/{account.account_id}/"
    assert "Root user" not in text(engineer, page)
    account.root_facts = {
        "mfa_active": False,
        "has_keys": True,
        "active_keys": 0,
        "live_at": at,
        "at": at,
        "keys_last_used_at": [at, None],
    }
    account.save()
    told = text(engineer, page)
    assert "Root of production has no MFA." in told
    assert "Root of production has access keys." in told
    assert "Root of production was used on" in told
    assert "live <time" in told
    assert "credential report <time" in told


def test_an_account_shows_where_report_and_live_reads_disagree(engineer: Client) -> None:
    account = Account.objects.get()
    page = f"/settings/accounts/{account.account_id}/"
    assert "Credential report against live reads" not in text(engineer, page)
    account.report_notes = [{"text": "new.one was made after <the report>.", "explained": True}]
    account.save()
    notes = [{"text": "It had MFA, and has none now.", "explained": True}]
    cast.iam_user("lost.mfa", account, coverage={"report_notes": notes})
    told = text(engineer, page)
    assert "new.one was made after &lt;the report&gt;." in told
    assert "It had MFA, and has none now." in told
