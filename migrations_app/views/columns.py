"""Which columns of the Users page somebody sees."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from inventory.permissions import Action, require
from migrations_app.users import columns
from migrations_app.views.answers import done, person_of
from migrations_app.views.users import filters_of, users_page


@require_POST
def show(request: HttpRequest) -> HttpResponse:
    """Only the ticked columns from now on, on the page that was open."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    columns.show_only(person, request.POST.getlist("columns"))
    filters = filters_of(request, QueryDict(request.POST.get("query", "")))
    to = f"{reverse('users')}?{filters.here}"
    return done(request, to, "", lambda: users_page(request, filters))
