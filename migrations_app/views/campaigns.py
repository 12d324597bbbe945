"""Campaigns: an engineer asks teams, sees how far they are, and adopts what nobody answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory import clock
from inventory.models import Account, Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import campaigning, changes
from migrations_app.campaigning import TeamPlan
from migrations_app.forms.campaigns import AskForm
from migrations_app.models import Ask, Campaign, Departure
from migrations_app.outgoing import notices_campaigns
from migrations_app.outgoing.notices_campaigns import Words
from migrations_app.views.answers import done, person_of, rendered

# Beyond so many users they are asked about by team, without a box for each: a form has an end.
MOST_BOXES = 800


@dataclass(frozen=True, slots=True)
class Preview:
    """One team of the page: what it would get, and which of its users are ticked."""

    plan: TeamPlan
    ticked: bool
    users: frozenset[int]
    words: Words | None


@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """Whom to ask about what, with every message as the team will read it."""
    person = person_of(request)
    require(person, Action.OPERATE)
    plans = _plans(request)
    form = AskForm(request.POST) if request.method == "POST" else AskForm()
    if request.method != "POST":
        return rendered(request, "migrations_app/ask.html", _context(request, plans, form))
    if not form.is_valid() or request.POST.get("act") == "preview":
        status = 200 if form.is_valid() else 422
        context = _context(request, plans, form)
        return rendered(request, "migrations_app/ask.html", context, status=status)
    chosen = [row for one in plans for row in one.departures if _is_ticked(request, one, row)]
    if not chosen:
        if request.POST.get("users" if "single" in request.POST else "teams"):
            raise Refused("All of these have an owner, an answer or an open question by now.")
        raise Refused("Tick at least one user.", rule="input")
    deadline_at = _deadline(form, plans)
    started = changes.start_campaign(person, chosen, deadline_at, form.cleaned_data["message"])
    return done(request, _where(started), _said(started))


@require_GET
def campaign(request: HttpRequest, number: int) -> HttpResponse:
    """How far each team is."""
    require(person_of(request), Action.OPERATE)
    row = get_object_or_404(Campaign.objects.select_related("asked_by", "closed_by"), number=number)
    context = {"progress": campaigning.progress(row)}
    return rendered(request, "migrations_app/campaign.html", context)


@require_POST
def close(request: HttpRequest, number: int) -> HttpResponse:
    """Nobody is reminded any more."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = changes.close_campaign(get_object_or_404(Campaign, number=number), person)
    return done(request, reverse("campaign", args=[number]), f"Campaign {row} is closed.")


@require_POST
def adopt(request: HttpRequest) -> HttpResponse:
    """Take what was not answered in time for the custodian: ticked users, or whole teams."""
    person = person_of(request)
    require(person, Action.OPERATE)
    asks = list(Ask.objects.filter(pk__in=_numbers(request.POST, "asks")))
    pks = {pk for some in campaigning.still_open(asks).values() for pk in some}
    pks |= set(_numbers(request.POST, "users"))
    rows = list(Departure.objects.filter(pk__in=pks).select_related("user__account"))
    if not rows:
        raise Refused("Tick the users or teams to adopt.", rule="input")
    taken = changes.adopt(rows, person)
    left = len(rows) - taken
    kept = f" {left} stay: somebody has answered, or still can." if left else ""
    users = "1 user" if taken == 1 else f"{taken} users"
    return done(request, reverse("claims"), f"Adopted {users} for the custodian.{kept}")


def _plans(request: HttpRequest) -> list[TeamPlan]:
    """Everybody who can be asked, or `only` some; one team alone; in the account looked at."""
    only = _numbers(request.GET, "only")
    plans = campaigning.plan(Departure.objects.filter(pk__in=only) if only else None)
    account, team = request.GET.get("account", ""), request.GET.get("team", "")
    if account:
        of_account = (
            replace(
                one,
                departures=tuple(
                    row for row in one.departures if row.user.account.account_id == account
                ),
            )
            for one in plans
        )
        plans = [one for one in of_account if one.departures]
    return [one for one in plans if team in ("", one.team.key)]


