"""The soak board: who is off, for how long, and what called."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from inventory import clock
from inventory.models import Team
from inventory.permissions import Action, may, require
from migrations_app.board import Board, board_for, teams_off
from migrations_app.shell import chosen_account_id
from migrations_app.views.answers import is_fragment, person_of, rendered

LAYOUTS = ("board", "list", "cards")


@require_GET
def soak(request: HttpRequest) -> HttpResponse:
    """The board, the list, or the cards of a lead's own team; polled each minute."""
    person = person_of(request)
    require(person, Action.SEE)
    own = list(person.led_teams())
    leads_only = bool(own) and not may(person, Action.OPERATE)
    team = _team(request.GET.get("team", ""))
    everybody = request.GET.get("team") == "all" or not leads_only
    teams = [team] if team else [] if everybody else own
    layout = request.GET.get("layout", "")
    if layout not in LAYOUTS:
        layout = "cards" if leads_only and not everybody and team in (None, *own) else "board"
    now = clock.now()
    found = board_for(person, teams, now, chosen_account_id(request))
    mark = _mark(found)
    if is_fragment(request) and request.GET.get("mark") == mark:
        return HttpResponse(status=204)
    context = {
        "board": found,
        "now": now,
        "layout": layout,
        "team": team,
        "teams": teams_off(),
        "whose": ", ".join(str(one) for one in teams),
        "leads_only": leads_only,
        "own": own,
        "all_teams": request.GET.get("team") == "all",
        "may_operate": may(person, Action.OPERATE),
        "next_line": _next_line(found),
        "poll": urlencode({"team": request.GET.get("team", ""), "layout": layout, "mark": mark}),
        "oob": is_fragment(request),
    }
    return rendered(request, "migrations_app/soak.html", context, part="live")


def _team(key: str) -> Team | None:
    if not key or key == "all":
        return None
    team = Team.objects.filter(key=key).first()
    if team is None:
        raise Http404("No such team.")
    return team


def _next_line(board: Board) -> str:
    batch = board.next_batch
    if batch is None or batch.window_from is None:
        return "No batch is approved yet. Fenced and shut users appear here."
    day = f"{batch.window_from:%a} {batch.window_from.day} {batch.window_from:%b}"
    return f"The next batch, #{batch.number}, is planned for {day}."


def _mark(board: Board) -> str:
    """Changes when a card, a day left or a hit does."""
    seen = [
        [
            (
                card.departure.pk,
                card.departure.state,
                card.days_left,
                card.flag,
                card.ready,
                card.unheard,
                card.hit and card.hit.count,
            )
            for card in column.cards
        ]
        for column in board.all_columns
    ]
    return hashlib.sha256(repr((seen, len(board.partly))).encode()).hexdigest()[:16]
