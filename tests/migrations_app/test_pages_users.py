"""The Users page: views, filters, counts, exports, and what is done to many users at once."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Account
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Departure
from migrations_app.users import listing, saved_views
from migrations_app.users.filters import Filters
from tests import cast
from tests.migrations_app.browsing import HTMX, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def names(query: str, may_see_addresses: bool = True) -> list[str]:
    filters = Filters.read(QueryDict(query))
    rows = listing.select(filters, clock.now(), may_see_addresses)
    return sorted(row.user.user_name for row in rows)


def test_all_left_hides_deleted_and_protected_users(everybody: cast.Cast) -> None:
    cast.departure("here")
    cast.departure("gone", State.DELETED)
    cast.departure("sealed", State.OWNER_ASSIGNED, protection="break-glass")

    assert names("") == ["here"]
    assert names("view=everything") == ["gone", "here", "sealed"]


def test_a_state_asked_for_by_name_is_not_hidden_by_the_view(everybody: cast.Cast) -> None:
    cast.departure("gone", State.DELETED)

    assert names("state=deleted") == ["gone"]


def test_protected_users_are_filtered_like_a_state_of_their_own(everybody: cast.Cast) -> None:
    cast.departure("plain", State.OWNER_ASSIGNED)
    cast.departure("sealed", State.OWNER_ASSIGNED, protection="break-glass")

    assert names("state=protected") == ["sealed"]
    assert names("state=owner-assigned") == ["plain"]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("dormant", ["quiet"]),
        ("no-owner", ["alone"]),
        ("admin", ["admin"]),
        ("no-mfa", ["console"]),
        ("never-used", ["untouched"]),
        ("ready", ["quiet"]),
    ],
)
def test_a_view_shows_what_its_name_says(
    everybody: cast.Cast, view: str, expected: list[str]
) -> None:
    cast.departure("quiet", State.OWNER_ASSIGNED)
    cast.departure(cast.iam_user("alone", verdict="active"))
    admin = cast.iam_user("admin", verdict="active", privilege="admin")
    console = cast.iam_user("console", verdict="active", has_console_password=True)
    for user in (admin, console):
        cast.departure(user, State.OWNER_ASSIGNED)
    never = cast.departure(cast.iam_user("untouched", verdict="never-used"), State.OWNER_ASSIGNED)
    if view in ("dormant", "ready"):
        never.delete()

    assert names(f"view={view}") == expected


@pytest.mark.parametrize(
    "columns",
    [
        {"answer": "needed"},
        {"disputed_until": clock.now().date() + timedelta(days=2)},
        {"protection": "exempt"},
    ],
)
def test_a_user_that_something_holds_is_not_ready_to_disable(
    everybody: cast.Cast, columns: dict[str, Any]
) -> None:
    cast.departure("held", State.OWNER_ASSIGNED, **columns)

    assert names("view=ready") == []


def test_an_inactive_old_key_is_no_old_key(everybody: cast.Cast) -> None:
    for name, status in [("used", "Active"), ("shut", "Inactive")]:
        cast.access_key(cast.departure(name).user, status=status)

    assert names("view=old-keys") == ["used"]


@pytest.mark.parametrize("text", ["PAY-DEP", "AKIAEXAMPLE", "cost-center", "4410"])
def test_typing_finds_names_keys_and_tags(everybody: cast.Cast, text: str) -> None:
    user = cast.iam_user("pay-deploy", tags={"cost-center": "4410"})
    cast.access_key(user, "AKIAEXAMPLE000000001")
    cast.departure(user)
    cast.departure("other")

    assert names(f"q={text}") == ["pay-deploy"]


def test_an_address_is_found_only_by_who_may_see_addresses(everybody: cast.Cast) -> None:
    user = cast.iam_user("called")
    cast.activity(user, clock.now().date(), source_address="203.0.113.4")
    cast.departure(user)

    assert names("q=203.0.113.4") == ["called"]
    assert names("q=203.0.113.4", may_see_addresses=False) == []


def tabs_of(client: Client, query: str = "") -> dict[str, int]:
    return {tab.label: tab.count for tab in client.get(f"/users/{query}").context["tabs"]}


def test_tabs_are_counted_anew_after_whatever_happened(everybody: cast.Cast) -> None:
    """Somebody here adopts, and a sync reads on: neither is shown a moment late."""
    row = cast.departure("alone", State.DISCOVERED)
    vera = browser(everybody.vera)
    assert tabs_of(vera)["No owner"] == 1

    changes.assign(row, everybody.platform, everybody.jonas)
    assert tabs_of(vera)["No owner"] == 0

    cast.departure("found", State.DISCOVERED)
    Account.objects.update(last_whole_at=clock.now())
    assert tabs_of(vera)["No owner"] == 1


def test_a_tab_and_the_list_under_it_never_disagree(everybody: cast.Cast) -> None:
    """Also in the seconds in which the other tabs are not counted again."""
    vera = browser(everybody.vera)
    assert tabs_of(vera, "?view=no-owner")["No owner"] == 0
    cast.departure("found", State.DISCOVERED)

    page = vera.get("/users/?view=no-owner")
    assert {tab.label: tab.count for tab in page.context["tabs"]}["No owner"] == 1
    assert page.context["total"] == "1"


def test_while_nothing_happens_the_tabs_are_counted_once(everybody: cast.Cast) -> None:
    vera = browser(everybody.vera)
    with CaptureQueriesContext(connection) as first:
        vera.get("/users/", headers=HTMX)
    with CaptureQueriesContext(connection) as second:
        vera.get("/users/", headers=HTMX)
    assert len(first) - len(second) == 1


def menu_of(client: Client, query: str) -> dict[str, int]:
    (chip,) = client.get(f"/users/?{query}", headers=HTMX).context["chips"]
    return {choice.value: choice.count for choice in chip.choices}


def test_an_open_menu_is_counted_once_while_values_are_ticked(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("a", category="ci-cd"))
    vera = browser(everybody.vera)
    told = []
    for query in ("open=category", "open=category&category=ci-cd"):
        with CaptureQueriesContext(connection) as asked:
            told.append(menu_of(vera, query))
        grouped = [one for one in asked if "GROUP BY" in one["sql"] and "category" in one["sql"]]
        assert len(grouped) == (1 if len(told) == 1 else 0)
    assert told == [{"ci-cd": 1}, {"ci-cd": 1}]


def test_an_open_menu_is_counted_anew_after_a_change_and_under_other_filters(
    everybody: cast.Cast,
) -> None:
    row = cast.departure(cast.iam_user("a", category="ci-cd"), State.DISCOVERED)
    cast.departure(cast.iam_user("b", category="mystery"), State.OWNER_ASSIGNED)
    vera = browser(everybody.vera)
    assert menu_of(vera, "view=no-owner&open=category") == {"ci-cd": 1}
    assert menu_of(vera, "view=left&open=category") == {"ci-cd": 1, "mystery": 1}

    changes.assign(row, everybody.platform, everybody.jonas)
    assert menu_of(vera, "view=no-owner&open=category") == {}


def test_the_menu_of_batches_knows_at_once_who_came_into_a_draft(everybody: cast.Cast) -> None:
    draft, jonas = cast.batch(everybody.account, everybody.jonas), browser(everybody.jonas)
    cast.change(cast.departure("a"), batch=draft, status="draft")
    number = str(draft.number)
    assert menu_of(jonas, "open=batch") == {number: 1}

    cast.change(cast.departure("b"), batch=draft, status="draft")
    assert menu_of(jonas, "open=batch") == {number: 2}


def test_the_tab_of_a_saved_view_counts_what_its_list_shows(everybody: cast.Cast) -> None:
    draft, jonas = cast.batch(everybody.account, everybody.jonas), browser(everybody.jonas)
    cast.change(cast.departure("a"), batch=draft, status="draft")
    filters = Filters.read(QueryDict(f"view=everything&batch={draft.number}"))
    view = saved_views.save(everybody.jonas, "Drafted", filters)

    def told() -> list[tuple[str, str]]:
        shown = jonas.get(f"/users/?saved={view.pk}").context
        return [(tab.counted, shown["total"]) for tab in shown["tabs"] if tab.chosen]

    assert told() == [("1", "1")]
    cast.change(cast.departure("b"), batch=draft, status="draft")
    assert told() == [("2", "2")]


def test_a_facet_counts_what_the_other_facets_leave(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("a", category="ci-cd", verdict="active"))
    cast.departure(cast.iam_user("b", category="ci-cd", verdict="dormant"))
    cast.departure(cast.iam_user("c", category="mystery", verdict="dormant"))

    filters = Filters.read(QueryDict("verdict=dormant"))

    def counted(name: str) -> dict[str, int]:
        found = listing.facet(filters, name, clock.now(), may_see_addresses=False)
        return {choice.value: choice.count for choice in found.choices}

    assert counted("category") == {"ci-cd": 1, "mystery": 1}
    assert counted("verdict") == {"active": 1, "dormant": 2}


@pytest.mark.parametrize(
    "query",
    [
        "after=nonsense",
        "after=3~x~",
        "after=9999~x~1&from=²",
        "sort=last-used&after=999999999999999999~1",
        "sort=last-used&before=~",
        "sort=oldest-key&after=1~2~3",
        "saved=7",
        "saved=99999999999",
        "open=nonsense",
        "view=nope",
        "sort=x",
        "state=,",
        "q=%27%22",
    ],
)
def test_a_query_that_makes_no_sense_still_shows_a_list(everybody: cast.Cast, query: str) -> None:
    cast.departure("here")

    assert browser(everybody.vera).get(f"/users/?{query}").status_code == 200


def test_hostile_names_and_tags_stay_text(everybody: cast.Cast) -> None:
    evil = "<script>alert(1)</script>"
    cast.departure(cast.iam_user("a+b=c,d.e@f-g_h", path=f"/{evil}/", tags={"x": evil}))

    text = text_of(browser(everybody.vera).get("/users/"))

    assert "a+b=c,d.e@f-g_h" in text
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_htmx_gets_the_list_without_the_page(everybody: cast.Cast) -> None:
    cast.departure("here")

    answer = browser(everybody.vera).get("/users/?q=her", headers=HTMX)

    assert "<html" not in text_of(answer)
    assert "here" in text_of(answer)
    assert "HX-Request" in answer["Vary"]


def test_a_viewer_gets_no_checkboxes(everybody: cast.Cast) -> None:
    cast.departure("here")

    assert 'name="users"' not in text_of(browser(everybody.vera).get("/users/"))
    assert 'name="users"' in text_of(browser(everybody.jonas).get("/users/"))


def test_a_name_without_regard_to_case_leads_to_its_only_user(everybody: cast.Cast) -> None:
    row = cast.departure("Break-Glass")

    answer = browser(everybody.vera).get(f"/users/?account={cast.ACCOUNT_ID}&name=break-glass")

    assert answer["Location"] == f"/users/{cast.ACCOUNT_ID}/{row.user.user_id}/"


def test_the_csv_bears_the_declared_fields_and_obeys_the_filter(everybody: cast.Cast) -> None:
    cast.departure("quiet", State.OWNER_ASSIGNED)
    cast.departure(cast.iam_user("busy", verdict="active"))

    text = text_of(browser(everybody.vera).get("/users.csv?verdict=dormant"))

    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["user_name"], row["state"], row["owner"]) == ("quiet", "owner-assigned", "security")
    assert list(row)[:4] == ["account_id", "user_name", "user_id", "arn"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_the_file_bears_the_time_of_the_sync_that_it_rests_on(
    everybody: cast.Cast, form: str
) -> None:
    everybody.account.last_whole_at = datetime(2026, 3, 6, 14, 8, tzinfo=UTC)
    everybody.account.save()
    cast.account("210987654321", "staging", last_whole_at=datetime(2026, 3, 5, 2, 0, tzinfo=UTC))

    of_all = browser(everybody.vera).get(f"/users.{form}")
    of_one = browser(everybody.vera).get(f"/users.{form}?account={cast.ACCOUNT_ID}")

    assert f"iam-users-20260305-0200.{form}" in of_all["Content-Disposition"]
    assert f"iam-users-20260306-1408.{form}" in of_one["Content-Disposition"]


def test_the_json_holds_whole_key_ids_only_for_security(everybody: cast.Cast) -> None:
    cast.access_key(cast.departure("a").user, "AKIAIOSFODNN7EXAMPLE")

    def keys(person: Any) -> str:
        (row,) = json.loads(text_of(browser(person).get("/users.json")))
        return str(row["access_keys"])

    assert "AKIAIOSFODNN7EXAMPLE" in keys(everybody.jonas)
    assert "AKIAIOSFODNN7EXAMPLE" not in keys(everybody.vera)


def bulk(person: Any, **sent: Any) -> Any:
    return browser(person).post("/users/bulk/", sent)


def test_ticked_users_are_adopted_for_the_custodian(everybody: cast.Cast) -> None:
    rows = [cast.departure("a"), cast.departure("b")]
    cast.departure("c")

    bulk(everybody.jonas, act="adopt", users=[row.user.user_id for row in rows])

    owned = Departure.objects.filter(owner=everybody.security)
    assert sorted(row.user.user_name for row in owned) == ["a", "b"]


@pytest.mark.parametrize("act", ["adopt", "assign"])
def test_whoever_came_from_claims_stays_there(everybody: cast.Cast, act: str) -> None:
    user = cast.departure("a").user.user_id

    answer = bulk(everybody.jonas, act=act, team="payments", users=[user], **{"from": "claims"})

    assert answer["Location"] == "/claims/"
    said = [str(one) for one in get_messages(answer.wsgi_request)]
    assert said == [
        "Adopted 1 user for the custodian."
        if act == "adopt"
        else "Payments now answers for 1 user."
    ]


def test_the_page_that_asks_for_a_team_leads_back_to_claims(everybody: cast.Cast) -> None:
    user = cast.departure("a").user.user_id

    text = text_of(bulk(everybody.jonas, act="assign", users=[user], **{"from": "claims"}))

    assert '<a class="btn" href="/claims/">Cancel</a>' in text
    assert '<input type="hidden" name="from" value="claims">' in text


def test_all_that_match_means_the_filter_and_nobody_else(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("a", category="mystery"))
    cast.departure(cast.iam_user("b", category="ci-cd"))

    bulk(everybody.jonas, act="adopt", all="1", query="category=mystery")

    assert [row.user.user_name for row in Departure.objects.filter(owner=everybody.security)] == [
        "a"
    ]


def test_ticked_users_are_given_to_a_team(everybody: cast.Cast) -> None:
    row = cast.departure("a")

    bulk(everybody.jonas, act="assign", team="payments", users=[row.user.user_id])

    row.refresh_from_db()
    assert row.owner == everybody.payments


def test_adding_to_a_batch_leads_to_the_compose_page_with_them(everybody: cast.Cast) -> None:
    row = cast.departure("a", State.OWNER_ASSIGNED)

    answer = bulk(everybody.jonas, act="compose", users=[row.user.user_id])

    assert answer["Location"] == (
        f"/batches/new/?account={cast.ACCOUNT_ID}&users={row.user.user_id}"
    )


@pytest.mark.parametrize(
    "sent", [{"act": "adopt"}, {"act": "fly", "users": ["X"]}, {"act": "assign", "team": "nobody"}]
)
def test_a_bulk_action_without_users_team_or_sense_changes_nothing(
    everybody: cast.Cast, sent: dict[str, Any]
) -> None:
    row = cast.departure("a")
    if "users" not in sent and sent["act"] == "assign":
        sent = {**sent, "users": [row.user.user_id]}

    answer = bulk(everybody.jonas, **sent)

    row.refresh_from_db()
    assert answer.status_code == 422
    assert row.owner is None


@pytest.mark.parametrize("who", ["vera", "sara", "ada"])
def test_only_engineers_act_on_many_users(everybody: cast.Cast, who: str) -> None:
    row = cast.departure("a")

    answer = bulk(getattr(everybody, who), act="adopt", users=[row.user.user_id])

    row.refresh_from_db()
    assert answer.status_code == 403
    assert row.owner is None


def test_who_can_become_admin_is_among_the_admins_and_first(everybody: cast.Cast) -> None:
    for name, privilege in [("a.reader", "read"), ("b.climber", "can-become-admin")]:
        user = cast.iam_user(name, verdict="active", privilege=privilege)
        cast.departure(user, State.OWNER_ASSIGNED)

    assert names("view=admin") == ["b.climber"]
    first = listing.select(Filters(view="everything"), clock.now())[0]
    assert first.user.user_name == "b.climber"
    assert "Can become admin" in text_of(browser(everybody.vera).get("/users/?view=admin"))


def test_a_user_that_changed_since_it_was_ticked_is_not_assigned_and_shown_as_it_is(
    everybody: cast.Cast,
) -> None:
    rows = [cast.departure("a"), cast.departure("b")]
    users = [f"{row.user.user_id}.{row.version}" for row in rows]
    changes.assign(rows[1], everybody.platform, everybody.mei)

    answer = browser(everybody.jonas).post(
        "/users/bulk/",
        {"act": "assign", "team": "payments", "users": users, "query": "view=left"},
        headers=HTMX,
    )

    assert answer.status_code == 409
    assert json.loads(answer["HX-Trigger"])["toast"]["text"].startswith("Not saved. b was changed")
    assert "Platform" in text_of(answer)
    assert Departure.objects.get(user__user_name="a").owner is None
    plain = bulk(everybody.jonas, act="assign", team="payments", users=users)
    assert plain.status_code == 409


def test_assigning_by_htmx_answers_with_the_list_and_a_toast(everybody: cast.Cast) -> None:
    row = cast.departure("a")

    answer = browser(everybody.jonas).post(
        "/users/bulk/",
        {"act": "assign", "team": "payments", "users": f"{row.user.user_id}.{row.version}"},
        headers=HTMX,
    )

    assert "Payments now answers for 1 user." in answer["HX-Trigger"]
    assert '<div id="users"' in text_of(answer)


def test_assigning_without_a_team_asks_for_it_and_changes_nothing(everybody: cast.Cast) -> None:
    row = cast.departure("a")

    page = text_of(bulk(everybody.jonas, act="assign", users=[f"{row.user.user_id}.3"]))

    assert "Who answers for this user?" in page
    assert f'name="users" value="{row.user.user_id}.3"' in page
    row.refresh_from_db()
    assert row.owner is None


def test_ticked_users_are_exported(everybody: cast.Cast) -> None:
    rows = [cast.departure("a"), cast.departure("b")]
    cast.departure("c")

    answer = bulk(everybody.jonas, act="export", users=[row.user.user_id for row in rows])

    found = csv.DictReader(io.StringIO(text_of(answer)))
    assert [row["user_name"] for row in found] == ["a", "b"]


def test_ticked_users_are_asked_about_and_the_others_say_why_not(everybody: cast.Cast) -> None:
    likely = cast.departure(cast.iam_user("likely", suggested_team=everybody.payments))
    other = cast.departure(cast.iam_user("other", suggested_team=everybody.payments))
    owned = cast.departure("owned", State.OWNER_ASSIGNED)
    unlike = cast.departure("unlike")
    rows = [likely, owned, unlike]

    answer = bulk(everybody.jonas, act="ask", users=[row.user.user_id for row in rows])
    page = text_of(browser(everybody.jonas).get(answer["Location"]))

    assert "Ask 1 team about 1 user" in page
    assert f'name="users" value="{likely.pk}"' in page
    assert f'value="{other.pk}"' not in page
    assert "Security answers for it." in page
    assert "It looks like no team’s. Assign it to one." in page


def test_so_many_users_at_once_are_refused(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrations_app.views.users_bulk.MOST", 1)
    cast.departure("a")
    cast.departure("b")

    answer = bulk(everybody.jonas, act="adopt", all="1", query="view=left")

    assert answer.status_code == 422
    assert not Departure.objects.exclude(owner=None).exists()


@pytest.mark.parametrize("path", ["/users/", "/users/facets/state/", "/users/bulk/"])
def test_a_lost_session_leads_htmx_to_sign_in_and_back(everybody: cast.Cast, path: str) -> None:
    headers = {**HTMX, "HX-Current-URL": "http://testserver/users/?view=admin"}

    sent = "bulk" in path
    client = Client()
    answer = (client.post if sent else client.get)(path, headers=headers)

    assert answer.status_code == 401
    # What was sent was not saved, and the sign-in page says so.
    assert answer["HX-Redirect"].endswith("next=%2Fusers%2F%3Fview%3Dadmin")
    assert ("unsaved=1" in answer["HX-Redirect"]) is sent


def test_a_fragment_pushes_the_address_of_what_it_shows(everybody: cast.Cast) -> None:
    cast.departure("here")

    answer = browser(everybody.vera).get(
        "/users/?view=left&q=&sort=suggested&state=discovered&open=state", headers=HTMX
    )

    assert answer["HX-Push-Url"] == "/users/?view=left&state=discovered"


def test_the_field_is_kept_while_it_is_typed_into_and_only_then(everybody: cast.Cast) -> None:
    cast.departure("here")
    vera = browser(everybody.vera)

    typed = text_of(vera.get("/users/?q=he", headers={**HTMX, "HX-Trigger": "users-q"}))
    cleared = text_of(vera.get("/users/", headers=HTMX))

    assert "hx-preserve" in typed
    assert "hx-preserve" not in cleared


def test_an_arn_finds_its_user(everybody: cast.Cast) -> None:
    arn = f"arn:aws:iam::{cast.ACCOUNT_ID}:user/ci/Deploy"
    cast.departure(cast.iam_user("Deploy", arn=arn))
    cast.departure(cast.iam_user("deploy-2"))

    assert names(f"q={arn}") == ["Deploy"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "100%_"])
def test_signs_of_patterns_are_only_signs(everybody: cast.Cast, text: str) -> None:
    cast.departure("plain")
    cast.departure(cast.iam_user("tagged", tags={"share": "100%_\\"}))

    filters = Filters(q=text)
    assert [row.user.user_name for row in listing.select(filters, clock.now())] == ["tagged"]
