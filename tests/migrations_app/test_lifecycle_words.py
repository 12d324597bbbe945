"""The words that rows, pages and exports hold, and the table of moves, written out by hand."""

from __future__ import annotations

import pytest

from migrations_app.lifecycle import (
    FORWARD_MOVES,
    FORWARD_TARGETS,
    HAS_ACCESS,
    MOVES,
    SWITCHED_OFF,
    IllegalMove,
    Method,
    Move,
    MoveName,
    Protection,
    State,
    moves_from,
    state_steps,
    target_of,
)

DISCOVERED, ASSIGNED = "discovered", "owner-assigned"
DISABLED, SOAKING, DELETED = "disabled", "soaking", "deleted"


def test_the_words_that_rows_hold() -> None:
    assert [*map(str, State)] == [DISCOVERED, ASSIGNED, DISABLED, SOAKING, DELETED]
    assert [*map(str, MoveName)] == [
        "assign",
        "release",
        "disable",
        "soak",
        "restore",
        "delete",
        "vanish",
    ]
    assert [*map(str, Protection)] == ["", "break-glass", "exempt", "self"]
    assert [*map(str, Method)] == ["fence", "shut"]


def test_a_state_as_people_read_it() -> None:
    assert [state.label for state in State] == [
        "Discovered",
        "Owner assigned",
        "Disabled",
        "Soaking",
        "Deleted",
    ]


@pytest.mark.parametrize(
    ("name", "sources", "target", "flags", "done"),
    [
        ("assign", {DISCOVERED, ASSIGNED}, ASSIGNED, "", "assigned"),
        ("release", {ASSIGNED}, DISCOVERED, "", "released"),
        ("disable", {ASSIGNED}, DISABLED, "writes forward", "disabled"),
        ("soak", {DISABLED}, SOAKING, "writes forward", "shut"),
        ("restore", {DISABLED, SOAKING}, ASSIGNED, "writes", "restored"),
        ("delete", {SOAKING}, DELETED, "writes forward", "deleted"),
        ("vanish", {DISCOVERED, ASSIGNED, DISABLED, SOAKING}, DELETED, "records",
         "deleted outside"),
    ],
)  # fmt: skip
def test_a_move_is_what_the_design_says(
    name: str, sources: set[str], target: str, flags: str, done: str
) -> None:
    move = MOVES[MoveName(name)]
    assert (move.name, set(move.sources), move.target, move.done) == (name, sources, target, done)
    told = [flag for flag in ("writes", "forward", "records") if getattr(move, flag)]
    assert " ".join(told) == flags


def test_a_move_of_which_nothing_else_is_said_changes_nothing_in_aws() -> None:
    bare = Move(MoveName.ASSIGN, frozenset(), State.DELETED)
    assert (bare.writes, bare.forward, bare.records, bare.done) == (False, False, False, "")


def test_every_move_has_its_row_and_no_other() -> None:
    assert set(MOVES) == set(MoveName)
    assert all(name is move.name for name, move in MOVES.items())


def test_who_has_access_who_is_off_and_what_leads_forward() -> None:
    assert set(HAS_ACCESS) == {DISCOVERED, ASSIGNED}
    assert set(SWITCHED_OFF) == {DISABLED, SOAKING}
    assert set(FORWARD_MOVES) == {"disable", "soak", "delete"}
    assert set(FORWARD_TARGETS) == {DISABLED, SOAKING, DELETED}


def test_an_illegal_move_says_what_it_is_and_what_it_would_have_to_be() -> None:
    with pytest.raises(IllegalMove) as caught:
        target_of("discovered", "restore")
    assert str(caught.value) == (
        "A user that is Discovered cannot be restored; it must be Disabled or Soaking."
    )


def test_words_are_taken_for_states_and_moves() -> None:
    assert target_of("soaking", "delete") == DELETED
    assert set(moves_from("disabled")) == {"soak", "restore", "vanish"}


def test_every_step_of_the_state_column_once_and_in_order() -> None:
    assert [*state_steps()] == [
        (DISABLED, DELETED),
        (DISABLED, ASSIGNED),
        (DISABLED, SOAKING),
        (DISCOVERED, DELETED),
        (DISCOVERED, ASSIGNED),
        (ASSIGNED, DELETED),
        (ASSIGNED, DISABLED),
        (ASSIGNED, DISCOVERED),
        (ASSIGNED, ASSIGNED),
        (SOAKING, DELETED),
        (SOAKING, ASSIGNED),
    ]
