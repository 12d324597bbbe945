"""The Users page: find and pick; its exports; what is done to many users at once."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Min
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock
from inventory.answers import download
from inventory.exports import Format, written
from inventory.models import Account, IamUser, Team
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import changes, exports, listing, user_rows
from migrations_app.forms import TeamForm
from migrations_app.models.departure import DepartureQuerySet
from migrations_app.shell import chosen_account_id
from migrations_app.views.answers import cleaned, done, person_of, rendered

TEMPLATE = "migrations_app/users.html"
# A link to the compose page names its users; a batch takes twenty of them.
MOST_IN_LINK = 200


@require_GET
def users(request: HttpRequest) -> HttpResponse:
    """One page of the table, with tabs, filters and their counts."""
    person = person_of(request)
    require(person, Action.SEE)
    if request.GET.get("name"):
        return _by_name(request)
    now = clock.now()
    filters = listing.Filters.read(request.GET, chosen_account_id(request))
    sees = listing.sees_addresses(person)
    found = listing.select(filters, now, sees)
    total = found.count()
    start = (filters.page - 1) * listing.PAGE
    last = start + listing.PAGE
    context = {
        "filters": filters,
        "rows": user_rows.rows_of(found[start:last], now),
        "total": total,
        "first": min(start + 1, total),
        "last": min(last, total),
        "previous_url": f"?{filters.query(page=filters.page - 1)}" if filters.page > 1 else "",
        "next_url": f"?{filters.query(page=filters.page + 1)}" if last < total else "",
        "tabs": [
            (tab, filters.query(view=tab.value, chosen={}))
            for tab in listing.view_counts(filters, now)
        ],
        "facets": listing.chips(filters, now, sees),
        "sorts": listing.SORTS,
        "chips": [
            (name, value, filters.without(name, value))
            for name, values in filters.chosen.items()
            for value in values
        ],
        "query": filters.query(page=filters.page),
        "all_selected": request.GET.get("select") == "all",
        "may_operate": may(person, Action.OPERATE),
        "teams": Team.objects.filter(active=True),
    }
    return rendered(request, TEMPLATE, context, part="list")


@require_GET
def users_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole filter as CSV, all columns."""
    require(request.user, Action.SEE)
    return _export(request, "csv")


@require_GET
def users_json(request: HttpRequest) -> HttpResponseBase:
    """The whole filter as JSON."""
    require(request.user, Action.SEE)
    return _export(request, "json")


@require_POST
def bulk(request: HttpRequest) -> HttpResponse:
    """What was asked for the ticked users, or with `all` for everybody the filter shows."""
    person = person_of(request)
    require(person, Action.OPERATE)
    rows = _ticked(request)
    back = f"{reverse('users')}?{request.POST.get('query', '')}"
    act = request.POST.get("act", "")
    if not rows:
        raise Refused("Choose at least one user first.")
    if act == "compose":
        query = [("account", rows[0].user.account.account_id)]
        query += [("users", row.user.user_id) for row in rows[:MOST_IN_LINK]]
        return redirect(f"{reverse('batch-new')}?{urlencode(query)}")
    if act == "adopt":
        taken = changes.adopt(rows, person)
        left = len(rows) - taken
        kept = f" {left} stay: they have an owner, or can still be answered." if left else ""
        return done(request, back, f"Adopted {taken} users for the custodian.{kept}")
    if act == "assign":
        team = cleaned(TeamForm(request.POST))["team"]
        for row in rows:
            changes.assign(row, team, person)
        return done(request, back, f"{team} now answers for {len(rows)} users.")
    raise Refused("Choose what to do with these users.")


def _export(request: HttpRequest, form: Format) -> HttpResponseBase:
    """The filter's users as a file that bears the time of the sync it rests on."""
    now = clock.now()
    rows = exports.user_rows(
        _filtered(request, request.GET, now),
        whole_ids=listing.sees_addresses(person_of(request)),
    )
    name = f"iam-users-{_synced_at(request) or now:%Y%m%d-%H%M}"
    return download(written(form, exports.USER_FIELDS, rows), form, name)


def _synced_at(request: HttpRequest) -> datetime | None:
    """When the account of the filter, or the one of all that waited longest, was read whole."""
    accounts = Account.objects.filter(active=True)
    if chosen := listing.Filters.read(request.GET, chosen_account_id(request)).account:
        accounts = accounts.filter(account_id=chosen)
    at: datetime | None = accounts.aggregate(at=Min("last_whole_at"))["at"]
    return at


def _ticked(request: HttpRequest) -> DepartureQuerySet:
    if request.POST.get("all"):
        return _filtered(request, QueryDict(request.POST.get("query", "")), clock.now())
    wanted = [user_id.replace("\x00", "") for user_id in request.POST.getlist("users")]
    return listing.departures().filter(user__user_id__in=wanted).order_by("user__user_name")


def _filtered(request: HttpRequest, query: QueryDict, now: datetime) -> DepartureQuerySet:
    filters = listing.Filters.read(query, chosen_account_id(request))
    return listing.select(filters, now, listing.sees_addresses(person_of(request)))


def _by_name(request: HttpRequest) -> HttpResponse:
    """A user by name only: its page if exactly one bears it, else a list to choose from."""
    name, account = request.GET["name"], request.GET.get("account", "")
    found = IamUser.objects.filter(user_name__iexact=name, departure__isnull=False)
    if account:
        found = found.filter(account__account_id=account)
    rows = list(found.select_related("account").order_by("gone_at")[:2])
    present = [row for row in rows if row.gone_at is None]
    only = present if len(present) == 1 else rows
    if len(only) == 1:
        return redirect("user", account=only[0].account.account_id, user_id=only[0].user_id)
    query = {"q": name, "view": "everything", **({"account": account} if account else {})}
    return redirect(f"{reverse('users')}?{urlencode(query)}")
