"""What is done to many users at once: from the Users page, and from the claims for Security."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from inventory.models import Team
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app import batch_adding, changes
from migrations_app.forms.people import TeamForm
from migrations_app.models import Departure
from migrations_app.models.departure import DepartureQuerySet
from migrations_app.users import listing
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered
from migrations_app.views.users import export, filtered, filters_of, users_page

# Each is locked, judged and told of by itself, so a request has an end.
MOST = 500


@require_POST
def bulk(request: HttpRequest) -> HttpResponseBase:
    """What was asked for the ticked users, or with `all` for everybody the filter shows."""
    person = person_of(request)
    require(person, Action.OPERATE)
    rows, act = _ticked(request), request.POST.get("act", "")
    if act == "export":
        return export(request, rows, "csv")
    chosen = _as_seen(request, list(rows[: MOST + 1]))
    if not chosen:
        raise Refused("Choose at least one user first.", rule="input")
    if len(chosen) > MOST:
        raise Refused(f"Narrow the filter: at most {MOST} users at a time.", rule="input")
    acts = {"compose": _compose, "ask": _ask, "adopt": _adopt, "assign": _assign}
    if act not in acts:
        raise Refused("Choose what to do with these users.", rule="input")
    try:
        return acts[act](request, chosen)
    except Stale as stale:
        if not is_fragment(request):
            raise
        return _not_saved(request, stale)


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Who of a selection would go into which batch; a POST of the same puts them there."""
    person = person_of(request)
    require(person, Action.OPERATE)
    sent = request.POST if request.method == "POST" else request.GET
    account = listing.account_named(sent.get("account", ""))
    if account is None:
        raise Refused("Choose users on the Users page first.", rule="input")
    users = sent.getlist("users")[: batch_adding.MOST]
    rows, stale = list(_by_id(users)), None
    if request.method == "POST":
        try:
            carried = batch_adding.carry_out(rows, account, person, sent.get("seen", ""))
        except Stale as moved:
            stale = moved
        else:
            added = "1 user" if carried.users == 1 else f"{carried.users} users"
            numbers = " and ".join(f"#{one.number}" for one in carried.batches)
            place = reverse("batch", args=[carried.batches[0].number])
            return done(request, place, f"Added {added}: batch {numbers}.")
    adding = batch_adding.plan(rows, account)
    context = {"adding": adding, "users": users, "stale": stale}
    status = stale.status if stale else 200
    return rendered(request, "migrations_app/users_add.html", context, status=status)


def _compose(request: HttpRequest, rows: Sequence[Departure]) -> HttpResponse:
    """To the draft that takes more users; to the page of a new batch where none does."""
    account = rows[0].user.account
    query = [("account", account.account_id)]
    query += [("users", row.user.user_id) for row in rows[: batch_adding.MOST]]
    draft = batch_adding.draft_for(account.account_id)
    page = "users-add" if draft else "batch-new"
    return redirect(f"{reverse(page)}?{urlencode(query)}")


def _ask(request: HttpRequest, rows: Sequence[Departure]) -> HttpResponse:
    """To the page that asks teams, for these users alone."""
    query = [("only", row.pk) for row in rows]
    return redirect(f"{reverse('ask')}?{urlencode(query)}")


def _adopt(request: HttpRequest, rows: Sequence[Departure]) -> HttpResponse:
    taken = changes.adopt(rows, person_of(request))
    left = len(rows) - taken
    kept = f" {left} stay: they have an owner, or can still be answered." if left else ""
    users = "1 user" if taken == 1 else f"{taken} users"
    return _done(request, f"Adopted {users} for the custodian.{kept}")


def _assign(request: HttpRequest, rows: Sequence[Departure]) -> HttpResponse:
    """To a team; without one, the page that asks for it."""
    if not request.POST.get("team"):
        context = {
            "rows": rows,
            "teams": Team.objects.filter(active=True),
            "query": request.POST.get("query", ""),
            "came_from": request.POST.get("from", ""),
            "back": _back(request),
        }
        return rendered(request, "migrations_app/users_assign.html", context)
    team = cleaned(TeamForm(request.POST))["team"]
    with transaction.atomic():
        # In one order, so that two who assign at once wait for each other instead of both failing.
        for row in sorted(rows, key=lambda one: one.pk):
            changes.assign(row, team, person_of(request))
    users = "1 user" if len(rows) == 1 else f"{len(rows)} users"
    return _done(request, f"{team} now answers for {users}.")


def _done(request: HttpRequest, said: str) -> HttpResponse:
    return done(request, _back(request), said, lambda: _list(request))


def _not_saved(request: HttpRequest, stale: Stale) -> HttpResponse:
    """The rows as they are now; nothing of what was asked is done."""
    answer = _list(request, stale.status)
    toast = {"kind": "error", "text": f"Not saved. {stale}", "link": _back(request)}
    trigger_client_event(answer, "toast", {**toast, "label": "Reload"})
    return answer


def _list(request: HttpRequest, status: int = 200) -> HttpResponse:
    query = QueryDict(request.POST.get("query", ""))
    return users_page(request, filters_of(request, query), status=status)


def _back(request: HttpRequest) -> str:
    if request.POST.get("from") == "claims":
        return reverse("claims")
    return f"{reverse('users')}?{request.POST.get('query', '')}"


def _ticked(request: HttpRequest) -> DepartureQuerySet:
    if request.POST.get("all"):
        return filtered(request, QueryDict(request.POST.get("query", "")))
    return _by_id(one.partition(".")[0] for one in request.POST.getlist("users"))


def _as_seen(request: HttpRequest, rows: Sequence[Departure]) -> Sequence[Departure]:
    """Rows with the version that the person saw, from boxes that say "AIDA….7"."""
    boxes = (one.partition(".") for one in request.POST.getlist("users"))
    seen = {user_id: version for user_id, _, version in boxes}
    for row in rows:
        version = seen.get(row.user.user_id, "")
        if version.isascii() and version.isdigit() and len(version) < 10:
            row.version = int(version)
    return rows


def _by_id(user_ids: Iterable[str]) -> DepartureQuerySet:
    wanted = [user_id.replace("\x00", "") for user_id in user_ids]
    return listing.departures().filter(user__user_id__in=wanted).order_by("user__user_name")
