"""The log of messages: who was told what, by which way, whether it arrived and who opened it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from inventory import chain
from inventory.answers import done, download, person_of, rendered
from inventory.exports import Format, written
from inventory.models import Team
from inventory.permissions import Action, may, require
from migrations_app import log, told
from migrations_app.forms.people import MessageFilters
from migrations_app.models import Delivery
from migrations_app.outgoing import outbox


def _filters(request: HttpRequest) -> dict[str, Any]:
    """The filters of the query; what does not hold is left out, as in a link cut short."""
    form = MessageFilters(request.GET)
    form.is_valid()
    return form.cleaned_data


@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    """Every message, latest first, fifty a page."""
    person = person_of(request)
    require(person, Action.SEE)
    filters = _filters(request)
    rows = told.narrowed(told.visible(person), filters)
    if filters.get("before"):
        rows = rows.filter(pk__lt=filters["before"])
    found = told.lines(rows[: told.PAGE + 1], person)
    shown = found[: told.PAGE]
    query = request.GET.copy()
    if len(found) > told.PAGE:
        query["before"] = str(shown[-1].notice.pk)
    context = {
        "tab": "messages",
        "counts": log.counts(),
        "chain": chain.checked(),
        "lines": shown,
        "filters": filters,
        "filtered": any(value for key, value in filters.items() if key != "before"),
        "kinds": told.kinds(),
        "teams": Team.objects.all(),
        "channels": Delivery.Channel.choices,
        "statuses": [*Delivery.Status.choices, (told.UNOPENED, "Nobody opened it")],
        "next_url": f"{request.path}?{query.urlencode()}" if len(found) > told.PAGE else "",
        "export_query": request.GET.urlencode(),
    }
    return rendered(request, "migrations_app/log/messages.html", context)


@require_safe
def export(request: HttpRequest, form: Format) -> StreamingHttpResponse:
    """The same messages, one row for each way, without the page's end, as CSV or JSON."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = told.narrowed(told.visible(person), _filters(request))
    pieces = told.export_rows(rows, whole=log.sees_everything(person))
    return download(written(form, told.FIELDS, pieces), form, "messages")


@require_safe
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """One message as it went out. Looking at it here is not opening it: that is for the inbox."""
    person = person_of(request)
    require(person, Action.SEE)
    notice = get_object_or_404(told.visible(person), pk=pk)
    readable = told.may_read(notice, person)
    departures = notice.departures.select_related("user__account", "owner")
    context = {
        "told": told.one(notice, whole=readable),
        "readable": readable,
        "departures": departures.order_by("user__user_name"),
        "may_send_again": may(person, Action.OPERATE),
    }
    return rendered(request, "migrations_app/log/message.html", context)


@require_POST
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    """What could not be delivered goes out once more."""
    delivery = get_object_or_404(Delivery.objects.select_related("notice"), pk=pk)
    outbox.send_again(delivery, person_of(request))
    where = reverse("log-message", args=[delivery.notice_id])
    return done(request, where, f"It goes to {delivery} once more.")
