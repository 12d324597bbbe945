"""A list that grows shows its beginning, and says that there is more."""

from __future__ import annotations

import pytest

from migrations_app import beginnings
from migrations_app.claims import claiming
from migrations_app.models import Departure
from tests import cast
from tests.migrations_app.browsing import at_most, browser, text_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("shown", "said", "more"), [(3, "2", False), (2, "2", False), (1, "1+", True)]
)
def test_what_does_not_fit_is_said(
    monkeypatch: pytest.MonkeyPatch, shown: int, said: str, more: bool
) -> None:
    monkeypatch.setattr(beginnings, "SHOWN", shown)
    cast.departure("a")
    cast.departure("b")

    with at_most(1):
        found = beginnings.Beginning(Departure.objects.all())

    assert (str(found), found.more, len(found)) == (said, more, min(2, shown))


def test_the_claims_page_shows_the_first_claims_to_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = cast.cast()
    monkeypatch.setattr(beginnings, "SHOWN", 1)
    for name in ("a", "b"):
        cast.departure(name, claim_pending_team=everybody.payments)

    text = text_of(browser(everybody.jonas).get("/claims/"))

    assert "1+ to confirm" in text
    assert "the next come as these are settled" in text


def test_the_claim_page_of_a_team_draws_the_first_open_cards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everybody = cast.cast()
    monkeypatch.setattr(claiming, "SHOWN", 2)
    for name in ("a", "b", "c"):
        cast.departure(cast.iam_user(name, suggested_team=everybody.payments))

    text = text_of(browser(everybody.sara).get("/claim/payments/"))

    assert "0 of 3 answered" in text
    assert text.count('class="card claim-card') == 2
    assert "1 more comes after these" in text
