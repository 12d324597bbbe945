"""The form of a new batch, sent again: by a double click, after Back, after a lost answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from inventory.models import LedgerEntry
from migrations_app import changes
from migrations_app.changes import batches, nudge
from migrations_app.models import Batch, Departure
from tests import cast
from tests.migrations_app import batch_rows
from tests.migrations_app.at_once import both
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db
PAGE = "/batches/new/"


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def opened(client: Client, address: str = PAGE) -> str:
    """The page as a browser gets it, which follows it to its own address."""
    return text_of(client.get(address, follow=True))


def shown(client: Client) -> str:
    """The one-time id of the form."""
    (once,) = re.findall(r'<input type="hidden" name="once" value="([^"]+)"', opened(client))
    return str(once)


def form(once: str, *rows: Departure, **more: Any) -> dict[str, Any]:
    users = [row.user.user_id for row in rows]
    return {"account": cast.ACCOUNT_ID, "move": "disable", "once": once, "users": users, **more}


def quiet(name: str = "quiet") -> Departure:
    return cast.departure(name, "owner-assigned")


def test_the_same_form_leads_to_the_draft_that_it_made(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    sent = form(shown(jonas), row)

    first, second = (jonas.post(PAGE, sent) for _ in range(2))

    batch = Batch.objects.get()
    assert first["Location"] == second["Location"] == f"/batches/{batch.number}/"
    page = text_of(jonas.get(second["Location"]))
    assert f"This form made batch #{batch.number} before. Nothing is made twice." in page
    assert LedgerEntry.objects.filter(kind="batch.composed").count() == 1


def test_it_leads_there_also_once_others_have_gone_on_with_it(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    sent = form(shown(jonas), row)
    jonas.post(PAGE, sent)
    batch = Batch.objects.get()
    changes.add_users(batch, [quiet("another")], everybody.mei)
    Batch.objects.update(status="asked", asked_by=everybody.mei)

    assert jonas.post(PAGE, sent)["Location"] == f"/batches/{batch.number}/"
    assert Batch.objects.count() == 1


@pytest.mark.parametrize(
    "changed", [{"users": []}, {"method": "shut"}, {"move": "delete"}, {"reason": "another"}]
)
def test_a_form_that_asks_for_something_else_makes_a_draft_of_its_own(
    everybody: cast.Cast, changed: dict[str, Any]
) -> None:
    """Whoever goes back and ticks others wants those; what was made first stays as it is."""
    rows, jonas = [quiet(), quiet("other")], browser(everybody.jonas)
    once = shown(jonas)
    jonas.post(PAGE, form(once, *rows))
    if "users" in changed:
        changed = {"users": [rows[0].user.user_id]}

    for _ in range(2):
        jonas.post(PAGE, form(once, *rows, **changed))

    assert Batch.objects.count() == 2
    assert Batch.objects.get(number=1).changes.count() == 2


def test_the_order_of_the_ticks_and_a_name_for_an_id_are_nothing_else(everybody: cast.Cast) -> None:
    one, other, jonas = quiet(), quiet("other"), browser(everybody.jonas)
    once = shown(jonas)
    jonas.post(PAGE, form(once, one, other))
    jonas.post(PAGE, form(once, other, names="QUIET"))
    assert Batch.objects.count() == 1


def test_another_composing_may_hold_the_same_user(everybody: cast.Cast) -> None:
    row, jonas, mei = quiet(), browser(everybody.jonas), browser(everybody.mei)
    once = shown(jonas)
    assert once != shown(jonas)
    for client, one in ((jonas, once), (jonas, shown(jonas)), (mei, once)):
        client.post(PAGE, form(one, row))
    assert Batch.objects.count() == 3


def test_a_form_without_an_id_makes_a_draft_each_time(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    for _ in range(2):
        jonas.post(PAGE, form("", row))
    assert Batch.objects.count() == 2


def test_whoever_discarded_it_and_goes_back_gets_another(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    sent = form(shown(jonas), row)
    jonas.post(PAGE, sent)
    changes.discard(Batch.objects.get(), everybody.jonas)

    jonas.post(PAGE, sent)

    assert list(Batch.objects.values_list("status", flat=True)) == ["draft", "withdrawn"]


def test_a_form_that_was_refused_made_nothing_and_may_be_sent_again(everybody: cast.Cast) -> None:
    jonas = browser(everybody.jonas)
    sent = form(shown(jonas))
    assert jonas.post(PAGE, sent).status_code == 422
    quiet()
    assert jonas.post(PAGE, {**sent, "names": "quiet"}).status_code == 302


@pytest.mark.parametrize(
    ("act", "sent"), [("add", {"names": "other"}), ("method", {"method": "shut"}), ("dry-run", {})]
)
def test_what_is_done_to_a_draft_twice_is_looked_at_once(
    everybody: cast.Cast, act: str, sent: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(nudge, "dry_run", looks.append)
    quiet("other")
    batch = batch_rows.draft(everybody, quiet())
    jonas = browser(everybody.jonas)
    for _ in range(2):
        assert jonas.post(f"/batches/{batch.number}/{act}/", sent).status_code == 302
    assert looks == [batch.pk]


def test_the_database_holds_one_batch_for_a_form(everybody: cast.Cast) -> None:
    cast.batch(everybody.account, everybody.jonas, form="f")
    cast.batch(everybody.account, everybody.mei, form="f")
    with pytest.raises(IntegrityError, match="one_batch_per_form"), transaction.atomic():
        cast.batch(everybody.account, everybody.jonas, form="f")


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_instant_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = cast.cast()
    row, jonas = quiet(), browser(everybody.jonas)
    sent = form(shown(jonas), row)

    answers = both(monkeypatch, batches, "_add", lambda: browser(everybody.jonas).post(PAGE, sent))

    batch = Batch.objects.get()
    assert [one["Location"] for one in answers] == [f"/batches/{batch.number}/"] * 2
    assert batch.changes.count() == 1


def test_each_composing_has_an_address_of_its_own_to_come_back_to(everybody: cast.Cast) -> None:
    jonas = browser(everybody.jonas)
    first, second = (jonas.get(f"{PAGE}?move=delete")["Location"] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"/batches/new/\?move=delete&once=[\w-]{16}", first)
    once = first.partition("once=")[2]
    for _ in range(2):
        assert f'name="once" value="{once}"' in text_of(jonas.get(first))


def test_a_form_that_comes_back_with_a_question_is_the_same_one(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    sent = form("an-id", row, urgent="on")
    answer = jonas.post(PAGE, sent)
    assert (answer.status_code, 'name="once" value="an-id"' in text_of(answer)) == (422, True)


def test_what_a_person_ticked_stays_ticked_on_a_form_that_comes_back(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    again = form("an-id", row, urgent="on", reason="leaked")
    jonas.post(PAGE, again)
    answer = jonas.post(PAGE, {**again, "reason": ""})
    assert ticked(text_of(answer)) == [row.user.user_id]


def test_who_stands_in_a_draft_like_this_is_named_and_not_ticked(everybody: cast.Cast) -> None:
    """A browser that asks for the page again on the way back gets a new form."""
    rows, jonas = [quiet(), quiet("other")], browser(everybody.jonas)
    page = f"{PAGE}?users={rows[0].user.user_id}&users={rows[1].user.user_id}"
    jonas.post(PAGE, form(shown(jonas), rows[0]))

    text = opened(jonas, page)

    assert 'href="/batches/1/">in draft #1</a>' in text
    assert ticked(text) == [rows[1].user.user_id]
    changes.discard(Batch.objects.get(), everybody.jonas)
    assert sorted(ticked(opened(jonas, page))) == sorted(row.user.user_id for row in rows)


def test_an_ordinary_draft_holds_nobody_back_whose_keys_leaked(everybody: cast.Cast) -> None:
    row, jonas = quiet(), browser(everybody.jonas)
    jonas.post(PAGE, form(shown(jonas), row))
    page = f"{PAGE}?urgent=on&users={row.user.user_id}"
    assert ticked(opened(jonas, page)) == [row.user.user_id]


def ticked(text: str) -> list[str]:
    return re.findall(r'name="users" value="([^"]+)"[^>]* checked', text)
