"""The table of moves, and the database that refuses whatever is not in it."""

from __future__ import annotations

import importlib
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from inventory import clock, ledger
from migrations_app import lifecycle
from migrations_app.changes.state import move
from migrations_app.lifecycle import (
    FORWARD_MOVES,
    MOVES,
    IllegalMove,
    MoveName,
    State,
    moves_from,
    state_steps,
    target_of,
)
from migrations_app.models import Batch, Change, Departure, EmergencyStop
from tests import cast

LEGAL = {
    (State.DISCOVERED, MoveName.ASSIGN): State.OWNER_ASSIGNED,
    (State.OWNER_ASSIGNED, MoveName.ASSIGN): State.OWNER_ASSIGNED,
    (State.OWNER_ASSIGNED, MoveName.RELEASE): State.DISCOVERED,
    (State.OWNER_ASSIGNED, MoveName.DISABLE): State.DISABLED,
    (State.DISABLED, MoveName.SOAK): State.SOAKING,
    (State.DISABLED, MoveName.RESTORE): State.OWNER_ASSIGNED,
    (State.SOAKING, MoveName.RESTORE): State.OWNER_ASSIGNED,
    (State.SOAKING, MoveName.DELETE): State.DELETED,
    (State.DISCOVERED, MoveName.VANISH): State.DELETED,
    (State.OWNER_ASSIGNED, MoveName.VANISH): State.DELETED,
    (State.DISABLED, MoveName.VANISH): State.DELETED,
    (State.SOAKING, MoveName.VANISH): State.DELETED,
}
"""Written out by hand from the design, so that a slip in the table shows."""
EVERY = list(product(State, MoveName))


@pytest.mark.parametrize(("state", "name"), EVERY, ids=str)
def test_every_state_takes_exactly_the_moves_of_the_table(state: State, name: MoveName) -> None:
    expected = LEGAL.get((state, name))
    assert (name in moves_from(state)) == (expected is not None)
    if expected is None:
        with pytest.raises(IllegalMove, match="cannot be"):
            target_of(state, name)
    else:
        assert target_of(state, name) is expected


def test_what_writes_forward_is_exactly_disable_soak_and_delete() -> None:
    assert {MoveName.DISABLE, MoveName.SOAK, MoveName.DELETE} == FORWARD_MOVES
    assert all(MOVES[name].writes for name in FORWARD_MOVES)
    assert not MOVES[MoveName.RESTORE].forward
    assert [name for name, one in MOVES.items() if one.records] == [MoveName.VANISH]


def test_nothing_leads_out_of_deleted() -> None:
    assert moves_from(State.DELETED) == frozenset()


def test_the_database_was_given_the_pairs_of_the_table() -> None:
    migration = importlib.import_module(
        "migrations_app.migrations.0002_state_moves_only_along_the_table"
    )
    written = {(source, target) for source, targets in migration.STEPS for target in targets}
    assert written == {(str(source), str(target)) for source, target in state_steps()}


# ── What the database refuses, whoever asks ──────────────────────────────────────────────────────


def set_state(departure: Departure, state: State, **columns: Any) -> None:
    with transaction.atomic():
        Departure.objects.filter(pk=departure.pk).update(state=state, **columns)


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "target"), list(product(State, State)), ids=str)
def test_the_database_takes_a_step_exactly_if_the_table_holds_it(
    source: State, target: State
) -> None:
    departure = cast.departure("ci-pay-old", source, cast.team("payments"))
    # What is gone in AWS is recorded from every state, as deleted outside.
    columns = {"deleted_outside": True} if target is State.DELETED else {}
    if source is target or (source, target) in set(state_steps()):
        set_state(departure, target, **columns)
        departure.refresh_from_db()
        assert departure.state == target
    else:
        with pytest.raises(IntegrityError, match="No move leads from"):
            set_state(departure, target, **columns)


@pytest.mark.django_db
@pytest.mark.parametrize("source", [State.DISCOVERED, State.OWNER_ASSIGNED, State.DISABLED])
def test_only_a_soaking_user_is_deleted_from_here(source: State) -> None:
    departure = cast.departure("ci-pay-old", source, cast.team("payments"))
    with pytest.raises(IntegrityError, match="Only a soaking user is deleted"):
        set_state(departure, State.DELETED)


@pytest.mark.django_db
@pytest.mark.parametrize("state", [s for s in State if s is not State.DISCOVERED])
def test_beyond_discovered_everybody_has_an_owner(state: State) -> None:
    departure = cast.departure("ci-pay-old", state)
    with pytest.raises(IntegrityError, match="departure_has_an_owner"), transaction.atomic():
        Departure.objects.filter(pk=departure.pk).update(owner=None)


@pytest.mark.django_db
def test_an_ownerless_user_can_be_recorded_as_deleted_outside() -> None:
    departure = cast.departure("ci-pay-old")
    set_state(departure, State.DELETED, deleted_outside=True)
    departure.refresh_from_db()
    assert departure.owner is None


