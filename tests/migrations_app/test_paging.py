"""Pages of the Users page: every order forwards and backwards, and what a page costs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Credential, IamUser
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.users import listing, paging
from migrations_app.users.filters import Filters
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def crowd(size: int) -> None:
    """Users who differ in everything that orders them, many alike among them."""
    account, now = cast.account(), clock.now()
    users = IamUser.objects.bulk_create(
        IamUser(
            account=account,
            user_name=f"u{number * 7 % size:03}",
            user_id=f"AIDACROWD{number:011}",
            created_at=now - timedelta(days=900),
            first_seen_at=now,
            last_seen_at=now,
            judged_at=now,
            coverage_whole=True,
            verdict="dormant" if number % 3 else "active",
            privilege="admin" if number % 5 == 0 else "read",
            last_activity_at=now - timedelta(days=number % 11) if number % 4 else None,
        )
        for number in range(size)
    )
    Credential.objects.bulk_create(
        Credential(
            user=user,
            kind="access-key",
            status="Active",
            credential_id=f"AKIACROWD{number:011}",
            created_at=now - timedelta(days=number % 13),
        )
        for number, user in enumerate(users)
        if number % 6
    )
    Departure.objects.bulk_create(
        Departure(user=user, state=State.DISCOVERED, state_since=now) for user in users
    )


def shown(query: str, few: bool = False) -> paging.Page:
    """The page of a query string."""
    filters = Filters.read(QueryDict(query))
    return listing.page(listing.matching(filters, clock.now()), filters, few=few)


def walk(query: str, links: str, few: bool = False) -> list[list[int]]:
    """The keys on each page, on the way that `links` (next or previous) lead from `query`."""
    pages = []
    while True:
        page = shown(query, few)
        pages.append([row.pk for row in page.rows])
        place = getattr(page, links)
        if place is None:
            return pages
        query = Filters.read(QueryDict(query)).query(place=place)


@pytest.mark.parametrize("sort", paging.SORTS)
@pytest.mark.parametrize("few", [False, True])
def test_every_order_shows_everybody_once_and_leads_back_the_same_way(
    everybody: cast.Cast, sort: str, few: bool
) -> None:
    crowd(170)
    query = f"sort={sort}&verdict=dormant"
    filters = Filters.read(QueryDict(query))
    expected = [row.pk for row in listing.select(filters, clock.now())]

    there = walk(query, "next", few)
    last = query
    for _ in there[1:]:
        last = filters.query(place=shown(last, few).next)
    back = walk(last, "previous", few)

    assert len(there) == 3
    assert [pk for page in there for pk in page] == expected
    assert back == list(reversed(there))


def test_a_page_says_which_rows_it_shows_and_where_the_others_are(everybody: cast.Cast) -> None:
    crowd(120)
    vera = browser(everybody.vera)

    first = text_of(vera.get("/users/?sort=name"))
    (second_url,) = re.findall(r'<a class="btn btn-sm" href="([^"]+)" rel="next"', first)
    second = text_of(vera.get("/users/" + second_url.replace("&amp;", "&")))

    assert "1 to 50 of 120" in first
    assert "u049" in first
    assert "u050" not in first
    assert 'rel="prev"' not in first
    assert "51 to 100 of 120" in second
    assert "u050" in second
    assert 'href="?view=left&amp;sort=name" rel="prev"' in second


@pytest.mark.parametrize(
    ("number", "last", "total", "said"),
    [
        (1, 1, 1, "1 user"),
        (1, 1, "1", "1 user"),
        (51, 51, 51, "51 of 51"),
        (1, 2, 2, "1 to 2 of 2"),
        (1001, 1050, 1200, "1,001 to 1,050 of 1,200"),
        (1, 50, "10,000+", "1 to 50 of 10,000+"),
    ],
)
def test_a_pager_calls_one_row_by_its_name(
    number: int, last: int, total: object, said: str
) -> None:
    page = {"number": number, "last": last, "total": total, "one": "user"}
    assert f">{said}<" in render_to_string("parts/range.html", page)


def test_what_is_inserted_before_a_page_moves_none_of_its_rows(everybody: cast.Cast) -> None:
    crowd(120)
    query = Filters(sort="name").query(place=shown("sort=name").next)

    before = [row.pk for row in shown(query).rows]
    cast.departure("aaa")

    assert [row.pk for row in shown(query).rows] == before


@pytest.mark.parametrize("size", [3, 300])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "sort=last-used&view=dormant",
        "q=u1&privilege=admin&key=fresh&open=state",
        "owner=nobody",
    ],
)
def test_the_page_asks_twelve_times_at_most_however_many_users(
    everybody: cast.Cast, size: int, query: str
) -> None:
    crowd(size)
    cast.batch(everybody.account, everybody.jonas)
    jonas = browser(everybody.jonas)

    # The shell around the page asks for itself; what is asked for an open menu comes once.
    with at_most(12 + ("open=" in query)):
        assert jonas.get(f"/users/?{query}").status_code == 200
    with at_most(10 + ("open=" in query)):
        assert jonas.get(f"/users/?{query}", headers=HTMX).status_code == 200


@pytest.mark.parametrize("size", [3, 300])
def test_search_asks_as_often_however_many_match(everybody: cast.Cast, size: int) -> None:
    crowd(size)
    jonas = browser(everybody.jonas)

    with at_most(9):
        text = text_of(jonas.get("/search/?q=akiacrowd"))

    assert "IAM users" in text
    assert ("See all" in text) == (size > 20)


def test_rows_say_their_account_while_all_are_looked_at(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "staging")
    cast.departure(cast.iam_user("there", other))
    vera = browser(everybody.vera)

    named = '<b class="medium">staging</b>'
    assert named in text_of(vera.get("/users/"))
    assert named not in text_of(vera.get(f"/users/?account={other.account_id}"))


def test_many_are_counted_up_to_a_bound(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(12)
    monkeypatch.setattr(listing, "COUNTED", 10)

    assert "1 to 12 of 10+" in text_of(browser(everybody.vera).get("/users/"))


def test_a_far_page_is_found_by_its_first_row_and_not_by_counting(everybody: cast.Cast) -> None:
    crowd(60)
    query = Filters(sort="name").query(place=shown("sort=name").next)

    with CaptureQueriesContext(connection) as asked:
        shown(query)

    (one,) = asked.captured_queries
    assert "OFFSET" not in one["sql"]
    assert "ROW(" in one["sql"]
