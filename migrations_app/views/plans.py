"""Plans: how people and workloads get access once their IAM user is gone."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from inventory.permissions import Action, may, require
from migrations_app.models import Plan
from migrations_app.planning import needing
from migrations_app.shell import chosen_account_id
from migrations_app.views.answers import person_of, rendered

PAGE = 50


@require_GET
def plans(request: HttpRequest) -> HttpResponse:
    """Users who still have access and need another, with the way out that is planned for each."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = (
        Plan.objects.filter(needing())
        .select_related("departure__user__account", "departure__owner", "confirmed_by")
        .order_by("status", "departure__user__user_name")
    )
    if account := chosen_account_id(request):
        rows = rows.filter(departure__user__account__account_id=account)
    if team := request.GET.get("team", ""):
        rows = rows.filter(departure__owner__key=team)
    numbers = dict(rows.order_by().values_list("target").annotate(Count("pk")))
    targets = [(target, numbers.get(target.value, 0)) for target in Plan.Target]
    if (target := request.GET.get("target", "")) in Plan.Target.values:
        rows = rows.filter(target=target)
    if (status := request.GET.get("status", "")) in Plan.Status.values:
        rows = rows.filter(status=status)
    page = request.GET.get("page", "1")
    start = (int(page) - 1) * PAGE if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 0
    start = max(start, 0)
    total = rows.count()
    context = {
        "plans": rows[start : start + PAGE],
        "targets": [(target, number) for target, number in targets if number],
        "target": target,
        "status": status,
        "total": total,
        "next_page": start // PAGE + 2 if start + PAGE < total else None,
        "previous_page": start // PAGE if start else None,
    }
    return rendered(request, "migrations_app/plans.html", context)


@require_GET
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """One plan: what replaces the user, why, and what is still to do."""
    person = person_of(request)
    require(person, Action.SEE)
    rows = Plan.objects.select_related(
        "departure__user__account", "departure__owner", "confirmed_by"
    )
    row = get_object_or_404(rows, pk=pk)
    departure = row.departure
    context = {
        "plan": row,
        "row": departure,
        "user": departure.user,
        "version_field": {"version": departure.version},
        "may_confirm": row.status != Plan.Status.CONFIRMED
        and departure.owner is not None
        and may(person, Action.CLAIM, departure.owner),
    }
    return rendered(request, "migrations_app/plan.html", context)
