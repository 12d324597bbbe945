"""Where the link in a message leads: through sign-in to the team's questions, or to a clear word.

Mail scanners and chat previews open links. Opening one changes nothing about a user or a decision;
only that a signed-in lead of the team came is noted.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inventory.models import Person
from inventory.permissions import Action, may
from migrations_app import campaigning
from migrations_app.claims import claim_links
from migrations_app.claims.claim_links import Trouble
from migrations_app.models import Ask
from migrations_app.outgoing import notices, notices_campaigns, notices_claims
from migrations_app.views.answers import person_of, really_opened, rendered

TEMPLATE = "migrations_app/claim_link.html"
_STATUS = {Trouble.FORGED: 404, Trouble.EXPIRED: 410, Trouble.WITHDRAWN: 410}


@require_safe
@never_cache
def link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of an ask. Whoever is not signed in signed in first, and came back here."""
    person = person_of(request)
    found = claim_links.read(token)
    if found.ask is None or found.trouble:
        return _unreferred(
            _page(request, found.ask, status=_STATUS[found.trouble], trouble=str(found.trouble))
        )
    ask = found.ask
    if not may(person, Action.CLAIM, ask.team):
        return _page(request, ask, status=403, token=token)
    if really_opened(request) and person.leads_team(ask.team):
        _note_opening(ask, person)
    last = campaigning.last_answer(ask)
    nothing_left = not campaigning.still_open([ask])[ask.pk]
    if nothing_left and last is not None and last.person != person:
        return _unreferred(_page(request, ask, last=last))
    return _unreferred(redirect("claim", team=ask.team.key))


@require_POST
@never_cache
def ask_access(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever has the link of another team asks Security for access; Security is told once."""
    person = person_of(request)
    found = claim_links.read(token)
    if found.ask is None or found.trouble:
        status = _STATUS[found.trouble]
        return _page(request, found.ask, status=status, trouble=str(found.trouble))
    if may(person, Action.CLAIM, found.ask.team):
        return redirect("claim", team=found.ask.team.key)
    notices_claims.tell_of_access(found.ask, person)
    return _page(request, found.ask, asked=True)


def _note_opening(ask: Ask, person: Person) -> None:
    notices.open_ask(ask, person)
    message = notices_campaigns.latest_of(ask)
    if message is not None:
        notices.open_notice(message, person)


def _page(
    request: HttpRequest, ask: Ask | None, *, status: int = 200, **context: Any
) -> HttpResponse:
    person = person_of(request)
    own = ", ".join(team.name for team in person.teams.all())
    context |= {"ask": ask, "team": ask.team if ask else None, "own": own}
    context["may_claim"] = may(person, Action.CLAIM)
    return rendered(request, TEMPLATE, context, status=status)


def _unreferred(answer: HttpResponse) -> HttpResponse:
    """The address with the token is told to nobody.

    Not on the page with a form: a browser that may say nothing of where it comes from sends
    `Origin: null` with the form, which is no proof against forged ones.
    """
    answer["Referrer-Policy"] = "no-referrer"
    return answer
