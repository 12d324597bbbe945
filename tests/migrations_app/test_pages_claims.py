"""The claim page of a team, and what Security sees of claims."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from migrations_app import changes
from migrations_app.claims import claiming, owing
from migrations_app.lifecycle import State
from migrations_app.models import Departure, GivenAnswer, Notice
from tests import cast
from tests.migrations_app.browsing import HTMX, address, at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def suggested(everybody: cast.Cast, name: str = "pay-deploy", **columns: Any) -> Departure:
    """A discovered user that looks like Payments'."""
    return cast.departure(cast.iam_user(name, suggested_team=everybody.payments, **columns))


def test_what_was_refused_is_said_where_one_sees_it_with_what_was_written(
    everybody: cast.Cast,
) -> None:
    row = suggested(everybody)

    answer = answered(everybody, row, "dispute", reason="Runs at year end.", until="2099-01-01")
    text = text_of(answer.client.get(answer["Location"]))

    assert answer["Location"] == "/claim/payments/"
    assert "Choose a date from" in text
    assert "You had written: Runs at year end." in text


def test_what_was_not_looked_at_is_not_called_never_used(everybody: cast.Cast) -> None:
    suggested(everybody, verdict="unknown", last_activity_at=None)

    text = text_of(browser(everybody.jonas).get("/claims/"))

    assert "unknown</span>" in text
    assert "never</span>" not in text


def answered(everybody: cast.Cast, row: Departure, said: str, **sent: Any) -> Any:
    row.refresh_from_db()
    sent = {"said": said, "version": row.version, **sent}
    answer = browser(everybody.sara).post(f"/claim/payments/{row.pk}/", sent)
    row.refresh_from_db()
    return answer


def cards(everybody: cast.Cast) -> dict[str, str]:
    page = claiming.page_of(everybody.payments, clock.now())
    return {card.departure.user.user_name: card.status for card in page.cards}


def test_a_lead_of_one_team_is_sent_to_its_page(everybody: cast.Cast) -> None:
    assert browser(everybody.sara).get("/claim/")["Location"] == "/claim/payments/"


def test_a_lead_of_two_teams_chooses(everybody: cast.Cast) -> None:
    everybody.sara.teams.add(everybody.platform)

    text = text_of(browser(everybody.sara).get("/claim/"))

    assert 'href="/claim/payments/"' in text
    assert 'href="/claim/platform/"' in text


def test_the_page_shows_what_was_suggested_and_why(everybody: cast.Cast) -> None:
    suggested(everybody, suggestion_reasons=["Tagged team=payments"])
    cast.departure(cast.iam_user("other", suggested_team=everybody.platform))

    text = text_of(browser(everybody.sara).get("/claim/payments/"))

    assert "This IAM user looks like it belongs to Payments" in text
    assert "Tagged team=payments" in text
    assert "other" not in cards(everybody)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("^pay-", "Name begins with pay-"),
        ("^(ci-)?pay-", "Name fits what Payments calls its users"),
    ],
)
def test_a_pattern_is_told_in_words_with_itself_in_the_tooltip(
    everybody: cast.Cast, pattern: str, words: str
) -> None:
    suggested(everybody, suggestion_reasons=[f"Name matches {pattern}"])

    text = text_of(browser(everybody.sara).get("/claim/payments/"))

    assert f'<span title="{pattern}">{words}</span>' in text
    assert "Name matches" not in text


def test_protected_and_deleted_users_are_not_asked_about(everybody: cast.Cast) -> None:
    user = cast.iam_user("sealed", suggested_team=everybody.payments)
    cast.departure(user, protection="break-glass")
    cast.departure("gone", State.DELETED, everybody.payments)

    assert cards(everybody) == {}


def test_what_is_still_used_comes_before_the_dormant(everybody: cast.Cast) -> None:
    suggested(everybody, "quiet", verdict="dormant")
    suggested(everybody, "busy", verdict="active")

    assert list(cards(everybody)) == ["busy", "quiet"]


def test_it_is_ours_asks_whether_it_is_still_needed(everybody: cast.Cast) -> None:
    row = suggested(everybody)

    answered(everybody, row, "ours")

    assert (row.owner, row.state) == (everybody.payments, State.OWNER_ASSIGNED)
    assert cards(everybody) == {"pay-deploy": "question"}


@pytest.mark.parametrize("said", ["needed", "can-go", "unsure"])
def test_the_second_answer_folds_the_card(everybody: cast.Cast, said: str) -> None:
    row = suggested(everybody)
    answered(everybody, row, "ours")

    answered(everybody, row, said)

    assert row.answer == said
    assert cards(everybody) == {"pay-deploy": "answered"}


