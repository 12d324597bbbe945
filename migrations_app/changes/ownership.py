"""Who answers for an IAM user: claims, answers, disputes, adoption.

Ownership may change in every state but deleted; only `assign` and `release` move the state. Every
answer is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from inventory import clock, ledger
from inventory.models import Organization, Person, Role, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app import campaigning
from migrations_app.changes import campaigns, contests
from migrations_app.changes.owning import (
    ANSWERS,
    UNCONTESTED,
    keep,
    let_go,
    needs_engineer,
    next_claim,
    own,
    record,
    refuse_deleted,
    refuse_stranger,
)
from migrations_app.changes.state import locked
from migrations_app.lifecycle import HAS_ACCESS, State
from migrations_app.models import Answer, Batch, Departure, Notice, Plan
from migrations_app.outgoing import notices_claims

DISPUTE_DAYS = 30
# What ended before is no news any more, however long nobody swept.
LAPSE_TOLD_FOR = timedelta(days=7)
_UNANSWERED: dict[str, Any] = {"answer": Answer.NONE, "answered_by": None, "answered_at": None}
_UNCLAIMED: dict[str, Any] = {
    "claim_pending_team": None,
    "claim_pending_by": None,
    **_UNANSWERED,
}


def claim(
    departure: Departure, team: Team, person: Person, said: str = "ours", note: str = ""
) -> Departure:
    """`person` says that the IAM user is `team`'s; `said` is ours, needed, can-go or unsure.

    Of a user that was not suggested to the team, or that has admin rights, the claim waits for an
    engineer unless an engineer makes it. A claim of a user that another team has or claims is kept
    beside theirs, as a contest. Refused for a user that is gone.
    """
    require(person, Action.CLAIM, team)
    if said not in ANSWERS:
        raise Refused("Answer with: it is ours, still needed, it can go, or do not know yet.")
    with transaction.atomic():
        row = locked(departure)
        refuse_deleted(row)
        keep(row, said, team, person, note)
        if contests.holder_of(row) not in (None, team):
            return contests.contest(row, team, person, said)
        if row.owner_id is None and needs_engineer(row, team, person):
            return record(
                row,
                "claim.pending",
                person,
                {"team": team.key, "said": said},
                claim_pending_team=team,
                claim_pending_by=person,
                answer=ANSWERS[said],
                answered_by=person,
                answered_at=clock.now(),
            )
        return own(row, team, person, answer=ANSWERS[said] or row.answer, note=note)


def confirm_claim(departure: Departure, person: Person) -> Departure:
    """An engineer confirms a claim that waits for one."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        if row.claim_pending_team is None:
            raise Refused(f"No claim of {row.user} waits for a confirmation.")
        if row.contested_by_team is not None:
            raise Refused(f"{row.contested_by_team} claims {row.user} too. Choose one of the two.")
        team = row.claim_pending_team
        row = own(row, team, person, answer=row.answer, note="confirmed")
        notices_claims.tell_decided(row, team, person, confirmed=True)
        return row


