"""Personal tokens: made once, told, counted out by time, by role, and by hand."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from inventory import clock, ledger
from inventory.models import LedgerEntry, Person, Role, Scope, Token
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import tokens
from migrations_app.outgoing import notices
from tests import cast
from tests.migrations_app.at_once import both
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db
PAGE = "/settings/tokens/"


@pytest.fixture
def mei() -> Person:
    return cast.cast().mei


def made(person: Person, *scopes: str, days: int | None = None) -> tuple[Token, str]:
    return tokens.make(person, "nightly report", scopes or ["read"], days, made_by=person)


def test_a_token_lets_its_person_in_and_notes_its_use(mei: Person) -> None:
    token, secret = made(mei)
    assert tokens.usable(secret) == token
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_the_database_holds_nothing_by_which_to_come_in(mei: Person) -> None:
    _, secret = made(mei)
    kept = str(Token.objects.values()) + str(LedgerEntry.objects.values_list("data", flat=True))
    kept += str(notices.inbox_for(mei).values_list("title", "text"))
    assert secret not in kept
    assert secret[tokens.SHOWN :] not in kept


def test_its_person_is_told_and_the_ledger_says_it(mei: Person) -> None:
    token, _ = made(mei, "read", "stop")
    (notice,) = notices.inbox_for(mei)
    assert "read, stop" in notice.title
    assert token.start in notice.text
    entry = LedgerEntry.objects.get(kind="token.made")
    assert entry.data["scopes"] == ["read", "stop"]
    assert "mei" not in str(entry.data).lower()


def test_nobody_else_is_told(mei: Person) -> None:
    made(mei)
    assert not notices.inbox_for(Person.objects.get(username="jonas")).exists()


@pytest.mark.parametrize("secret", ["", "iamc_", "iamc_nobody", "Bearer", "é"])
def test_what_is_no_token_lets_nobody_in(mei: Person, secret: str) -> None:
    made(mei)
    assert tokens.usable(secret) is None


def test_a_token_ends_with_its_time(mei: Person) -> None:
    token, secret = made(mei, days=7)
    Token.objects.update(expires_at=clock.now() + timedelta(seconds=5))
    assert tokens.usable(secret) == token
    Token.objects.update(expires_at=clock.now())
    assert tokens.usable(secret) is None


def test_one_that_approves_lives_a_day_at_most(mei: Person) -> None:
    token, _ = made(mei, "approve")
    assert token.expires_at - token.made_at == timedelta(hours=24)
    with pytest.raises(Refused, match="1 day at most"):
        made(mei, "read", "approve", days=2)


def test_the_database_refuses_a_longer_one_too(mei: Person) -> None:
    token, _ = made(mei, "approve")
    with pytest.raises(IntegrityError):
        Token.objects.filter(pk=token.pk).update(expires_at=token.made_at + timedelta(hours=25))


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_token_lives_a_day_to_a_year(mei: Person, days: int) -> None:
    with pytest.raises(Refused, match="365 days at most"):
        made(mei, days=days)


@pytest.mark.parametrize("scope", ["approve", "operate", "stop", "claim", "restore"])
def test_a_viewer_gets_a_token_for_reading_only(scope: str) -> None:
    vera = cast.cast().vera
    with pytest.raises(NotAllowed, match="no role for"):
        made(vera, scope)
    assert tokens.scopes_for(vera) == [Scope.READ]


def test_a_revoked_token_is_no_token(mei: Person) -> None:
    token, secret = made(mei)
    tokens.revoke(token, mei)
    assert tokens.usable(secret) is None
    with pytest.raises(Stale):
        tokens.revoke(token, mei)
    assert LedgerEntry.objects.filter(kind="token.ended").count() == 1


def test_only_its_person_or_an_admin_revokes_it(mei: Person) -> None:
    token, _ = made(mei)
    with pytest.raises(NotAllowed):
        tokens.revoke(token, Person.objects.get(username="jonas"))
    tokens.revoke(token, Person.objects.get(username="ada"))


def test_a_person_who_was_switched_off_has_no_token_any_more(mei: Person) -> None:
    _, secret = made(mei)
    Person.objects.filter(pk=mei.pk).update(is_active=False)
    assert tokens.usable(secret) is None
    Person.objects.filter(pk=mei.pk).update(is_active=True)
    assert tokens.usable(secret) is None, "once void, always void"


def test_a_lost_role_takes_the_tokens_with_it(mei: Person) -> None:
    _, secret = made(mei, "operate")
    Person.objects.filter(pk=mei.pk).update(roles=[Role.APPROVER])
    assert tokens.end_void() == 1
    assert tokens.end_void() == 0
    Person.objects.filter(pk=mei.pk).update(roles=[Role.ENGINEER, Role.APPROVER])
    assert tokens.usable(secret) is None


def test_a_new_role_leaves_them_as_they_are(mei: Person) -> None:
    token, secret = made(mei)
    Person.objects.filter(pk=mei.pk).update(roles=[*mei.roles, Role.ADMIN])
    assert tokens.end_void() == 0
    assert tokens.usable(secret) == token


# ── The command ──────────────────────────────────────────────────────────────────────────────────


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("token", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_command_prints_the_token_alone(mei: Person) -> None:
    secret = printed("mei").strip()
    token = tokens.usable(secret)
    assert token is not None
    assert token.person == mei
    assert token.scopes == ["read", "claim", "operate", "restore", "stop"]
    assert notices.inbox_for(mei).filter(kind="token").exists()


@pytest.mark.parametrize("scopes", [["read", "approve"], ["read,approve"]])
def test_the_command_gives_approve_only_when_asked(mei: Person, scopes: list[str]) -> None:
    token = tokens.usable(printed("mei", "--scopes", *scopes).strip())
    assert token is not None
    assert token.scopes == ["read", "approve"]
    assert token.expires_at - token.made_at == timedelta(hours=24)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody"],
        ["mei", "--days", "900"],
        ["mei", "--scopes", "root"],
        ["vera", "--scopes", "stop"],
    ],
)
def test_the_command_refuses_what_may_not_be(mei: Person, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        printed(*arguments)
    assert not Token.objects.exists()


# ── The page ─────────────────────────────────────────────────────────────────────────────────────


def test_the_page_shows_a_new_token_once(mei: Person) -> None:
    page = browser(mei).post(PAGE, {"name": "report", "scopes": ["read"], "days": "7"})
    assert page["Cache-Control"] == "no-store"
    secret = text_of(page).partition('id="secret"')[2].partition(">")[2].partition("<")[0]
    token = tokens.usable(secret)
    assert token is not None
    assert token.name == "report"
    again = text_of(browser(mei).get(PAGE))
    assert secret not in again
    assert token.start in again


def test_a_form_that_is_sent_twice_leaves_no_token_whose_secret_nobody_has(mei: Person) -> None:
    client, form = browser(mei), {"name": "nightly", "scopes": ["read"], "days": "30"}
    assert client.post(PAGE, form).status_code == 200
    token = Token.objects.get()

    answer = client.post(PAGE, {**form, "name": " nightly "})

    assert answer.status_code == 409
    assert f"You made “nightly” a moment ago; it begins with {token.start}" in text_of(answer)
    assert f"/settings/tokens/{token.pk}/revoke/" in text_of(answer)
    for other in ({"name": "weekly"}, {"scopes": ["read", "stop"]}, {"days": "7"}):
        assert client.post(PAGE, {**form, **other}).status_code == 200
    assert Token.objects.count() == 4


@pytest.mark.parametrize(
    "since", ["used", "revoked", "old", "another person's", "of the command line"]
)
def test_a_token_of_the_same_name_is_made_where_the_first_is_no_lost_one(
    mei: Person, since: str
) -> None:
    token, secret = made(mei)
    if since == "used":
        tokens.usable(secret)
    elif since == "revoked":
        tokens.revoke(token, mei)
    elif since == "old":
        ago = timedelta(minutes=10)
        Token.objects.update(made_at=token.made_at - ago, expires_at=token.expires_at - ago)
    elif since == "of the command line":
        Token.objects.update(made_by=None)
    made(Person.objects.get(username="jonas") if since == "another person's" else mei)
    assert Token.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_instant_one_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mei, form = cast.cast().mei, {"name": "nightly", "scopes": ["read"], "days": "30"}
    answers = both(monkeypatch, ledger, "append", lambda: browser(mei).post(PAGE, form))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert Token.objects.count() == 1


def test_the_page_names_what_to_mend(mei: Person) -> None:
    page = browser(mei).post(PAGE, {"name": "", "days": "7"})
    assert page.status_code == 422
    assert "Say what it is for." in text_of(page)
    assert "Choose at least one thing it may do." in text_of(page)


def test_a_name_that_nobody_can_read_as_it_is_names_no_token(mei: Person) -> None:
    sent: dict[str, Any] = {"name": "night\u202ely", "days": "7", "scopes": ["read"]}
    page = browser(mei).post(PAGE, sent)
    assert page.status_code == 422
    assert "turns the writing round (U+202E)" in text_of(page)
    with pytest.raises(Refused, match="U\\+202E"):
        tokens.make(mei, sent["name"], ["read"])
    assert not Token.objects.exists()


def test_a_list_to_choose_from_shows_its_arrow(mei: Person) -> None:
    assert 'class="form-select"' in browser(mei).get(PAGE).content.decode()


def test_the_page_lists_and_revokes_own_tokens_only(mei: Person) -> None:
    own, _ = made(mei)
    foreign, _ = made(Person.objects.get(username="jonas"))
    client = browser(mei)
    page = text_of(client.get(PAGE))
    assert own.start in page
    assert foreign.start not in page
    assert client.post(f"{PAGE}{foreign.pk}/revoke/").status_code == 404
    client.post(f"{PAGE}{own.pk}/revoke/")
    own.refresh_from_db()
    assert own.ended_why == "Revoked"


def test_everybody_finds_the_page_and_only_what_they_may_open_beside_it() -> None:
    vera = cast.cast().vera
    page = text_of(browser(vera).get(PAGE))
    assert "/settings/accounts/" not in page
    assert "Approve batches" not in page
