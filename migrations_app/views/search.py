"""Search: a user, a key, a batch or a person, from any page."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from inventory import clock
from inventory.models import Person, Team
from inventory.permissions import Action, may, require
from migrations_app.models import Batch
from migrations_app.users import listing
from migrations_app.users.filters import Filters
from migrations_app.views.answers import person_of, rendered

SHOWN = 20
SHORT = 3


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """What matches; a batch number, or the only user with that name or id, is opened at once."""
    person = person_of(request)
    require(person, Action.SEE)
    q = request.GET.get("q", "").strip().replace("\x00", "")[:200]
    number = q.lstrip("#")
    is_number = number.isascii() and number.isdigit() and len(number) < 6
    if is_number and Batch.objects.filter(number=int(number)).exists():
        return redirect("batch", number=int(number))
    if not q:
        return rendered(request, "migrations_app/search.html", {"q": ""})
    sees = may(person, Action.OPERATE) or may(person, Action.APPROVE)
    filters = Filters(view="everything", q=q, sort="name")
    found = listing.matching(filters, clock.now(), sees)
    # What is short is in many names, and their order is walked; see `paging.page_of`.
    rows = listing.page(found, filters, few=len(q) >= SHORT).rows[: SHOWN + 1]
    exact = [
        row for row in rows if q.lower() in (row.user.user_name.lower(), row.user.user_id.lower())
    ]
    if len(exact) == 1 and len(rows) == 1:
        one = exact[0].user
        return redirect("user", account=one.account.account_id, user_id=one.user_id)
    context = {
        "q": q,
        "rows": rows[:SHOWN],
        "more": f"{filters.query()}" if len(rows) > SHOWN else "",
        "people": Person.objects.filter(is_active=True).filter(
            Q(name__icontains=q) | Q(username__icontains=q) | Q(email__icontains=q)
        )[:SHOWN],
        "teams": Team.objects.filter(active=True).filter(
            Q(name__icontains=q) | Q(key__icontains=q)
        )[:SHOWN],
    }
    return rendered(request, "migrations_app/search.html", context)
