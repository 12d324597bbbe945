"""The chips of the Users page: each shows whom it names, and counts them alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict

from inventory import clock
from migrations_app.lifecycle import State
from migrations_app.users import facets, listing
from migrations_app.users.filters import Filters
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def names(query: str) -> list[str]:
    filters = Filters.read(QueryDict(query))
    return sorted(row.user.user_name for row in listing.select(filters, clock.now()))


def counted(name: str, query: str = "") -> dict[str, int]:
    filters = Filters.read(QueryDict(query))
    found = listing.facet(filters, name, clock.now(), True)
    return {choice.value: choice.count for choice in found.choices}


def held(name: str, days: int | None, **columns: Any) -> None:
    """A user whose only active key is so many days old."""
    user = cast.iam_user(name, **columns)
    if days is not None:
        cast.access_key(user, created_at=clock.now() - timedelta(days=days))
    cast.departure(user)


def test_mfa_is_asked_of_console_users_only(everybody: cast.Cast) -> None:
    held("safe", None, has_console_password=True, mfa=[{"kind": "fido"}])
    held("bare", None, has_console_password=True)
    held("robot", 10)

    assert counted("mfa") == {"no": 1, "yes": 1, "n/a": 1}
    assert names("mfa=no") == ["bare"]
    assert names("mfa=n/a") == ["robot"]


def test_keys_are_told_by_the_age_of_the_oldest_active_one(everybody: cast.Cast) -> None:
    held("old", 400)
    held("middle", 100)
    held("fresh", 10)
    held("none", None)
    gone = cast.iam_user("shut")
    cast.access_key(gone, status="Inactive", created_at=clock.now() - timedelta(days=900))
    cast.departure(gone)

    assert counted("key") == {"old": 1, "90": 1, "fresh": 1, "none": 2}
    assert names("key=old&key=90") == ["middle", "old"]


def test_last_use_is_told_in_spans_and_never_is_not_unknown(everybody: cast.Cast) -> None:
    now = clock.now()
    for name, days in (("today", 1), ("month", 30), ("quarter", 80), ("long", 300)):
        held(name, 10, last_activity_at=now - timedelta(days=days))
    held("never", 10, verdict="never-used")
    held("unknown", 10, verdict="unknown")

    assert counted("used") == {"7": 1, "45": 1, "90": 1, "older": 1, "never": 1, "unknown": 1}
    assert names("used=unknown") == ["unknown"]


def test_coverage_says_why_nothing_can_be_told(everybody: cast.Cast) -> None:
    held("whole", 10)
    held("young", 10, verdict="unknown", coverage={"blockers": ["Created 3 days ago."]})
    lost = {"verdict": "unknown", "coverage_whole": False}
    held("keys", 10, coverage={"gaps": {"credentials": "no"}}, **lost)
    held("advisor", 10, coverage={"gaps": {"services": "no"}}, **lost)
    held("regions", 10, coverage={"gaps": {}}, **lost)
    held("new", 10, judged_at=None, coverage_whole=False)

    assert counted("reads") == {
        "whole": 1,
        "young": 1,
        "credentials": 1,
        "advisor": 1,
        "regions": 1,
        "unjudged": 1,
    }
    assert names("reads=credentials") == ["keys"]


def test_who_is_named_by_something_that_blocks_is_found(everybody: cast.Cast) -> None:
    held("blocked", 10, references=[{"name": "r", "blocks": False}, {"name": "s", "blocks": True}])
    held("named", 10, references=[{"name": "r", "blocks": False}])
    held("free", 10)

    assert counted("named") == {"blocks": 1, "names": 1, "nobody": 1}
    assert names("named=blocks") == ["blocked"]


def test_a_chip_counts_under_all_other_chips(everybody: cast.Cast) -> None:
    held("a", 400, category="ci-cd")
    held("b", 10, category="ci-cd")
    held("c", 400, category="mystery")

    assert counted("key", "category=ci-cd&key=old") == {"old": 1, "fresh": 1}
    assert counted("category", "category=ci-cd&key=old") == {"ci-cd": 1, "mystery": 1}


def test_owners_are_told_by_the_names_of_teams(everybody: cast.Cast) -> None:
    cast.departure("a", State.OWNER_ASSIGNED, everybody.payments)
    cast.departure("b")
    filters = Filters.read(QueryDict("owner=payments"))

    found = listing.facet(filters, "owner", clock.now(), True)

    assert {choice.label for choice in found.choices} == {"Payments", "Nobody yet"}
    assert names("owner=nobody") == ["b"]


def test_has_access_is_discovered_or_owned_and_not_protected(everybody: cast.Cast) -> None:
    for state in State:
        cast.departure(str(state), state)
    cast.departure("sealed", State.OWNER_ASSIGNED, protection="break-glass")

    assert names("view=everything&access=yes") == ["discovered", "owner-assigned"]
    assert counted("access", "view=everything") == {"yes": 2, "no": 4}


def test_a_dispute_that_is_over_is_none(everybody: cast.Cast) -> None:
    today = clock.now().date()
    for name, until in (("now", today), ("over", today - timedelta(days=1)), ("never", None)):
        cast.departure(name, disputed_until=until)

    assert names("disputed=yes") == ["now"]
    assert counted("disputed") == {"yes": 1, "no": 2}


def test_protection_and_the_target_of_a_plan_are_filters_with_none_among_them(
    everybody: cast.Cast,
) -> None:
    cast.plan(cast.departure("planned", State.OWNER_ASSIGNED), "eks")
    cast.departure("exempt", State.OWNER_ASSIGNED, protection="exempt")

    assert names("view=everything&target=eks") == ["planned"]
    assert names("view=everything&target=none") == ["exempt"]
    assert names("view=everything&protection=none") == ["planned"]
    assert counted("target", "view=everything") == {"eks": 1, "none": 1}
    assert counted("protection", "view=everything") == {"exempt": 1, "none": 1}


def test_the_users_of_a_batch_are_found_without_those_that_were_left_out(
    everybody: cast.Cast,
) -> None:
    batch = cast.batch(everybody.account, everybody.jonas, number=12)
    cast.change(cast.departure("in", State.OWNER_ASSIGNED), batch=batch)
    cast.change(cast.departure("out", State.OWNER_ASSIGNED), batch=batch, status="left-out")
    cast.departure("elsewhere", State.OWNER_ASSIGNED)

    assert names("batch=12") == ["in"]
    assert counted("batch") == {"12": 1}


def test_accounts_are_a_filter_while_all_are_looked_at(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "staging")
    cast.departure(cast.iam_user("here"))
    cast.departure(cast.iam_user("there", other))

    assert names("accounts=210987654321") == ["there"]
    assert counted("accounts") == {cast.ACCOUNT_ID: 1, "210987654321": 1}
    jonas = browser(everybody.jonas)
    assert "open=accounts" in text_of(jonas.get("/users/"))
    assert "open=accounts" not in text_of(jonas.get("/users/?account=210987654321"))


def test_a_chosen_filter_is_not_counted_before_its_menu_is_opened(everybody: cast.Cast) -> None:
    held("old", 400)
    held("fresh", 10)
    jonas = browser(everybody.jonas)

    closed = text_of(jonas.get("/users/?key=old"))
    menu = jonas.get("/users/facets/key/?key=old", headers=HTMX)
    plain = jonas.get("/users/facets/key/?key=old")

    assert 'value="fresh"' not in closed
    assert 'value="fresh"' in text_of(menu)
    assert "<html" not in text_of(menu)
    assert "HX-Request" in menu["Vary"]
    assert plain["Location"] == "/users/?view=left&key=old&open=key"
    opened = text_of(jonas.get(plain["Location"]))
    assert '<details class="menu" id="facet-key" open>' in opened
    assert 'value="fresh"' in opened
    assert jonas.get("/users/facets/nonsense/").status_code == 404


def test_another_filter_is_opened_without_the_list_being_asked_for(everybody: cast.Cast) -> None:
    held("old", 400)
    jonas = browser(everybody.jonas)
    asked = HTMX | {"HX-Target": "filters"}

    with at_most(5):
        answer = jonas.get("/users/?category=ci-cd&open=key", headers=asked)

    text = text_of(answer)
    assert text.startswith('<form class="filters" id="filters"')
    assert '<summary class="chip chip-add" data-focus>Oldest key</summary>' in text
    assert "No user matches" not in text
    assert "HX-Push-Url" not in answer
    assert {"HX-Request", "HX-Target"} <= {*answer["Vary"].split(", ")}


@pytest.mark.parametrize("name", facets.FACETS)
def test_a_value_that_is_none_shows_nobody_and_breaks_nothing(
    everybody: cast.Cast, name: str
) -> None:
    cast.departure("a")

    answer = browser(everybody.jonas).get(f"/users/?view=everything&{name}=%27nope")

    assert answer.status_code == 200
    assert "No user matches" in text_of(answer)


def test_further_filters_work_without_a_script_and_show_once_chosen(everybody: cast.Cast) -> None:
    held("old", 400)
    held("fresh", 10)

    text = text_of(browser(everybody.vera).get("/users/?key=old"))

    assert 'name="key" value="old" checked' in text
    assert "Older than 1 year" in text
    assert 'href="/users/facets/key/?view=left&amp;key=old"' in text
    assert "old</a>" in text
    assert "fresh</a>" not in text


def test_the_export_obeys_the_further_filters_too(everybody: cast.Cast) -> None:
    held("old", 400)
    held("fresh", 10)

    text = text_of(browser(everybody.vera).get("/users.csv?key=old"))

    assert "old" in text
    assert "fresh" not in text


def test_rows_tell_users_apart_without_a_query_each(everybody: cast.Cast) -> None:
    today = clock.now().date()
    for number in range(50):
        user = cast.iam_user(f"u{number:02}", tags={"repo": f"acme/r{number}"})
        for region in ("us-east-1", "eu-west-1"):
            cast.activity(
                user, today, region=region, user_agent=f"GitHubActions/{number} exec-env/GitHub"
            )
        cast.access_key(user)
        cast.departure(user, State.OWNER_ASSIGNED)
    vera = browser(everybody.vera)

    with at_most(12):
        text = text_of(vera.get("/users/?sort=name"))

    assert "GitHub Actions, r49" in text


def test_a_confirmed_plan_makes_a_user_in_use_go_quiet(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("a", verdict="active", rhythm="daily"), State.OWNER_ASSIGNED)
    cast.plan(row, status="confirmed")

    assert "Going quiet" in text_of(browser(everybody.vera).get("/users/"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"verdict": "active", "rhythm": "weekly"}, "In use, weekly"),
        ({"verdict": "active", "rhythm": "quarterly"}, "Rare: quarterly"),
        ({"verdict": "unknown", "user_name": "ses-smtp-user.1"}, "SMTP is not logged"),
    ],
)
def test_the_verdict_is_told_in_the_words_of_the_screens(
    everybody: cast.Cast, columns: dict[str, Any], words: str
) -> None:
    name = columns.pop("user_name", "a")
    cast.departure(cast.iam_user(name, **columns))

    assert words in text_of(browser(everybody.vera).get("/users/"))
