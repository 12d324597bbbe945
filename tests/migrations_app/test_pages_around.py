"""Inbox, alerts, search and plans: the pages around the way out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from inventory import clock
from inventory.models import Alert, LedgerEntry
from migrations_app.lifecycle import State
from migrations_app.models import Change, Opening
from migrations_app.views import alerts
from tests import cast
from tests.migrations_app import batch_rows
from tests.migrations_app.browsing import HTMX, address, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def alert(**columns: Any) -> Alert:
    columns.setdefault("key", "short-listing")
    columns.setdefault("title", "The listing was short")
    return Alert.objects.create(kind="sync", raised_at=clock.now(), **columns)


# ── Inbox ────────────────────────────────────────────────────────────────────────────────────────


def test_a_lead_reads_what_the_team_was_told(everybody: cast.Cast) -> None:
    cast.notice(everybody.payments, "4 users go on Wednesday")
    cast.notice(everybody.platform, "Somebody else's")

    text = text_of(browser(everybody.sara).get("/inbox/"))

    assert "4 users go on Wednesday" in text
    assert "Somebody else" not in text


def test_opening_a_notice_is_noted_once(everybody: cast.Cast) -> None:
    notice = cast.notice(everybody.payments)
    sara = browser(everybody.sara)

    for _ in range(2):
        assert sara.get(f"/inbox/{notice.pk}/").status_code == 200

    notice.refresh_from_db()
    assert Opening.objects.get().person == everybody.sara
    assert notice.reached_at is not None


def test_the_list_alone_opens_nothing(everybody: cast.Cast) -> None:
    notice = cast.notice(everybody.payments)

    browser(everybody.sara).get("/inbox/")
    browser(everybody.sara).head(f"/inbox/{notice.pk}/")
    ahead = {"Sec-Purpose": "prefetch;prerender"}
    browser(everybody.sara).get(f"/inbox/{notice.pk}/?go=1", headers=ahead)

    assert not Opening.objects.exists()


def test_i_have_read_this_leads_back_to_the_inbox(everybody: cast.Cast) -> None:
    notice = cast.notice(everybody.payments)

    answer = browser(everybody.sara).post(f"/inbox/{notice.pk}/")

    assert answer["Location"] == "/inbox/"
    assert Opening.objects.filter(notice=notice).exists()


def test_the_notice_of_another_team_is_not_found(everybody: cast.Cast) -> None:
    notice = cast.notice(everybody.payments)

    assert browser(everybody.priya).get(f"/inbox/{notice.pk}/").status_code == 404
    assert not Opening.objects.exists()


# ── Alerts ───────────────────────────────────────────────────────────────────────────────────────


def test_an_alert_is_closed_by_somebody_and_stays_on_record(everybody: cast.Cast) -> None:
    row = alert()

    browser(everybody.jonas).post(f"/alerts/{row.pk}/close/")

    row.refresh_from_db()
    assert row.closed_by == everybody.jonas
    assert LedgerEntry.objects.filter(kind="alert.closed").count() == 1


def test_the_first_to_close_an_alert_is_the_one_named(everybody: cast.Cast) -> None:
    row = alert()

    for person in (everybody.jonas, everybody.mei):
        browser(person).post(f"/alerts/{row.pk}/close/")

    row.refresh_from_db()
    assert row.closed_by == everybody.jonas
    assert LedgerEntry.objects.filter(kind="alert.closed").count() == 1


@pytest.mark.parametrize("who", ["vera", "sara"])
def test_who_may_not_close_an_alert_gets_no_button(everybody: cast.Cast, who: str) -> None:
    row = alert()
    person = browser(getattr(everybody, who))

    assert f"/alerts/{row.pk}/close/" not in text_of(person.get("/alerts/"))
    assert person.post(f"/alerts/{row.pk}/close/").status_code == 403


def test_open_hits_stand_among_the_alerts(everybody: cast.Cast) -> None:
    cast.hit(cast.departure("cron-report", State.DISABLED))

    assert "cron-report" in text_of(browser(everybody.vera).get("/alerts/"))


def test_the_bell_counts_what_its_page_holds_and_is_red_for_a_hit_alone(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bell(query: str = "") -> tuple[str, str, str]:
        page = text_of(browser(everybody.vera).get(f"/alerts/{query}"))
        (label,) = re.findall(r'href="/alerts/" aria-label="([^"]+)"', page)
        shown = re.findall(r'<span class="(count[^"]*)" aria-hidden="true">', page)
        (heading,) = re.findall(r"<h1>([^<]+)</h1>", page)
        return label, "".join(shown), heading

    assert bell() == ("Alerts", "", "Nothing to look at")
    alert()
    assert bell() == ("Alerts, 1 to look at", "count", "1 to look at")
    there = cast.iam_user("there", of=cast.account("210987654321", "playground"))
    cast.hit(cast.departure(there, State.DISABLED))
    # Alerts and hits of every account, whichever is looked at.
    red = ("Alerts, 2 to look at", "count count-alarm", "2 to look at")
    assert bell() == bell(f"?account={cast.ACCOUNT_ID}") == red
    # More than a page shows are counted all the same.
    cast.hit(cast.departure("cron-report", State.DISABLED))
    monkeypatch.setattr(alerts, "PAGE", 1)
    page = text_of(browser(everybody.vera).get("/alerts/"))
    assert "<h1>3 to look at</h1>" in page
    assert "The first 1 of each are shown." in page


# ── Search ───────────────────────────────────────────────────────────────────────────────────────


def test_the_only_user_of_that_name_is_opened_at_once(everybody: cast.Cast) -> None:
    row = cast.departure("pay-deploy")
    vera = browser(everybody.vera)

    assert vera.get("/search/", {"q": "PAY-DEPLOY"})["Location"] == address(row.user)
    assert vera.get("/search/", {"q": row.user.user_id})["Location"] == address(row.user)


def test_a_batch_is_opened_by_its_number(everybody: cast.Cast) -> None:
    cast.batch(everybody.account, everybody.mei)

    answer = browser(everybody.vera).get("/search/", {"q": "#1"})

    assert answer["Location"] == "/batches/1/"


def test_users_teams_and_people_are_found_by_a_part_of_their_name(everybody: cast.Cast) -> None:
    cast.departure("pay-deploy")
    cast.departure("pay-export")
    vera = browser(everybody.vera)

    assert "pay-export" in text_of(vera.get("/search/", {"q": "pay"}))
    assert "Payments" in text_of(vera.get("/search/", {"q": "pay"}))
    assert "Sara Lindqvist" in text_of(vera.get("/search/", {"q": "lindq"}))


def test_what_was_typed_comes_back_as_text(everybody: cast.Cast) -> None:
    text = text_of(browser(everybody.vera).get("/search/", {"q": "<b>x</b>"}))

    assert "<b>x</b>" not in text
    assert "Nothing matches" in text


# ── Plans ────────────────────────────────────────────────────────────────────────────────────────


def test_plans_are_counted_per_target_and_filtered(everybody: cast.Cast) -> None:
    cast.plan(cast.departure("a", State.OWNER_ASSIGNED, answer="needed"), "github-oidc")
    cast.plan(cast.departure("b", State.OWNER_ASSIGNED, answer="needed"), "eks")
    cast.plan(cast.departure("gone", State.DELETED), "eks")
    vera = browser(everybody.vera)

    everything = text_of(vera.get("/plans/"))
    eks = text_of(vera.get("/plans/?target=eks"))

    assert "2 users need a new way in" in everything
    assert "gone" not in everything
    assert "data-open>b</a>" in eks
    assert "data-open>a</a>" not in eks


@pytest.mark.parametrize(
    ("verdict", "answer", "status", "waits"),
    [
        ("active", "", "draft", 1),
        ("active", "", "confirmed", 1),
        ("unknown", "", "draft", 1),
        ("dormant", "", "draft", 0),
        ("dormant", "needed", "draft", 1),
        ("active", "can-go", "draft", 0),
    ],
)
def test_nobody_waits_for_the_plan_of_a_user_that_may_simply_go(
    everybody: cast.Cast, verdict: str, answer: str, status: str, waits: int
) -> None:
    user = cast.iam_user("a", verdict=verdict)
    cast.plan(cast.departure(user, State.OWNER_ASSIGNED, answer=answer), status=status)

    page = browser(everybody.vera).get("/plans/")

    assert page.context["total"] == waits
    assert page.context["shell"].counts.get("plans", 0) == waits


def test_only_a_lead_of_the_owner_is_offered_to_confirm(everybody: cast.Cast) -> None:
    plan = cast.plan(cast.departure("a", State.OWNER_ASSIGNED, everybody.payments))

    assert "confirm-plan/" in text_of(browser(everybody.sara).get(f"/plans/{plan.pk}/"))
    assert "confirm-plan/" not in text_of(browser(everybody.priya).get(f"/plans/{plan.pk}/"))
    assert "confirm-plan/" not in text_of(browser(everybody.vera).get(f"/plans/{plan.pk}/"))


def test_a_plan_that_is_not_there_is_not_found(everybody: cast.Cast) -> None:
    assert browser(everybody.vera).get("/plans/999999/").status_code == 404


# ── The sidebar ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("who", "shown"),
    [("jonas", {"/claims/", "/settings/accounts/"}), ("sara", {"/claims/"}), ("vera", set())],
)
def test_the_sidebar_holds_no_page_that_would_only_refuse(
    everybody: cast.Cast, who: str, shown: set[str]
) -> None:
    person = browser(getattr(everybody, who))

    text = text_of(person.get("/inbox/"))

    for page in ("/claims/", "/settings/accounts/"):
        assert (f'href="{page}"' in text) is (page in shown)
        if page in shown:
            assert person.get(page).status_code in (200, 302)
        else:
            assert person.get(page).status_code == 403


def test_the_chosen_account_is_remembered_until_another_is_chosen(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "playground")
    cast.departure(cast.iam_user("here"))
    cast.departure(cast.iam_user("there", of=other))
    vera = browser(everybody.vera)

    assert "there" not in text_of(vera.get("/users/?switch=1&account=123456789012"))
    assert "there" not in text_of(vera.get("/users/"))
    assert "there" in text_of(vera.get("/users/?switch=1&account="))
    assert "there" in text_of(vera.get("/users/"))


def test_a_link_to_one_account_is_about_that_page_alone(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "playground")
    cast.departure(cast.iam_user("here"))
    cast.departure(cast.iam_user("there", of=other))
    vera = browser(everybody.vera)

    page = "/users/?account=123456789012"
    assert "there" not in text_of(vera.get(page))
    # What the page asks for later is about the same; the next page is not.
    fragment = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"}
    assert vera.get("/users/", headers=fragment).context["total"] == "1"
    assert "there" in text_of(vera.get("/users/"))


def test_the_counts_of_the_sidebar_follow_the_chosen_account(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "playground")
    cast.departure(cast.iam_user("there", of=other))
    vera = browser(everybody.vera)

    here = vera.get("/inbox/?account=123456789012").context["shell"].counts
    everywhere = vera.get("/inbox/?account=").context["shell"].counts

    assert (here.get("users", 0), everywhere["users"]) == (0, 1)


def test_the_counts_of_the_sidebar_are_those_of_the_pages(everybody: cast.Cast) -> None:
    cast.departure("alone")
    cast.hit(cast.departure("fenced", State.DISABLED))
    cast.departure("gone", State.DELETED)
    cast.batch(everybody.account, everybody.jonas)

    shell = browser(everybody.vera).get("/inbox/").context["shell"]

    assert (shell.counts["users"], shell.counts["claims"]) == (2, 1)
    assert (shell.counts["hits"], shell.counts["batches"]) == (1, 1)


def test_a_lead_s_sidebar_counts_what_the_lead_has_to_answer(everybody: cast.Cast) -> None:
    cast.departure(cast.iam_user("pay-deploy", suggested_team=everybody.payments))
    cast.departure(cast.iam_user("tf-apply", suggested_team=everybody.platform))
    cast.departure("nobodys")

    counts = {
        who: browser(person).get("/inbox/").context["shell"].counts["claims"]
        for who, person in {"lead": everybody.sara, "engineer": everybody.jonas}.items()
    }

    assert counts == {"lead": 1, "engineer": 3}


# ── The strip of the batch that runs ─────────────────────────────────────────────────────────────


def test_the_live_strip_asks_again_while_a_batch_runs(everybody: cast.Cast) -> None:
    batch_rows.started(everybody, cast.departure(cast.iam_user("a.one"), "owner-assigned"))

    answer = browser(everybody.vera).get("/live/", headers=HTMX)

    assert answer.status_code == 200
    assert 'hx-trigger="every 10s"' in text_of(answer)
    assert "is running" in text_of(answer)


def test_the_live_strip_answers_nothing_while_nothing_changed(everybody: cast.Cast) -> None:
    one = cast.departure(cast.iam_user("a.one"), "owner-assigned")
    batch = batch_rows.started(everybody, one)
    vera = browser(everybody.vera)
    [mark] = re.findall(r'hx-get="/live/(\?mark=[^"]+)"', text_of(vera.get("/live/", headers=HTMX)))

    assert vera.get(f"/live/{mark}", headers=HTMX).status_code == 204
    batch.changes.update(status=Change.Status.FAILED)
    assert "1 failed" in text_of(vera.get(f"/live/{mark}", headers=HTMX))


def test_the_live_strip_goes_and_asks_no_more_when_none_runs(everybody: cast.Cast) -> None:
    answer = browser(everybody.vera).get("/live/", headers=HTMX)

    assert (answer.status_code, text_of(answer)) == (286, "")


def test_whose_use_nobody_could_tell_is_never_said_to_be_unused(everybody: cast.Cast) -> None:
    unread = cast.iam_user("late-sync", verdict="unknown", judged_at=None, last_activity_at=None)
    cast.departure(unread)
    cast.departure(cast.iam_user("late-idle", verdict="never-used", last_activity_at=None))
    other = cast.departure(cast.iam_user("z", verdict="unknown", last_activity_at=None))
    plan = cast.plan(other)

    for path in ("/claims/", "/search/?q=late", f"/plans/{plan.pk}/"):
        text = text_of(browser(everybody.jonas).get(path))
        assert '<span class="muted">unknown</span>' in text, path
        assert text.count('<span class="muted">never</span>') == ("late-idle" in text), path
