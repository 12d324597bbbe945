"""One hit: who called, and the three ways in which it closes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock
from inventory.permissions import Action, require
from migrations_app import changes
from migrations_app.forms.batches import NoteForm, ReasonForm
from migrations_app.models import Hit
from migrations_app.soak.hit_panels import Reach, panel_of, told_at
from migrations_app.views.answers import cleaned, done, person_of, rendered


def _hit(pk: int) -> Hit:
    rows = Hit.objects.select_related("departure__user__account", "departure__owner", "closed_by")
    rows = rows.prefetch_related("callers")
    return get_object_or_404(rows, pk=pk)


@require_GET
def hit(request: HttpRequest, pk: int) -> HttpResponse:
    """Who, where, what and with what; earlier attempts at the same user."""
    person = person_of(request)
    require(person, Action.SEE)
    row = _hit(pk)
    others = Hit.objects.filter(departure=row.departure).exclude(pk=row.pk)[:20]
    context = {
        "panel": panel_of(row, Reach.of(person), told_at([row]).get(row.departure_id)),
        "hit": row,
        "others": others,
        "now": clock.now(),
        "as_table": request.GET.get("as") == "table",
        "is_open": row.kind == Hit.Kind.HIT and row.closed == Hit.Closed.OPEN,
    }
    return rendered(request, "migrations_app/hit.html", context)


@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Not a use that matters: the clock goes on as it was."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = _hit(pk)
    changes.dismiss(row, person, cleaned(ReasonForm(request.POST))["reason"])
    return done(request, reverse("soak"), f"Dismissed. The clock of {row.departure.user} goes on.")


@require_POST
def fixed(request: HttpRequest, pk: int) -> HttpResponse:
    """The caller is mended: the clock starts again."""
    person = person_of(request)
    row = _hit(pk)
    require(person, Action.RESTORE, row.departure.owner)
    changes.caller_fixed(row, person, cleaned(NoteForm(request.POST))["reason"])
    said = f"Thank you. The clock of {row.departure.user} starts again now."
    return done(request, reverse("soak"), said)
