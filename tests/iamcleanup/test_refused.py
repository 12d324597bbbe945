"""A refusal becomes a page with its reasons, or a toast for htmx, and never a bare error."""

from __future__ import annotations

import json
import re

import pytest
import structlog
from django.test import Client, RequestFactory

from iamcleanup.refused import RefusedMiddleware, broken
from inventory.refusals import NotAllowed, Refused, Stale
from tests import cast

middleware = RefusedMiddleware(lambda request: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("refusal", "status"), [(Refused("No."), 422), (Stale("No."), 409), (NotAllowed("No."), 403)]
)
def test_a_page_names_every_reason_with_the_status_of_the_refusal(
    refusal: Refused, status: int
) -> None:
    answer = middleware.process_exception(RequestFactory().get("/"), refusal)

    assert answer is not None
    assert answer.status_code == status
    assert "No." in answer.content.decode()


def test_htmx_keeps_its_page_and_gets_a_toast() -> None:
    request = RequestFactory().post("/", headers={"HX-Request": "true"})

    answer = middleware.process_exception(request, Refused("First.", "Second."))

    assert answer is not None
    assert answer["HX-Reswap"] == "none"
    assert json.loads(answer["HX-Trigger"])["toast"]["text"] == "Not done. First. Second."


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/soak/?team=payments", "http://testserver/soak/?team=payments"),
        ("https://evil.example/", "/"),
        ("", "/"),
    ],
)
def test_the_way_back_leads_to_a_page_of_ours(came_from: str, back: str) -> None:
    request = RequestFactory().get("/", headers={"Referer": came_from})

    answer = middleware.process_exception(request, NotAllowed("No."))

    assert answer is not None
    assert f'href="{back}">Go back' in answer.content.decode()


def test_a_page_that_broke_gives_the_reference_of_the_log() -> None:
    with structlog.contextvars.bound_contextvars(request_id="7f3e0a1b-5555"):
        page = broken(RequestFactory().get("/"))
        toast = broken(RequestFactory().post("/", headers={"HX-Request": "true"}))

    assert (page.status_code, toast.status_code) == (500, 500)
    assert "Reference 7f3e0a1b." in page.content.decode()
    assert "reference 7f3e0a1b" in json.loads(toast["HX-Trigger"])["toast"]["text"]


@pytest.mark.django_db
def test_a_bug_in_a_view_shows_that_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args: object) -> None:
        raise ZeroDivisionError

    client.raise_request_exception = False
    client.force_login(cast.cast().vera)
    monkeypatch.setattr("migrations_app.notices.inbox_for", bug)
    answer = client.get("/inbox/")

    assert answer.status_code == 500
    assert re.search(r"Reference [0-9a-f]{8}\.", answer.content.decode())


def test_a_bug_is_not_turned_into_a_refusal() -> None:
    assert middleware.process_exception(RequestFactory().get("/"), ValueError("bug")) is None


@pytest.mark.parametrize("address", ["/users/123456789012/%00/", "/users/?q=%00"])
def test_an_address_with_nul_is_refused_before_any_page(address: str) -> None:
    answer = middleware.process_request(RequestFactory().get(address))

    assert answer is not None
    assert answer.status_code == 400
