"""Steering a batch that runs: pause, resume, abort, skip, try again, restore; its downloads."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Person, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import batch_run, changes
from migrations_app.forms.batches import NoteForm
from migrations_app.models import Batch
from migrations_app.views.answers import cleaned, done, person_of
from migrations_app.views.batch_pages import address, batch_by, run_page
from migrations_app.views.batch_review import change_of


def _operated(request: HttpRequest, number: int) -> tuple[Person, Batch]:
    person = person_of(request)
    require(person, Action.OPERATE)
    return person, batch_by(number)


@require_POST
def pause(request: HttpRequest, number: int) -> HttpResponse:
    """Finish the running user and hold the rest."""
    person, batch = _operated(request, number)
    changes.pause(batch, person)
    return done(request, address(batch), f"Batch #{number} is paused. The rest waits.")


@require_POST
def resume(request: HttpRequest, number: int) -> HttpResponse:
    """Go on with what is left."""
    person, batch = _operated(request, number)
    changes.resume(batch, person)
    return done(request, address(batch), f"Batch #{number} goes on.")


@require_POST
def abort(request: HttpRequest, number: int) -> HttpResponse:
    """Stop for good; those that are done stay as they are or are restored."""
    person, batch = _operated(request, number)
    what = request.POST.get("then", "leave")
    if what not in ("leave", "restore"):
        raise Refused("Say whether to leave those that are done, or to restore them.")
    changes.abort(batch, person, restore=what == "restore")
    return done(request, address(batch), f"Batch #{number} is aborted. The rest stays as it is.")


@require_POST
def skip(request: HttpRequest, number: int) -> HttpResponse:
    """Leave a queued user out of this run."""
    person, batch = _operated(request, number)
    change = change_of(batch, request.POST.get("change"))
    changes.skip(change, person)
    said = f"{change.departure.user.user_name} is skipped. It stays as it is."
    return done(request, address(batch), said, lambda: run_page(request, batch_by(number)))


@require_POST
def retry(request: HttpRequest, number: int) -> HttpResponse:
    """Try a failed user again."""
    person, batch = _operated(request, number)
    change = change_of(batch, request.POST.get("change"))
    changes.retry(change, person)
    said = f"{change.departure.user.user_name} is tried again."
    return done(request, address(batch), said, lambda: run_page(request, batch_by(number)))


@require_POST
def restore_all(request: HttpRequest, number: int) -> HttpResponse:
    """Restore every user of the batch that is off; no approval is needed."""
    person = person_of(request)
    require(person, Action.RESTORE)
    batch = batch_by(number)
    reason = cleaned(NoteForm(request.POST))["reason"]
    asked = changes.restore_batch(batch, person, reason=reason)
    said = (
        f"{len(asked)} user{'' if len(asked) == 1 else 's'} of batch #{number} are being restored."
    )
    return done(request, address(batch), said)


@require_GET
def undo_script(request: HttpRequest, number: int) -> HttpResponse:
    """The undo of a batch as AWS CLI calls, stored before it ran."""
    require(request.user, Action.SEE_SENSITIVE)
    batch = batch_by(number)
    for owner in Team.objects.filter(departures__changes__batch=batch).distinct():
        # It holds the policies of every user in the batch.
        require(request.user, Action.SEE_SENSITIVE, owner)
    if not batch.undo_script:
        raise Http404("This batch has no undo script yet: it is written when the batch starts.")
    answer = HttpResponse(batch.undo_script, content_type="text/x-shellscript; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="undo-batch-{number}.sh"'
    return answer


@require_GET
def calls(request: HttpRequest, number: int) -> HttpResponse:
    """The journal of a batch as JSON, request ids included."""
    require(request.user, Action.SEE)
    batch = batch_by(number)
    document = {"batch": number, "calls": batch_run.calls_document(batch)}
    answer = JsonResponse(document, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="batch-{number}-calls.json"'
    return answer
