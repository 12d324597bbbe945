"""The Users page's questions: filters become a query, a page of departures becomes rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Sum, Value, When
from django.http import QueryDict

from inventory.models import Account, Activity, Credential, Team
from inventory.privilege import ADMIN_LEVELS
from migrations_app import posture
from migrations_app.lifecycle import HAS_ACCESS, Protection, State
from migrations_app.models import Answer, Departure, Hit
from migrations_app.models.departure import DepartureQuerySet

PAGE = 50
WEEKS = 13
OLD_KEY = timedelta(days=365)
NOBODY = "nobody"
QUIET_VERDICTS = ("dormant", "never-used")
FACETS = ("state", "category", "owner", "verdict", "privilege")
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
            for name in FACETS
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


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter with how many users it would show."""

    value: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the Users table."""

    departure: Departure
    weeks: tuple[int, ...]
    oldest_key: timedelta | None
    mfa: str  # yes | no | n/a
    fact: str
    flags: tuple[str, ...]

    @property
    def key_age(self) -> str:
        """The age of the oldest active access key: "3.1 y", or days below one year."""
        if self.oldest_key is None:
            return ""
        days = self.oldest_key.days
        return f"{days / 365.25:.1f} y" if days >= 365 else f"{days} d"


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
    for name in filters.chosen:
        rows = rows.filter(_facet(name, filters.chosen[name]))
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
    views = dict(VIEWS)
    if filters.view in posture.VIEWS:
        views[filters.view] = posture.VIEWS[filters.view]
    counts = rows.aggregate(
        **{_column(view): Count("pk", filter=_view(view, now)) for view in views}
    )
    return [
        Choice(view, label, counts[_column(view)], view == filters.view)
        for view, label in views.items()
    ]


def facets(filters: Filters, now: datetime, may_see_addresses: bool) -> dict[str, list[Choice]]:
    """For each facet its values with counts under the view, the text and the other facets."""
    rows = in_view(found(filters, may_see_addresses), filters.view, now)
    columns = {
        "state": "shown_state",
        "category": "category",
        "owner": "owner__key",
        "verdict": "user__verdict",
        "privilege": "user__privilege",
    }
    groups = list(rows.order_by().values_list(*columns.values()).annotate(Count("pk")))
    answer: dict[str, list[Choice]] = {}
    for place, name in enumerate(columns):
        tally: Counter[str] = Counter()
        for *values, number in groups:
            shown = [
                value or NOBODY if key == "owner" else value or ""
                for key, value in zip(columns, values, strict=True)
            ]
            others = (
                shown[at] in chosen
                for at, key in enumerate(columns)
                if key != name and (chosen := filters.chosen.get(key))
            )
            if all(others):
                tally[shown[place]] += number
        answer[name] = _choices(name, tally, filters.chosen.get(name, ()))
    return answer


def rows_of(departures: Iterable[Departure], now: datetime) -> list[Row]:
    """The table's rows for one page of departures; two queries however many there are."""
    page = list(departures)
    users = [row.user_id for row in page]
    weeks = weeks_of(users, now.date())
    keys = dict(
        Credential.objects.filter(_active_key(), user__in=users)
        .values_list("user")
        .annotate(Min("created_at"))
    )
    return [
        Row(
            departure=row,
            weeks=weeks.get(row.user_id, (0,) * WEEKS),
            oldest_key=now - made if (made := keys.get(row.user_id)) else None,
            mfa=mfa_of(row),
            fact=telling_fact(row),
            flags=flags(row, now, has_hit=has_hit(row)),
        )
        for row in page
    ]


def weeks_of(users: Iterable[int], today: date) -> dict[int, tuple[int, ...]]:
    """Calls per week of each user for 13 weeks, oldest first; failed sign-ins are nobody's use."""
    sums = (
        Activity.objects.filter(user__in=list(users), day__gt=today - timedelta(weeks=WEEKS))
        .exclude(outcome="failed-sign-in")
        .order_by()
        .values_list("user", "day")
        .annotate(Sum("count"))
    )
    weeks: dict[int, list[int]] = {}
    for user, day, calls in sums:
        if (place := week_of(day, today)) is not None:
            weeks.setdefault(user, [0] * WEEKS)[place] += calls
    return {user: tuple(counts) for user, counts in weeks.items()}


def week_of(day: date, today: date) -> int | None:
    """Which of the 13 weeks that end today holds `day`, 0 the oldest; None outside them."""
    place = WEEKS - 1 - (today - day).days // 7
    return place if 0 <= place < WEEKS else None


def mfa_of(departure: Departure) -> str:
    """Whether a console user has MFA: yes, no, or n/a without a console password."""
    if not departure.user.has_console_password:
        return "n/a"
    return "yes" if departure.user.mfa else "no"


def telling_fact(departure: Departure) -> str:
    """One fact beside the category that tells users apart."""
    user = departure.user
    if any("AWSCompromisedKeyQuarantine" in arn for arn in user.attached_policies):
        return "AWS put a compromised-key policy on it"
    return f"path {user.path}" if user.path != "/" else ""


def flags(departure: Departure, now: datetime, has_hit: bool) -> tuple[str, ...]:
    """What stands beside the state, most urgent first; names of `state_badge`."""
    due = departure.due_at
    soaking = departure.state == State.SOAKING
    shown = (
        ("hit", has_hit),
        ("ready", soaking and due is not None and due <= now and not has_hit),
        ("disputed", bool(departure.disputed_until and departure.disputed_until >= now.date())),
        ("extended", bool(departure.not_before and departure.not_before > now)),
        (
            "restored",
            departure.restored_at is not None
            and departure.state in HAS_ACCESS
            and now - departure.restored_at < timedelta(days=30),
        ),
    )
    return tuple(name for name, holds in shown if holds)


def _plain(text: str) -> str:
    """Typed text as the database takes it: no NUL, no blanks around, not endless."""
    return text.replace("\x00", "").strip()[:200]


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


def _facet(name: str, values: tuple[str, ...]) -> Q:
    if name == "owner":
        match = Q(owner__key__in=values)
        return match | Q(owner=None) if NOBODY in values else match
    column = {
        "state": "shown_state",
        "category": "category",
        "verdict": "user__verdict",
        "privilege": "user__privilege",
    }[name]
    return Q(**{f"{column}__in": values})


def _choices(name: str, tally: Counter[str], chosen: tuple[str, ...]) -> list[Choice]:
    labels: dict[str, str] = {}
    if name == "owner":
        labels = {**dict(Team.objects.values_list("key", "name")), NOBODY: "Nobody yet"}
    values = {**tally, **{value: tally.get(value, 0) for value in chosen}}
    return [
        Choice(value, labels.get(value, value), number, value in chosen)
        for value, number in sorted(values.items(), key=lambda pair: -pair[1])
        if value
    ]


def account_named(account_id: str) -> Account | None:
    """The account with this id, or None."""
    return Account.objects.filter(account_id=account_id).first()
