"""Bringing one user back, keeping it longer, and what is left after a broken-off delete."""

from __future__ import annotations

from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from inventory import clock
from inventory.aws.holdings import UserHoldings
from inventory.permissions import Action, require
from inventory.refusals import Refused
from inventory.templatetags.times import day_text
from migrations_app import batch_run, changes, dates, rebuild, terraform
from migrations_app.forms.batches import ExtendForm, NoteForm
from migrations_app.lifecycle import SWITCHED_OFF, MoveName, State
from migrations_app.models import Change, Departure, Holdings
from migrations_app.soak.board import LONGEST_EXTENSION
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered

GET_AND_POST = ["GET", "HEAD", "POST"]
# Forms of the holdings beside JSON: how they are made, their type, how their name ends.
_FILES = {
    "script": (rebuild.script, "text/x-shellscript; charset=utf-8", "sh"),
    "terraform": (terraform.document, "text/plain; charset=utf-8", "tf"),
}
UNDER_WAY = (Change.Status.QUEUED, Change.Status.RUNNING)


def departure_of(account: str, user_id: str) -> Departure:
    """The departure of one IAM user; 404 where there is none."""
    rows = Departure.objects.select_related("user__account", "owner")
    return get_object_or_404(rows, user__account__account_id=account, user__user_id=user_id)


def restore_address(departure: Departure) -> str:
    user = departure.user
    return reverse("user-restore", args=[user.account.account_id, user.user_id])


@require_http_methods(GET_AND_POST)
def restore(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """What comes back and what does not; then, after the click, how far it is."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.RESTORE, departure.owner)
    if request.method == "POST":
        reason = cleaned(NoteForm(request.POST))["reason"]
        changes.restore(departure, person, reason=reason)
        return done(request, restore_address(departure), "")
    last = departure.changes.filter(move=MoveName.RESTORE).order_by("-pk").first()
    under_way = last is not None and last.status in UNDER_WAY
    is_off = changes.may_be_restored(departure)
    asking = is_off and not under_way and (last is None or last.status != Change.Status.FAILED)
    lines = batch_run.change_lines(last) if last is not None else []
    mark = f"{len(lines)}.{sum(one.answer == 'sent' for one in lines)}"
    if is_fragment(request) and under_way and request.GET.get("mark") == mark:
        return HttpResponse(status=204)
    context = {
        "departure": departure,
        "last": last,
        "mark": mark,
        "under_way": under_way,
        "is_off": is_off,
        "preview": changes.restore_preview(departure) if is_off else None,
        "asking": asking,
        "calls": lines,
        "nothing_line": _nothing_line(departure),
    }
    status = 286 if is_fragment(request) and not under_way else 200
    return rendered(request, "migrations_app/restore.html", context, part="progress", status=status)


def _nothing_line(departure: Departure) -> str:
    if departure.state == State.DELETED:
        return "It is deleted. A user can be re-created, but never with the same keys or ID."
    if departure.partly_deleted:
        return "It is partly deleted and cannot be restored: finish deleting, or stop and rebuild."
    return "It has access, as it always had."


@require_http_methods(GET_AND_POST)
def extend(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Keep a user watched or soaking until a date, for a reason."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.RESTORE, departure.owner)
    today = clock.now().date()
    first_day = today + timedelta(days=1)
    start = (departure.fenced_at or departure.state_since).date()
    last_day = start + LONGEST_EXTENSION
    form = ExtendForm(request.POST or None, first_day=first_day, last_day=last_day)
    if request.method == "POST" and form.is_valid():
        until = form.cleaned_data["until"]
        held = changes.extend(departure, person, until, form.cleaned_data["reason"])
        # Whoever asked for longer before is not overruled.
        until = held.not_before.date() if held.not_before else until
        day = day_text(until, clock.now())
        return done(request, reverse("soak"), f"{departure.user} stays as it is until {day}.")
    if departure.state not in SWITCHED_OFF:
        raise Refused(
            f"{departure.user} is neither watched nor soaking; there is nothing to extend."
        )
    due = departure.due_at
    suggested = dates.after_quarter_close(max(today, due.date()) if due else today)
    context = {
        "departure": departure,
        "form": form,
        "first_day": first_day,
        "last_day": last_day,
        "suggested": suggested if suggested <= last_day else None,
    }
    status = 422 if request.method == "POST" else 200
    return rendered(request, "migrations_app/restore_extend.html", context, status=status)


@require_http_methods(GET_AND_POST)
def finish_deleting(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Go on with a delete that broke off after the point of no return."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.OPERATE)
    if request.method == "POST":
        changes.finish_deleting(departure, person)
        return done(request, reverse("soak"), f"{departure.user} is being deleted to the end.")
    return _after_no_return(request, departure)


@require_http_methods(GET_AND_POST)
def stop_and_rebuild(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Leave what is left of a partly deleted user shut, and hand out the files to rebuild it."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.OPERATE)
    if request.method == "POST":
        changes.stop_and_rebuild(departure, person)
        return done(request, request.path, f"{departure.user} stays shut as it is.")
    return _after_no_return(request, departure)


def _after_no_return(request: HttpRequest, departure: Departure) -> HttpResponse:
    if not departure.partly_deleted:
        raise Refused(f"{departure.user} is not partly deleted; there is nothing to finish.")
    last = departure.changes.filter(move=MoveName.DELETE).order_by("-pk").first()
    context = {
        "departure": departure,
        "last": last,
        "stopped": last is not None and last.status == Change.Status.WITHDRAWN,
        "calls": batch_run.change_lines(last) if last is not None else [],
    }
    return rendered(request, "migrations_app/restore_partly.html", context)


@require_GET
def rebuild_page(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """What is lost for ever of a user that is deleted, or partly, and the files that rebuild it."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.SEE_SENSITIVE, departure.owner)
    if departure.state != State.DELETED and not departure.partly_deleted:
        raise Refused(f"{departure.user} is not deleted; there is nothing to rebuild.")
    saved = _saved(departure)
    held = UserHoldings.from_document(saved.document)
    context = {
        "departure": departure,
        "saved": saved,
        "lost": rebuild.lost(held),
        "comes_back": rebuild.comes_back(held),
        "references": departure.user.references,
    }
    return rendered(request, "migrations_app/rebuild.html", context)


def _saved(departure: Departure) -> Holdings:
    saved = changes.saved_before(departure)
    if saved is None:
        raise Http404("Nothing of this user was saved: nothing was ever written to it.")
    return saved


@require_GET
def holdings(request: HttpRequest, account: str, user_id: str) -> HttpResponse:
    """Everything a user held before our first write: JSON, a script or a Terraform file."""
    person, departure = person_of(request), departure_of(account, user_id)
    require(person, Action.SEE_SENSITIVE, departure.owner)
    saved = _saved(departure)
    form = request.GET.get("as", "")
    if form in _FILES:
        render, kind, name = _FILES[form]
        file = HttpResponse(render(UserHoldings.from_document(saved.document)), content_type=kind)
        file["Content-Disposition"] = f'attachment; filename="rebuild-{user_id}.{name}"'
        return file
    answer = JsonResponse(
        {"taken_at": saved.taken_at, "holdings": saved.document},
        json_dumps_params={"indent": 2, "ensure_ascii": False},
    )
    answer["Content-Disposition"] = f'attachment; filename="holdings-{user_id}.json"'
    return answer
