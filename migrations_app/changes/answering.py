"""One answer of a team about one IAM user, as the claim page and the API take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from inventory.models import Person, Team
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused, Stale
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
    `version`, Stale where the row moved since the person saw it, unless by this very answer: a
    button that was pressed twice.
    """
    require(person, Action.CLAIM, team)
    if version is not None:
        departure.version = version
    try:
        _answer(departure, team, person, said, whose, reason, until)
    except Stale:
        if not _is_said(departure, team, person, said, whose, reason, until):
            raise


def _answer(  # noqa: PLR0917
    departure: Departure,
    team: Team,
    person: Person,
    said: str,
    whose: Team | None,
    reason: str,
    until: date | None,
) -> None:
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


def _is_said(  # noqa: PLR0917
    departure: Departure,
    team: Team,
    person: Person,
    said: str,
    whose: Team | None,
    reason: str,
    until: date | None,
) -> bool:
    """Whether this very answer is the last that was kept."""
    last = departure.answers.select_related("team", "person", "whose").first()
    if last is None or (last.said, last.note) != (said, reason.strip()):
        return False
    if said == "dispute" and Departure.objects.get(pk=departure.pk).disputed_until != until:
        return False
    return (last.team, last.person, last.whose) == (team, person, whose)


@dataclass(frozen=True, slots=True)
class Answered:
    """How one answer about several users ended: how many took it, and why others did not."""

    done: int
    refused: tuple[str, ...]


def answer_many(
    departures: Iterable[Departure],
    team: Team,
    person: Person,
    said: str,
    versions: Mapping[int, int],
    **data: Any,
) -> Answered:
    """The same answer about each of these; one that moved meanwhile is left out and named.

    `versions` by pk is what the person saw; the rest is as for `answer`.
    """
    require(person, Action.CLAIM, team)
    done, refused = 0, []
    for row in departures:
        name = row.user.user_name
        try:
            answer(row, team, person, said, version=versions.get(row.pk), **data)
        except NotAllowed:
            raise
        except Refused as refusal:
            refused += [
                reason if name in reason else f"{name}: {reason}" for reason in refusal.reasons
            ]
        else:
            done += 1
    return Answered(done, tuple(refused))
