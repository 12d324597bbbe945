"""Views that people keep: saved, changed and deleted, for oneself or for everybody."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from inventory import clock
from migrations_app.models import SavedView
from migrations_app.users import saved_views
from migrations_app.users.filters import Filters
from tests import cast
from tests.migrations_app.browsing import HTMX, browser, text_of

pytestmark = pytest.mark.django_db

QUERY = "view=dormant&sort=name&category=ci-cd"


@pytest.fixture
def everybody() -> cast.Cast:
    people = cast.cast()
    cast.departure(cast.iam_user("robot", category="ci-cd"))
    cast.departure(cast.iam_user("riddle", category="mystery"))
    return people


def saved(person: Any, name: str = "Robots", **columns: Any) -> SavedView:
    columns.setdefault("query", QUERY)
    columns.setdefault("saved_at", clock.now())
    return SavedView.objects.create(person=person, name=name, **columns)


def save(person: Any, **sent: Any) -> Any:
    return browser(person).post("/users/views/", {"query": QUERY, **sent})


def test_a_view_is_kept_without_page_and_account_and_shows_as_a_tab_with_its_count(
    everybody: cast.Cast,
) -> None:
    query = f"{QUERY}&account={cast.ACCOUNT_ID}&after=x~1"

    answer = save(everybody.vera, name="Robots", query=query)

    view = SavedView.objects.get()
    assert (view.query, view.shared, view.person) == (QUERY, False, everybody.vera)
    page = text_of(browser(everybody.vera).get(answer["Location"]))
    assert 'aria-current="page" hx-get="?view=dormant' in page
    assert 'Robots<span class="count">1</span>' in page
    assert "robot" in page
    assert "riddle" not in page
    assert ">Reset</a>" not in page


def test_a_name_that_turns_the_writing_round_comes_back_with_what_is_wrong(
    everybody: cast.Cast,
) -> None:
    answer = save(everybody.jonas, name="Rob\u202estob", shared="everybody")

    assert answer.status_code == 422
    page = text_of(answer)
    assert "turns the writing round (U+202E)" in page
    assert 'value="Rob\u202estob"' in page
    assert not SavedView.objects.exists()


def test_a_view_for_everybody_is_everybodys_and_ones_own_is_not(everybody: cast.Cast) -> None:
    save(everybody.jonas, name="Ours", shared="everybody")
    save(everybody.jonas, name="Secretly mine")

    page = text_of(browser(everybody.vera).get("/users/"))

    assert "Ours" in page
    assert "Secretly mine" not in page


def test_a_viewer_keeps_views_for_nobody_else(everybody: cast.Cast) -> None:
    answer = save(everybody.vera, name="Ours", shared="everybody")

    assert answer.status_code == 403
    assert not SavedView.objects.exists()
    assert 'value="everybody"' not in text_of(browser(everybody.vera).get("/users/"))
    assert 'value="everybody"' in text_of(browser(everybody.jonas).get("/users/"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Give the view a name."),
        ("  ", "Give the view a name."),
        ("x" * 41, "Use at most 40 characters."),
        ("ROBOTS", "You have a view named ROBOTS."),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_name_that_cannot_be_is_answered_with_the_form(
    everybody: cast.Cast, name: str, words: str, headers: dict[str, str]
) -> None:
    saved(everybody.vera)

    answer = browser(everybody.vera).post(
        "/users/views/", {"query": QUERY, "name": name}, headers=headers
    )

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "robot" in text_of(answer)
    assert SavedView.objects.count() == 1


def test_a_view_that_is_saved_twice_is_one(everybody: cast.Cast) -> None:
    vera, sent = browser(everybody.vera), {"name": "Mine", "query": "view=left"}
    assert {vera.post("/users/views/", sent)["Location"] for _ in range(2)} == {
        f"/users/?view=left&saved={SavedView.objects.get().pk}"
    }
    assert vera.post("/users/views/", {**sent, "query": "view=dormant"}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_instant_both_are_led_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vera, sent = cast.cast().vera, {"name": "Mine", "query": "view=left"}
    together = threading.Barrier(2, timeout=20)
    really = SavedView.objects.create

    def meet(**columns: Any) -> SavedView:
        together.wait()
        return really(**columns)

    monkeypatch.setattr(SavedView.objects, "create", meet)
    answers: list[Any] = []

    def save() -> None:
        answers.append(browser(vera).post("/users/views/", sent)["Location"])
        connection.close()

    both = [threading.Thread(target=save) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(20)
    assert answers == [f"/users/?view=left&saved={SavedView.objects.get().pk}"] * 2


def test_a_changed_view_can_be_saved_or_reset(everybody: cast.Cast) -> None:
    view = saved(everybody.vera)
    vera = browser(everybody.vera)

    changed = text_of(vera.get(f"/users/?saved={view.pk}&view=dormant&category=mystery"))
    as_kept = text_of(vera.get(f"/users/?saved={view.pk}"))

    assert "Save the changes of Robots" in changed
    assert f'href="?saved={view.pk}">Reset</a>' in changed
    assert "Save the changes" not in as_kept
    assert "riddle" not in as_kept

    vera.post(
        f"/users/views/{view.pk}/",
        {"query": f"saved={view.pk}&view=dormant&category=mystery"},
    )
    view.refresh_from_db()
    assert view.query == "view=dormant&category=mystery"


def test_a_view_of_the_product_that_is_changed_can_be_reset_but_not_overwritten(
    everybody: cast.Cast,
) -> None:
    page = text_of(browser(everybody.vera).get("/users/?view=dormant&mfa=no"))

    assert 'href="?view=dormant">Reset</a>' in page
    assert "Save the changes" not in page
    assert "Save view" in page


def test_a_view_that_somebody_changed_meanwhile_is_not_overwritten(everybody: cast.Cast) -> None:
    view = saved(everybody.jonas, shared=True, saved_at=clock.now() - timedelta(minutes=5))
    seen = view.saved_at.isoformat()
    saved_views.change(view.pk, everybody.ada, Filters(view="admin"), None)

    answer = browser(everybody.jonas).post(
        f"/users/views/{view.pk}/", {"query": QUERY, "seen": seen}, headers=HTMX
    )

    view.refresh_from_db()
    assert answer.status_code == 409
    assert "Not saved." in json.loads(answer["HX-Trigger"])["toast"]["text"]
    assert view.query == "view=admin"


@pytest.mark.parametrize("act", ["", "delete/"])
def test_another_persons_view_is_not_there_and_a_shared_one_is_not_theirs_to_change(
    everybody: cast.Cast, act: str
) -> None:
    own = saved(everybody.jonas)
    ours = saved(everybody.jonas, "Ours", shared=True)
    mei = browser(everybody.mei)

    assert mei.post(f"/users/views/{own.pk}/{act}", {"query": "view=admin"}).status_code == 409
    assert mei.post(f"/users/views/{ours.pk}/{act}", {"query": "view=admin"}).status_code == 403
    assert set(SavedView.objects.values_list("query", flat=True)) == {QUERY}


def test_a_deleted_view_is_gone_and_its_old_links_still_show_users(everybody: cast.Cast) -> None:
    view = saved(everybody.vera)
    vera = browser(everybody.vera)

    answer = vera.post(f"/users/views/{view.pk}/delete/")

    assert answer["Location"] == "/users/"
    assert not SavedView.objects.exists()
    assert "robot" in text_of(vera.get(f"/users/?saved={view.pk}&{QUERY}"))


def test_an_admin_deletes_a_shared_view_whose_maker_has_left(everybody: cast.Cast) -> None:
    view = saved(everybody.jonas, shared=True)

    browser(everybody.ada).post(f"/users/views/{view.pk}/delete/")

    assert not SavedView.objects.exists()


def test_nobody_keeps_views_without_end(everybody: cast.Cast) -> None:
    for number in range(saved_views.MOST):
        saved(everybody.vera, f"view {number}")

    answer = save(everybody.vera, name="one more")

    assert answer.status_code == 422
    assert SavedView.objects.count() == saved_views.MOST
    # What does not fit beside the others stands in a menu.
    assert "14 more" in text_of(browser(everybody.vera).get("/users/"))


def test_a_hostile_name_stays_text(everybody: cast.Cast) -> None:
    saved(everybody.vera, "<script>alert(1)</script>")

    page = text_of(browser(everybody.vera).get("/users/"))

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
