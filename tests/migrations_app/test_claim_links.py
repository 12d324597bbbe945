"""The link of an ask: it leads there, grants nothing, and opening it changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from inventory import clock
from inventory.models import LedgerEntry
from migrations_app import changes
from migrations_app.claims import claim_links
from migrations_app.claims.claim_links import Trouble
from migrations_app.models import Ask, AskOpening, Departure, Notice, Opening
from tests import cast
from tests.migrations_app.browsing import browser, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def ask(everybody: cast.Cast) -> Ask:
    for name in ("pay-1", "pay-2"):
        cast.departure(cast.iam_user(name, suggested_team=everybody.payments))
    (ask,) = changes.start_campaign(everybody.jonas).asked
    return ask


def skip(**by: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


def everything() -> list[Any]:
    """All that a link must not change."""
    return [
        list(Departure.objects.values_list()),
        list(Ask.objects.values_list()),
        LedgerEntry.objects.count(),
    ]


def test_a_lead_gets_to_the_questions_and_the_opening_is_noted_once(
    everybody: cast.Cast, ask: Ask
) -> None:
    before, sara = everything(), browser(everybody.sara)

    for _ in range(2):
        assert sara.get(claim_links.make(ask))["Location"] == "/claim/payments/"

    (opening,) = AskOpening.objects.all()
    assert (opening.ask, opening.person) == (ask, everybody.sara)
    assert Opening.objects.get().notice == Notice.objects.get(kind="claim")
    assert Notice.objects.get(kind="claim").reached_at is not None
    assert everything() == before


def test_whoever_is_not_signed_in_signs_in_and_comes_back(ask: Ask) -> None:
    before, link = everything(), claim_links.make(ask)

    answer = Client().get(link)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=/c/")
    assert resolve(answer["Location"].partition("next=")[2].replace("%3A", ":")).url_name == (
        "claim-link"
    )
    assert everything() == before
    assert not AskOpening.objects.exists()


@pytest.mark.parametrize("way", ["inbox", "claim page"])
def test_a_lead_who_comes_another_way_has_opened_it_too(
    everybody: cast.Cast, ask: Ask, way: str
) -> None:
    before, notice = everything(), Notice.objects.get(kind="claim")
    path = f"/inbox/{notice.pk}/?go=1" if way == "inbox" else "/claim/payments/"

    browser(everybody.jonas).get(path)
    browser(everybody.sara).get(path, headers={"Sec-Purpose": "prefetch"})
    assert not AskOpening.objects.exists()

    for _ in range(2):
        browser(everybody.sara).get(path)
    (opening,) = AskOpening.objects.all()
    assert (opening.ask, opening.person) == (ask, everybody.sara)
    assert everything() == before


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_mail_scanner_notes_nothing(ask: Ask, method: str) -> None:
    getattr(Client(), method)(claim_links.make(ask), headers={"User-Agent": "SafeLinks"})
    assert not AskOpening.objects.exists()


@pytest.mark.parametrize("how", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}])
def test_a_browser_that_only_fetches_ahead_notes_nothing(
    everybody: cast.Cast, ask: Ask, how: dict[str, str]
) -> None:
    browser(everybody.sara).get(claim_links.make(ask), headers=how)
    browser(everybody.sara).head(claim_links.make(ask))
    assert not AskOpening.objects.exists()


def test_an_engineer_gets_there_and_is_no_lead_who_opened_it(
    everybody: cast.Cast, ask: Ask
) -> None:
    assert browser(everybody.jonas).get(claim_links.make(ask)).status_code == 302
    assert not AskOpening.objects.exists()


def test_the_link_grants_nothing(everybody: cast.Cast, ask: Ask) -> None:
    link = claim_links.make(ask, everybody.sara)
    vera = browser(everybody.vera)

    assert vera.get(link).status_code == 403
    assert vera.get("/claim/payments/").status_code == 403
    row = Departure.objects.all()[0]
    assert vera.post(f"/claim/payments/{row.pk}/", {"said": "ours"}).status_code == 403


def test_another_team_may_ask_security_for_access_who_is_told_once(
    everybody: cast.Cast, ask: Ask
) -> None:
    priya, link = browser(everybody.priya), claim_links.make(ask)

    page = text_of(priya.get(link))
    answers = [text_of(priya.post(f"{link}access/")) for _ in range(2)]

    assert "This link was for Payments" in page
    assert "You are in Platform." in page
    assert all("Security knows" in answer for answer in answers)
    (notice,) = Notice.objects.filter(kind="access")
    assert notice.title == "Priya Nair asks for access to the claims of Payments"
    assert not everybody.priya.leads_team(everybody.payments)


def test_a_late_link_says_who_answered_and_when(everybody: cast.Cast, ask: Ask) -> None:
    everybody.priya.teams.add(everybody.payments)
    for row in Departure.objects.all():
        changes.claim(row, everybody.payments, everybody.priya, "needed")

    text = text_of(browser(everybody.sara).get(claim_links.make(ask)))

    assert "Payments is done" in text
    assert "Priya Nair answered these on" in text
    assert 'href="/claim/payments/"' in text
    # Whoever answered them all goes straight to them.
    assert browser(everybody.priya).get(claim_links.make(ask)).status_code == 302


def test_a_link_lasts_thirty_days_longer_than_its_deadline(everybody: cast.Cast, ask: Ask) -> None:
    link, sara = claim_links.make(ask), browser(everybody.sara)
    over = ask.deadline_at + timedelta(days=30)
    skip(seconds=int((over - clock.now()).total_seconds()) - 60)
    assert sara.get(link).status_code == 302
    skip(minutes=2)

    answer = sara.get(link)

    assert answer.status_code == 410
    assert "This link is over" in text_of(answer)
    assert AskOpening.objects.count() == 1


def test_a_withdrawn_question_says_so(everybody: cast.Cast, ask: Ask) -> None:
    changes.close_campaign(ask.campaign, everybody.jonas)
    answer = browser(everybody.sara).get(claim_links.make(ask))
    assert answer.status_code == 410
    assert "Nobody needs this answer any more" in text_of(answer)


def test_a_forged_link_leads_nowhere_and_tells_of_no_team(everybody: cast.Cast, ask: Ask) -> None:
    token = resolve(claim_links.make(ask)).kwargs["token"]
    other = signing.Signer(salt="another").sign_object([ask.pk])
    for wrong in (token[:-1], token[1:], f"{token}x", "x", other):
        answer = browser(everybody.sara).get(f"/c/{wrong}/")
        assert answer.status_code == 404
        assert "This link is not whole" in text_of(answer)
        assert "Payments" not in text_of(answer)
        assert browser(everybody.sara).post(f"/c/{wrong}/access/").status_code == 404


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading_of_a_token(token: str) -> None:
    assert claim_links.read(token).trouble is Trouble.FORGED


@pytest.mark.parametrize("said", [[], ["x"], [None], {}, {"0": 1}, "x", [10**30], 7, [1, "x"]])
def test_a_signed_token_that_says_something_else_is_forged(said: object) -> None:
    token = claim_links._SIGNER.sign_object(said)
    assert claim_links.read(token).trouble is Trouble.FORGED


@pytest.mark.parametrize(
    ("who", "policy"),
    # The page with a form keeps an origin, or the browser's POST would be taken for a forged one.
    [("sara", "no-referrer"), ("priya", "same-origin")],
)
def test_no_cache_keeps_the_link_and_no_other_site_hears_of_it(
    everybody: cast.Cast, ask: Ask, who: str, policy: str
) -> None:
    answer = browser(getattr(everybody, who)).get(claim_links.make(ask))
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == policy
