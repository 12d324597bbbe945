"""Who answers for an IAM user: claims, answers, disputes, hand-overs, adoption.

Ownership may change in every state but deleted; only `assign` and `release` move the state. Every
answer is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from inventory import clock, ledger
from inventory.models import Organization, Person, Role, Team
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app.changes.state import locked, move, note
from migrations_app.lifecycle import HAS_ACCESS, MoveName, Protection, State
from migrations_app.models import Answer, Batch, Change, Departure, GivenAnswer, Plan

DISPUTE_DAYS = 30
_ANSWERS = {
    "ours": Answer.NONE,
    "needed": Answer.NEEDED,
    "can-go": Answer.CAN_GO,
    "unsure": Answer.UNSURE,
}


def claim(
    departure: Departure, team: Team, person: Person, said: str = "ours", note: str = ""
) -> Departure:
    """`person` says that the IAM user is `team`'s; `said` is ours, needed, can-go or unsure.

    Of a user that was not suggested to the team, or that has admin rights, the claim waits for an
    engineer unless an engineer makes it. Refused for a user that another team owns or that is gone.
    """
    require(person, Action.CLAIM, team)
    if said not in _ANSWERS:
        raise Refused("Answer with: it is ours, still needed, it can go, or do not know yet.")
    with transaction.atomic():
        row = locked(departure)
        _refuse_deleted(row)
        if row.owner_id not in (None, team.pk):
            raise Refused(f"{row.user} belongs to {row.owner}. Ask them to hand it over.")
        _keep(row, said, team, person, note)
        if row.owner_id is None and _needs_engineer(row, team, person):
            return _set(
                row,
                "claim.pending",
                person,
                {"team": team.key, "said": said},
                claim_pending_team=team,
                claim_pending_by=person,
                answer=_ANSWERS[said],
                answered_by=person,
                answered_at=clock.now(),
            )
        return _own(row, team, person, answer=_ANSWERS[said] or row.answer, note=note)


def confirm_claim(departure: Departure, person: Person) -> Departure:
    """An engineer confirms a claim that waits for one."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        if row.claim_pending_team is None:
            raise Refused(f"No claim of {row.user} waits for a confirmation.")
        return _own(row, row.claim_pending_team, person, answer=row.answer, note="confirmed")


