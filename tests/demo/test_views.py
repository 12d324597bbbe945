"""One-click sign-in and the skipped day: there in the demo, and nowhere else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, include, path

from demo import progress
from demo.aws.account import Simulator
from demo.aws.control import Control
from demo.aws.server import served
from demo.people import CAST
from iamcleanup import urls as product
from inventory import clock
from inventory.models import CenterLook, Person, Role
from tests import cast

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns: list[URLPattern | URLResolver] = [
    *product.urlpatterns,
    path("demo/", include("demo.urls")),
]


@pytest.fixture
def _demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "IAMCLEANUP_DEMO", True)


@pytest.fixture
def jonas() -> Person:
    return cast.person("jonas", "Jonas Weber", [Role.ENGINEER])


def signed_in_as(client: Client) -> str:
    pk = client.session.get("_auth_user_id")
    return Person.objects.get(pk=pk).username if pk else ""


@pytest.mark.usefixtures("_demo")
def test_one_click_signs_in_and_leads_where_the_link_pointed(client: Client, jonas: Person) -> None:
    answer = client.post("/demo/sign-in/", {"username": "jonas", "next": "/users/"})
    assert answer["Location"] == "/users/"
    assert signed_in_as(client) == "jonas"


@pytest.mark.usefixtures("_demo")
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:x", ""])
def test_one_click_leads_to_no_foreign_place(client: Client, jonas: Person, target: str) -> None:
    answer = client.post("/demo/sign-in/", {"username": "jonas", "next": target})
    assert answer["Location"] == "/"


@pytest.mark.usefixtures("_demo")
def test_a_link_cannot_sign_anybody_in(client: Client, jonas: Person) -> None:
    assert client.get("/demo/sign-in/?username=jonas").status_code == 405
    assert signed_in_as(client) == ""


@pytest.mark.usefixtures("_demo", "jonas")
def test_signing_in_needs_a_token_against_forged_forms() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/demo/sign-in/", {"username": "jonas"}).status_code == 403


@pytest.mark.usefixtures("_demo")
def test_only_the_cast_signs_in_with_one_click(client: Client) -> None:
    cast.person("outsider", "", [Role.ADMIN])
    assert client.post("/demo/sign-in/", {"username": "outsider"}).status_code == 404
    assert signed_in_as(client) == ""


@pytest.mark.usefixtures("_demo")
def test_whoever_is_switched_off_is_not_signed_in(client: Client, jonas: Person) -> None:
    Person.objects.update(is_active=False)
    assert client.post("/demo/sign-in/", {"username": "jonas"}).status_code == 422
    assert signed_in_as(client) == ""


@pytest.mark.usefixtures("_demo")
def test_a_day_is_skipped_for_product_and_simulator(client: Client, jonas: Person) -> None:
    client.force_login(jonas)
    before = clock.now()
    client.post("/demo/skip/", {"next": "/soak/"})
    assert timedelta(days=1) <= clock.now() - before < timedelta(days=1, minutes=1)


@pytest.mark.usefixtures("_demo")
@pytest.mark.parametrize("nonsense", ["", "yesterday", "2025-13-01T00:00"])
def test_a_button_that_is_pressed_twice_skips_one_day(
    client: Client, jonas: Person, nonsense: str
) -> None:
    client.force_login(jonas)
    before = clock.now()
    for _ in range(2):
        client.post("/demo/skip/", {"seen": before.isoformat()})
    assert timedelta(days=1) <= clock.now() - before < timedelta(days=1, minutes=1)
    client.post("/demo/skip/", {"seen": nonsense})
    assert clock.now() - before >= timedelta(days=2)


@pytest.mark.usefixtures("_demo")
def test_looking_moves_no_clock_and_a_stranger_moves_none(client: Client, jonas: Person) -> None:
    before = clock.now()
    assert client.post("/demo/skip/").status_code == 302
    client.force_login(jonas)
    assert client.get("/demo/skip/").status_code == 405
    assert clock.now() - before < timedelta(hours=1)


@pytest.mark.parametrize("address", ["/demo/sign-in/", "/demo/skip/"])
def test_outside_the_demo_there_is_no_such_thing(
    client: Client, jonas: Person, address: str
) -> None:
    client.force_login(jonas)
    assert client.post(address, {"username": "jonas"}).status_code == 404


def test_the_products_own_addresses_hold_nothing_of_the_demo() -> None:
    assert not [entry for entry in product.urlpatterns if str(entry.pattern).startswith("demo")]


def test_the_cast_offers_every_role_of_the_demos_organization() -> None:
    from pathlib import Path

    from inventory.organization import read

    declared = read((Path(settings.BASE_DIR) / "demo" / "iamcleanup.yaml").read_text())
    people = declared.staying_people
    assert set(CAST) <= set(people)
    assert {role for username in CAST for role in people[username].roles} == set(Role.values)


@pytest.mark.usefixtures("_demo")
def test_no_day_is_skipped_while_the_past_is_played(
    client: Client, jonas: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "line", lambda: "Two weeks pass")
    client.force_login(jonas)
    before = clock.now()
    answer = client.post("/demo/skip/")
    assert "still being played" in answer.content.decode()
    assert clock.now() - before < timedelta(minutes=1)


@pytest.mark.usefixtures("_demo")
def test_a_group_is_deleted_and_given_back_by_a_click(
    client: Client, jonas: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = cast.organization()
    organization.identity_center = {"account": cast.account().account_id, "region": "eu-central-1"}
    organization.save()
    client.force_login(jonas)
    with served(Simulator(7, 12, clock.now)) as endpoint:
        monkeypatch.setattr(settings, "AWS_ENDPOINT_URL", endpoint)
        for deed in ("recreate-group", "give-back"):
            answer = client.post("/demo/group/", {"deed": deed, "next": "/plans/identity-center/"})
            assert answer["Location"] == "/plans/identity-center/"
        calls = [note["operation"] for note in Control(endpoint).calls()]
    assert calls[:2] == ["DeleteGroup", "CreateGroup"]
    assert calls[-1] == "DeleteAccountAssignment"
    assert CenterLook.objects.get().status == "asked"
    assert client.post("/demo/group/", {"deed": "something-else"}).status_code == 404


def test_no_group_is_played_with_outside_the_demo(client: Client, jonas: Person) -> None:
    client.force_login(jonas)
    assert client.post("/demo/group/", {"deed": "recreate-group"}).status_code == 404