def test_not_ours_may_name_the_team_that_is_asked_next(everybody: cast.Cast) -> None:
    row = suggested(everybody)

    answered(everybody, row, "not-ours", whose="platform")

    page = claiming.page_of(everybody.payments, clock.now())
    assert row.owner is None
    assert page.cards[0].answer == "Not yours. We will ask Platform."
    assert owing.open_cards(everybody.platform, clock.now()) == 1


def test_the_last_answer_is_followed_by_what_it_all_comes_to(everybody: cast.Cast) -> None:
    until = clock.now().date() + timedelta(days=9)
    for number, said in enumerate(("can-go", "can-go", "needed", "not-ours", "dispute")):
        row = suggested(everybody, f"u{number}")
        if said in ("can-go", "needed"):
            answered(everybody, row, "ours")
            row.refresh_from_db()
        more = {"reason": "The audit reads it.", "until": until} if said == "dispute" else {}
        answered(everybody, row, said, **more)

    text = text_of(browser(everybody.sara).get("/claim/payments/"))

    told = "2 can go, 1 gets a replacement, 1 is disputed, 1 is not yours."
    assert f"You answered all 5. {told} Undo works" in text
    assert f"Disputed until {until:%a %-d %b}." in text


def test_an_answer_can_be_undone(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    answered(everybody, row, "ours")

    answered(everybody, row, "undo")

    assert (row.owner, row.state) == (None, State.DISCOVERED)
    assert cards(everybody) == {"pay-deploy": "open"}


def test_a_dispute_needs_a_reason_and_a_date(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    until = clock.now().date() + timedelta(days=9)

    answered(everybody, row, "dispute")
    assert row.disputed_until is None

    answered(everybody, row, "dispute", reason="It feeds the PCI audit.", until=until.isoformat())
    assert row.disputed_until == until
    assert cards(everybody) == {"pay-deploy": "answered"}


def test_a_dispute_that_security_ended_is_asked_again(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    until = clock.now().date() + timedelta(days=9)
    answered(everybody, row, "dispute", reason="It feeds the PCI audit.", until=until.isoformat())

    changes.end_dispute(row, everybody.jonas)

    assert cards(everybody) == {"pay-deploy": "open"}


def test_a_hand_over_waits_for_the_other_team(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    answered(everybody, row, "ours")

    answered(everybody, row, "hand-over", whose="platform")

    (card,) = claiming.page_of(everybody.platform, clock.now()).cards
    assert (row.owner, card.status) == (everybody.payments, "offered")


@pytest.mark.parametrize("owned", [True, False])
def test_an_offer_says_which_team_makes_it_and_why(everybody: cast.Cast, owned: bool) -> None:
    row = suggested(everybody)
    if owned:
        answered(everybody, row, "ours")
    answered(everybody, row, "hand-over", whose="platform", reason="<b>Your</b> runner uses it.")

    text = text_of(browser(everybody.priya).get("/claim/platform/"))

    assert "Payments hands this over to you." in text
    assert "They say: &lt;b&gt;Your&lt;/b&gt; runner uses it." in text
    assert ("It stays with them until you take it." in text) == owned
    assert "They say" in Notice.objects.get(kind="hand-over").text


def test_the_other_team_takes_it(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    answered(everybody, row, "ours")
    answered(everybody, row, "hand-over", whose="platform")

    sent = {"said": "accept", "version": row.version}
    browser(everybody.priya).post(f"/claim/platform/{row.pk}/", sent)

    row.refresh_from_db()
    assert row.owner == everybody.platform


def test_an_admin_user_waits_for_an_engineer(everybody: cast.Cast) -> None:
    row = suggested(everybody, privilege="admin")

    answered(everybody, row, "can-go")

    (card,) = claiming.page_of(everybody.payments, clock.now()).cards
    assert row.owner is None
    assert card.answer == "Yours, once Security confirms it."


def test_a_stale_card_saves_nothing(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    changes.assign(row, everybody.platform, everybody.jonas)

    sent = {"said": "ours", "version": 0}
    browser(everybody.sara).post(f"/claim/payments/{row.pk}/", sent)

    row.refresh_from_db()
    assert row.owner == everybody.platform


@pytest.mark.parametrize("how", [{}, HTMX])
@pytest.mark.parametrize(
    "answer", [{"said": "ours"}, {"said": "not-ours", "whose": "platform"}, {"said": "dispute"}]
)
def test_a_button_pressed_twice_keeps_one_answer_and_complains_of_nothing(
    everybody: cast.Cast, answer: dict[str, str], how: Any
) -> None:
    row = suggested(everybody)
    until = str(clock.now().date() + timedelta(days=3))
    sent = {"version": row.version, "reason": "audit ", "until": until, **answer}

    for _ in range(2):
        path = f"/claim/payments/{row.pk}/"
        got = browser(everybody.sara).post(path, sent, headers=how, follow=True)
        assert got.status_code == 200
        assert "changed meanwhile" not in text_of(got)
        assert "Not saved" not in got.headers.get("HX-Trigger", "")

    assert GivenAnswer.objects.get(departure=row).said == answer["said"]


def test_another_answer_from_the_same_old_card_is_not_taken_for_the_same(
    everybody: cast.Cast,
) -> None:
    row = suggested(everybody)
    path, sara = f"/claim/payments/{row.pk}/", browser(everybody.sara)
    until = [str(clock.now().date() + timedelta(days=days)) for days in (3, 4)]
    sent = {"said": "dispute", "version": row.version, "reason": "audit"}

    def status(client: Any, **changed: str) -> int:
        answer = client.post(path, {**sent, "until": until[0], **changed}, headers=HTMX)
        return int(answer.status_code)

    assert status(sara) == 200
    assert status(sara) == 200
    assert status(sara, until=until[1]) == 409
    assert status(sara, reason="another") == 409
    assert status(sara, said="ours") == 409
    assert status(browser(everybody.jonas)) == 409


def test_htmx_gets_the_card_and_the_progress(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    sent = {"said": "not-ours", "version": row.version}

    answer = browser(everybody.sara).post(f"/claim/payments/{row.pk}/", sent, headers=HTMX)

    text = text_of(answer)
    assert answer.status_code == 200
    assert f'id="card-{row.pk}"' in text
    assert "1 of 1 answered" in text
    assert "<html" not in text
    # The page and its tab say what the last answer made of it.
    assert 'data-tab-title="Payments is done · IAM Cleanup"' in text
    assert '<h1 id="claim-title" hx-swap-oob="true">Payments is done</h1>' in text


def test_htmx_gets_a_stale_card_anew_with_the_reason(everybody: cast.Cast) -> None:
    row = suggested(everybody)
    changes.not_ours(row, everybody.payments, everybody.sara)
    sent = {"said": "ours", "version": 0}

    answer = browser(everybody.sara).post(f"/claim/payments/{row.pk}/", sent, headers=HTMX)

    assert answer.status_code == 409
    assert "changed meanwhile" in text_of(answer)
    assert "Not saved." in answer["HX-Trigger"]
    assert "changed meanwhile by Sara" in answer["HX-Trigger"]


@pytest.mark.parametrize("said", ["", "delete", "ours' OR 1=1"])
def test_an_answer_that_is_none_changes_nothing(everybody: cast.Cast, said: str) -> None:
    row = suggested(everybody)

    answered(everybody, row, said)

    assert (row.owner, row.answer) == (None, "")


@pytest.mark.parametrize("who", ["priya", "vera", "ada"])
def test_another_team_is_told_whom_to_ask(everybody: cast.Cast, who: str) -> None:
    row = suggested(everybody)
    someone = browser(getattr(everybody, who))

    page = someone.get("/claim/payments/")
    posted = someone.post(f"/claim/payments/{row.pk}/", {"said": "ours"})

    assert (page.status_code, posted.status_code) == (403, 403)
    assert "This link was for Payments." in text_of(page)


def test_a_team_or_user_that_is_not_there_is_not_found(everybody: cast.Cast) -> None:
    sara = browser(everybody.sara)

    assert sara.get("/claim/nobody/").status_code == 404
    assert sara.post("/claim/payments/999999/", {"said": "ours"}).status_code == 404


def test_the_page_costs_no_query_per_card(everybody: cast.Cast) -> None:
    for number in range(20):
        suggested(everybody, f"u{number}")
    sara = browser(everybody.sara)

    with at_most(14):
        sara.get("/claim/payments/")


def test_security_sees_what_waits(everybody: cast.Cast) -> None:
    row = suggested(everybody, privilege="admin")
    changes.claim(row, everybody.payments, everybody.sara, "needed")
    cast.departure("alone")

    text = text_of(browser(everybody.jonas).get("/claims/"))

    assert "1 user has nobody who answers for it" in text
    assert "Claims to confirm" in text


@pytest.mark.parametrize(("act", "owned"), [("confirm-claim", True), ("decline-claim", False)])
def test_security_decides_a_claim(everybody: cast.Cast, act: str, owned: bool) -> None:
    row = suggested(everybody, privilege="admin")
    changes.claim(row, everybody.payments, everybody.sara, "needed")

    browser(everybody.jonas).post(f"/users/{cast.ACCOUNT_ID}/{row.user.user_id}/{act}/")

    row.refresh_from_db()
    assert (row.owner == everybody.payments) is owned
    assert row.claim_pending_team is None


def test_the_page_of_security_asks_no_more_for_many_users_teams_and_campaigns(
    everybody: cast.Cast,
) -> None:
    rows = [suggested(everybody, f"u{number}", privilege="admin") for number in range(60)]
    changes.start_campaign(everybody.jonas)
    until = clock.now().date() + timedelta(days=5)
    for row in rows[::3]:
        changes.claim(row, everybody.payments, everybody.sara, "needed")
    for row in rows[1::3]:
        changes.dispute(row, everybody.sara, "Not now.", until, everybody.payments)
    jonas = browser(everybody.jonas)
    jonas.get("/claims/")

    with at_most(9):
        jonas.get("/claims/")


def test_of_a_team_with_many_users_only_those_that_are_drawn_are_read_whole(
    everybody: cast.Cast,
) -> None:
    rows = [suggested(everybody, f"u{number}") for number in range(claiming.SHOWN + 2)]
    for row in (rows[0], rows[-1]):
        cast.activity(row.user, clock.now().date() - timedelta(days=1), count=400)
    sara = browser(everybody.sara)
    sara.get("/claim/payments/")

    with CaptureQueriesContext(connection) as asked:
        shown = text_of(sara.get("/claim/payments/"))
    statements = [one["sql"] for one in asked]
    late = sara.post(
        f"/claim/payments/{rows[-1].pk}/", {"said": "ours", "version": 0}, headers=HTMX
    )

    read = [one for one in statements if "inventory_activity" in one]
    assert len(read) == 1
    assert not re.search(rf"\b{rows[-1].user.pk}\b", read[0])
    assert len(statements) <= 12
    assert shown.count("About 100 calls a week.") == 1
    # Whoever answers for one that came later sees all of it all the same.
    assert "About 100 calls a week." in text_of(late)


def test_what_the_page_of_security_counts_is_counted_anew_after_the_ledgers_next_entry(
    everybody: cast.Cast,
) -> None:
    first, second = (suggested(everybody, name) for name in "ab")
    changes.start_campaign(everybody.jonas)
    jonas = browser(everybody.jonas)
    shown = text_of(jonas.get("/claims/"))
    assert "2 users have nobody" in shown
    assert "0 of 2</span>" in shown
    with CaptureQueriesContext(connection) as warm:
        jonas.get("/claims/")

    changes.claim(first, everybody.payments, everybody.sara, "needed")

    with CaptureQueriesContext(connection) as anew:
        shown = text_of(jonas.get("/claims/"))
    assert "1 user has nobody" in shown
    assert "1 of 2</span>" in shown
    assert len(anew) > len(warm), "what nothing had changed was counted again"
    assert second.user.user_name in shown


def test_a_deadline_that_passes_is_seen_at_once(everybody: cast.Cast) -> None:
    suggested(everybody, "a")
    ask = changes.start_campaign(everybody.jonas).asked[0]
    jonas = browser(everybody.jonas)
    assert "Not answered in time" not in text_of(jonas.get("/claims/"))

    moved = clock.clock_file()
    assert moved is not None
    moved.move(ask.deadline_at - clock.now() + timedelta(seconds=1))

    assert "Not answered in time" in text_of(jonas.get("/claims/"))


def test_security_ends_a_dispute_and_stays_with_the_others(everybody: cast.Cast) -> None:
    until = clock.now().date() + timedelta(days=5)
    row = cast.departure("a", State.OWNER_ASSIGNED, everybody.payments, disputed_until=until)
    jonas = browser(everybody.jonas)
    assert '<input type="hidden" name="from" value="claims">' in text_of(jonas.get("/claims/"))

    answer = jonas.post(
        address(row.user, "end-dispute/"), {"version": row.version, "from": "claims"}
    )

    row.refresh_from_db()
    assert (answer["Location"], row.disputed_until) == ("/claims/", None)


@pytest.mark.parametrize(
    ("answers", "told"),
    [(1, "about a minute"), (7, "about two minutes"), (20, "about four minutes")],
)
def test_how_long_answers_take_is_told_in_words(answers: int, told: str) -> None:
    assert claiming.how_long(answers) == told
