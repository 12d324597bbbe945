"""Columns of the Users page that somebody does without: kept for them, not in their files."""

from __future__ import annotations

import csv
import io
import re

import pytest

from migrations_app.users.columns import COLUMNS
from tests import cast
from tests.migrations_app.browsing import HTMX, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    people = cast.cast()
    cast.departure(cast.iam_user("robot", category="ci-cd"))
    return people


def hidden(page: str) -> set[str]:
    table = re.search(r'<table class="([^"]*)"', page)
    assert table
    return {name.removeprefix("hide-") for name in table[1].split() if name.startswith("hide-")}


def test_a_choice_is_kept_for_the_person_and_for_nobody_else(everybody: cast.Cast) -> None:
    page = browser(everybody.vera)
    assert hidden(text_of(page.get("/users/"))) == set()

    answer = page.post("/users/columns/", {"query": "view=everything", "columns": ["mfa", "owner"]})

    assert answer["Location"] == "/users/?view=everything"
    assert hidden(text_of(page.get("/users/"))) == {*COLUMNS} - {"mfa", "owner"}
    assert hidden(text_of(browser(everybody.jonas).get("/users/"))) == set()


def test_all_columns_come_back_and_what_is_no_column_is_left_out(everybody: cast.Cast) -> None:
    page = browser(everybody.vera)
    page.post("/users/columns/", {"columns": ["mfa"]})
    page.post("/users/columns/", {"columns": [*COLUMNS, "password"]})

    assert hidden(text_of(page.get("/users/"))) == set()
    everybody.vera.refresh_from_db()
    assert everybody.vera.hidden_columns == []


def test_htmx_gets_the_list_with_the_page_and_filters_that_were_open(everybody: cast.Cast) -> None:
    sent = {"query": "view=everything&q=rob", "columns": ["state"]}

    answer = browser(everybody.vera).post("/users/columns/", sent, headers=HTMX)

    page = text_of(answer)
    assert (answer.status_code, hidden(page)) == (200, {*COLUMNS} - {"state"})
    assert page.lstrip().startswith('<div id="users"')
    assert 'value="rob"' in page
    # The button that was pressed is gone with the menu; its menu gets the focus.
    assert re.search(r'<summary class="btn" data-focus>', page)


def test_a_file_holds_every_column_whatever_the_page_shows(everybody: cast.Cast) -> None:
    page = browser(everybody.vera)
    page.post("/users/columns/", {"columns": []})

    answer = page.get("/users.csv")

    told = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    [row] = csv.DictReader(io.StringIO(told))
    assert row["state"] == "discovered"
    assert "mfa" in row
