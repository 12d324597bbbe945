"""What one address answers htmx and a browser is told apart by every cache."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from inventory.models import Role
from tests import cast
from tests.migrations_app.browsing import HTMX, browser, text_of

pytestmark = pytest.mark.django_db


def test_an_answer_without_news_depends_on_htmx_too() -> None:
    cast.departure("a")
    reader = browser(cast.person("vera", "Vera Nowak", [Role.VIEWER]))
    card = text_of(reader.get("/?part=lifecycle", headers=HTMX))
    [same] = re.findall(r'hx-get="/(\?part=lifecycle[^"]+)"', card)

    answer = reader.get(f"/{same.replace('&amp;', '&')}", headers=HTMX)

    assert answer.status_code == 204
    assert "HX-Request" in answer["Vary"]


def test_so_does_the_end_of_polling() -> None:
    answer = browser(cast.person("vera", "Vera Nowak", [Role.VIEWER])).get("/live/", headers=HTMX)

    assert answer.status_code == 286
    assert "HX-Request" in answer["Vary"]


@pytest.mark.parametrize(("headers", "status"), [({}, 302), (HTMX, 401)])
def test_a_lost_session_is_answered_otherwise_to_htmx(headers: dict[str, str], status: int) -> None:
    answer = Client().get("/soak/", headers=headers)

    assert answer.status_code == status
    assert "HX-Request" in answer["Vary"]


@pytest.mark.parametrize("path", ["/", "/users/", "/users.csv", "/api/v1/users"])
def test_no_cache_keeps_what_somebody_was_shown(path: str) -> None:
    cast.departure("a")
    reader = browser(cast.person("vera", "Vera Nowak", [Role.VIEWER]))

    assert reader.get(path)["Cache-Control"] == "private, no-store"


def test_the_answer_to_a_form_may_be_come_back_to_by_who_wrote_it() -> None:
    reader = browser(cast.person("vera", "Vera Nowak", [Role.VIEWER]))

    answer = reader.post("/users/views/", {"query": "view=left"})

    assert answer.status_code == 422
    assert answer["Cache-Control"] == "private, no-cache"
