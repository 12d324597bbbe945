"""Whoever comes too late is told who was there before, and when; by the ledger alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock, ledger, meanwhile
from inventory.models import LedgerEntry, LedgerName
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands at noon, so that a minute ago is today."""
    now = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: now)


def test_the_last_change_of_this_very_user_is_told(everybody: cast.Cast, noon: None) -> None:
    mine, other = cast.iam_user("mine"), cast.iam_user("other")
    namesake = cast.iam_user("mine", cast.account("210987654321", "staging"), user_id=mine.user_id)
    ledger.append("note.kept", actor=everybody.jonas, user=mine)
    ledger.append("note.kept", actor=everybody.mei, user=mine)
    ledger.append("note.kept", actor=everybody.sara, user=other)
    ledger.append("note.kept", actor=everybody.priya, user=namesake)
    assert meanwhile.of_user(mine) == " by Mei Tanaka, 0 s ago (12:00 UTC)"


def test_who_calls_a_user_has_changed_nothing_about_it(everybody: cast.Cast, noon: None) -> None:
    user = cast.iam_user("mine")
    ledger.append("hit.found", user=user)
    assert meanwhile.of_user(user) == ""
    ledger.append("note.kept", actor=everybody.jonas, user=user)
    ledger.append("hit.found", user=user)
    assert meanwhile.of_user(user) == " by Jonas Weber, 0 s ago (12:00 UTC)"


def test_what_nobody_asked_for_was_done_by_the_product(everybody: cast.Cast, noon: None) -> None:
    user = cast.iam_user("mine")
    ledger.append("note.kept", actor=everybody.mei)
    ledger.append("note.kept", user=user)
    assert meanwhile.of_user(user) == " by IAM Cleanup, 0 s ago (12:00 UTC)"


def test_a_name_that_was_erased_is_not_told(everybody: cast.Cast, noon: None) -> None:
    user = cast.iam_user("mine")
    ledger.append("note.kept", actor=everybody.mei, user=user)
    LedgerName.objects.filter(person=everybody.mei).delete()
    assert "Mei" not in meanwhile.of_user(user)


def test_a_batch_names_its_own_last_change(everybody: cast.Cast, noon: None) -> None:
    ledger.append("batch.asked", actor=everybody.jonas, batch=7)
    ledger.append("batch.approved", actor=everybody.mei, batch=7)
    ledger.append("batch.asked", actor=everybody.sara, batch=8)
    told = meanwhile.of_batch(7)
    assert told.startswith("Batch #7 changed since you looked at it by Mei Tanaka, 0 s ago (12:00")
    assert told.endswith("Look at it again.")
    assert meanwhile.of_batch(9) == "Batch #9 changed since you looked at it. Look at it again."
    assert LedgerEntry.objects.count() == 3


def test_a_row_tells_whose_doing_it_is_and_when(everybody: cast.Cast, noon: None) -> None:
    now = clock.now()
    assert meanwhile.at(everybody.mei, now - timedelta(seconds=20)) == (
        " by Mei Tanaka, 20 s ago (11:59 UTC)"
    )
    assert meanwhile.at(None, now) == " by IAM Cleanup, 0 s ago (12:00 UTC)"
    assert meanwhile.at(everybody.mei, None) == ""


def test_of_another_day_the_day_is_told_as_well(noon: None) -> None:
    yesterday = clock.now() - timedelta(days=1)
    assert meanwhile.at(None, yesterday) == (
        f" by IAM Cleanup, 1 day ago ({yesterday.day} {yesterday:%b} 12:00 UTC)"
    )
