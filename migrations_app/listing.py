"""The Users page's questions: filters become a query, a page of departures becomes rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.http import QueryDict

from inventory.models import Account, Activity, Credential, Person
from inventory.permissions import Action, may
from inventory.refusals import Refused
from inventory.rights.privilege import ADMIN_LEVELS
from migrations_app import facets, posture
from migrations_app.facets import Choice, Facet
from migrations_app.lifecycle import HAS_ACCESS, Protection, State
from migrations_app.models import Answer, Departure, Hit
from migrations_app.models.departure import DepartureQuerySet

PAGE = 50
OLD_KEY = timedelta(days=365)
QUIET_VERDICTS = ("dormant", "never-used")
SORTS = {
    "suggested": "Suggested order",
    "name": "Name",
    "last-used": "Last used",
    "oldest-key": "Oldest key",
}
VIEWS = {
    "left": "All left",
    "dormant": "Dormant, 90 days",
    "unused-45": "Unused, 45 days",
    "no-owner": "No owner",
    "admin": "Admin",
    "ready": "Ready to disable",
    "old-keys": "Keys older than 1 year",
    "no-mfa": "No MFA",
    "never-used": "Never used",
    "everything": "Everything",
}
# The Overview's tiles lead there; a tab only while one is chosen.
_FROM_OVERVIEW = frozenset({"no-mfa", "never-used"})


@dataclass(frozen=True, slots=True)
class Filters:
    """What the reader asked to see; made from a query string and turned back into one."""

    view: str = "left"
    q: str = ""
    account: str = ""
    sort: str = "suggested"
    page: int = 1
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, query: QueryDict, account: str = "") -> Filters:
        """Filters from a query string; what is unknown in it is left out, never an error."""
        chosen = {
            name: values
            for name in facets.FACETS
            if (values := tuple(filter(None, map(_plain, query.getlist(name)))))
        }
        view, known = query.get("view", ""), {*VIEWS, *posture.VIEWS}
        page, sort = query.get("page", "1"), query.get("sort", "")
        return cls(
            # A state was asked for by name: no view may hide it.
            view=view if view in known else "everything" if "state" in chosen else "left",
            q=_plain(query.get("q", "")),
            account=_plain(query.get("account", account)),
            sort=sort if sort in SORTS else "suggested",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
            chosen=chosen,
        )

    def query(self, **changed: Any) -> str:
        """The query string of these filters, with `changed` ones (page falls back to the first)."""
        now = replace(self, **{"page": 1, **changed})
        pairs: list[tuple[str, str]] = [("view", now.view)]
        pairs += [
            (name, str(value))
            for name, value, default in (
                ("q", now.q, ""),
                ("account", now.account, ""),
                ("sort", now.sort, "suggested"),
                ("page", now.page, 1),
            )
            if value != default
        ]
        pairs += [(name, value) for name, values in now.chosen.items() for value in values]
        return urlencode(pairs)

    def without(self, name: str, value: str) -> str:
        """The query string with one chosen value taken off."""
        kept = tuple(one for one in self.chosen.get(name, ()) if one != value)
        return self.query(chosen={**self.chosen, name: kept})


def shown() -> DepartureQuerySet:
    """Every IAM user ever seen, with `category` and `shown_state` as pages count them."""
    guarded = ~Q(protection=Protection.NONE) & ~Q(state=State.DELETED)
    return Departure.objects.annotate(
        category=Case(
            When(user__category_override="", then=F("user__category")),
            default=F("user__category_override"),
        ),
        # Protection is a flag that is drawn, filtered and counted like a state.
        shown_state=Case(When(guarded, then=Value("protected")), default=F("state")),
    )


def departures() -> DepartureQuerySet:
    """Every IAM user ever seen, with what the table and the exports read of it."""
    return (
        shown()
        .select_related("user", "user__account", "user__suggested_team", "owner", "plan")
        .annotate(has_hit=Exists(open_hits()))
    )


def select(filters: Filters, now: datetime, may_see_addresses: bool = False) -> DepartureQuerySet:
    """The departures that `filters` leave, in their order."""
    rows = in_view(found(filters, may_see_addresses), filters.view, now)
    rows = facets.annotated(rows, now, *filters.chosen)
    for name, values in filters.chosen.items():
        rows = rows.filter(facets.matches(name, values))
    return ordered(rows, filters.sort)


def found(filters: Filters, may_see_addresses: bool = False) -> DepartureQuerySet:
    """The departures of the account that match the typed text."""
    rows = departures()
    if filters.account:
        rows = rows.filter(user__account__account_id=filters.account)
    if filters.q:
        rows = rows.filter(_typed(filters.q, may_see_addresses))
    return rows


def in_view(rows: DepartureQuerySet, view: str, now: datetime) -> DepartureQuerySet:
    """One of VIEWS as a query."""
    return rows.filter(_view(view, now))


def ordered(rows: DepartureQuerySet, sort: str) -> DepartureQuerySet:
    """`suggested`: admin and risky first, then easy wins, then by name."""
    if sort == "name":
        return rows.order_by("user__user_name", "pk")
    if sort == "last-used":
        return rows.order_by(F("user__last_activity_at").desc(nulls_last=True), "pk")
    if sort == "oldest-key":
        oldest = Min("user__credentials__created_at", filter=_active_key("user__credentials__"))
        return rows.annotate(oldest=oldest).order_by(F("oldest").asc(nulls_last=True), "pk")
    urgency = Case(
        When(user__privilege__in=ADMIN_LEVELS, then=0),
        When(user__has_console_password=True, user__mfa=[], then=1),
        When(user__verdict__in=QUIET_VERDICTS, then=2),
        default=3,
    )
    return rows.annotate(urgency=urgency).order_by("urgency", "user__user_name", "pk")


def view_counts(filters: Filters, now: datetime) -> list[Choice]:
    """The tabs, with how many users each shows in this account; one query."""
    rows = departures().order_by()
    if filters.account:
        rows = rows.filter(user__account__account_id=filters.account)
    known = {**VIEWS, **posture.VIEWS}
    views = {view: label for view, label in VIEWS.items() if view not in _FROM_OVERVIEW}
    views.setdefault(filters.view, known[filters.view])
    counts = rows.aggregate(
        **{_column(view): Count("pk", filter=_view(view, now)) for view in views}
    )
    return [
        Choice(view, label, counts[_column(view)], view == filters.view)
        for view, label in views.items()
    ]


def _plain(text: str) -> str:
    """Typed text as the database takes it: no NUL, no blanks around, not endless."""
    return text.replace("\x00", "").strip()[:200]


def chips(filters: Filters, now: datetime, may_see_addresses: bool) -> list[Facet]:
    """Each facet with its values, counted under the view, the text and the other facets."""
    rows = in_view(found(filters, may_see_addresses), filters.view, now)
    rows = facets.annotated(rows, now, *facets.FACETS).order_by()
    columns = [facets.column(name) for name in facets.FACETS]
    tallies: dict[str, Counter[str]] = {name: Counter() for name in facets.FACETS}
    teams: dict[str, str] = {}
    for *values, team, number in rows.values_list(*columns, "owner__name").annotate(Count("pk")):
        shown = {
            name: facets.shown_value(name, value)
            for name, value in zip(facets.FACETS, values, strict=True)
        }
        teams[shown["owner"]] = team
        missed = {name for name, chosen in filters.chosen.items() if shown[name] not in chosen}
        for name, value in shown.items():
            if missed <= {name}:
                tallies[name][value] += number
    return [
        facets.facet(name, tally, filters.chosen.get(name, ()), teams)
        for name, tally in tallies.items()
    ]


def has_hit(departure: Departure) -> bool:
    """Whether a hit is open on a departure that `departures` gave."""
    return bool(departure.has_hit)  # type: ignore[attr-defined]  # annotated there


def open_hits() -> QuerySet[Hit]:
    """The open hits of the departure of an outer query."""
    return Hit.objects.filter(departure=OuterRef("pk"), kind=Hit.Kind.HIT, closed="")


def _active_key(prefix: str = "") -> Q:
    return Q(
        **{
            f"{prefix}kind": Credential.Kind.ACCESS_KEY,
            f"{prefix}status": "Active",
            f"{prefix}gone_at": None,
        }
    )


def old_key(now: datetime) -> Exists:
    """Whether the departure's user has an active access key older than a year."""
    keys = Credential.objects.filter(_active_key(), user=OuterRef("user"))
    return Exists(keys.filter(created_at__lt=now - OLD_KEY))


