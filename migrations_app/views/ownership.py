"""Who answers for one IAM user, and what people say of it: one POST per verb, from its page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from inventory import refresh
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Stale
from migrations_app import changes
from migrations_app.forms.people import (
    NoteForm,
    ProtectForm,
    ReasonForm,
    RemovedForm,
    TeamForm,
    UntilForm,
    VersionForm,
)
from migrations_app.models import Departure
from migrations_app.views.answers import cleaned, done, person_of


@require_POST
def assign(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Give it to a team."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    data = cleaned(TeamForm(request.POST))
    changes.assign(_as_seen(row, data), data["team"], person)
    return done(request, _page(row), f"{data['team']} now answers for {row.user}.")


@require_POST
def release(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Its team lets go of it."""
    person, row = _asked(request, account, user_id)
    if row.owner is None:
        # Its team pressed twice; of no team nobody would be allowed anything.
        require(person, Action.CLAIM)
        raise Stale(f"Nobody answers for {row.user} any more.")
    require(person, Action.CLAIM, row.owner)
    changes.release(_as_seen(row, cleaned(VersionForm(request.POST))), person)
    return done(request, _page(row), f"Nobody answers for {row.user} now.")


@require_POST
def hand_over(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Offer it to another team."""
    person, row = _asked(request, account, user_id)
    require(person, Action.CLAIM, row.owner or row.user.suggested_team)
    data = cleaned(TeamForm(request.POST))
    changes.hand_over(_as_seen(row, data), data["team"], person, data["reason"])
    return done(request, _page(row), f"Offered {row.user} to {data['team']}.")


@require_POST
def dispute(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """It must stay as it is until a date."""
    person, row = _asked(request, account, user_id)
    require(person, Action.CLAIM, row.owner or row.user.suggested_team)
    data = cleaned(UntilForm(request.POST))
    changes.dispute(_as_seen(row, data), person, data["reason"], data["until"])
    said = f"{row.user} stays as it is. Security answers within 2 working days."
    return done(request, _page(row), said)


@require_POST
def end_dispute(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The dispute is over; whoever settles several of them stays with the rest."""
    person, row = _asked(request, account, user_id)
    require(person, Action.CLAIM, row.owner or row.user.suggested_team)
    data = cleaned(NoteForm(request.POST))
    changes.end_dispute(_as_seen(row, data), person, data["reason"])
    to = reverse("claims") if request.POST.get("from") == "claims" else _page(row)
    return done(request, to, f"The dispute about {row.user} is over.")


@require_POST
def settle(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Two teams claim it; it is this one's."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    data = cleaned(TeamForm(request.POST))
    changes.settle(_as_seen(row, data), data["team"], person, data["reason"])
    return done(request, reverse("claims"), f"{row.user} belongs to {data['team']}. Both are told.")


@require_POST
def confirm_claim(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The claim of a team is right."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    team = row.claim_pending_team
    changes.confirm_claim(_as_seen(row, cleaned(VersionForm(request.POST))), person)
    return done(request, reverse("claims"), f"{team} now answers for {row.user}.")


@require_POST
def decline_claim(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The claim of a team is not right."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    changes.decline_claim(_as_seen(row, cleaned(VersionForm(request.POST))), person)
    return done(request, reverse("claims"), f"Declined. {row.user} stays as it was.")


@require_POST
def protect(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """It may not be touched, for a reason."""
    person, row = _asked(request, account, user_id)
    require(person, Action.PROTECT)
    data = cleaned(ProtectForm(request.POST))
    changes.protect(_as_seen(row, data), person, data["reason"], data["until"])
    return done(request, _page(row), f"{row.user} is protected now.")


@require_POST
def unprotect(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The protection is no longer needed."""
    person, row = _asked(request, account, user_id)
    require(person, Action.ADMINISTER)
    data = cleaned(ReasonForm(request.POST))
    changes.unprotect(_as_seen(row, data), person, data["reason"])
    return done(request, _page(row), f"{row.user} is no longer protected.")


@require_POST
def overrule(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """It may go although the evidence does not say so."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    data = cleaned(ReasonForm(request.POST))
    changes.overrule(_as_seen(row, data), person, data["reason"])
    return done(request, _page(row), "Overruled. The approver sees your note first.")


@require_POST
def removed_from_code(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Terraform or CloudFormation no longer declares it."""
    person, row = _asked(request, account, user_id)
    require(person, Action.OPERATE)
    data = cleaned(RemovedForm(request.POST))
    refresh.record_removed_from_code(row.user, person, data["reason"], data["signs"])
    return done(request, _page(row), f"Recorded. Its declaration no longer blocks {row.user}.")


@require_POST
def confirm_plan(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """The new way in works."""
    person, row = _asked(request, account, user_id)
    require(person, Action.CLAIM, row.owner)
    data = cleaned(NoteForm(request.POST))
    changes.confirm_plan(_as_seen(row, data), person, data["reason"])
    return done(request, _page(row), "Confirmed. The old credentials have to be quiet now.")


def _asked(request: HttpRequest, account: str, user_id: str) -> tuple[Person, Departure]:
    rows = Departure.objects.select_related(
        "user__account", "user__suggested_team", "owner", "claim_pending_team"
    )
    row = get_object_or_404(rows, user__account__account_id=account, user__user_id=user_id)
    return person_of(request), row


def _as_seen(row: Departure, data: dict[str, object]) -> Departure:
    """The row with the version that the person saw: the verb refuses if it moved meanwhile."""
    version = data.get("version")
    if isinstance(version, int):
        row.version = version
    return row


def _page(row: Departure) -> str:
    return reverse("user", args=[row.user.account.account_id, row.user.user_id])