def _context(request: HttpRequest, plans: Sequence[TeamPlan], form: AskForm) -> dict[str, Any]:
    now = clock.now()
    earliest = _earliest(plans, now)
    valid = form.is_bound and form.is_valid()
    deadline_at = (_deadline(form, plans) if valid else None) or earliest
    message = form.cleaned_data["message"] if valid else ""
    person = person_of(request)
    previews = [
        _preview(request, one, max(deadline_at, earliest), message, person) for one in plans
    ]
    zone = _zone(plans)
    asked = [one for one in previews if one.plan.can_be_told]
    return {
        "form": form,
        "teams": asked,
        "blocked": [one for one in previews if not one.plan.can_be_told],
        "users": sum(len(one.plan.departures) for one in asked),
        "single": _single(plans),
        "earliest": earliest,
        "deadline_at": deadline_at,
        "zone": zone,
        "unsuggested": Departure.objects.filter(
            state="discovered", protection="", user__gone_at=None, user__suggested_team=None
        ).count(),
        "accounts": Account.objects.filter(active=True),
        "query": request.GET.urlencode(),
        "left_out": _left_out(request, plans),
    }


def _preview(
    request: HttpRequest, plan: TeamPlan, deadline_at: datetime, message: str, person: Person
) -> Preview:
    ticked = frozenset(row.pk for row in plan.departures if _is_ticked(request, plan, row))
    rows = [row for row in plan.departures if row.pk in ticked] or list(plan.departures)
    words = None
    if plan.can_be_told:
        until = max(deadline_at, plan.running.deadline_at) if plan.running else deadline_at
        words = notices_campaigns.asked(plan.team, rows, until, message, person)
    whole = request.method != "POST" or plan.team.key in request.POST.getlist("teams")
    return Preview(plan, whole, ticked, words)


def _is_ticked(request: HttpRequest, plan: TeamPlan, row: Departure) -> bool:
    """A user is asked about where its team is ticked, and itself where it has a box."""
    if request.method != "POST":
        return True
    if plan.team.key not in request.POST.getlist("teams"):
        return False
    return "single" not in request.POST or str(row.pk) in request.POST.getlist("users")


def _left_out(request: HttpRequest, plans: Sequence[TeamPlan]) -> list[tuple[Departure, str]]:
    """Users that were chosen and can be asked of nobody, with why."""
    only = set(_numbers(request.GET, "only")) - {row.pk for one in plans for row in one.departures}
    rows = Departure.objects.filter(pk__in=only).select_related("user__account", "owner")
    return [(row, campaigning.why_not_asked(row)) for row in rows.order_by("user__user_name")]


def _single(plans: Sequence[TeamPlan]) -> bool:
    return sum(len(one.departures) for one in plans) <= MOST_BOXES


def _earliest(plans: Sequence[TeamPlan], now: datetime) -> datetime:
    accounts = {row.user.account for one in plans for row in one.departures}
    return campaigning.earliest_deadline(accounts, now) if accounts else now


def _zone(plans: Sequence[TeamPlan]) -> str:
    return next((row.user.account.time_zone for one in plans for row in one.departures), "UTC")


def _deadline(form: AskForm, plans: Sequence[TeamPlan]) -> datetime | None:
    return form.deadline_at(_earliest(plans, clock.now()), _zone(plans))


def _numbers(sent: QueryDict, name: str) -> list[int]:
    return [int(one) for one in sent.getlist(name) if one.isascii() and one.isdigit()]


def _where(started: changes.Started) -> str:
    if started.campaign is None:
        return reverse("claims")
    return reverse("campaign", args=[started.campaign.number])


def _said(started: changes.Started) -> str:
    told = len(started.asked) + len(started.added)
    words = f"Asked {told} team{'' if told == 1 else 's'}."
    if started.added:
        words += f" {len(started.added)} had an open question and got more users."
    if started.untold:
        names = ", ".join(team.name for team in started.untold)
        words += f" Nobody can tell {names}."
    return words
