"""The emergency stop: any engineer, approver or admin pulls it, another person lifts it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from inventory.permissions import Action, may, require
from migrations_app import changes
from migrations_app.forms.batches import NoteForm, ReasonForm
from migrations_app.models import Batch, EmergencyStop
from migrations_app.views.answers import cleaned, done, person_of, rendered


@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest) -> HttpResponse:
    """Whether writing is stopped, by whom and why; a POST pulls the stop."""
    person = person_of(request)
    require(person, Action.SEE)
    if request.method == "POST":
        require(person, Action.STOP)
        # Nobody types while production burns: the reason may be left out.
        changes.pull(person, cleaned(NoteForm(request.POST))["reason"])
        return done(request, reverse("stop"), "Every batch in every account is halted.")
    current = changes.current()
    context = {
        "current": current,
        "may_stop": may(person, Action.STOP),
        "is_own": current is not None
        and person.pk in (current.pulled_by_id, current.reconciled_by_id),
        "running": Batch.objects.filter(status__in=Batch.LIVE).select_related("account"),
        "halted": changes.halted(),
        "may_resume": current is None and may(person, Action.OPERATE),
        "earlier": EmergencyStop.objects.exclude(lifted_at=None).select_related(
            "pulled_by", "lifted_by"
        )[:10],
    }
    return rendered(request, "migrations_app/stop.html", context)


@require_POST
def lift(request: HttpRequest) -> HttpResponse:
    """Writing may go on; each batch is resumed by hand."""
    person = person_of(request)
    require(person, Action.STOP)
    changes.lift(person, cleaned(ReasonForm(request.POST))["reason"])
    return done(request, reverse("stop"), "Lifted. Resume each batch by hand.")