def decline_claim(departure: Departure, person: Person) -> Departure:
    """An engineer declines a claim that waits for one; the user stays as it was."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        if row.claim_pending_team is None:
            raise Refused(f"No claim of {row.user} waits for a confirmation.")
        data = {"team": row.claim_pending_team.key}
        return _set(
            row,
            "claim.declined",
            person,
            data,
            claim_pending_team=None,
            claim_pending_by=None,
            answer=Answer.NONE,
            answered_by=None,
            answered_at=None,
        )


def not_ours(
    departure: Departure, team: Team, person: Person, whose: Team | None = None, note: str = ""
) -> Departure:
    """`team` says that the IAM user is not theirs, and perhaps whose it is.

    A user that the team owned goes back to discovered, unless it is switched off: that one keeps
    its owner until somebody else takes it.
    """
    require(person, Action.CLAIM, team)
    with transaction.atomic():
        row = locked(departure)
        _refuse_deleted(row)
        _keep(row, "not-ours", team, person, note, whose)
        data = {"team": team.key, "whose": whose.key if whose else ""}
        if row.owner_id == team.pk:
            if row.state != State.OWNER_ASSIGNED:
                raise Refused(
                    f"{row.user} is switched off and needs an owner. Hand it over to the team "
                    "whose it is, or ask Security to take it."
                )
            return _release(row, person, "not ours")
        return _set(row, "claim.not-ours", person, data)


def undo_answer(departure: Departure, person: Person) -> Departure:
    """Take the last answer back; possible until the user is in an approved batch."""
    with transaction.atomic():
        row = locked(departure)
        last = row.answers.first()
        if last is None or last.said == "undo":
            raise Refused(f"There is no answer about {row.user} to take back.")
        require(person, Action.CLAIM, last.team)
        if row.changes.filter(batch__status__in=[Batch.Status.APPROVED, *Batch.LIVE]).exists():
            raise Refused(f"{row.user} is in an approved batch. Dispute it, or ask Security.")
        _keep(row, "undo", last.team, person)
        theirs = last.team_id in (row.owner_id, row.claim_pending_team_id)
        if last.said == "not-ours" or (not theirs and last.said not in ("dispute", "hand-over")):
            # What another team answered since stays as it is.
            return _set(row, "claim.undone", person)
        if last.said == "dispute":
            return _set(row, "dispute.ended", person, disputed_until=None, dispute_reason="")
        if last.said == "hand-over":
            return _set(row, "hand-over.undone", person, handed_to=None, handed_at=None)
        cleared: dict[str, Any] = {
            "answer": Answer.NONE,
            "answered_by": None,
            "answered_at": None,
            "claim_pending_team": None,
            "claim_pending_by": None,
        }
        if row.state == State.OWNER_ASSIGNED and row.owner_id == last.team_id:
            return _release(row, person, "answer taken back", **cleared)
        return _set(row, "claim.undone", person, **cleared)


def hand_over(departure: Departure, to_team: Team, person: Person, note: str = "") -> Departure:
    """Offer the IAM user to another team, which accepts it or sends it back."""
    with transaction.atomic():
        row = locked(departure)
        _refuse_deleted(row)
        team = row.owner
        if team is None:
            raise Refused(
                f"Nobody answers for {row.user} yet, so nobody can hand it over. Claim it."
            )
        require(person, Action.CLAIM, team)
        if team == to_team:
            raise Refused(f"{row.user} is with {to_team} already.")
        _keep(row, "hand-over", team, person, note, to_team)
        return _set(
            row,
            "hand-over.asked",
            person,
            {"to": to_team.key},
            handed_to=to_team,
            handed_at=clock.now(),
        )


def accept_hand_over(departure: Departure, person: Person) -> Departure:
    """A lead of the team that was asked takes the IAM user."""
    with transaction.atomic():
        row = locked(departure)
        if row.handed_to is None:
            raise Refused(f"Nobody offered {row.user} to another team.")
        require(person, Action.CLAIM, row.handed_to)
        _keep(row, "ours", row.handed_to, person, "accepted a hand-over")
        return _own(row, row.handed_to, person, answer=Answer.NONE, note="handed over")


def decline_hand_over(departure: Departure, person: Person) -> Departure:
    """A lead of the team that was asked sends the IAM user back."""
    with transaction.atomic():
        row = locked(departure)
        if row.handed_to is None:
            raise Refused(f"Nobody offered {row.user} to another team.")
        require(person, Action.CLAIM, row.handed_to)
        _keep(row, "not-ours", row.handed_to, person, "declined a hand-over")
        data = {"to": row.handed_to.key}
        return _set(row, "hand-over.declined", person, data, handed_to=None, handed_at=None)


def dispute(departure: Departure, person: Person, reason: str, until: date) -> Departure:
    """It stays as it is until `until` (30 days at most); blocks every forward move meanwhile."""
    with transaction.atomic():
        row = locked(departure)
        _refuse_deleted(row)
        team = row.owner or row.user.suggested_team
        require(person, Action.CLAIM, team)
        today = clock.now().date()
        if not reason.strip():
            raise Refused("Say what is wrong, so that Security can answer.")
        if not today < until <= today + timedelta(days=DISPUTE_DAYS):
            last = today + timedelta(days=DISPUTE_DAYS)
            raise Refused(f"Choose a date from tomorrow to {last:%d %B}.")
        _keep(row, "dispute", team, person, reason)
        return _set(
            row,
            "dispute.asked",
            person,
            {"until": str(until)},
            disputed_until=until,
            dispute_reason=reason.strip(),
            disputed_by=person,
        )


def end_dispute(departure: Departure, person: Person) -> Departure:
    """Whoever disputed, or an engineer, ends the dispute."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner or row.user.suggested_team)
        if row.disputed_until is None:
            raise Refused(f"{row.user} is not disputed.")
        return _set(row, "dispute.ended", person, disputed_until=None, dispute_reason="")


def adopt(departures: Iterable[Departure], person: Person) -> int:
    """An engineer takes unclaimed users for the custodian team; how many were taken."""
    require(person, Action.OPERATE)
    custodian = Organization.get().custodian
    if custodian is None:
        raise Refused("No custodian team is declared. Add `custodian:` to the organization file.")
    taken = 0
    for departure in departures:
        with transaction.atomic():
            row = locked(departure)
            if row.state != State.DISCOVERED:
                continue
            _keep(row, "adopt", custodian, person)
            # A claim that waits for confirmation was another team's word, not the custodian's.
            answer = Answer.NONE if row.claim_pending_team_id else row.answer
            _own(row, custodian, person, answer=answer, note="adopted")
            taken += 1
    return taken


