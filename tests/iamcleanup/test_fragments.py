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
