"""Lists that grow, page by page: every row once, forwards and backwards, over all their parts."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.http import QueryDict

from inventory import clock
from migrations_app import keyset, log
from migrations_app.keyset import Page
from migrations_app.lifecycle import State
from migrations_app.models import Change, Departure
from tests import cast

pytestmark = pytest.mark.django_db
SIZE = 4


@pytest.fixture
def parts() -> list[keyset.Part]:
    """Nine deletions of ours, many at the same moment, and then five that others did."""
    cast.cast()
    now = clock.now()
    for number in range(9):
        gone = cast.departure(f"ours-{number}", State.DELETED)
        cast.change(gone, "delete", status="done", finished_at=now - timedelta(hours=number // 3))
    for number in range(5):
        cast.departure(
            f"theirs-{number}", State.DELETED, deleted_outside=True,
            deleted_at=now + timedelta(hours=number // 2),
        )  # fmt: skip
    outside = Departure.objects.filter(deleted_outside=True)
    return [
        keyset.Part(Change.objects.all(), ("finished_at", "pk"), down=True),
        keyset.Part(outside, ("deleted_at", "pk"), down=True),
    ]


def walk(parts: list[keyset.Part], start: Page, *, back: bool = False) -> list[Page]:
    pages = [start]
    while (query := pages[-1].previous if back else pages[-1].next) is not None:
        pages.append(keyset.page_of(parts, QueryDict(query), 14, SIZE))
    return pages


def test_every_row_stands_on_one_page_and_the_way_back_shows_the_same_pages(
    parts: list[keyset.Part],
) -> None:
    whole = [*parts[0].ordered(False), *parts[1].ordered(False)]
    forwards = walk(parts, keyset.page_of(parts, QueryDict(""), 14, SIZE))

    assert [row for page in forwards for row in page.rows] == whole
    assert [(page.number, page.last) for page in forwards] == [(1, 4), (5, 8), (9, 12), (13, 14)]
    assert forwards[0].previous is None

    backwards = walk(parts, forwards[-1], back=True)
    assert [page.rows for page in reversed(backwards)] == [page.rows for page in forwards]
    assert [page.number for page in reversed(backwards)] == [1, 5, 9, 13]
    # The second page leads back to the address without a place.
    assert backwards[-2].previous == ""


def test_a_page_stays_where_it_was_while_rows_come_in_before_it(parts: list[keyset.Part]) -> None:
    second = keyset.page_of(parts, QueryDict(""), 14, SIZE).next
    assert second
    before = keyset.page_of(parts, QueryDict(second), 14, SIZE).rows
    cast.change(
        cast.departure("just-now", State.DELETED),
        "delete",
        status="done",
        finished_at=clock.now() + timedelta(hours=1),
    )
    assert keyset.page_of(parts, QueryDict(second), 15, SIZE).rows == before


@pytest.mark.parametrize(
    "query",
    ["after=", "after=x", "after=0~1", "after=9~1~1", "after=0~x~1", f"after=0~{'9' * 18}~1",
     "before=1~-1~2", "after=0~1~1&from=x", "from=7"],
)  # fmt: skip
def test_a_place_that_is_none_shows_something(parts: list[keyset.Part], query: str) -> None:
    page = keyset.page_of(parts, QueryDict(query), 14, SIZE)
    assert page.rows
    assert page.number == 1


def test_the_deletion_log_goes_on_to_those_deleted_outside(
    parts: list[keyset.Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = log.deletions(QueryDict(""), 14).rows
    assert [one.departure.user.user_name.split("-")[0] for one in found] == (
        ["ours"] * 9 + ["theirs"] * 5
    )
    assert found[0].change
    assert found[-1].proof.startswith("deleted outside")


def test_rows_that_stand_frozen_are_paged_by_their_number_both_ways() -> None:
    lines = [SimpleNamespace(number=number) for number in range(2, 24, 2)]

    def page(query: str) -> tuple[list[int], int, str | None, str | None]:
        found = keyset.page_in(lines, "number", QueryDict(query), SIZE)
        return [one.number for one in found.rows], found.number, found.previous, found.next

    assert page("") == ([2, 4, 6, 8], 1, None, "after=8")
    assert page("after=8") == ([10, 12, 14, 16], 5, "", "after=16")
    assert page("after=16") == ([18, 20, 22], 9, "before=18", None)
    assert page("before=18") == page("after=8")
    assert page("before=4") == ([2, 4, 6, 8], 1, None, "after=8")
    # Between two lines, past the end, and what is no place.
    assert page("after=9") == page("after=8")
    assert page("after=99") == ([], 12, None, None)
    assert page("after=x") == page("before=x") == page("")
