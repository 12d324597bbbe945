"""What every verb of ownership does in the end: keep the answer, set the owner, let go."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from inventory import clock
from inventory.models import Person, Role, Team
from inventory.permissions import Action, may
from inventory.refusals import Refused
from migrations_app.changes.state import move, note
from migrations_app.lifecycle import HAS_ACCESS, MoveName, Protection, State
from migrations_app.models import Answer, Change, Departure, GivenAnswer, Plan

# What a team says of a user that it claims, and what then stands as the owner's answer.
ANSWERS = {
    "ours": Answer.NONE,
    "needed": Answer.NEEDED,
    "can-go": Answer.CAN_GO,
    "unsure": Answer.UNSURE,
}
UNCONTESTED: dict[str, Any] = {
    "contested_by_team": None,
    "contested_by": None,
    "contested_at": None,
}


def keep(  # noqa: PLR0917
    row: Departure,
    said: str,
    team: Team | None,
    person: Person | None,
    note: str = "",
    whose: Team | None = None,
) -> None:
    """Keep an answer for ever, with who gave it and when."""
    GivenAnswer.objects.create(
        departure=row,
        team=team,
        person=person,
        at=clock.now(),
        said=said,
        note=note.strip(),
        whose=whose,
    )


def own(row: Departure, team: Team, person: Person, *, answer: str, note: str) -> Departure:
    """`team` answers for the user from now on; claims and offers that this settles are over."""
    now = clock.now()
    columns: dict[str, Any] = {
        "owner": team,
        "owner_since": now,
        "claim_pending_team": None,
        "claim_pending_by": None,
        "handed_to": None,
        "handed_at": None,
        "answer": answer,
    }
    if answer:
        columns |= {"answered_by": person, "answered_at": now}
    if row.contested_by_team_id == team.pk:
        columns |= UNCONTESTED
    if row.owner_id not in (None, team.pk):
        # The new owner has not said that the new way in works.
        unconfirm_plan(row)
    if row.state in HAS_ACCESS:
        return move(row, MoveName.ASSIGN, actor=person, note=note, **columns)
    return record(row, "owner.changed", person, {"to": team.key, "note": note}, **columns)


def let_go(row: Departure, person: Person, why: str, **columns: Any) -> Departure:
    """Nobody answers for the user any more; another team's claim of it waits for Security."""
    if row.protection != Protection.NONE:
        raise Refused(f"{row.user} is protected and keeps its owner.")
    open_change = row.changes.filter(status__in=Change.OPEN).first()
    if open_change is not None:
        raise Refused(f"{row.user} is in batch {open_change.batch}. Take it out first.")
    freed = {"owner": None, "owner_since": None, "answer": Answer.NONE, "answered_at": None}
    columns = freed | columns | next_claim(row)
    return move(row, MoveName.RELEASE, actor=person, note=why, **columns)


def next_claim(row: Departure) -> dict[str, Any]:
    """The columns that make a contesting claim the one that waits; empty without a contest."""
    if row.contested_by_team_id is None:
        return {}
    last = row.answers.filter(team=row.contested_by_team, said__in=ANSWERS).first()
    return {
        "claim_pending_team": row.contested_by_team,
        "claim_pending_by": row.contested_by,
        "answer": ANSWERS[last.said] if last else Answer.NONE,
        "answered_by": row.contested_by,
        "answered_at": row.contested_at,
        **UNCONTESTED,
    }


def needs_engineer(row: Departure, team: Team, person: Person) -> bool:
    """Whether a claim of `team` waits for an engineer: not suggested to it, or of an admin user."""
    if may(person, Action.CLAIM) and person.has_role(Role.ENGINEER):
        return False
    # Rights that nobody could read are no reason to be less careful.
    surprising = row.user.may_administer or row.user.rights_unread
    return row.user.suggested_team_id != team.pk or surprising


def record(
    row: Departure,
    kind: str,
    person: Person | None,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> Departure:
    """Set columns and say so in the ledger."""
    return note(row, kind, actor=person, data=data, **columns)


def refuse_deleted(row: Departure) -> None:
    """A deleted user changes hands no more."""
    if row.state == State.DELETED:
        raise Refused(f"{row.user} was deleted. Its owner can no longer change.")


def refuse_stranger(row: Departure, team: Team | None) -> None:
    """Only a team that answers for a user, claims it or was asked about it speaks of it."""
    if team is None:
        return
    part = {row.owner_id, row.user.suggested_team_id, row.handed_to_id}
    part |= {row.claim_pending_team_id, row.contested_by_team_id}
    if team.pk in part or row.asks.filter(team=team).exists():
        return
    if not row.answers.filter(Q(team=team) | Q(whose=team)).exists():
        raise Refused(f"Nobody asked {team} about {row.user}. Claim it if it is yours.")


def unconfirm_plan(row: Departure) -> None:
    """The plan is unconfirmed again."""
    Plan.objects.filter(departure=row).unconfirm()