@pytest.mark.django_db
def test_an_unknown_state_is_refused() -> None:
    departure = cast.departure("ci-pay-old")
    with pytest.raises(IntegrityError), transaction.atomic():
        Departure.objects.filter(pk=departure.pk).update(state="gone")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (State.OWNER_ASSIGNED, State.DISABLED),
        (State.DISABLED, State.SOAKING),
        (State.SOAKING, State.DELETED),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["break-glass", "exempt", "self"])
def test_a_protected_user_makes_no_forward_move(source: State, target: State, kind: str) -> None:
    departure = cast.departure("break-glass", source, protection=kind)
    with pytest.raises(IntegrityError, match="A protected user is never moved"):
        set_state(departure, target)


@pytest.mark.django_db
def test_taking_the_protection_off_in_the_same_statement_does_not_help() -> None:
    departure = cast.departure("break-glass", State.SOAKING, protection="break-glass")
    with pytest.raises(IntegrityError, match="A protected user is never moved"):
        set_state(departure, State.DELETED, protection="")


@pytest.mark.django_db
@pytest.mark.parametrize("state", [State.DISABLED, State.SOAKING])
def test_a_protected_user_can_always_be_restored(state: State) -> None:
    departure = cast.departure("break-glass", state, protection="exempt")
    set_state(departure, State.OWNER_ASSIGNED)
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED


@pytest.mark.django_db
@pytest.mark.parametrize("state", [s for s in State if s is not State.DELETED])
def test_a_protected_user_that_is_gone_can_be_recorded(state: State) -> None:
    departure = cast.departure("break-glass", state, cast.team("security"), protection="exempt")
    set_state(departure, State.DELETED, deleted_outside=True)
    departure.refresh_from_db()
    assert departure.state == State.DELETED


@pytest.mark.django_db
@pytest.mark.parametrize("status", Change.OPEN)
def test_a_user_has_one_open_forward_change(status: str) -> None:
    departure = cast.departure("ci-pay-old", State.SOAKING)
    cast.change(departure, "disable", status=status)
    with pytest.raises(IntegrityError, match="one_open_forward_change"), transaction.atomic():
        cast.change(departure, "delete", status="asked")
    cast.change(departure, "delete", status="draft")


@pytest.mark.django_db
def test_a_user_has_one_open_restore() -> None:
    departure = cast.departure("ci-pay-old", State.SOAKING)
    cast.change(departure, "restore", status="queued")
    with pytest.raises(IntegrityError, match="one_open_restore"), transaction.atomic():
        cast.change(departure, "restore", status="queued")


@pytest.mark.django_db
def test_who_asked_never_approves() -> None:
    everybody = cast.cast()
    batch = cast.batch(everybody.account, everybody.jonas, asked_by=everybody.jonas)
    with pytest.raises(IntegrityError, match="batch_four_eyes"), transaction.atomic():
        Batch.objects.filter(pk=batch.pk).update(approved_by=everybody.jonas)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["approved", "running", "done"])
def test_a_batch_without_an_approval_never_runs(status: str) -> None:
    everybody = cast.cast()
    batch = cast.batch(everybody.account, everybody.jonas, asked_by=everybody.jonas)
    with pytest.raises(IntegrityError, match="batch_runs_only_approved"), transaction.atomic():
        Batch.objects.filter(pk=batch.pk).update(status=status)


@pytest.mark.django_db
def test_whoever_pulled_the_stop_does_not_lift_it() -> None:
    jonas = cast.cast().jonas
    stop = EmergencyStop.objects.create(pulled_by=jonas, pulled_at=clock.now())
    with pytest.raises(IntegrityError, match="stop_lifted_by_another"), transaction.atomic():
        EmergencyStop.objects.filter(pk=stop.pk).update(lifted_by=jonas)


@pytest.mark.django_db
def test_there_is_one_emergency_stop_at_a_time() -> None:
    EmergencyStop.objects.create(pulled_at=clock.now())
    with pytest.raises(IntegrityError, match="one_emergency_stop"), transaction.atomic():
        EmergencyStop.objects.create(pulled_at=clock.now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_ledgerentry SET kind = 'other'",
        "DELETE FROM inventory_ledgerentry",
        "TRUNCATE inventory_ledgerentry CASCADE",
    ],
)
def test_a_move_once_recorded_cannot_be_changed(statement: str) -> None:
    departure = cast.departure("ci-pay-old")
    move(departure, MoveName.ASSIGN, owner=cast.team("payments"))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ledger.verify().intact


def test_a_method_and_a_protection_have_no_other_values() -> None:
    assert {*lifecycle.Method} == {"fence", "shut"}
    assert {*lifecycle.Protection} == {"", "break-glass", "exempt", "self"}
