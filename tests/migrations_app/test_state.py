"""The one writer of state: every move is recorded, and two hands never move one row twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock, ledger
from inventory.models import LedgerEntry
from inventory.refusals import Refused, Stale
from migrations_app.changes.state import locked, move, note
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Departure
from tests import cast

pytestmark = pytest.mark.django_db


def test_a_move_is_recorded_with_where_from_where_to_and_whose() -> None:
    everybody = cast.cast()
    departure = cast.departure("ci-pay-old")
    move(departure, MoveName.ASSIGN, actor=everybody.sara, owner=everybody.payments)
    entry = LedgerEntry.objects.get(kind="move.assign")
    assert entry.data["source"] == "discovered"
    assert entry.data["target"] == "owner-assigned"
    assert entry.data["owner"] == "payments"
    assert entry.actor == ledger.person_hash(everybody.sara)
    assert entry.user_id == departure.user.user_id


def test_a_move_tells_since_when_and_counts_the_version() -> None:
    departure = cast.departure("ci-pay-old", State.DISABLED)
    before = clock.now()
    moved = move(departure, MoveName.SOAK)
    assert moved.state == State.SOAKING
    assert moved.state_since >= before
    assert moved.version == 1


def test_a_move_that_does_not_change_the_state_keeps_its_time() -> None:
    departure = cast.departure("ci-pay-old", State.OWNER_ASSIGNED)
    since = departure.state_since
    assert move(departure, MoveName.ASSIGN, owner=cast.team("payments")).state_since == since


def test_an_illegal_move_says_what_would_be_legal() -> None:
    departure = cast.departure("ci-pay-old")
    with pytest.raises(Refused, match="must be Soaking"):
        move(departure, MoveName.DELETE)
    assert not LedgerEntry.objects.exists()


def test_of_two_hands_the_second_is_told_to_look_again() -> None:
    departure = cast.departure("ci-pay-old", State.OWNER_ASSIGNED)
    same = Departure.objects.get(pk=departure.pk)
    note(departure, "dispute.asked", disputed_until=clock.now().date())
    with pytest.raises(Stale, match=r"changed meanwhile by IAM Cleanup, \d+ s ago \("):
        move(same, MoveName.ASSIGN)
    with pytest.raises(Stale, match="changed meanwhile"):
        note(same, "dispute.asked")
    same = Departure.objects.get(pk=departure.pk)
    same.version -= 1
    with pytest.raises(Stale, match="it is now Owner assigned"):
        locked(same)


def test_a_state_is_never_noted() -> None:
    departure = cast.departure("ci-pay-old")
    with pytest.raises(ValueError, match="never noted"):
        note(departure, "x", state="deleted")


def test_a_move_bears_the_time_at_which_it_was_proven() -> None:
    departure, at = cast.departure("ci-pay-old"), clock.now() - timedelta(minutes=7)
    assert move(departure, MoveName.ASSIGN, at=at, owner=cast.team("payments")).state_since == at


def test_a_move_and_a_note_change_one_row_only() -> None:
    other = cast.departure("other", State.OWNER_ASSIGNED)
    departure = cast.departure("ci-pay-old", State.OWNER_ASSIGNED)
    move(departure, MoveName.RELEASE, owner=None)
    same = cast.departure("same", State.OWNER_ASSIGNED)
    note(same, "answer", answer="needed")
    other.refresh_from_db()
    assert (other.state, other.answer, other.version) == (State.OWNER_ASSIGNED, "", 0)


def test_a_row_that_is_in_another_state_than_it_was_seen_in_is_not_moved() -> None:
    departure = cast.departure("ci-pay-old", State.SOAKING)
    departure.state = State.DISABLED
    with pytest.raises(Stale):
        move(departure, MoveName.SOAK)
    assert not LedgerEntry.objects.exists()


def test_a_note_is_recorded_with_its_data_and_counts_the_version() -> None:
    everybody = cast.cast()
    departure = cast.departure("ci-pay-old", State.OWNER_ASSIGNED)
    noted = note(
        departure, "answer", actor=everybody.sara, data={"said": "needed"}, answer="needed"
    )
    assert (noted.answer, noted.version) == ("needed", 1)
    entry = LedgerEntry.objects.get(kind="answer")
    assert (entry.data["said"], entry.user_id) == ("needed", departure.user.user_id)
    assert entry.actor == ledger.person_hash(everybody.sara)


def test_whoever_is_to_change_a_row_holds_it_until_the_end() -> None:
    departure = cast.departure("ci-pay-old", State.OWNER_ASSIGNED)
    with CaptureQueriesContext(connection) as asked:
        row = locked(departure)
    assert row == departure
    assert 'FOR UPDATE OF "migrations_app_departure"' in asked[0]["sql"]
