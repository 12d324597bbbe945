"""One answer of a team about one IAM user, as the claim page and the API take it."""

from __future__ import annotations

from datetime import date

from inventory.models import Person, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app.changes import handing_over, ownership
from migrations_app.models import Departure


def answer(
    departure: Departure,
    team: Team,
    person: Person,
    said: str,
    *,
    whose: Team | None = None,
    reason: str = "",
    until: date | None = None,
    version: int | None = None,
) -> None:
    """What `said` stands for is done: ours, needed, can-go, unsure, not-ours, dispute and so on.

    `whose` is the team for not-ours and hand-over, `until` the last day of a dispute. With
    `version`, Stale where the row moved since the person saw it.
    """
    require(person, Action.CLAIM, team)
    if version is not None:
        departure.version = version
    if said == "not-ours":
        ownership.not_ours(departure, team, person, whose, reason)
    elif said == "dispute":
        if until is None:
            raise Refused("Say until when it must stay.", rule="input")
        ownership.dispute(departure, person, reason, until, team)
    elif said == "hand-over":
        if whose is None:
            raise Refused("Choose the team to hand it to.", rule="input")
        handing_over.hand_over(departure, whose, person, reason, from_team=team)
    elif said == "undo":
        ownership.undo_answer(departure, person, team)
    elif said == "accept":
        handing_over.accept_hand_over(departure, person)
    elif said == "decline":
        handing_over.decline_hand_over(departure, person)
    else:
        ownership.claim(departure, team, person, said, reason)
