"""The soak board: who is off, for how long, what called, and what each role is offered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Person
from migrations_app.models import Departure
from migrations_app.soak import board
from migrations_app.soak.board import Wanted
from migrations_app.soak.board_rows import Scope
from tests import cast
from tests.migrations_app import batch_rows as rows
from tests.migrations_app.browsing import address

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


def looked_at(person: Person) -> board.Board:
    return board.board_for(person, Scope(), clock.now(), Wanted())


def soak_end(row: Departure) -> date:
    """In UTC, which is the account's time zone here."""
    assert row.due_at is not None
    return row.due_at.date()


def columns(person: Person) -> list[tuple[str, list[str]]]:
    found = looked_at(person)
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
        (soak_end(early).isoformat(), ["early"]),
        (soak_end(late).isoformat(), ["late"]),
        ("ready", ["ready"]),
        ("extended", ["kept"]),
    ]


def test_an_open_hit_keeps_a_user_from_being_ready(everybody: cast.Cast) -> None:
    called = shut("called", 15)
    cast.hit(called)

    assert columns(everybody.jonas) == [(soak_end(called).isoformat(), ["called"])]


def test_a_dispute_keeps_a_user_from_being_ready(everybody: cast.Cast) -> None:
    disputed = shut("disputed", 15, disputed_until=clock.now().date())

    assert columns(everybody.jonas) == [(soak_end(disputed).isoformat(), ["disputed"])]


def test_the_title_says_the_situation(everybody: cast.Cast) -> None:
    cast.hit(cast.departure("watched", "disabled"))
    shut("early", 1)

    assert "1 watched, 1 soaking. One was called" in get(everybody.vera)


def test_who_was_called_and_answered_is_not_told_as_never_called(everybody: cast.Cast) -> None:
    row = cast.departure("watched", "disabled")
    cast.departure("shut", "soaking")
    hit = cast.hit(row)
    hit.closed = "dismissed"
    hit.save()
    text = get(everybody.vera)
    assert "1 was called, no hit is open." in text
    assert "None was called" not in text
    assert text.count(", called, answered") == 1
    # What was closed before it was restored and fenced anew is of another time.
    Departure.objects.filter(pk=row.pk).update(fenced_at=hit.last_at + timedelta(minutes=1))
    assert "None was called." in get(everybody.vera)


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


def test_a_lead_whose_user_was_called_reads_the_two_ways_on(everybody: cast.Cast) -> None:
    row = cast.departure("watched", "disabled", everybody.payments)
    cast.hit(row)

    lead, engineer = get(everybody.sara), get(everybody.jonas)

    for words in ("This broke us: restore now", "We will fix the caller", "needs no approval."):
        assert words in lead
        assert words not in engineer
    assert address(row.user, "extend/") in lead


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
    assert "If it broke you, restore it here." in text
    assert f"/users/{cast.ACCOUNT_ID}/{own.user.user_id}/restore/" in text
    assert "foreign" not in text


def test_a_lead_of_whose_users_none_is_off_reads_so(everybody: cast.Cast) -> None:
    shut("foreign", 1, owner=everybody.platform)

    assert "Nothing of Payments is watched or soaking." in get(everybody.sara)


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


def test_the_list_shows_no_clock_for_whoever_was_called(everybody: cast.Cast) -> None:
    cast.hit(cast.departure("watched", "disabled", everybody.payments))

    text = get(everybody.jonas, "?layout=list")

    assert 'data-label="Left" class="num"><span class="muted">stopped</span>' in text


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


@pytest.mark.parametrize("who", ["jonas", "sara", "vera"])
@pytest.mark.parametrize("layout", ["board", "list", "cards"])
def test_the_page_asks_twelve_questions_at_most_however_many_are_off(
    everybody: cast.Cast, layout: str, who: str
) -> None:
    client = Client()
    client.force_login(getattr(everybody, who))

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(f"/soak/?team=payments&layout={layout}").status_code == 200
        return len(asked)

    assert queries() <= 12
    for number in range(12):
        row = shut(f"more-{number}", number, owner=everybody.payments)
        cast.caller(cast.hit(row))
        cast.notice(everybody.payments, kind="hit").departures.add(row)
    rows.asked(everybody, shut("ready", 15, owner=everybody.payments), move="delete", number=11)
    assert queries() <= 12


def test_a_column_shows_the_first_few_and_how_many_there_are(everybody: cast.Cast) -> None:
    for number in range(board.SHOWN + 3):
        shut(f"early-{number}", 1)

    (column,) = looked_at(everybody.jonas).columns

    assert (column.users, len(column.cards), column.more) == (board.SHOWN + 3, board.SHOWN, 3)
    assert f"?layout=list&amp;column={column.key}" in get(everybody.jonas)


def test_the_list_of_one_column_has_pages(everybody: cast.Cast) -> None:
    for number in range(board.ON_ONE_PAGE + 1):
        shut(f"early-{number:02d}", 1)
    cast.departure("watched", "disabled")
    (key,) = [one.key for one in looked_at(everybody.jonas).columns if one.day]

    first = get(everybody.jonas, f"?layout=list&column={key}")
    second = get(everybody.jonas, f"?layout=list&column={key}&page=2")

    assert f"1 to 50</span> of {board.ON_ONE_PAGE + 1}" in first or "1 to 50 of 51" in first
    assert "early-50" not in first
    assert "early-50" in second
    assert "watched</a>" not in first + second


@pytest.mark.parametrize("query", ["?layout=list&column=<b>", "?layout=list&page=-1", "?page=x"])
def test_a_column_or_page_that_is_none_shows_everybody(everybody: cast.Cast, query: str) -> None:
    shut("early", 1)

    assert "early" in get(everybody.jonas, query)


def test_the_day_of_a_column_is_that_of_the_accounts_time_zone(everybody: cast.Cast) -> None:
    far = cast.account("210987654321", "staging", time_zone="Pacific/Kiritimati")
    noon = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    row = cast.departure(cast.iam_user("a", far), "soaking", clock_started_at=noon - 3 * DAY)

    (column,) = looked_at(everybody.jonas).columns

    assert column.day == soak_end(row) + DAY


def test_a_column_that_ends_within_a_week_offers_its_delete_batch(everybody: cast.Cast) -> None:
    shut("soon", 8)
    shut("late", 2)

    late, soon = looked_at(everybody.jonas).columns

    assert (late.action, soon.action) == ("", "Compose delete batch")
    assert soon.action_url == f"/batches/new/?account={cast.ACCOUNT_ID}&move=delete"


def test_a_new_hit_is_told_at_once_and_only_once(everybody: cast.Cast) -> None:
    row = shut("called", 1)
    client = Client()
    client.force_login(everybody.jonas)
    hit = cast.hit(row)

    new = client.get("/soak/?mark=old&newest=0", headers=HTMX)
    known = client.get(f"/soak/?mark=old&newest={hit.pk}", headers=HTMX)

    assert "called was called." in new["HX-Trigger"]
    assert '"kind": "error"' in new["HX-Trigger"]
    assert "HX-Trigger" not in known


def test_whoever_restored_a_user_is_shown_the_way_on(everybody: cast.Cast) -> None:
    row = cast.departure("back", "owner-assigned", everybody.payments)
    cast.change(row, "restore", status="done", finished_at=clock.now())
    client = Client()
    client.force_login(everybody.jonas)

    page = client.get(address(row.user, "restore/")).content.decode()

    progress = page.partition('id="restore-progress"')[2].partition("</section>")[0]
    assert f'href="{address(row.user)}"' in progress
    assert 'href="/soak/"' in progress
