"""Views of the Users page that people keep: save, change, delete."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused
from migrations_app.forms.people import SavedViewForm
from migrations_app.models import SavedView
from migrations_app.users import saved_views
from migrations_app.users.filters import Filters
from migrations_app.views.answers import done, person_of
from migrations_app.views.users import filters_of, users_page


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep what is shown under a name; a name that cannot be is answered with the form."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    filters, form = _filters(request), SavedViewForm(request.POST)
    if not form.is_valid():
        return users_page(request, filters, form=form, status=422)
    data = form.cleaned_data
    try:
        view = saved_views.save(person, data["name"], filters, shared=bool(data["shared"]))
    except NotAllowed:
        raise
    except Refused as refused:
        form.add_error("name", str(refused))
        return users_page(request, filters, form=form, status=refused.status)
    return _shown(request, filters, view, f"Saved the view {view}.")


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """The view keeps what is shown now."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    filters = _filters(request)
    view = saved_views.change(pk, person, filters, _moment(request.POST.get("seen", "")))
    return _shown(request, filters, view, f"Saved the view {view}.")


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The view is no longer needed; what it shows stays as it is."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    view = saved_views.delete(pk, person)
    return done(request, reverse("users"), f"Deleted the view {view}.")


def _shown(request: HttpRequest, filters: Filters, view: SavedView, said: str) -> HttpResponse:
    now = filters.with_only(view.query, view.pk)
    to = f"{reverse('users')}?{now.query()}"
    answer = done(request, to, said, lambda: users_page(request, now))
    if answer.status_code == 200:
        answer["HX-Push-Url"] = to
    return answer


def _filters(request: HttpRequest) -> Filters:
    return filters_of(request, QueryDict(request.POST.get("query", "")))


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        return None
