"""One team offers an IAM user to another, which takes it, sends it back, or lets the time pass."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from inventory import clock
from inventory.models import Person, Team
from inventory.permissions import Action, require
from inventory.policy import add_working_days
from inventory.refusals import Refused, Stale
from migrations_app.changes.owning import (
    keep,
    needs_engineer,
    own,
    record,
    refuse_deleted,
    refuse_stranger,
)
from migrations_app.changes.state import locked
from migrations_app.models import Answer, Departure
from migrations_app.outgoing import notices_claims

DAYS_TO_ACCEPT = 5


def hand_over(
    departure: Departure,
    to_team: Team,
    person: Person,
    note: str = "",
    *,
    from_team: Team | None = None,
) -> Departure:
    """Offer the IAM user to another team; it stays where it is until that team takes it.

    Of a user that nobody answers for yet it is offered by the team that was asked about it:
    `from_team`, or the suggested one.
    """
    with transaction.atomic():
        row = locked(departure)
        refuse_deleted(row)
        team = row.owner or from_team or row.user.suggested_team
        require(person, Action.CLAIM, team)
        if team is None:
            raise Refused(f"Nobody was asked about {row.user} yet. Assign it to a team.")
        if team == to_team:
            raise Refused(f"{row.user} is with {to_team} already.")
        refuse_stranger(row, team)
        if row.contested_by_team_id or row.claim_pending_team_id not in (None, team.pk):
            raise Refused(f"Another team claims {row.user}. Security settles that first.")
        keep(row, "hand-over", team, person, note, to_team)
        row = record(
            row,
            "hand-over.asked",
            person,
            {"to": to_team.key},
            handed_to=to_team,
            handed_at=clock.now(),
        )
        notices_claims.tell_offer(row, team, DAYS_TO_ACCEPT, note)
        return row


def accept_hand_over(departure: Departure, person: Person) -> Departure:
    """A lead of the team that was asked takes the IAM user.

    What nobody answered for before is a claim like any other: a surprising one waits for an
    engineer.
    """
    with transaction.atomic():
        row = locked(departure)
        taker = row.handed_to
        if taker is None:
            raise Refused(f"Nobody offered {row.user} to another team.")
        require(person, Action.CLAIM, taker)
        keep(row, "ours", taker, person, "accepted a hand-over")
        giver = offered_by(row)
        if row.owner_id is None and needs_engineer(row, taker, person):
            row = record(
                row,
                "claim.pending",
                person,
                {"team": taker.key, "said": "ours"},
                claim_pending_team=taker,
                claim_pending_by=person,
                answer=Answer.NONE,
                answered_by=person,
                answered_at=clock.now(),
                handed_to=None,
                handed_at=None,
            )
        else:
            row = own(row, taker, person, answer=Answer.NONE, note="handed over")
        notices_claims.tell_taken(row, giver, taker)
        return row


def decline_hand_over(departure: Departure, person: Person) -> Departure:
    """A lead of the team that was asked sends the IAM user back."""
    with transaction.atomic():
        row = locked(departure)
        taker = row.handed_to
        if taker is None:
            raise Refused(f"Nobody offered {row.user} to another team.")
        require(person, Action.CLAIM, taker)
        keep(row, "not-ours", taker, person, "declined a hand-over")
        return _back(row, person, "hand-over.declined", taker)


def give_back_what_nobody_took() -> int:
    """What was offered five working days ago comes back by itself; how many did. For the sweep."""
    rows = Departure.objects.filter(handed_to__isnull=False).select_related("user__account")
    return sum(_give_back(row) for row in rows if _due_at(row) <= clock.now())


def comes_back_at(row: Departure) -> datetime | None:
    """When an offer comes back, aware UTC; None where nothing is offered."""
    return _due_at(row) if row.handed_at else None


def offered_by(row: Departure) -> Team | None:
    """The team that offers the user: its owner, or whoever was asked about it."""
    if row.owner is not None:
        return row.owner
    last = row.answers.filter(said="hand-over").select_related("team").first()
    return last.team if last else None


def _give_back(departure: Departure) -> bool:
    try:
        with transaction.atomic():
            row = locked(departure)
            taker = row.handed_to
            if taker is None:
                return False
            keep(row, "came-back", taker, None, f"not taken in {DAYS_TO_ACCEPT} working days")
            _back(row, None, "hand-over.came-back", taker)
    except Stale:
        # Somebody answered at this very moment; that counts.
        return False
    return True


def _back(row: Departure, person: Person | None, kind: str, taker: Team) -> Departure:
    giver = offered_by(row)
    row = record(row, kind, person, {"to": taker.key}, handed_to=None, handed_at=None)
    notices_claims.tell_back(row, giver, taker, by_itself=person is None)
    return row


def _due_at(row: Departure) -> datetime:
    offered = row.handed_at or clock.now()
    return add_working_days(offered, DAYS_TO_ACCEPT, row.user.account.time_zone)
