"""The Users page: find and pick; the menus of its filters; its exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Min, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from inventory import clock
from inventory.answers import download
from inventory.exports import Format, written
from inventory.hashing import digest
from inventory.models import Account, IamUser, LedgerEntry
from inventory.permissions import Action, may, require
from inventory.remembered import remembered
from migrations_app import batch_adding, exports
from migrations_app.forms.people import SavedViewForm
from migrations_app.models import SavedView
from migrations_app.models.departure import DepartureQuerySet
from migrations_app.shell import chosen_account_id
from migrations_app.users import columns, facets, listing, paging, posture, saved_views, user_rows
from migrations_app.users.facets import Facet
from migrations_app.users.filters import VIEWS, Filters
from migrations_app.views.answers import is_fragment, person_of, rendered

TEMPLATE = "migrations_app/users.html"
# Saved views beyond these stand in a menu, uncounted: each count costs a look at the table.
TABS = 6
# The Overview's tiles lead there; a tab only while one is chosen.
_FROM_OVERVIEW = frozenset({"no-mfa", "never-used"})


@dataclass(frozen=True, slots=True)
class Tab:
    """One view over the table. `count` is None where nothing was counted."""

    label: str
    query: str
    chosen: bool
    count: int | None = None
    shared: bool = False

    @property
    def counted(self) -> str:
        """ "146", or "10,000+" beyond what is counted."""
        return "" if self.count is None else counted(self.count)


def counted(number: int) -> str:
    """A number that was counted up to `listing.COUNTED`."""
    return f"{listing.COUNTED:,}+" if number > listing.COUNTED else f"{number:,}"


@require_GET
def users(request: HttpRequest) -> HttpResponse:
    """One page of the table, with tabs, filters and their counts."""
    require(person_of(request), Action.SEE)
    if request.GET.get("name"):
        return _by_name(request)
    filters = filters_of(request, request.GET)
    alone = is_fragment(request) and request.headers.get("HX-Target") == "filters"
    answer = _filters_alone(request, filters) if alone else users_page(request, filters)
    patch_vary_headers(answer, ["HX-Target"])
    return answer


@require_GET
def users_facet(request: HttpRequest, name: str) -> HttpResponse:
    """The menu of one filter with its counts; a browser without htmx gets the page with it open."""
    person = person_of(request)
    require(person, Action.SEE)
    if name not in facets.FACETS:
        raise Http404
    filters = filters_of(request, request.GET)
    if not is_fragment(request):
        return redirect(f"{reverse('users')}?{filters.query()}&open={name}")
    facet = listing.facet(filters, name, clock.now(), listing.sees_addresses(person))
    return rendered(request, TEMPLATE, {"facet": facet, "filters": filters}, part="choices")


@require_GET
def users_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole filter as CSV, all columns."""
    require(request.user, Action.SEE)
    return export(request, filtered(request, request.GET), "csv")


@require_GET
def users_json(request: HttpRequest) -> HttpResponseBase:
    """The whole filter as JSON."""
    require(request.user, Action.SEE)
    return export(request, filtered(request, request.GET), "json")


def filters_of(request: HttpRequest, query: QueryDict) -> Filters:
    """What a query string asks for; a saved view by its number alone asks what it keeps."""
    chosen = chosen_account_id(request)
    filters = Filters.read(query, chosen)
    if query is request.GET:
        # Of an account that is not there the switcher knows nothing, nor may the list.
        filters = replace(filters, account=chosen)
    if filters.saved is None or set(query) - {"saved", "account", "open", "select"}:
        return filters
    seen = saved_views.seen_by(person_of(request))
    view = next((one for one in seen if one.pk == filters.saved), None)
    return filters.with_only(view.query, view.pk) if view else replace(filters, saved=None)


