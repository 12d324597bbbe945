"""The Users page's questions: filters become queries of `Listed`, a page of it departures."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import JSONObject, Lower

from inventory.hashing import digest
from inventory.models import Account, Activity, Credential, Person, Team
from inventory.permissions import Action, may
from inventory.posture import ROTATE_AFTER, UNUSED_AFTER
from inventory.refusals import Refused
from inventory.remembered import remembered
from inventory.rights.privilege import ADMIN_LEVELS
from inventory.statements import Instances
from migrations_app.lifecycle import HAS_ACCESS, Protection, State
from migrations_app.models import Batch, Change, Departure, Hit, Listed
from migrations_app.models.departure import DepartureQuerySet
from migrations_app.models.listed import NO_KEY
from migrations_app.users import facets, paging
from migrations_app.users.facets import Facet
from migrations_app.users.filters import Filters

OLD_KEY = timedelta(days=365)
QUIET_VERDICTS = ("dormant", "never-used")
# Beyond so many nobody needs the number, and counting on would read everything.
COUNTED = 10_000
# What no entry of the ledger tells of, such as the verdicts of a sync that goes on, is seen then.
KEPT_SECONDS = 15
_BATCHES = 50
_CALLERS = 1_000
# What CloudTrail gives as a source: an address, or the name of an AWS service.
_ADDRESS = re.compile(r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*|[a-z0-9.-]+\.amazonaws\.com")
_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:user/(?:\S*/)?([^/\s]+)", re.ASCII)


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


def matching(filters: Filters, now: datetime, may_see_addresses: bool = False) -> QuerySet[Listed]:
    """Whom `filters` leave, in no order."""
    rows = Listed.objects.filter(_view(filters.view, now))
    if filters.account:
        rows = rows.filter(account__account_id=filters.account)
    if filters.q:
        rows = rows.filter(_typed(filters.q, may_see_addresses))
    for name, values in filters.chosen.items():
        rows = rows.filter(facets.matches(name, values, now))
    return rows


def select(filters: Filters, now: datetime, may_see_addresses: bool = False) -> DepartureQuerySet:
    """The departures that `filters` leave, in their order."""
    found = matching(filters, now, may_see_addresses)
    return (
        departures()
        .filter(pk__in=found.values("pk"))
        .order_by(*paging.order(filters.sort, "listed__"))
    )


def page(found: QuerySet[Listed], filters: Filters, *, few: bool = False) -> paging.Page:
    """The page that `filters` ask for of whom they leave, with what its rows show."""
    return paging.page_of(_table_rows, found, filters.sort, filters.place, few=few)


def first_of(found: QuerySet[Listed]) -> list[Departure]:
    """The first page of `found` in the suggested order, with all of each user."""
    return paging.page_of(_whole_rows, found, "suggested", paging.FIRST).rows


@cache
def _table_rows(sort: str, backwards: bool) -> Instances:
    return _in_order(departures().only(*_READ).annotate(held=_held()), sort, backwards)


@cache
def _whole_rows(sort: str, backwards: bool) -> Instances:
    return _in_order(departures(), sort, backwards)


def _in_order(rows: DepartureQuerySet, sort: str, backwards: bool) -> Instances:
    ordered = rows.select_related("listed").order_by(*paging.order(sort, "listed__"))
    return Instances.of(ordered.reverse() if backwards else ordered)


def _held() -> ArraySubquery:
    keys = Credential.objects.filter(user=OuterRef("user"), status="Active", gone_at=None)
    return ArraySubquery(keys.order_by("pk").values(one=JSONObject(kind="kind", service="service")))


# What a row of the table shows. All of a user would be some thirty columns, policies among them.
_READ = (
    *("state", "protection", "version", "disputed_until", "restored_at"),
    *("clock_started_at", "watch", "soak", "lengthened_by", "not_before"),
    *("owner__name", "plan__status"),
    *("listed__urgency", "listed__user_name", "listed__last_used_at", "listed__oldest_key_at"),
    *("listed__mfa", "user__user_id", "user__user_name", "user__path", "user__tags"),
    *("user__groups", "user__attached_policies", "user__created_by", "user__created_at"),
    *("user__has_console_password", "user__privilege", "user__verdict", "user__rhythm"),
    *("user__judged_at", "user__coverage", "user__last_activity_at"),
    *("user__suggestion_percent", "user__suggested_team__name"),
    *("user__account__account_id", "user__account__name"),
)


def counts(questions: Sequence[QuerySet[Listed]]) -> list[int]:
    """How many rows each of these has, counted up to one more than COUNTED; one statement."""
    parts: list[str] = []
    params: list[Any] = []
    for rows in questions:
        some = rows.order_by().annotate(one=Value(1)).values("one")[: COUNTED + 1]
        try:
            sql, its = some.query.sql_with_params()
        except EmptyResultSet:
            parts.append("0")
            continue
        parts.append(f"(SELECT count(*) FROM ({sql}) counted)")  # noqa: S608 (Django's own SQL)
        params += its
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", params)
        return list(cursor.fetchone() or ())


def in_view(view: str, account: str, now: datetime) -> QuerySet[Listed]:
    """Whom a tab shows in this account, before anything is filtered."""
    return matching(Filters(view=view, account=account), now)


def facet(
    filters: Filters, name: str, now: datetime, may_see_addresses: bool, version: str = ""
) -> Facet:
    """A facet with its values, counted under the view, the text and the other facets.

    With a `version` of all that is counted, which is another one after every change, the numbers
    are kept for KEPT_SECONDS: whoever ticks values in an open menu is shown the same ones again.
    """
    others = filters.without(name)

    def count() -> Mapping[str, int]:
        rows = matching(others, now, may_see_addresses).order_by()
        return _by_batch(rows) if name == "batch" else facets.counted(rows, name, now)

    # Who is put into a draft or taken out of it is no entry of the ledger.
    if version and name != "batch":
        key = digest([version, name, others.query(), may_see_addresses])
        pairs = remembered(f"users-facet:{key}", KEPT_SECONDS, count)
    else:
        pairs = count()
    chosen = filters.chosen.get(name, ())
    return facets.facet(name, pairs, chosen, names=_names(name, [*pairs]), is_open=True)


def chosen_facets(filters: Filters) -> list[Facet]:
    """The chosen facets with their chosen values alone; nothing is counted."""
    return [
        facets.facet(name, {}, values, names=_names(name, values))
        for name, values in sorted(
            filters.chosen.items(), key=lambda pair: facets.FACETS.index(pair[0])
        )
    ]


def _by_batch(rows: QuerySet[Listed]) -> Mapping[str, int]:
    """Of the latest batches that hold somebody of `rows`, how many; each batch is asked alone.

    Grouped all at once, the whole journal of old batches would be read to see where the last ends.
    """
    changes = Change.objects.filter(batch=OuterRef("pk"), departure__in=rows.values("pk"))
    held = changes.exclude(status=Change.Status.LEFT_OUT).order_by().values("batch")
    users = Subquery(held.annotate(users=Count("departure", distinct=True)).values("users"))
    found = Batch.objects.annotate(users=users).filter(users__gt=0).order_by("-number")
    return {str(number): users for number, users in found.values_list("number", "users")[:_BATCHES]}


def _names(name: str, keys: Collection[str]) -> Mapping[str, str]:
    """What teams and accounts are called; nothing for other facets."""
    if name == "owner":
        return dict(Team.objects.filter(key__in=keys).values_list("key", "name"))
    if name == "accounts":
        return dict(Account.objects.filter(account_id__in=keys).values_list("account_id", "name"))
    return {}


def has_hit(departure: Departure) -> bool:
    """Whether a hit is open on a departure that `departures` gave."""
    return bool(departure.has_hit)  # type: ignore[attr-defined]  # annotated there


def open_hits() -> QuerySet[Hit]:
    """The open hits of the departure of an outer query."""
    return Hit.objects.filter(departure=OuterRef("pk"), kind=Hit.Kind.HIT, closed="")


def old_key(now: datetime) -> Exists:
    """Whether the departure's user has an active access key older than a year."""
    keys = Credential.objects.filter(
        user=OuterRef("user"), kind=Credential.Kind.ACCESS_KEY, status="Active", gone_at=None
    )
    return Exists(keys.filter(created_at__lt=now - OLD_KEY))