def decline_claim(departure: Departure, person: Person) -> Departure:
    """An engineer declines a claim that waits for one; the user stays as it was.

    Where another team claims it too, that claim is the one that waits now.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        if row.claim_pending_team is None:
            raise Refused(f"No claim of {row.user} waits for a confirmation.")
        team = row.claim_pending_team
        keep(row, "declined", team, person)
        columns = _UNCLAIMED | next_claim(row)
        row = record(row, "claim.declined", person, {"team": team.key}, **columns)
        notices_claims.tell_decided(row, team, person, confirmed=False)
        return row


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
        refuse_deleted(row)
        refuse_stranger(row, team)
        if whose == team:
            raise Refused(f"You answer for {team}. Choose another team, or none.")
        keep(row, "not-ours", team, person, note, whose)
        data = {"team": team.key, "whose": whose.key if whose else ""}
        if row.owner_id == team.pk:
            if row.state != State.OWNER_ASSIGNED:
                raise Refused(
                    f"{row.user} is switched off and needs an owner. Hand it over to the team "
                    "whose it is, or ask Security to take it."
                )
            return let_go(row, person, "not ours")
        return record(row, "claim.not-ours", person, data, **_taken_back(row, team))


def undo_answer(departure: Departure, person: Person, team: Team | None = None) -> Departure:
    """Take the last answer (of `team`) back; possible until the user is in an approved batch.

    Once a batch has switched it off, restoring is the way back.
    """
    with transaction.atomic():
        row = locked(departure)
        given = row.answers.filter(team=team) if team else row.answers.all()
        last = given.first()
        if last is None or last.team is None or last.said in ("undo", "came-back", "declined"):
            raise Refused(f"There is no answer about {row.user} to take back.")
        require(person, Action.CLAIM, last.team)
        if row.changes.filter(batch__status__in=[Batch.Status.APPROVED, *Batch.LIVE]).exists():
            raise Refused(f"{row.user} is in an approved batch. Dispute it, or ask Security.")
        if row.fenced_at is not None and last.at < row.fenced_at:
            raise Refused(f"{row.user} was switched off since. Restore it if it is needed.")
        keep(row, "undo", last.team, person)
        if last.said == "dispute":
            return record(row, "dispute.ended", person, disputed_until=None, dispute_reason="")
        if last.said == "hand-over" and row.owner_id in (None, last.team_id):
            return record(row, "hand-over.undone", person, handed_to=None, handed_at=None)
        if last.said in ("not-ours", "hand-over"):
            # What another team answered since stays as it is.
            return record(row, "claim.undone", person)
        if row.state == State.OWNER_ASSIGNED and row.owner_id == last.team_id:
            return let_go(row, person, "answer taken back", **_UNCLAIMED)
        if row.owner_id == last.team_id:
            # Switched off: it keeps its owner, and the question is open again.
            return record(row, "claim.undone", person, **_UNANSWERED)
        return record(row, "claim.undone", person, **_taken_back(row, last.team))


def dispute(
    departure: Departure, person: Person, reason: str, until: date, team: Team | None = None
) -> Departure:
    """It stays as it is until `until` (30 days at most); blocks every forward move meanwhile.

    `team` says for whom, where nobody answers for it yet: whoever was asked.
    """
    with transaction.atomic():
        row = locked(departure)
        refuse_deleted(row)
        team = row.owner or team or row.user.suggested_team
        require(person, Action.CLAIM, team)
        refuse_stranger(row, team)
        today = clock.now().date()
        if not reason.strip():
            raise Refused("Say what is wrong, so that Security can answer.")
        if not today < until <= today + timedelta(days=DISPUTE_DAYS):
            last = today + timedelta(days=DISPUTE_DAYS)
            raise Refused(f"Choose a date from tomorrow to {last:%d %B}.")
        _refuse_endless(row, person, until)
        keep(row, "dispute", team, person, reason)
        row = record(
            row,
            "dispute.asked",
            person,
            {"until": str(until)},
            disputed_until=until,
            dispute_reason=reason.strip(),
            disputed_by=person,
        )
        notices_claims.tell_dispute(row, team)
        return row


def _refuse_endless(row: Departure, person: Person, until: date) -> None:
    """Disputes that follow one another are one, and may be kept on by an engineer only."""
    if person.has_role(Role.ENGINEER):
        return
    first = until
    for at in row.answers.filter(said="dispute").values_list("at", flat=True):
        if first - at.date() > 2 * timedelta(days=DISPUTE_DAYS):
            break
        first = at.date()
    last = first + timedelta(days=DISPUTE_DAYS)
    if until > last:
        raise Refused(
            f"It is disputed since {first:%d %B}, and for {DISPUTE_DAYS} days at most, so until "
            f"{last:%d %B}. Ask Security to keep it longer."
        )


def end_dispute(departure: Departure, person: Person, answer: str = "") -> Departure:
    """Whoever disputed, or an engineer, ends the dispute; its team hears `answer` from Security."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner or row.user.suggested_team)
        if row.disputed_until is None:
            raise Refused(f"{row.user} is not disputed.")
        team, until = disputed_for(row), row.disputed_until
        data = {"answer": answer.strip()} if answer.strip() else None
        row = record(row, "dispute.ended", person, data, disputed_until=None, dispute_reason="")
        if team is not None and not person.leads_team(team):
            notices_claims.tell_dispute_over(row, team, until, by=person, answer=answer)
        return row


def disputed_for(row: Departure) -> Team | None:
    """The team in whose name it was disputed, as far as there is one."""
    last = row.answers.filter(said="dispute").select_related("team").first()
    return (last.team if last else None) or row.owner


