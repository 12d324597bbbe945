"""Claims: a lead answers for a team in two minutes; Security sees what is still open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import F, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import trigger_client_event

from inventory import at_once, clock
from inventory.models import LedgerEntry, Person, Team
from inventory.permissions import Action, may, require
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import campaign_list, changes
from migrations_app.beginnings import Beginning
from migrations_app.changes.ownership import DISPUTE_DAYS
from migrations_app.claims import claiming, owing, security
from migrations_app.forms.people import AnswerForm
from migrations_app.lifecycle import State
from migrations_app.models import Campaign, Departure, Listed
from migrations_app.outgoing import notices
from migrations_app.templatetags.screens import team_options
from migrations_app.users import listing
from migrations_app.views.answers import (
    cleaned,
    done,
    is_fragment,
    person_of,
    really_opened,
    rendered,
)

TEMPLATE = "migrations_app/claim.html"
CAMPAIGNS = 20
COUNTED_TEAMS = 8


@require_safe
def claim_mine(request: HttpRequest) -> HttpResponse:
    """The claim page of the person's team; a choice for whoever leads several."""
    person = person_of(request)
    require(person, Action.CLAIM)
    now = clock.now()
    teams = person.leading()
    if len(teams) == 1:
        return redirect("claim", team=teams[0].key)
    if not teams:
        teams = list(Team.objects.filter(active=True))
    # Whoever leads none may look at all of them; counting for hundreds would take seconds.
    counted = len(teams) <= COUNTED_TEAMS
    rows = [(team, owing.open_cards(team, now) if counted else None) for team in teams]
    return rendered(request, "migrations_app/claim_teams.html", {"teams": rows})


@require_safe
def claim(request: HttpRequest, team: str) -> HttpResponse:
    """The IAM users that this team is asked about. That a lead came is noted, and nothing else."""
    person, row = _team(request, team)
    if really_opened(request):
        notices.open_questions(row, person)
    return rendered(request, TEMPLATE, _context(row, person))


@require_POST
def answer(request: HttpRequest, team: str, pk: int) -> HttpResponse:
    """One answer about one user; htmx gets its card, the progress and where to go on."""
    person, asked = _team(request, team)
    rows = Departure.objects.select_related("user__account", "user__suggested_team", "owner")
    departure = get_object_or_404(rows, pk=pk)
    try:
        changes.answer(departure, asked, person, **cleaned(AnswerForm(request.POST)))
    except NotAllowed:
        raise
    except Refused as refusal:
        return _answered(request, asked, person, pk, refusal)
    return _answered(request, asked, person, pk)


@require_POST
def answer_several(request: HttpRequest, team: str) -> HttpResponse:
    """The same answer about every user that was ticked; each was seen in a version of its own."""
    person, asked = _team(request, team)
    versions = _versions(request)
    if not versions:
        raise Refused("Tick the users that this answer is about.", rule="input")
    data = cleaned(AnswerForm(request.POST))
    data.pop("version")
    rows = Departure.objects.filter(pk__in=versions).select_related(
        "user__account", "user__suggested_team", "owner"
    )
    ended = changes.answer_many(rows, asked, person, versions=versions, **data)
    for reason in ended.refused:
        messages.error(request, reason)
    users = "1 user" if ended.done == 1 else f"{ended.done} users"
    return done(request, reverse("claim", args=[asked.key]), f"Answered for {users}.")


@require_GET
def claims(request: HttpRequest) -> HttpResponse:
    """For Security: claims to confirm, disputes, hand-overs, and who has nobody yet."""
    person = person_of(request)
    if may(person, Action.CLAIM) and not may(person, Action.OPERATE):
        return redirect("claim-mine")
    require(person, Action.OPERATE)
    campaigns = Campaign.objects.select_related("asked_by").order_by(
        F("closed_at").desc(nulls_first=True), "-number"
    )[:CAMPAIGNS]
    told = at_once.ask(
        Person.objects.filter(pk=person.pk),
        {
            **security.decisions(clock.now().date()),
            **campaign_list.questions(campaigns),
            "campaigns": campaigns,
            "teams": Team.objects.all(),
            "head": Subquery(LedgerEntry.objects.order_by("-seq").values("hash")[:1]),
        },
    )
    teams, head = {team.pk: team for team in told["teams"]}, told["head"] or ""
    lines = campaign_list.lines(told["campaigns"], told["standing"], told["opened"], teams, head)
    total, waiting = security.nobodys(teams, head)
    listed = Listed.objects.filter(state=State.DISCOVERED, departure__claim_pending_team=None)
    context = {
        **{name: Beginning(told[name]) for name in ("contests", "pending", "disputes", "offered")},
        "campaigns": lines,
        "overdue": [late for one in lines for late in one.late],
        "nobody_total": total,
        "waiting": waiting,
        "teams": [team for team in told["teams"] if team.active],
        "nobody": listing.first_of(listed),
    }
    return rendered(request, "migrations_app/claims.html", context)


def _team(request: HttpRequest, key: str) -> tuple[Person, Team]:
    person = person_of(request)
    row = get_object_or_404(Team, key=key)
    if may(person, Action.CLAIM, row):
        return person, row
    own = ", ".join(team.name for team in person.teams.all())
    yours = f" You are in {own}." if own else ""
    raise NotAllowed(f"This link was for {row}.{yours} Ask {row.lead or 'Security'} for access.")


def _versions(request: HttpRequest) -> dict[int, int]:
    """By departure the version that was shown, from boxes that say "12.3"."""
    found = {}
    for ticked in request.POST.getlist("users"):
        pk, _, version = ticked.partition(".")
        if pk.isascii() and pk.isdigit() and version.isascii() and version.isdigit():
            found[int(pk)] = int(version)
    return found


def _context(team: Team, person: Person, answered: int | None = None) -> dict[str, Any]:
    now = clock.now()
    page = claiming.page_of(team, now, answered)
    return {
        "page": page,
        "first_open": page.first_open,
        "team": team,
        # Made once: each card has them twice.
        "others": team_options(page.others),
        "first_day": now.date() + timedelta(days=1),
        "last_day": now.date() + timedelta(days=DISPUTE_DAYS),
    }


def _answered(
    request: HttpRequest, team: Team, person: Person, pk: int, refusal: Refused | None = None
) -> HttpResponse:
    """The card as it is now; with what was refused, and its status, where it was."""
    if not is_fragment(request):
        page = reverse("claim", args=[team.key])
        if refusal is None:
            return redirect(f"{page}#card-{pk}")
        for reason in refusal.reasons:
            messages.error(request, reason)
        if written := request.POST.get("reason", "").strip():
            messages.info(request, f"You had written: {written}")
        # Not to its card, from where what was refused is out of sight.
        return redirect(page)
    context = _context(team, person, pk)
    card = next((card for card in context["page"].cards if card.departure.pk == pk), None)
    context |= {"card": card, "pk": pk, "refusal": refusal, "answered_now": True}
    status = refusal.status if refusal else 200
    answer = rendered(request, TEMPLATE, context, part="answered", status=status)
    if isinstance(refusal, Stale):
        toast = {"kind": "error", "text": f"Not saved. {refusal}"}
        trigger_client_event(answer, "toast", toast)
    return answer
