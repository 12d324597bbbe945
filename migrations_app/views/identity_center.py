"""Identity Center: what broke in it and the fix, its permission sets, and who is nobody there."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock, refresh
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import changes
from migrations_app.models import Drift
from migrations_app.plans import files
from migrations_app.replacement import center_page
from migrations_app.views.answers import done, is_fragment, person_of, rendered

# htmx stops polling at this answer.
_FINISHED = 286


@require_GET
def identity_center(request: HttpRequest) -> HttpResponse:
    """The page; its part on top is asked for again while a look is open."""
    person = person_of(request)
    require(person, Action.SEE)
    reading = center_page.progress(clock.now())
    context: dict[str, Any] = {"reading": reading}
    if not is_fragment(request):
        page = center_page.page()
        context |= {
            "page": page,
            "may_look": page.declared and not reading and may(person, Action.SYNC),
            "may_accept": may(person, Action.OPERATE),
        }
    answer = rendered(request, "migrations_app/identity_center.html", context, part="state")
    if is_fragment(request) and not reading:
        answer.status_code = _FINISHED
        # Everything below may be different now.
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Somebody mended it: look again, at Identity Center alone."""
    person = person_of(request)
    require(person, Action.SYNC)
    refresh.ask_look(person)
    return done(request, reverse("identity-center"), "Identity Center is read again.")


@require_POST
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """It is right as it is."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = get_object_or_404(Drift, pk=pk)
    changes.accept_drift(row, person, request.POST.get("reason", ""))
    return done(request, reverse("identity-center"), "Accepted. Its plans go on.")


@require_GET
def fix(request: HttpRequest, pk: int) -> HttpResponse:
    """The files that mend one finding, as a ZIP."""
    require(person_of(request), Action.SEE)
    row = get_object_or_404(Drift, pk=pk)
    found = center_page.findings().get(row.key)
    if found is None or not found[1].files:
        raise Refused("There is nothing to apply any more.")
    answer = HttpResponse(files.archive(found[1].files), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="fix-{row.pk}.zip"'
    return answer
