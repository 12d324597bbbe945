"""The shell around every page: links that lead somewhere, and a page even when it knows nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import path

from inventory.templatetags import shell


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("")


urlpatterns = [
    path("users/", page),
    path("soak/", page),
    path("sign-in/", page, name="account_login"),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def fresh_url_map() -> Iterator[None]:
    shell.exists.cache_clear()
    yield
    shell.exists.cache_clear()


def rendered(template: str, path: str = "/users/", **context: object) -> str:
    request = RequestFactory().get(path)
    return render_to_string(template, {"request": request, **context})


def jonas(**more: object) -> SimpleNamespace:
    known: dict[str, object] = {"person": "Jonas Weber", "accounts": [], "counts": {"hits": 2}}
    return SimpleNamespace(**known | more)


def test_the_sidebar_links_only_to_pages_that_exist() -> None:
    sidebar = rendered("shell/sidebar.html", shell=jonas())
    assert 'href="/users/"' in sidebar
    assert 'href="/plans/"' not in sidebar


def test_the_page_the_reader_is_on_is_marked() -> None:
    sidebar = rendered("shell/sidebar.html", "/users/123/AIDA/", shell=jonas())
    assert sidebar.count("aria-current=") == 1 + sidebar.count('aria-current="true"')


def test_open_hits_are_the_only_alarm_among_the_counts() -> None:
    sidebar = rendered("shell/sidebar.html", shell=jonas(counts={"users": 146, "hits": 2}))
    assert sidebar.count("count-alarm") == 1


def test_the_emergency_stop_is_said_on_every_page() -> None:
    stop = SimpleNamespace(pulled_by="Mei Tanaka", at=None, reason="")
    assert "Nothing is written to AWS" in rendered("base.html", shell=jonas(emergency_stop=stop))


def test_the_emergency_stop_is_offered_to_those_who_may_pull_it_only() -> None:
    assert 'href="/stop/"' not in rendered("base.html", shell=jonas(may_stop=False))


@pytest.mark.parametrize("template", ["base.html", "bare.html", "403.html", "404.html", "500.html"])
def test_a_page_renders_when_nobody_is_signed_in(template: str) -> None:
    assert "<main" in rendered(template)


def test_what_people_write_stays_text() -> None:
    stop = SimpleNamespace(pulled_by="Mei", at=None, reason="<script>alert(1)</script>")
    assert "<script>alert" not in rendered("base.html", shell=jonas(emergency_stop=stop))


@pytest.mark.parametrize(("count", "shown"), [(12, "12"), (999, "999"), (1000, "999+")])
def test_a_count_is_shown_up_to_999(count: int, shown: str) -> None:
    assert shell.up_to_999(count) == shown
