"""A refusal becomes a page with its reasons, or a toast for htmx, and never a bare error."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.forms import Field, Form
from django.http import HttpResponse
from django.test import RequestFactory

from iamcleanup.refused import RefusedMiddleware
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.forms import batches, break_glass, campaigns, packs, people

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


def form_of(answer: HttpResponse | None) -> tuple[str, dict[str, list[str]]]:
    """Where the form of a page leads, and what it would send as it stands."""
    assert answer is not None
    page = answer.content.decode()
    found = re.search(
        r'<form class="empty-form"[^>]*action="([^"]+)">(.*?)</form>', page, re.DOTALL
    )
    if found is None:
        return "", {}
    sent: dict[str, list[str]] = {}
    fields = re.findall(
        r'<input [^>]*?name="([^"]+)" value="([^"]*)"|name="([^"]+)"[^>]*>\n(.*?)</textarea>',
        found[2],
        re.DOTALL,
    )
    for name, value, area, text in fields:
        sent.setdefault(name or area, []).append(html.unescape(value or text))
    sent.pop("csrfmiddlewaretoken", None)
    return html.unescape(found[1]), sent


def test_a_form_to_mend_stands_on_the_page_with_all_that_was_typed() -> None:
    typed = {"text": '\nRuns on <Fridays>.\nAsk "Sara" ', "change": ["7", "8"], "until": "soon"}
    request = RequestFactory().post(
        "/batches/3/comment/?a=b", typed, headers={"Referer": "http://testserver/batches/3/"}
    )

    answer = middleware.process_exception(request, Refused("Write something first."))

    back = "http://testserver/batches/3/"
    kept = {"text": [typed["text"]], "change": ["7", "8"], "until": ["soon"], "back-to": [back]}
    assert form_of(answer) == ("/batches/3/comment/?a=b", kept)
    assert "You had written" not in answer.content.decode()  # type: ignore[union-attr]


def test_after_a_second_refusal_the_way_back_still_leads_to_the_first_page() -> None:
    first = "http://testserver/batches/3/"
    for told, back in ((first, first), ("https://evil.example/", "http://testserver/here/")):
        request = RequestFactory().post(
            "/batches/3/comment/",
            {"text": " ", "back-to": told},
            headers={"Referer": "http://testserver/here/"},
        )
        answer = middleware.process_exception(request, Refused("Write something first."))
        assert form_of(answer)[1]["back-to"] == [back]
        assert f'href="{back}">Go back' in answer.content.decode()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        ({"reason": "why"}, Stale("It moved.")),
        ({"reason": "why"}, NotAllowed("Not yours.")),
        ({"reason": "why", "password": "pw"}, Refused("No.")),
        ({"digest": "d", "words": "delete 1 user", "reason": "why"}, Refused("No.")),
        ({"target": ""}, Refused("No.")),
        ({"reason": "why", "users": [str(number) for number in range(300)]}, Refused("No.")),
    ],
    ids=["stale", "not theirs", "a secret", "an approval", "nothing typed", "many users"],
)
def test_what_is_not_mended_from_there_is_not_offered_again(
    sent: dict[str, Any], refusal: Refused
) -> None:
    answer = middleware.process_exception(RequestFactory().post("/x/", sent), refusal)
    assert form_of(answer) == ("", {})
    assert ("why</textarea>" in answer.content.decode()) == ("reason" in sent)  # type: ignore[union-attr]


def test_an_address_that_looks_like_another_host_stays_here() -> None:
    request = RequestFactory().post("/", {"reason": "why"})
    request.path = "//evil.example/"
    where, _ = form_of(middleware.process_exception(request, Refused("No.")))
    assert where == "/%2Fevil.example/"


def test_why_an_approver_goes_on_all_the_same_is_shown_again() -> None:
    sent = {"digest": "d", "override-lock-out": "A second admin signs in by Okta."}
    answer = middleware.process_exception(RequestFactory().post("/x/", sent), Refused("No."))
    assert answer is not None
    assert "A second admin signs in by Okta.</textarea>" in answer.content.decode()


def test_no_form_answers_with_words_that_name_no_field() -> None:
    bare = [
        f"{one.__name__}.{name}"
        for module in (batches, break_glass, campaigns, packs, people)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Form) and one.__module__ == module.__name__
        for name, field in one.base_fields.items()
        if field.required and field.error_messages["required"] == Field().error_messages["required"]
    ]
    assert not bare


def test_a_bug_is_not_turned_into_a_refusal() -> None:
    assert middleware.process_exception(RequestFactory().get("/"), ValueError("bug")) is None


@pytest.mark.parametrize("address", ["/users/123456789012/%00/", "/users/?q=%00"])
def test_an_address_with_nul_is_refused_before_any_page(address: str) -> None:
    answer = middleware.process_request(RequestFactory().get(address))

    assert answer is not None
    assert answer.status_code == 400
