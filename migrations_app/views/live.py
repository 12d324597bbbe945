"""The strip of the batch that runs, which refreshes itself on every page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from inventory.permissions import Action, require
from migrations_app.shell import Shell
from migrations_app.views.answers import is_fragment, person_of, rendered

TEMPLATE = "shell/live_strip.html"
# htmx swaps this answer in, and asks no more.
FINISHED = 286
NO_CHANGE = 204


@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """The strip as it is now; an empty last answer once no batch runs."""
    person = person_of(request)
    require(person, Action.SEE)
    if not is_fragment(request):
        return redirect("batches")
    shell = Shell(request, person, strips_only=True)
    if shell.running_batch is None:
        return HttpResponse(status=FINISHED)
    if request.GET.get("mark") == shell.running_mark:
        return HttpResponse(status=NO_CHANGE)
    return rendered(request, TEMPLATE, {"shell": shell})
