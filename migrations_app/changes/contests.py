"""Two teams that claim the same IAM user: both claims are kept, and Security settles it.

While a contest is open no forward move happens (guard `contest`). Who had the user keeps it
meanwhile, so that somebody answers for it and can restore it.
"""

from __future__ import annotations

from django.db import transaction

from inventory import clock
from inventory.models import Person, Role, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app.changes.owning import ANSWERS, UNCONTESTED, keep, own, record
from migrations_app.changes.state import locked
from migrations_app.models import Answer, Departure
from migrations_app.outgoing import notices_claims


def holder_of(row: Departure) -> Team | None:
    """The team that has the user, or whose claim of it came first."""
    return row.owner or row.claim_pending_team


def contest(row: Departure, team: Team, person: Person, said: str) -> Departure:
    """Keep a second claim beside the first. The caller kept the answer and holds the lock."""
    first = holder_of(row)
    if row.contested_by_team_id not in (None, team.pk):
        raise Refused(
            f"{first} and {row.contested_by_team} both claim {row.user}. Security settles it."
        )
    again = row.contested_by_team_id == team.pk
    if not again and _settled_against(row, team) and not person.has_role(Role.ENGINEER):
        raise Refused(
            f"Security settled that {row.user} belongs to {first}. Ask Security, or have {first} "
            "hand it over."
        )
    row = record(
        row,
        "claim.contested",
        person,
        {"team": team.key, "first": first.key if first else "", "said": said},
        contested_by_team=team,
        contested_by=person,
        contested_at=row.contested_at if again else clock.now(),
    )
    if not again:
        notices_claims.tell_contest(row)
    return row


def settle(departure: Departure, team: Team, person: Person, reason: str = "") -> Departure:
    """Security decides whose a contested user is; both teams are told.

    The user's state does not change, whichever team it is.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = locked(departure)
        first, second = holder_of(row), row.contested_by_team
        if first is None or second is None:
            raise Refused(f"Only one team claims {row.user}; there is nothing to settle.")
        if team not in (first, second):
            raise Refused(f"Choose {first} or {second}; {team} does not claim {row.user}.")
        since = row.contested_at
        keep(row, "settled", None, person, reason, team)
        if team == row.owner:
            data = {"team": team.key, "note": reason}
            row = record(row, "contest.settled", person, data, **UNCONTESTED)
        else:
            answer = row.answer if team == row.claim_pending_team else said_by(row, team)
            cleared = own(row, team, person, answer=answer, note=reason or "contest settled")
            row = _cleared(cleared, person, team)
        notices_claims.tell_settled(row, since, winner=team, first=first, second=second)
        return row


def _settled_against(row: Departure, team: Team) -> bool:
    """Whether Security chose another team since this one last had it."""
    last = row.answers.filter(said="settled").first()
    return last is not None and last.whose_id not in (None, team.pk)


def said_by(row: Departure, team: Team) -> str:
    """What the last claim of `team` says of whether the user is still needed."""
    last = row.answers.filter(team=team, said__in=ANSWERS).first()
    return ANSWERS[last.said] if last else Answer.NONE


def _cleared(row: Departure, person: Person, team: Team) -> Departure:
    return record(row, "contest.settled", person, {"team": team.key}, **UNCONTESTED)