def filtered(request: HttpRequest, query: QueryDict) -> DepartureQuerySet:
    """Everybody whom a query string of this page shows, in its order."""
    filters = filters_of(request, query)
    return listing.select(filters, clock.now(), listing.sees_addresses(person_of(request)))


def users_page(
    request: HttpRequest,
    filters: Filters,
    *,
    form: SavedViewForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page or its list; with the form of a view that could not be saved."""
    person, now = person_of(request), clock.now()
    sees = listing.sees_addresses(person)
    found = listing.matching(filters, now, sees)
    saved = saved_views.seen_by(person)
    looked = _looked_at(filters)
    (total,) = listing.counts([found])
    tabs = _tabs(filters, saved, now, sees=sees, version=looked.version, total=total)
    page = listing.page(found, filters, few=total <= listing.COUNTED)
    current = next((one for one in saved if one.pk == filters.saved), None)
    operates = may(person, Action.OPERATE)
    context = {
        **_filters_context(request, filters, now, sees, looked.version),
        "account_id": looked.account_id,
        "synced_at": looked.synced_at,
        "rows": user_rows.rows_of(page.rows, now),
        "page": page,
        "total": counted(total),
        "more_than_shown": total > len(page.rows),
        "previous_url": _url(filters, page.previous),
        "next_url": _url(filters, page.next),
        "tabs": tabs[: len(tabs) - max(len(saved) - TABS, 0)],
        "further_tabs": tabs[len(tabs) - max(len(saved) - TABS, 0) :],
        "saved_view": current,
        "may_change_view": current is not None and saved_views.may_change(current, person),
        "is_changed": _is_changed(filters, current),
        "may_share": saved_views.may_share(person),
        "form": form,
        "query": filters.here,
        "all_selected": request.GET.get("select") == "all",
        "typed": request.headers.get("HX-Trigger") == "users-q",
        "may_operate": operates,
        "columns": columns.offered(person),
        "hidden_columns": columns.hidden(person),
        "columns_changed": "columns" in request.POST,
        "swapped": is_fragment(request),
        # One of another account would take nobody from here.
        "draft": batch_adding.draft_for(looked.account_id)
        if operates and looked.account_id
        else None,
    }
    answer = rendered(request, TEMPLATE, context, part="list", status=status)
    if is_fragment(request) and request.method == "GET":
        answer["HX-Push-Url"] = f"{reverse('users')}?{filters.here}"
    return answer


def _filters_alone(request: HttpRequest, filters: Filters) -> HttpResponse:
    """The filters with one more menu open: nobody comes or goes, so the list stays as it is."""
    sees = listing.sees_addresses(person_of(request))
    context = _filters_context(request, filters, clock.now(), sees)
    # What is being typed is not taken away.
    context |= {"typed": True, "filters_only": True}
    return rendered(request, TEMPLATE, context, part="filters")


def _filters_context(
    request: HttpRequest, filters: Filters, now: datetime, sees: bool, version: str = ""
) -> dict[str, Any]:
    return {
        "filters": filters,
        "chips": _chips(request, filters, now, sees, version),
        "offered": _offered(filters),
        "sorts": paging.SORTS,
        "sees": sees,
    }


def export(request: HttpRequest, rows: DepartureQuerySet, form: Format) -> HttpResponseBase:
    """Users as a file that bears the time of the sync it rests on."""
    told = exports.user_rows(rows, whole_ids=listing.sees_addresses(person_of(request)))
    name = f"iam-users-{_synced_at(request) or clock.now():%Y%m%d-%H%M}"
    return download(written(form, exports.USER_FIELDS, told), form, name)


def _tabs(
    filters: Filters,
    saved: Sequence[SavedView],
    now: datetime,
    *,
    sees: bool,
    version: str,
    total: int,
) -> list[Tab]:
    """The views with their counts; one query, or none while nothing happened.

    `total` is how many users the filters leave.
    """
    known = {**VIEWS, **posture.VIEWS}
    views = {view: label for view, label in VIEWS.items() if view not in _FROM_OVERVIEW}
    views.setdefault(filters.view, known[filters.view])
    shown = saved[:TABS]
    of_saved = [filters.with_only(one.query, one.pk) for one in saved]

    def count() -> list[int]:
        questions = [listing.in_view(view, filters.account, now) for view in views]
        questions += [listing.matching(one, now, sees) for one in of_saved[: len(shown)]]
        return listing.counts(questions)

    asked_for = [version, filters.account, *views, sees, *(one.query() for one in of_saved)]
    numbers = remembered(f"users-tabs:{digest(asked_for)}", listing.KEPT_SECONDS, count)
    own = filters.saved is None
    if own and not (filters.chosen or filters.q):
        # The list and its tab never disagree.
        numbers[[*views].index(filters.view)] = total
    tabs = [
        Tab(
            label,
            Filters(view=view, account=filters.account).query(),
            own and view == filters.view,
            number,
        )
        for (view, label), number in zip(views.items(), numbers, strict=False)
    ]
    counts = [*numbers[len(views) :], *[None] * (len(saved) - len(shown))]
    counts = [
        total if number is not None and asked == replace(filters, place=paging.FIRST) else number
        for asked, number in zip(of_saved, counts, strict=True)
    ]
    tabs += [
        Tab(one.name, asked.query(), one.pk == filters.saved, number, one.shared)
        for one, asked, number in zip(saved, of_saved, counts, strict=True)
    ]
    return tabs


def _is_changed(filters: Filters, current: SavedView | None) -> bool:
    """Whether what is shown is no longer the view it began with."""
    kept = current.query if current else Filters(view=filters.view).kept
    return filters.kept != kept


def _chips(
    request: HttpRequest, filters: Filters, now: datetime, sees: bool, version: str
) -> list[Facet]:
    """The chosen filters; the one that is open with all its values, where it is a chip or not."""
    chips = {one.name: one for one in listing.chosen_facets(filters)}
    opened = request.GET.get("open", "")
    if opened in facets.FACETS:
        chips[opened] = listing.facet(filters, opened, now, sees, version)
    return list(chips.values())


def _offered(filters: Filters) -> list[tuple[str, str]]:
    """The filters that are not chosen yet; of accounts only where several are looked at."""
    return [
        (name, title)
        for name, title in facets.TITLES.items()
        if name not in filters.chosen and not (name == "accounts" and filters.account)
    ]


@dataclass(frozen=True, slots=True)
class _LookedAt:
    """The accounts behind a page. `account_id` is empty for several, `synced_at` is when all of
    them were last read whole; `version` is another one after every change and every sync."""

    account_id: str
    synced_at: datetime | None
    version: str


def _looked_at(filters: Filters) -> _LookedAt:
    """Asked for here, because the shell with all that it knows is not drawn around a fragment."""
    accounts = Account.objects.filter(active=True)
    if filters.account:
        accounts = accounts.filter(account_id=filters.account)
    newest = Subquery(LedgerEntry.objects.order_by("-seq").values("hash")[:1])
    found = list(accounts.values_list("account_id", "last_whole_at", newest))
    times = [at for _, at, _ in found if at is not None]
    return _LookedAt(
        found[0][0] if len(found) == 1 else filters.account,
        min(times) if times and len(times) == len(found) else None,
        f"{found[0][2]}:{max(times, default=None)}" if found else "",
    )


def _url(filters: Filters, place: paging.Place | None) -> str:
    return "" if place is None else f"?{filters.query(place=place)}"


def _synced_at(request: HttpRequest) -> datetime | None:
    """When the account of the filter, or the one of all that waited longest, was read whole."""
    accounts = Account.objects.filter(active=True)
    if chosen := filters_of(request, request.GET).account:
        accounts = accounts.filter(account_id=chosen)
    at: datetime | None = accounts.aggregate(at=Min("last_whole_at"))["at"]
    return at


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
