"""Local accounts always have a second factor; whoever has none sets it up before anything else."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from inventory.models import LedgerEntry, Person
from tests import cast

# What a set-up does at its end it does on commit, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
SET_UP = "/sign-in/second-factor/totp/activate/"


@pytest.fixture
def jonas() -> Person:
    person = cast.cast().jonas
    person.set_password(PASSWORD)
    person.save()
    return person


def sign_in(client: Client) -> Any:
    return client.post("/sign-in/", {"login": "jonas", "password": PASSWORD, "next": "/soak/"})


def code(secret: str) -> str:
    """What the authenticator app shows now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def set_up(client: Client) -> str:
    """Set it up as the page says; the app's secret."""
    secret = str(client.get(SET_UP).context["form"].secret)
    answer = client.post(SET_UP, {"code": code(secret)})
    assert answer["Location"] == "/sign-in/second-factor/recovery-codes/"
    return secret


def test_a_password_alone_opens_nothing_but_the_set_up(client: Client, jonas: Person) -> None:
    sign_in(client)
    assert client.get("/users/?state=soaking")["Location"] == SET_UP
    assert client.post("/stop/", {"reason": "x"})["Location"] == SET_UP
    fragment = client.get("/live/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment["HX-Redirect"]) == (401, SET_UP)
    page = client.get(SET_UP)
    assert "Local accounts always need one." in page.content.decode()
    client.post("/sign-out/")
    assert "_auth_user_id" not in client.session


def test_once_set_up_everything_opens_and_the_codes_lead_back(
    client: Client, jonas: Person
) -> None:
    sign_in(client)
    client.get("/users/?state=soaking")
    secret = set_up(client)
    codes = client.get("/sign-in/second-factor/recovery-codes/").content.decode()
    assert 'href="/users/?state=soaking"' in codes
    assert client.get("/users/").status_code == 200
    kept = Authenticator.objects.get(user=jonas, type=Authenticator.Type.TOTP).data["secret"]
    assert kept
    assert secret not in kept


def test_the_next_sign_in_asks_for_the_code_and_goes_where_the_link_pointed(
    client: Client, jonas: Person
) -> None:
    sign_in(client)
    secret = set_up(client)
    other = Client()
    asked = sign_in(other)
    assert asked["Location"].startswith("/sign-in/second-factor/authenticate/")
    assert "_auth_user_id" not in other.session
    wrong = other.post(asked["Location"], {"code": "000000"})
    assert wrong.status_code == 200
    right = other.post(asked["Location"], {"code": code(secret)})
    assert right["Location"] == "/soak/"
    assert other.get("/soak/").status_code == 200


def test_after_a_change_of_the_key_the_page_says_what_to_do(
    client: Client, jonas: Person, settings: Settings
) -> None:
    sign_in(client)
    set_up(client)
    settings.SECRET_KEY = "another" * 10
    other = Client()
    asked = sign_in(other)
    answer = other.post(asked["Location"], {"code": "000000"})
    assert answer.status_code == 422
    assert "manage.py second_factor USERNAME --reset" in answer.content.decode()


def test_the_last_factor_cannot_be_taken_off_in_the_browser(client: Client, jonas: Person) -> None:
    sign_in(client)
    set_up(client)
    client.post("/sign-in/again/", {"password": PASSWORD})
    client.post("/sign-in/second-factor/totp/deactivate/")
    assert Authenticator.objects.filter(type=Authenticator.Type.TOTP).count() == 1


def test_an_admin_at_the_shell_resets_it_and_the_ledger_says_so(
    client: Client, jonas: Person
) -> None:
    sign_in(client)
    set_up(client)
    told = io.StringIO()
    call_command("second_factor", "jonas", "--reset", stdout=told)
    assert "sets up a new second factor at the next sign-in" in told.getvalue()
    assert LedgerEntry.objects.filter(kind="person.second-factor-reset").count() == 1
    call_command("second_factor", "jonas", stdout=told)
    assert "no second factor yet" in told.getvalue()
    with pytest.raises(CommandError, match="no second factor yet"):
        call_command("second_factor", "jonas", "--reset")
    again = Client()
    sign_in(again)
    assert again.get("/users/")["Location"] == SET_UP
