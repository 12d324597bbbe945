"""Claims: a team's answers about IAM users."""

from __future__ import annotations

from datetime import date
from typing import Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from inventory.models import Scope, Team
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.api.door import acts, person_of
from migrations_app.api.fields import AccountId, Asked, Note, TeamKey, UserId
from migrations_app.api.users import departure_of
from migrations_app.forms.people import AnswerForm, problems

router = Router(tags=["Claims"])
Said = Literal[
    "ours",
    "needed",
    "can-go",
    "unsure",
    "not-ours",
    "dispute",
    "hand-over",
    "accept",
    "decline",
    "undo",
]


class GivenAnswer(Asked):
    """What a team says about one IAM user."""

    account: AccountId
    user_id: UserId
    team: TeamKey = Field(description="The team that answers; yours, unless you are an engineer.")
    said: Said = Field(description="needed, can-go and unsure claim it as well.")
    whose: TeamKey | None = Field(None, description="Whose it is, for not-ours and hand-over.")
    reason: Note = ""
    until: date | None = Field(None, description="The last day of a dispute, 30 days at most.")
    version: int | None = Field(None, ge=0, le=2**31 - 1)


class Claimed(Schema):
    """Who answers for the user now."""

    account_id: str
    user_id: str
    user_name: str
    state: str
    owner: str
    answer: str
    waits_for_security: bool = Field(
        description="An engineer confirms the claim, or settles whose it is."
    )
    handed_to: str
    disputed_until: date | None
    version: int


@acts(router, "claims", Scope.CLAIM, answer=Claimed, name="claim")
def claim(request: HttpRequest, said: GivenAnswer) -> Claimed:
    """Claim an IAM user, or answer otherwise

    A claim of a user that was not suggested to the team, or that has admin rights, waits for an
    engineer; so does one of a user that another team has or claims, and both are kept.
    """
    departure = departure_of(said.account, said.user_id)
    team = get_object_or_404(Team, key=said.team, active=True)
    form = AnswerForm(said.model_dump(exclude={"account", "user_id", "team"}))
    if not form.is_valid():
        raise Refused(*problems(form), rule="input")
    changes.answer(departure, team, person_of(request), **form.cleaned_data)
    now = departure_of(said.account, said.user_id)
    return Claimed(
        account_id=said.account,
        user_id=now.user.user_id,
        user_name=now.user.user_name,
        state=now.state,
        owner=now.owner.key if now.owner else "",
        answer=now.answer,
        waits_for_security=bool(now.claim_pending_team_id or now.contested_by_team_id),
        handed_to=now.handed_to.key if now.handed_to else "",
        disputed_until=now.disputed_until,
        version=now.version,
    )