def _typed(text: str, may_see_addresses: bool) -> Q:
    """A name, user id, key id or tag; a source address only for whom it may be shown."""
    if arn := _ARN.fullmatch(text):
        return Q(words__contains=arn[1].lower(), departure__user__arn__iexact=text)
    match = Q(words__contains=text.lower())
    if may_see_addresses and _ADDRESS.fullmatch(text):
        calls = Activity.objects.filter(source_address=text).order_by()
        callers = calls.filter(user__departure__isnull=False).values("user__departure").distinct()
        match |= Q(paging.is_one_of(callers[:_CALLERS]))
    return match


def _view(view: str, now: datetime) -> Q:
    """One of `filters.VIEWS` or `posture.VIEWS` as a condition on `Listed`."""
    access = Q(state__in=sorted(HAS_ACCESS))
    present = Q(gone=False)
    undisputed = Q(disputed_until=None) | Q(disputed_until__lt=now.date())
    return {
        "left": Q(state__in=[state.value for state in State if state != State.DELETED]),
        "dormant": access & Q(verdict__in=QUIET_VERDICTS),
        "no-owner": Q(state=State.DISCOVERED),
        "admin": access & Q(privilege__in=ADMIN_LEVELS),
        "ready": Q(ready=True) & undisputed,
        "old-keys": access & Q(oldest_key_at__lt=now - OLD_KEY),
        "never-used": access & Q(verdict="never-used"),
        "no-mfa": access & Q(mfa="no"),
        "everything": Q(),
        # The items of the benchmark: everybody who is there, protected or not.
        "unused-45": present & Q(unused_since__lte=now - UNUSED_AFTER, unused_since__lt=NO_KEY),
        "console-no-mfa": present & Q(mfa="no"),
        "console-password": present & ~Q(mfa="n/a"),
        "keys-90": present & Q(oldest_key_at__lt=now - ROTATE_AFTER),
        "two-keys": present & Q(active_keys__gt=1),
        "direct-policies": present & Q(direct_policies=True),
    }[view]


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
