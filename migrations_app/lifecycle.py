"""The lifecycle, expressed once: which states an IAM user passes through and which moves lead on.

Pure, and imports nothing of ours. Buttons, bulk eligibility, the database's own refusals, the
diagram in the docs and the test of every state × every move are derived from `MOVES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an IAM user stands on its way out."""

    DISCOVERED = "discovered"
    OWNER_ASSIGNED = "owner-assigned"
    DISABLED = "disabled"
    SOAKING = "soaking"
    DELETED = "deleted"

    @property
    def label(self) -> str:
        return self.value.replace("-", " ").capitalize()


class MoveName(StrEnum):
    """What can be done to an IAM user; the verb of a change."""

    ASSIGN = "assign"
    RELEASE = "release"
    DISABLE = "disable"
    SOAK = "soak"
    RESTORE = "restore"
    DELETE = "delete"
    VANISH = "vanish"


class Protection(StrEnum):
    """Why an IAM user may not be touched; empty for nearly all."""

    NONE = ""
    BREAK_GLASS = "break-glass"
    EXEMPT = "exempt"
    SELF = "self"


class Method(StrEnum):
    """How a disable is done: fence and watch first, or shut at once."""

    FENCE = "fence"
    SHUT = "shut"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table.

    `writes` says that AWS is changed; `forward` that it leads towards deletion and therefore
    needs four eyes, windows and an unprotected user; `records` that it only notes what already
    happened in AWS, so protection and ownership cannot stand in its way.
    """

    name: MoveName
    sources: frozenset[State]
    target: State
    writes: bool = False
    forward: bool = False
    records: bool = False
    done: str = ""


_ALL_BUT_DELETED = frozenset(State) - {State.DELETED}

MOVES: dict[MoveName, Move] = {
    move.name: move
    for move in (
        Move(
            MoveName.ASSIGN,
            frozenset({State.DISCOVERED, State.OWNER_ASSIGNED}),
            State.OWNER_ASSIGNED,
            done="assigned",
        ),
        Move(
            MoveName.RELEASE,
            frozenset({State.OWNER_ASSIGNED}),
            State.DISCOVERED,
            done="released",
        ),
        Move(
            MoveName.DISABLE,
            frozenset({State.OWNER_ASSIGNED}),
            State.DISABLED,
            writes=True,
            forward=True,
            done="disabled",
        ),
        Move(
            MoveName.SOAK,
            frozenset({State.DISABLED}),
            State.SOAKING,
            writes=True,
            forward=True,
            done="shut",
        ),
        Move(
            MoveName.RESTORE,
            frozenset({State.DISABLED, State.SOAKING}),
            State.OWNER_ASSIGNED,
            writes=True,
            done="restored",
        ),
        Move(
            MoveName.DELETE,
            frozenset({State.SOAKING}),
            State.DELETED,
            writes=True,
            forward=True,
            done="deleted",
        ),
        Move(
            MoveName.VANISH,
            _ALL_BUT_DELETED,
            State.DELETED,
            records=True,
            done="deleted outside",
        ),
    )
}

HAS_ACCESS = frozenset({State.DISCOVERED, State.OWNER_ASSIGNED})
SWITCHED_OFF = frozenset({State.DISABLED, State.SOAKING})
FORWARD_MOVES = frozenset(name for name, move in MOVES.items() if move.forward)
FORWARD_TARGETS = frozenset(move.target for move in MOVES.values() if move.forward)


class IllegalMove(ValueError):
    """A move was asked for that the table does not hold."""


def target_of(state: State | str, move: MoveName | str) -> State:
    """Where `move` leads from `state`; IllegalMove, in plain words, where it may not be made."""
    row = MOVES[MoveName(move)]
    if State(state) not in row.sources:
        allowed = " or ".join(sorted(State(source).label for source in row.sources))
        raise IllegalMove(
            f"A user that is {State(state).label} cannot be {row.done}; it must be {allowed}."
        )
    return row.target


def moves_from(state: State | str) -> frozenset[MoveName]:
    """Every move that the table allows from `state`; what buttons are made from."""
    return frozenset(name for name, move in MOVES.items() if State(state) in move.sources)


def state_steps() -> Iterator[tuple[State, State]]:
    """Every (from, to) pair a state column may go through; what the database trigger is made from.

    A shut-at-once disable goes from owner-assigned through disabled to soaking in two steps, both
    of them in the table, so it needs no pair of its own.
    """
    pairs = {(source, move.target) for move in MOVES.values() for source in move.sources}
    return iter(sorted(pairs))