def tell_of_lapsed_disputes() -> None:
    """A team hears once that the last day of its dispute has passed. For the sweep."""
    today = clock.now().date()
    told = Notice.objects.filter(
        departures=OuterRef("pk"), kind="dispute-over", at__gte=OuterRef("disputed_until")
    )
    rows = Departure.objects.left().filter(
        ~Exists(told), disputed_until__lt=today, disputed_until__gte=today - LAPSE_TOLD_FOR
    )
    for row in rows.select_related("user__account", "owner"):
        if row.disputed_until is not None:
            notices_claims.tell_dispute_over(row, disputed_for(row), row.disputed_until)


def adopt(departures: Iterable[Departure], person: Person, *, leaked: bool = False) -> int:
    """An engineer takes unclaimed users for the custodian team; how many were taken.

    What a team was asked and can still answer in time is left to it, unless its keys are `leaked`.
    """
    require(person, Action.OPERATE)
    custodian = Organization.get().custodian
    if custodian is None:
        raise Refused("No custodian team is declared. Add `custodian:` to the organization file.")
    rows = list(departures)
    waiting = {} if leaked else _can_still_answer(rows)
    taken = 0
    for departure in rows:
        if departure.pk in waiting:
            continue
        try:
            taken += _adopt(departure, custodian, person)
        except Stale:
            # Somebody answered at this very moment; that counts, and holds up no other.
            if leaked:
                raise
    if waiting and not taken:
        raise Refused(*sorted(set(waiting.values())))
    campaigns.tell_what_was_adopted()
    return taken


def assign(departure: Departure, team: Team, person: Person, note: str = "") -> Departure:
    """An engineer gives the IAM user to a team, in whatever state it is."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        refuse_deleted(row)
        if _is_assigned(row, team, person, note):
            return row
        keep(row, "assign", team, person, note)
        row = own(row, team, person, answer=Answer.NONE, note=note)
        if row.contested_by_team is None:
            return row
        return record(row, "contest.settled", person, {"team": team.key}, **UNCONTESTED)


def _is_assigned(row: Departure, team: Team, person: Person, note: str) -> bool:
    """Whether the last that was said of it is this: all that a filter shows may be sent twice."""
    last = row.answers.first()
    return (
        last is not None
        and (last.said, last.team_id, last.person_id) == ("assign", team.pk, person.pk)
        and (last.note, row.owner_id) == (note.strip(), team.pk)
    )


def release(departure: Departure, person: Person) -> Departure:
    """The owning team lets go of a user that still has access; it is discovered again."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner)
        keep(row, "release", row.owner, person)
        return let_go(row, person, "released")


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
        return record(
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
    """The owner says that the new way in works, while the old one is still open."""
    with transaction.atomic():
        row = locked(departure)
        require(person, Action.CLAIM, row.owner)
        plan = Plan.objects.select_for_update().filter(departure=row).first()
        if plan is None:
            raise Refused(f"{row.user} has no plan yet. It is drafted after the next sync.")
        plan.departure = row
        if plan.why_not_confirmed:
            raise Refused(plan.why_not_confirmed)
        if plan.status != Plan.Status.CONFIRMED:
            plan.status = Plan.Status.CONFIRMED
            plan.confirmed_at, plan.confirmed_by, plan.note = clock.now(), person, note
            plan.save()
            ledger.append("plan.confirmed", actor=person, user=row.user, target=plan.target)
        return plan


def _taken_back(row: Departure, team: Team) -> dict[str, Any]:
    """The columns without whatever claim of `team` waits; another team's moves up."""
    if row.claim_pending_team_id == team.pk:
        return _UNCLAIMED | next_claim(row)
    return dict(UNCONTESTED) if row.contested_by_team_id == team.pk else {}


def _adopt(departure: Departure, custodian: Team, person: Person) -> bool:
    with transaction.atomic():
        row = locked(departure)
        if row.state != State.DISCOVERED:
            return False
        keep(row, "adopt", custodian, person)
        # A claim that waits for confirmation was another team's word, not the custodian's.
        answer = Answer.NONE if row.claim_pending_team_id else row.answer
        own(row, custodian, person, answer=answer, note="adopted")
        return True


def _can_still_answer(rows: Iterable[Departure]) -> dict[int, str]:
    """By departure why it is not adopted yet: its team was asked, and the deadline is to come."""
    asks = list(campaigning.running_asks().filter(departures__in=rows).distinct())
    left = campaigning.still_open(asks)
    return {
        pk: f"{ask.team} can still answer until {ask.deadline_at:%a %-d %b, %H:%M} UTC."
        for ask in asks
        for pk in left[ask.pk]
    }
