"""Lists in parts, filters as on the pages, and what is told of one user."""

from __future__ import annotations

import pytest

from inventory import ledger
from migrations_app.lifecycle import State
from tests import cast
from tests.migrations_app.api.programs import Program, program

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> cast.Cast:
    return cast.cast()


def walked(one: Program, path: str) -> list[list[dict[str, object]]]:
    """Every part of a list, from `next` to `next`."""
    parts, address = [], path
    while address:
        page = one.get(address).body
        parts.append(page["items"])
        address = page["next"]
    return parts


def test_users_come_in_parts_each_once(people: cast.Cast) -> None:
    for number in range(7):
        cast.departure(cast.iam_user(f"user-{number}"))
    parts = walked(program(people.vera), "users?limit=3&view=left")
    assert [len(part) for part in parts] == [3, 3, 1]
    names = [row["user_name"] for part in parts for row in part]
    assert names == [f"user-{number}" for number in range(7)]


def test_hits_and_ledger_come_latest_first(people: cast.Cast) -> None:
    for number in range(3):
        cast.hit(cast.departure(f"user-{number}", State.DISABLED))
        ledger.append("test.entry", number=number)
    one = program(people.mei)
    hits = [row["user_name"] for part in walked(one, "hits?limit=2") for row in part]
    assert hits == ["user-2", "user-1", "user-0"]
    entries = [
        row["data"] for part in walked(one, "ledger?limit=1&kind=test.entry") for row in part
    ]
    assert entries == [{"number": 2}, {"number": 1}, {"number": 0}]


def test_the_filters_are_those_of_the_page(people: cast.Cast) -> None:
    cast.departure(cast.iam_user("in-use", verdict="active"), State.OWNER_ASSIGNED, people.payments)
    cast.departure(cast.iam_user("quiet"), State.OWNER_ASSIGNED, people.platform)
    cast.departure(cast.iam_user("gone"), State.DELETED, people.platform)
    one = program(people.vera)

    def names(query: str) -> set[str]:
        return {row["user_name"] for row in one.get(f"users?{query}").body["items"]}

    assert names("") == {"in-use", "quiet", "gone"}
    assert names("view=left") == {"in-use", "quiet"}
    assert names("verdict=active") == {"in-use"}
    assert names("owner=payments&owner=platform&state=owner-assigned") == {"in-use", "quiet"}
    assert names("q=qui") == {"quiet"}
    assert names("account=999999999999") == set()


def test_closed_hits_and_knocks_are_told_apart(people: cast.Cast) -> None:
    cast.hit(cast.departure("called", State.DISABLED))
    cast.hit(cast.departure("mended", State.DISABLED), closed="fixed")
    cast.hit(cast.departure("knocked", State.DISABLED), kind="knock")
    one = program(people.vera)

    def names(query: str) -> set[str]:
        return {row["user_name"] for row in one.get(f"hits?{query}").body["items"]}

    assert names("kind=hit&closed=false") == {"called"}
    assert names("closed=true") == {"mended"}
    assert names("kind=knock") == {"knocked"}


def test_a_user_says_why_a_batch_could_not_take_it(people: cast.Cast) -> None:
    row = cast.departure(
        cast.iam_user("in-use", verdict="active"), State.OWNER_ASSIGNED, people.payments
    )
    told = program(people.vera).get(f"users/{cast.ACCOUNT_ID}/{row.user.user_id}").body
    assert [one["code"] for one in told["blockers"]["disable"]] == ["in-use"]
    assert [one["code"] for one in told["blockers"]["delete"]] == ["state"]


@pytest.mark.parametrize("state", list(State))
def test_a_user_of_every_state_can_be_looked_at(people: cast.Cast, state: State) -> None:
    row = cast.departure("one", state, people.payments)
    told = program(people.vera).get(f"users/{cast.ACCOUNT_ID}/{row.user.user_id}")
    assert (told.status, told.body["state"]) == (200, state.value)
