"""The soak board: who is off, for how long, and what called."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET
from django_htmx.http import trigger_client_event

from inventory import clock
from inventory.models import Team
from inventory.permissions import Action, may, require
from migrations_app.shell import chosen_account_id
from migrations_app.soak.board import ON_ONE_PAGE, Board, Wanted, board_for
from migrations_app.soak.board_rows import NAMED, Scope
from migrations_app.soak.hit_panels import Reach
from migrations_app.views.answers import is_fragment, person_of, rendered

LAYOUTS = ("board", "list", "cards")
_LAST_PAGE = 10_000


@require_GET
def soak(request: HttpRequest) -> HttpResponse:
    """The board, the list, or the cards of a lead's own team; polled each minute."""
    person = person_of(request)
    require(person, Action.SEE)
    own = person.leading()
    leads_only = bool(own) and not may(person, Action.OPERATE)
    team = _team(request.GET.get("team", ""))
    everybody = request.GET.get("team") == "all" or not leads_only
    teams = [team] if team else [] if everybody else own
    layout = request.GET.get("layout", "")
    if layout not in LAYOUTS:
        layout = "cards" if leads_only and not everybody and team in (None, *own) else "board"
    column = _column(request.GET.get("column", "")) if layout == "list" else ""
    page = max(1, min(_number(request.GET.get("page", "")), _LAST_PAGE))
    now = clock.now()
    found = board_for(
        person,
        Scope(tuple(teams), chosen_account_id(request)),
        now,
        Wanted(layout == "board", column, page, teams=not is_fragment(request)),
        Reach.of(person),
    )
    if is_fragment(request) and request.GET.get("mark") == found.mark:
        return HttpResponse(status=204)
    newest = max((panel.hit.pk for panel in found.panels), default=0)
    kept = {
        "team": request.GET.get("team", ""),
        "layout": layout,
        "column": column,
        "page": str(page) if page > 1 else "",
    }
    context = {
        "board": found,
        "now": now,
        "layout": layout,
        "column": column,
        "team": team,
        "whose": ", ".join(str(one) for one in teams),
        "leads_only": leads_only,
        "own": own,
        "all_teams": request.GET.get("team") == "all",
        "chosen_teams": {one.key for one in teams},
        "may_operate": may(person, Action.OPERATE),
        "next_line": _next_line(found),
        "pages": _pages(found, page, kept),
        "poll": _query(kept | {"mark": found.mark, "newest": str(newest)}),
        "oob": is_fragment(request),
    }
    answer = rendered(request, "migrations_app/soak.html", context, part="live")
    if is_fragment(request) and newest > _number(request.GET.get("newest", "")):
        _tell_of_hit(answer, found, newest)
    return answer


def _tell_of_hit(answer: HttpResponse, board: Board, newest: int) -> None:
    """A hit that came since the last look: a toast, whose kind is read aloud at once."""
    hit = next(panel.hit for panel in board.panels if panel.hit.pk == newest)
    text = f"{hit.departure.user} was called."
    toast = {"text": text, "kind": "error", "link": reverse("hit", args=[newest]), "label": "Open"}
    trigger_client_event(answer, "toast", toast)


def _team(key: str) -> Team | None:
    if not key or key == "all":
        return None
    team = Team.objects.filter(key=key).first()
    if team is None:
        raise Http404("No such team.")
    return team


def _column(key: str) -> str:
    """A key of a column; what is none shows everybody."""
    if key in NAMED:
        return key
    try:
        return date.fromisoformat(key).isoformat()
    except ValueError:
        return ""


def _number(told: str) -> int:
    return int(told) if told.isascii() and told.isdigit() and len(told) < 12 else 0


def _pages(board: Board, page: int, kept: dict[str, str]) -> dict[str, str]:
    """What the pager says and where it leads; nothing while everybody is on one page."""
    if board.listed <= ON_ONE_PAGE:
        return {}
    first = (page - 1) * ON_ONE_PAGE
    last = min(first + ON_ONE_PAGE, board.listed)
    before, after = (_query(kept | {"page": str(other)}) for other in (page - 1, page + 1))
    return {
        "shown": f"{min(first + 1, board.listed)} to {last}",
        "previous": f"?{before}" if page > 1 else "",
        "next": f"?{after}" if last < board.listed else "",
    }


def _query(pairs: dict[str, str]) -> str:
    return urlencode({name: value for name, value in pairs.items() if value})


def _next_line(board: Board) -> str:
    batch = board.next_batch
    if batch is None or batch.window_from is None:
        return "No batch is approved yet. Fenced and shut users appear here."
    day = f"{batch.window_from:%a} {batch.window_from.day} {batch.window_from:%b}"
    return f"The next batch, #{batch.number}, is planned for {day}."
