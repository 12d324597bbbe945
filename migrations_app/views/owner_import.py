"""Owners from a spreadsheet: upload it, see what it would change, confirm, watch it done."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inventory import clock
from inventory.answers import download
from inventory.exports import as_csv
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import keyset, owner_import
from migrations_app.forms.people import ImportForm
from migrations_app.models import OwnerImport
from migrations_app.owner_import import CHANGES, LEFT_OUT, Match, Outcome
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered

PAGE = 100
RECENT = 10
LEFT_OUT_FIELDS = ("line", "user", "account", "what", "why")
_SHOWS = {
    "changes": CHANGES,
    "left-out": LEFT_OUT,
    "same": (Outcome.SAME,),
}


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form for a file, and the own imports of late; what is read leads to its preview."""
    person = person_of(request)
    require(person, Action.OPERATE)
    reasons: tuple[str, ...] = ()
    if request.method == "POST":
        try:
            file = cleaned(ImportForm(request.POST, request.FILES))["file"]
            content = file.read(owner_import.MOST_BYTES + 1)
            row = owner_import.show(content, file.name, person)
        except Refused as refusal:
            reasons = refusal.reasons
        else:
            return redirect("import-owners-shown", pk=row.pk)
    context = {
        "reasons": reasons,
        "recent": _own(person).defer("matches", "left_out")[:RECENT],
        "most_rows": owner_import.MOST_ROWS,
    }
    status = 422 if reasons else 200
    return rendered(request, "migrations_app/owner_import.html", context, status=status)


@require_safe
def shown(request: HttpRequest, pk: int) -> HttpResponse:
    """What the file would change; once confirmed how far it is, and then what became of it."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = get_object_or_404(_own(person), pk=pk)
    working = row.status == OwnerImport.Status.RUNNING
    status = 200 if working or not is_fragment(request) else 286
    context = _context(request, row)
    template = "migrations_app/owner_import_shown.html"
    answer = rendered(request, template, context, part="progress", status=status)
    if status == 286:
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """What the person was shown is done, in a worker; the page shows how far it is."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = get_object_or_404(_own(person), pk=pk)
    owner_import.confirm(row, person, request.POST.get("digest", ""))
    return done(request, reverse("import-owners-shown", args=[pk]), "")


@require_safe
def left_out(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The lines that are not followed, as CSV to mend."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = get_object_or_404(_own(person), pk=pk)
    lines = [_line(match) for match in owner_import.kept(row) if match.outcome in LEFT_OUT]
    lines += [
        {"line": one["number"], "user": one["user"], "account": "", "what": "left out"}
        | {"why": one["why"]}
        for one in row.left_out
    ]
    return download(as_csv(LEFT_OUT_FIELDS, lines), "csv", "owners-left-out")


def _own(person: Person) -> Any:
    return OwnerImport.objects.filter(person=person)


def _context(request: HttpRequest, row: OwnerImport) -> dict[str, Any]:
    matches = owner_import.kept(row)
    found = {name: [one for one in matches if one.outcome in of] for name, of in _SHOWS.items()}
    show = request.GET.get("show", "")
    if show not in found:
        show = next((name for name, some in found.items() if some), "changes")
    total = len(found["changes"])
    return {
        "row": row,
        "show": show,
        "page": keyset.page_in(found[show], "number", request.GET, PAGE),
        "numbers": {name.replace("-", "_"): len(some) for name, some in found.items()},
        "total": total,
        "percent": row.position * 100 // total if total else 100,
        "working": row.status == OwnerImport.Status.RUNNING,
        "is_done": row.status == OwnerImport.Status.DONE,
        "may_confirm": row.status == OwnerImport.Status.SHOWN
        and bool(total)
        and clock.now() < row.expires_at,
    }


def _line(match: Match) -> dict[str, Any]:
    return {
        "line": match.number,
        "user": match.user,
        "account": match.account,
        "what": match.outcome.words,
        "why": match.why,
    }