def _typed(text: str, may_see_addresses: bool) -> Q:
    """A name, user id, key id or tag; a source address only for whom it may be shown."""
    keys = Credential.objects.filter(user=OuterRef("user"), credential_id__icontains=text)
    match = (
        Q(user__user_name__icontains=text)
        | Q(user__user_id__iexact=text)
        | Q(user__arn__iexact=text)
        | Q(user__tags__icontains=text)
        | Q(Exists(keys))
    )
    if may_see_addresses:
        calls = Activity.objects.filter(user=OuterRef("user"), source_address=text)
        match |= Q(Exists(calls))
    return match


def _view(view: str, now: datetime) -> Q:
    if view == "unused-45" or view in posture.VIEWS:
        return posture.view(view, now)
    access = Q(state__in=HAS_ACCESS, protection=Protection.NONE)
    quiet = Q(user__verdict__in=QUIET_VERDICTS)
    undisputed = Q(disputed_until=None) | Q(disputed_until__lt=now.date())
    return {
        "left": ~Q(state=State.DELETED) & Q(protection=Protection.NONE),
        "dormant": access & quiet,
        "no-owner": access & Q(state=State.DISCOVERED),
        "admin": access & Q(user__privilege__in=ADMIN_LEVELS),
        "ready": access
        & undisputed
        & quiet
        & Q(state=State.OWNER_ASSIGNED, user__coverage_whole=True, handed_to=None)
        & ~Q(answer=Answer.NEEDED),
        "old-keys": access & Q(old_key(now)),
        "never-used": access & Q(user__verdict="never-used"),
        "no-mfa": access & Q(user__has_console_password=True, user__mfa=[]),
        "everything": Q(pk__isnull=False),
    }[view]


def _column(view: str) -> str:
    return f"in_{view.replace('-', '_')}"


def sees_addresses(person: Person) -> bool:
    """Whether a list that spans teams may be searched by, and show, ids and source addresses."""
    return may(person, Action.OPERATE) or may(person, Action.APPROVE)


def named(account: Account, users: Collection[str]) -> list[Departure]:
    """The departures of these users by id or name; Refused for one that is not there.

    Names are compared without regard to case, as AWS does.
    """
    rows = Departure.objects.filter(user__account=account).select_related("user__account", "owner")
    names = {name.lower() for name in users}
    wanted = Q(user__user_id__in=users) | Q(lower_name__in=names)
    found = list(
        rows.annotate(lower_name=Lower("user__user_name"))
        .filter(wanted, user__gone_at=None)
        .exclude(state=State.DELETED)
    )
    have = {row.user.user_id.lower() for row in found} | {
        row.user.user_name.lower() for row in found
    }
    if missing := sorted(names - have):
        raise Refused(
            f"No such user in {account.name}: {', '.join(missing)[:200]}.", rule="not-found"
        )
    return found


def account_named(account_id: str) -> Account | None:
    """The account with this id, or None."""
    return Account.objects.filter(account_id=account_id).first()
