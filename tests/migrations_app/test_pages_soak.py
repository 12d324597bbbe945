"""The soak board: who is off, for how long, what called, and what each role is offered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Person
from migrations_app import board
from migrations_app.models import Departure
from tests import cast
from tests.migrations_app import batch_rows as rows

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def shut(name: str, days_ago: float, **columns: Any) -> Departure:
    """A user shut that many days ago, with a soak of 14 days."""
    started = clock.now() - days_ago * DAY
    return cast.departure(name, "soaking", clock_started_at=started, **columns)


def get(person: Person, query: str = "", **headers: str) -> str:
    client = Client()
    client.force_login(person)
    answer = client.get(f"/soak/{query}", headers=headers or None)
    assert answer.status_code == 200
    return str(answer.content.decode())


def columns(person: Person) -> list[tuple[str, list[str]]]:
    found = board.board_for(person, [], clock.now())
    return [
        (column.key, [card.departure.user.user_name for card in column.cards])
        for column in found.all_columns
    ]


def test_columns_stand_in_the_order_of_the_lifecycle(everybody: cast.Cast) -> None:
    cast.departure("watched", "disabled")
    early, late = shut("early", 1), shut("late", 8)
    shut("ready", 15)
    shut("kept", 3, not_before=clock.now() + 27 * DAY)

    assert columns(everybody.jonas) == [
        ("watch", ["watched"]),
        (board.soak_end(early).isoformat(), ["early"]),
        (board.soak_end(late).isoformat(), ["late"]),
        ("ready", ["ready"]),
        ("extended", ["kept"]),
    ]


def test_an_open_hit_keeps_a_user_from_being_ready(everybody: cast.Cast) -> None:
    called = shut("called", 15)
    cast.hit(called)

    assert columns(everybody.jonas) == [(board.soak_end(called).isoformat(), ["called"])]


def test_a_dispute_keeps_a_user_from_being_ready(everybody: cast.Cast) -> None:
    disputed = shut("disputed", 15, disputed_until=clock.now().date())

    assert columns(everybody.jonas) == [(board.soak_end(disputed).isoformat(), ["disputed"])]


def test_the_title_says_the_situation(everybody: cast.Cast) -> None:
    cast.hit(cast.departure("watched", "disabled"))
    shut("early", 1)

    assert "1 watched, 1 soaking. One was called" in get(everybody.vera)


def test_an_empty_board_says_what_comes_next(everybody: cast.Cast) -> None:
    text = get(everybody.vera)

    assert "Nothing is watched or soaking" in text
    assert "No batch is approved yet." in text


def test_a_hit_shows_who_called_with_its_key_cut(everybody: cast.Cast) -> None:
    details = {"who": "i-0c4f", "where": "10.0.12.41", "key": rows.KEY, "with": "<img src=x>"}
    cast.hit(cast.departure("watched", "disabled"), details=details)

    text = get(everybody.jonas)

    assert "10.0.12.41" in text
    assert rows.SHOWN_KEY in text
    assert rows.KEY not in text
    assert "<img src=x>" not in text


def test_a_viewer_sees_that_it_was_called_but_not_from_where(everybody: cast.Cast) -> None:
    hit = cast.hit(cast.departure("watched", "disabled"), details={"where": "10.0.12.41"})

    text = get(everybody.vera)

    assert hit.what in text
    assert "10.0.12.41" not in text
    assert "Restore now" not in text
    assert f"/hits/{hit.pk}/#dismiss" not in text


def test_a_lead_sees_the_own_team_with_a_way_back(everybody: cast.Cast) -> None:
    own = shut("own", 1, owner=everybody.payments)
    shut("foreign", 1, owner=everybody.platform)

    text = get(everybody.sara)

    assert "1 Payments user is off" in text
    assert f"/users/{cast.ACCOUNT_ID}/{own.user.user_id}/restore/" in text
    assert "foreign" not in text


def test_a_lead_may_look_at_everybody_without_their_buttons(everybody: cast.Cast) -> None:
    foreign = shut("foreign", 1, owner=everybody.platform)

    text = get(everybody.sara, "?team=all&layout=list")

    assert "foreign" in text
    assert f"{foreign.user.user_id}/restore/" not in text


def test_the_list_holds_everybody_in_a_real_table(everybody: cast.Cast) -> None:
    for number in range(board.SHOWN + 2):
        shut(f"early-{number}", 1)

    assert f"early-{board.SHOWN + 1}" not in get(everybody.jonas)
    text = get(everybody.jonas, "?layout=list")
    assert all(f"early-{number}</a>" in text for number in range(board.SHOWN + 2))


def test_a_team_that_is_none_is_not_found(everybody: cast.Cast) -> None:
    client = Client()
    client.force_login(everybody.jonas)
    assert client.get("/soak/?team=ghosts").status_code == 404


def test_an_engineer_composes_from_what_is_ready_and_a_viewer_does_not(
    everybody: cast.Cast,
) -> None:
    shut("ready", 15)
    compose = f"/batches/new/?account={cast.ACCOUNT_ID}&amp;move=delete"

    assert compose in get(everybody.jonas)
    assert compose not in get(everybody.vera)


def test_a_column_whose_users_are_in_a_batch_names_it(everybody: cast.Cast) -> None:
    batch = rows.asked(everybody, shut("ready", 15), move="delete", number=11)

    text = get(everybody.jonas)

    assert "In batch #11" in text
    assert f'href="/batches/{batch.number}/"' in text


def test_a_broken_off_delete_is_named_apart(everybody: cast.Cast) -> None:
    half = shut("half", 20, irreversible_at=clock.now())

    text = get(everybody.jonas)

    assert "is partly deleted" in text
    assert f"{half.user.user_id}/finish-deleting/" in text
    assert f"{half.user.user_id}/restore/" not in text


def test_the_board_is_polled_and_answers_nothing_while_nothing_changed(
    everybody: cast.Cast,
) -> None:
    early = shut("early", 1)
    text = get(everybody.jonas)
    start = text.index('hx-get="/soak/')
    poll = text[start + 8 :].partition('"')[0].replace("&amp;", "&")
    client = Client()
    client.force_login(everybody.jonas)
    assert client.get(poll, headers=HTMX).status_code == 204

    cast.hit(early)

    moved = client.get(poll, headers=HTMX)
    assert moved.status_code == 200
    assert b"was called" in moved.content
    assert b"<html" not in moved.content


def test_the_board_asks_the_database_no_more_for_more_users(everybody: cast.Cast) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            board.board_for(everybody.jonas, [], clock.now())
        return len(asked)

    cast.hit(shut("first", 1))
    few = queries()
    for number in range(10):
        cast.hit(shut(f"more-{number}", number))
    assert queries() == few
