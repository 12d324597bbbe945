"""Whatever goes wrong, a browser gets a page of the house: what happened, and what to do."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
import structlog
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import Http404
from django.middleware import csrf
from django.test import Client, RequestFactory

from iamcleanup import error_pages
from tests import cast

HTMX = {"HX-Request": "true"}


def page_of(answer: Any) -> str:
    """The page, which is one of ours."""
    page: str = answer.content.decode()
    assert "tokens.css" in page
    assert len(re.findall("<h1", page)) == 1
    return page


def toast_of(answer: Any) -> dict[str, str]:
    assert answer["HX-Reswap"] == "none"
    toast: dict[str, str] = json.loads(answer["HX-Trigger"])["toast"]
    return toast


def broken_by(error: Exception, request: Any) -> Any:
    """What is answered while `error` is being handled, as Django calls it."""
    try:
        raise error
    except type(error):
        return error_pages.broken(request)


def test_a_page_that_broke_gives_the_reference_of_the_log() -> None:
    with structlog.contextvars.bound_contextvars(request_id="7f3e0a1b-5555"):
        page = broken_by(ZeroDivisionError(), RequestFactory().get("/soak/?team=data"))
        toast = broken_by(ZeroDivisionError(), RequestFactory().post("/", headers=HTMX))

    assert (page.status_code, toast.status_code) == (500, 500)
    assert "Reference 7f3e0a1b." in page_of(page)
    assert 'href="/soak/?team=data">Try again' in page_of(page)
    assert "reference 7f3e0a1b" in toast_of(toast)["text"]


@pytest.mark.django_db
def test_a_bug_in_a_view_shows_that_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args: object) -> None:
        raise ZeroDivisionError

    client.raise_request_exception = False
    client.force_login(cast.cast().vera)
    monkeypatch.setattr("migrations_app.outgoing.notices.inbox_for", bug)
    answer = client.get("/inbox/")

    assert answer.status_code == 500
    assert re.search(r"Reference [0-9a-f]{8}\.", page_of(answer))


@pytest.mark.django_db
def test_without_a_database_each_page_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise OperationalError("connection refused")

    client.raise_request_exception = False
    client.force_login(cast.cast().vera)
    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", away)
    answer = client.get("/users/")
    toast = client.get("/users/", headers=HTMX)

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "The database does not answer" in page_of(answer)
    assert "The database does not answer" in toast_of(toast)["text"]


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (psycopg.OperationalError("refused"), 503),
        (psycopg.errors.AdminShutdown(), 503),
        (psycopg.errors.DeadlockDetected(), 500),
    ],
)
def test_a_database_that_answered_is_not_away(cause: Exception, status: int) -> None:
    error = OperationalError()
    error.__cause__ = cause
    assert broken_by(error, RequestFactory().get("/")).status_code == status


def test_what_somebody_sent_into_a_broken_page_is_not_lost() -> None:
    request = RequestFactory().post("/x/", {"reason": "It runs the payroll."})
    assert "It runs the payroll.</textarea>" in page_of(broken_by(ValueError(), request))


@pytest.mark.parametrize(
    ("error", "said"), [(None, "cannot be read"), (DisallowedHost(), "ALLOWED_HOSTS")]
)
def test_what_cannot_be_read_is_a_page_too(error: Exception | None, said: str) -> None:
    answer = error_pages.unreadable(RequestFactory().get("/"), error)
    assert answer.status_code == 400
    assert said in page_of(answer)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("This batch has no undo script yet.", "This batch has no undo script yet."),
        ("No Batch matches the given query.", "No such page."),
        ({"tried": []}, "No such page."),
    ],
)
def test_a_page_that_is_not_there_says_what_the_view_knew(told: Any, shown: str) -> None:
    answer = error_pages.missing(RequestFactory().get("/"), Http404(told))
    assert answer.status_code == 404
    assert shown in page_of(answer)
    assert "matches the given query" not in page_of(answer)


@pytest.mark.django_db
def test_a_form_of_a_page_older_than_the_sign_in_says_so_and_keeps_its_words() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.cast().ada)
    sent = {"reason": "Payments cannot settle", "csrfmiddlewaretoken": "x" * 64}
    client.cookies["csrftoken"] = "y" * 32
    answer = client.post("/stop/", sent)

    assert answer.status_code == 403
    assert "You signed in or out since this page was loaded." in page_of(answer)
    assert "Payments cannot settle</textarea>" in page_of(answer)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (csrf.REASON_NO_CSRF_COOKIE, "Your browser sent no cookies."),
        (csrf.REASON_CSRF_TOKEN_MISSING, "without the mark of its page"),
        (csrf.REASON_BAD_ORIGIN % "https://evil.example", "CSRF_TRUSTED_ORIGINS"),
        (csrf.REASON_BAD_REFERER % "https://evil.example", "CSRF_TRUSTED_ORIGINS"),
        ("CSRF token from POST incorrect.", "You signed in or out since this page was loaded."),
    ],
)
def test_a_forged_form_gives_its_reason_and_the_page_to_load_again(reason: str, said: str) -> None:
    here = {"HX-Current-URL": "http://testserver/soak/"}
    answer = error_pages.forged(RequestFactory().post("/", headers=HTMX | here), reason)

    assert answer.status_code == 403
    assert said in toast_of(answer)["text"]
    assert toast_of(answer)["link"] == "http://testserver/soak/"


@pytest.mark.django_db
def test_the_address_of_a_button_is_no_empty_page(client: Client) -> None:
    client.force_login(cast.cast().ada)
    answer = client.get("/stop/lift/")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "Only a button leads here" in page_of(answer)
