"""A selection goes into drafts: the plan is shown first, and nothing else is carried out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from migrations_app import batch_adding
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests import cast
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
