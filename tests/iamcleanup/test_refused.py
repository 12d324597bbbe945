"""A refusal becomes a page with its reasons, or a toast for htmx, and never a bare error."""

from __future__ import annotations

import json

import pytest
from django.test import RequestFactory

from iamcleanup.refused import RefusedMiddleware
from inventory.refusals import NotAllowed, Refused, Stale

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
    assert "<h1>Not yours to see or do</h1>" in answer.content.decode()


def test_what_somebody_wrote_is_shown_again_when_it_was_refused() -> None:
    request = RequestFactory().post("/", {"reason": "It runs the <payroll>.", "password": "pw"})

    answer = middleware.process_exception(request, Stale("Changed meanwhile."))

    assert answer is not None
    page = answer.content.decode()
    assert "It runs the &lt;payroll&gt;.</textarea>" in page
    assert "pw<" not in page


def test_a_bug_is_not_turned_into_a_refusal() -> None:
    assert middleware.process_exception(RequestFactory().get("/"), ValueError("bug")) is None


@pytest.mark.parametrize("address", ["/users/123456789012/%00/", "/users/?q=%00"])
def test_an_address_with_nul_is_refused_before_any_page(address: str) -> None:
    answer = middleware.process_request(RequestFactory().get(address))

    assert answer is not None
    assert answer.status_code == 400
