"""A selection goes into drafts: the plan is shown first, and nothing else is carried out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from migrations_app import batch_adding, changes
from migrations_app.changes import batches
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests import cast
from tests.migrations_app.at_once import both
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def nobody_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards have tests of their own; here all may go."""

    def free(rows: Iterable[Departure], *_: Any, **__: Any) -> dict[int, list[Any]]:
        return {row.pk: [] for row in rows}

    monkeypatch.setattr("migrations_app.changes.blockers_for", free)


def quiet(count: int, start: int = 0) -> list[Departure]:
    return [
        cast.departure(f"q{number:02}", State.OWNER_ASSIGNED)
        for number in range(start, start + count)
    ]


def draft(everybody: cast.Cast, users: int, number: int = 12) -> Batch:
    batch = cast.batch(everybody.account, everybody.jonas, number=number)
    for row in quiet(users, start=50):
        cast.change(row, batch=batch)
    return batch


def address(rows: Iterable[Departure]) -> str:
    users = "".join(f"&users={row.user.user_id}" for row in rows)
    return f"/users/add/?account={cast.ACCOUNT_ID}{users}"


def sent(page: str, rows: Iterable[Departure]) -> dict[str, Any]:
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', page)
    users = [row.user.user_id for row in rows]
    return {"account": cast.ACCOUNT_ID, "seen": seen, "users": users}


def test_what_does_not_fit_goes_to_new_batches_and_the_page_says_so_first(
    everybody: cast.Cast, nobody_is_blocked: None
) -> None:
    batch = draft(everybody, 14)
    rows = quiet(15)
    jonas = browser(everybody.jonas)

    page = text_of(jonas.get(address(rows)))

    assert "Batch #12 takes 6 more. The other 9 go to a new batch #13." in page
    assert Change.objects.count() == 14

    answer = jonas.post("/users/add/", sent(page, rows))

    assert answer["Location"] == "/batches/12/"
    assert batch.changes.count() == 20
    assert Batch.objects.get(number=13).changes.count() == 9


def test_who_may_not_go_is_listed_with_the_reason_and_not_added(everybody: cast.Cast) -> None:
    draft(everybody, 1)
    rows = [
        cast.departure("nobodys"),
        cast.departure("sealed", State.OWNER_ASSIGNED, protection="break-glass"),
        Departure.objects.get(user__user_name="q50"),
        cast.departure(cast.iam_user("there", cast.account("210987654321", "staging"))),
    ]
    jonas = browser(everybody.jonas)

    page = text_of(jonas.get(address(rows)))

    assert "4 may not go now" in page
    assert "It is in batch #12 already." in page
    assert "It is in staging; a batch holds one account." in page
    assert "None of these users may go now" in page
    assert jonas.post("/users/add/", sent(page, rows)).status_code == 422
    assert Change.objects.count() == 1


def test_a_plan_that_is_no_longer_true_is_shown_anew_and_not_carried_out(
    everybody: cast.Cast, nobody_is_blocked: None
) -> None:
    batch = draft(everybody, 14)
    rows = quiet(3)
    jonas = browser(everybody.jonas)
    page = text_of(jonas.get(address(rows)))
    for row in quiet(5, start=80):
        cast.change(row, batch=batch)

    answer = jonas.post("/users/add/", sent(page, rows))

    assert answer.status_code == 409
    assert "Nothing was added." in text_of(answer)
    assert "Batch #12 takes 1 more. The other 2 go to a new batch #13." in text_of(answer)
    assert batch.changes.count() == 19


def test_the_same_plan_sent_again_is_carried_out_once(
    everybody: cast.Cast, nobody_is_blocked: None
) -> None:
    draft(everybody, 14)
    rows = quiet(15)
    jonas = browser(everybody.jonas)
    plan = sent(text_of(jonas.get(address(rows))), rows)

    answers = [jonas.post("/users/add/", plan) for _ in range(2)]

    assert [answer["Location"] for answer in answers] == ["/batches/12/"] * 2
    assert "Added 15 users: batch #12 and #13." in text_of(jonas.get("/batches/12/"))
    assert Batch.objects.count() == 2
    assert Change.objects.count() == 14 + 15


def test_of_a_plan_that_was_undone_in_part_the_rest_is_shown_anew(
    everybody: cast.Cast, nobody_is_blocked: None
) -> None:
    batch = draft(everybody, 14)
    rows = quiet(2)
    jonas = browser(everybody.jonas)
    plan = sent(text_of(jonas.get(address(rows))), rows)
    jonas.post("/users/add/", plan)
    changes.remove_user(batch, rows[0], everybody.mei)

    answer = jonas.post("/users/add/", plan)

    assert answer.status_code == 409
    assert "Batch #12 takes 1 more." in text_of(answer)
    assert batch.changes.count() == 15


@pytest.mark.parametrize("seen", ["x", "12:", "12:1,,2", "12:1  13:2", "9999999999:1"])
def test_what_is_no_plan_is_carried_out_by_nobody(everybody: cast.Cast, seen: str) -> None:
    plan = {"account": cast.ACCOUNT_ID, "seen": seen, "users": [quiet(1)[0].user.user_id]}
    assert browser(everybody.jonas).post("/users/add/", plan).status_code == 409
    assert not Batch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_instant_one_carries_it_out(
    nobody_is_blocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody, rows = cast.cast(), quiet(2)
    page = text_of(browser(everybody.jonas).get(address(rows)))
    plan = sent(page, rows)

    answers = both(
        monkeypatch,
        batches,
        "_add",
        lambda: browser(everybody.jonas).post("/users/add/", plan),
    )

    assert [answer["Location"] for answer in answers] == ["/batches/1/"] * 2
    assert Batch.objects.get().changes.count() == 2


def test_a_full_draft_is_passed_over(everybody: cast.Cast, nobody_is_blocked: None) -> None:
    draft(everybody, 20)

    adding = batch_adding.plan(quiet(1), everybody.account)

    assert adding.sentence == "1 user goes to a new batch #13."


@pytest.mark.parametrize(
    "columns", [{"urgent": True}, {"move": "delete"}, {"status": Batch.Status.ASKED}]
)
def test_only_an_ordinary_draft_that_disables_takes_more(
    everybody: cast.Cast, columns: dict[str, Any]
) -> None:
    cast.batch(everybody.account, everybody.jonas, **columns)

    assert batch_adding.draft_for(cast.ACCOUNT_ID) is None


def test_the_bar_names_the_draft_and_how_full_it_is(everybody: cast.Cast) -> None:
    draft(everybody, 3)

    page = text_of(browser(everybody.jonas).get("/users/"))

    assert "Add to batch #12" in page
    assert "3 of 20" in page


def test_ticked_users_are_led_to_the_draft_where_there_is_one(everybody: cast.Cast) -> None:
    draft(everybody, 1)
    (row,) = quiet(1)

    answer = browser(everybody.jonas).post(
        "/users/bulk/", {"act": "compose", "users": [f"{row.user.user_id}.{row.version}"]}
    )

    assert answer["Location"] == address([row])


def test_without_users_or_account_there_is_nothing_to_plan(everybody: cast.Cast) -> None:
    answer = browser(everybody.jonas).get("/users/add/")

    assert answer.status_code == 422
