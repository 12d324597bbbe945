"""Alerts: what a person must look at. Closing one keeps its row."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock, ledger
from inventory.models import Alert
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app.changes.break_glass import USED
from migrations_app.models import Hit
from migrations_app.views.answers import done, person_of, rendered

PAGE = 100


@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """Open hits and alerts on top, then those that were closed."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = Alert.objects.select_related("account", "user__account", "closed_by")
    hits = list(
        Hit.objects.filter(kind=Hit.Kind.HIT, closed="").select_related(
            "departure__user__account", "departure__owner"
        )[:PAGE]
    )
    still_open = list(rows.filter(closed_at=None)[:PAGE])
    context = {
        "hits": hits,
        "open": still_open,
        "shown": len(hits) + len(still_open),
        "most": PAGE,
        "closed": rows.exclude(closed_at=None).order_by("-closed_at")[:PAGE],
        "may_close": may(person, Action.CLOSE_ALERT),
    }
    return rendered(request, "migrations_app/alerts.html", context)


@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody looked at it; an alert that is closed already stays as it was."""
    person = person_of(request)
    require(person, Action.CLOSE_ALERT)
    row = get_object_or_404(Alert, pk=pk)
    if row.kind == USED:
        raise Refused("Say what it was, on the page of the break-glass user in the settings.")
    with transaction.atomic():
        # Two people may click at once: the first one is named.
        closed = Alert.objects.filter(pk=pk, closed_at=None).update(
            closed_at=clock.now(), closed_by=person
        )
        if closed:
            account_id = row.account.account_id if row.account else ""
            ledger.append(
                "alert.closed", actor=person, user=row.user, account_id=account_id, title=row.title
            )
    return done(request, reverse("alerts"), "Closed. It stays in the list below.")
