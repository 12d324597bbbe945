"""Who comes in, who does not, and what the browser is told on every page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from inventory import clock
from inventory.models import Person

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def sara() -> Person:
    person = Person(username="sara", name="Sara Lindqvist", email="sara@acme.example")
    person.set_password(PASSWORD)
    person.save()
    return person


def sign_in(client: Client, login: str, password: str = PASSWORD) -> bool:
    """Try to sign in; whether it worked."""
    client.post("/sign-in/", {"login": login, "password": password})
    return "_auth_user_id" in client.session


@pytest.mark.parametrize("login", ["sara", "sara@acme.example"])
def test_a_person_signs_in_by_name_or_e_mail(client: Client, sara: Person, login: str) -> None:
    assert sign_in(client, login)


def test_the_last_sign_in_is_told_by_the_products_clock(client: Client, sara: Person) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(days=30))
    assert sign_in(client, "sara")
    sara.refresh_from_db()
    assert sara.last_login is not None
    assert abs(sara.last_login - clock.now()) < timedelta(minutes=5)


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(
    client: Client, sara: Person
) -> None:
    refused = client.post("/sign-in/", {"login": "sara", "password": "wrong"})
    assert refused.status_code == 422
    known = refused.content.decode()
    unknown = client.post("/sign-in/", {"login": "nobody", "password": "wrong"}).content.decode()
    assert "E-mail or password is wrong." in known
    assert "E-mail or password is wrong." in unknown


def test_a_person_who_is_switched_off_does_not_come_in(client: Client, sara: Person) -> None:
    sara.is_active = False
    sara.save()
    assert not sign_in(client, "sara")


def test_the_right_password_is_refused_after_too_many_wrong_ones(
    client: Client, sara: Person
) -> None:
    for _ in range(5):
        client.post("/sign-in/", {"login": "sara", "password": "wrong"})
    answer = client.post("/sign-in/", {"login": "sara", "password": PASSWORD})
    assert "Too many tries. Wait 5 minutes." in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_too_many_tries_from_one_address_end_at_a_page_of_ours(
    client: Client, sara: Person, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    client.post("/sign-in/", {"login": "sara", "password": "wrong"})
    answer = client.post("/sign-in/", {"login": "sara", "password": PASSWORD})
    assert answer.status_code == 429
    assert "Wait 5 minutes" in answer.content.decode()


def test_who_has_no_password_here_is_told_where_to_change_it(client: Client, sara: Person) -> None:
    client.force_login(sara)
    assert client.get("/account/password/").status_code in (200, 302)
    sara.set_unusable_password()
    sara.save()
    client.force_login(sara)
    answer = client.get("/account/password/")
    assert answer.status_code == 422
    assert "Change it where you sign in." in answer.content.decode()


@pytest.mark.parametrize(
    "page",
    ["/sign-in/again/", "/sign-in/again/?next=/users/", "/sign-in/second-factor/reauthenticate/"],
)
def test_who_has_no_password_here_has_nothing_to_confirm_with(
    client: Client, sara: Person, page: str
) -> None:
    sara.set_unusable_password()
    sara.save()
    client.force_login(sara)
    for answer in (client.get(page), client.post(page, {"password": "guess"})):
        assert answer.status_code == 422
        text = answer.content.decode()
        assert "You have no password here, so there is nothing to confirm with." in text
        assert "You are signed in as Sara Lindqvist" in text
        assert "another team" not in text


def test_who_has_a_password_is_asked_for_it(client: Client, sara: Person) -> None:
    client.force_login(sara)
    assert "Enter your password once more" in client.get("/sign-in/again/").content.decode()
    by_code = client.get("/sign-in/second-factor/reauthenticate/")
    assert by_code["Location"].startswith("/sign-in/again/")


def test_nobody_signs_up() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")


def test_signing_out_ends_the_session(client: Client, sara: Person) -> None:
    sign_in(client, "sara")
    client.post("/sign-out/")
    assert "_auth_user_id" not in client.session


def test_a_page_sends_a_stranger_to_sign_in_and_back(client: Client) -> None:
    answer = client.get("/users/?state=soaking")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=/users/%3Fstate%3Dsoaking"


def test_a_fragment_tells_htmx_to_go_to_sign_in_and_back_to_its_page(client: Client) -> None:
    answer = client.get(
        "/users/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/soak/?team=payments"},
    )
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fsoak%2F%3Fteam%3Dpayments"


@pytest.mark.parametrize("fragment", [False, True])
def test_what_was_sent_after_the_session_ended_is_said_to_be_unsaved(
    client: Client, fragment: bool
) -> None:
    page = "http://testserver/soak/?team=payments"
    told = {"HX-Request": "true", "HX-Current-URL": page} if fragment else {"Referer": page}
    answer = client.post("/stop/", {"reason": "Now"}, headers=told)
    to = answer["HX-Redirect"] if fragment else answer["Location"]

    sign_in_page = client.get(to)
    assert sign_in_page.status_code == 200
    assert "what you sent was not saved" in sign_in_page.content.decode()
    onward = sign_in_page.context["next"]
    assert onward in (page, "/soak/?team=payments")


def test_every_page_carries_the_strict_content_policy(client: Client) -> None:
    sent = client.get("/sign-in/")["Content-Security-Policy"]
    assert sorted(part.strip() for part in sent.split(";")) == sorted(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def test_every_page_gives_up_the_browser_features_it_does_not_use(client: Client) -> None:
    assert "camera=()" in client.get("/sign-in/")["Permissions-Policy"]


def test_the_demo_has_no_address_outside_demo_mode(client: Client, sara: Person) -> None:
    client.force_login(sara)
    assert client.get("/demo/").status_code == 404
