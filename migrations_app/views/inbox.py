"""The inbox: what the product told this person, and that it was read (rule 13)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from inventory.permissions import Action, require
from migrations_app import told
from migrations_app.models import Notice, Opening
from migrations_app.outgoing import messages, notices
from migrations_app.views.answers import done, person_of, really_opened, rendered

PAGE = 100


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Everything told to this person, newest first; what was not opened is marked."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = list(notices.inbox_for(person).select_related("team", "batch")[:PAGE])
    opened = set(
        Opening.objects.filter(person=person, notice__in=rows).values_list("notice", flat=True)
    )
    context = {
        "notices": [(row, row.pk in opened) for row in rows],
        "unopened": len(rows) - len(opened),
    }
    return rendered(request, "migrations_app/inbox.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def notice(request: HttpRequest, pk: int) -> HttpResponse:
    """One notice. Opening it while signed in is noted: that is how a lead is told (rule 13)."""
    person = person_of(request)
    require(person, Action.SEE)
    row = notices.inbox_for(person).filter(pk=pk).first()
    if row is None:
        return _passing_on(request, pk)
    if really_opened(request):
        notices.open_notice(row, person)
    if request.method == "POST":
        return done(request, reverse("inbox"), "Noted that you read it.")
    if row.url and request.GET.get("go"):
        return redirect(row.url)
    users = row.departures.select_related("user__account", "owner").order_by("user__user_name")
    context = {
        "notice": row,
        "button": messages.button_of(row),
        "departures": users,
        "told": told.one(row, whole=True),
    }
    return rendered(request, "migrations_app/notice.html", context)


def _passing_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Whoever follows a link from a team's channel is led on; it is not theirs to have opened."""
    row = get_object_or_404(Notice.objects.exclude(url=""), pk=pk, person=None)
    if request.method != "GET" or not request.GET.get("go"):
        raise Http404("This message was for somebody else.")
    return redirect(row.url)