def assign(departure: Departure, team: Team, person: Person, note: str = "") -> Departure:
    """An engineer gives the IAM user to a team, in whatever state it is."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        _refuse_deleted(row)
        _keep(row, "assign", team, person, note)
        return _own(row, team, person, answer=Answer.NONE, note=note)


def release(departure: Departure, person: Person) -> Departure:
    """The owning team lets go of a user that still has access; it is discovered again."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner)
        _keep(row, "release", row.owner, person)
        return _release(row, person, "released")


def overrule(departure: Departure, person: Person, note: str) -> Departure:
    """An engineer overrules the verdict, with a note that the approver sees first.

    For `active` the owner's "it can go" is needed too. It lapses with any later activity (guards).
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        if not note.strip():
            raise Refused("Say why this user may go although the evidence does not say so.")
        if row.state not in HAS_ACCESS:
            raise Refused(f"{row.user} is {State(row.state).label}; there is nothing to overrule.")
        verdict = row.user.verdict
        if verdict == "active" and row.answer != Answer.CAN_GO:
            raise Refused(f"{row.user} is in use. Its owner must first answer: it can go.")
        return _set(
            row,
            "verdict.overruled",
            person,
            {"verdict": verdict, "note": note},
            overruled_at=clock.now(),
            overruled_by=person,
            overruled_verdict=verdict,
            overruled_note=note.strip(),
        )


def confirm_plan(departure: Departure, person: Person, note: str = "") -> Plan:
    """The owner says that the new way in works."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner)
        plan = Plan.objects.select_for_update().filter(departure=row).first()
        if plan is None:
            raise Refused(f"{row.user} has no plan yet. It is drafted after the next sync.")
        if plan.status != Plan.Status.CONFIRMED:
            plan.status = Plan.Status.CONFIRMED
            plan.confirmed_at, plan.confirmed_by, plan.note = clock.now(), person, note
            plan.save()
            ledger.append("plan.confirmed", actor=person, user=row.user, target=plan.target)
        return plan


def _own(row: Departure, team: Team, person: Person, *, answer: str, note: str) -> Departure:
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
    if row.owner_id not in (None, team.pk):
        # The new owner has not said that the new way in works.
        _unconfirm_plan(row)
    if row.state in HAS_ACCESS:
        return move(row, MoveName.ASSIGN, actor=person, note=note, **columns)
    return _set(row, "owner.changed", person, {"to": team.key, "note": note}, **columns)


def _release(row: Departure, person: Person, why: str, **columns: Any) -> Departure:
    if row.protection != Protection.NONE:
        raise Refused(f"{row.user} is protected and keeps its owner.")
    open_change = row.changes.filter(status__in=Change.OPEN).first()
    if open_change is not None:
        raise Refused(f"{row.user} is in batch {open_change.batch}. Take it out first.")
    return move(
        row,
        MoveName.RELEASE,
        actor=person,
        note=why,
        **(
            {"owner": None, "owner_since": None, "answer": Answer.NONE, "answered_at": None}
            | columns
        ),
    )


def _unconfirm_plan(row: Departure) -> None:
    Plan.objects.filter(departure=row).update(
        status=Plan.Status.DRAFT, confirmed_at=None, confirmed_by=None
    )


def _needs_engineer(row: Departure, team: Team, person: Person) -> bool:
    if may(person, Action.CLAIM) and person.has_role(Role.ENGINEER):
        return False
    # Rights that nobody could read are no reason to be less careful.
    surprising = row.user.may_administer or row.user.rights_unread
    return row.user.suggested_team_id != team.pk or surprising


def _keep(  # noqa: PLR0917
    row: Departure,
    said: str,
    team: Team | None,
    person: Person,
    note: str = "",
    whose: Team | None = None,
) -> None:
    GivenAnswer.objects.create(
        departure=row,
        team=team,
        person=person,
        at=clock.now(),
        said=said,
        note=note.strip(),
        whose=whose,
    )


def _set(
    row: Departure,
    kind: str,
    person: Person,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> Departure:
    return note(row, kind, actor=person, data=data, **columns)


def _refuse_deleted(row: Departure) -> None:
    if row.state == State.DELETED:
        raise Refused(f"{row.user} was deleted. Its owner can no longer change.")
