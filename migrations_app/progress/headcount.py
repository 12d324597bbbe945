"""How many users stand where, counted per account and kept, so that no page counts 100,000 rows.

A count is made anew when the ledger holds something newer about the account, after a sync, on a new
day, and every quarter of an hour, because some of it turns with time. The sweep keeps up; a page
that comes first counts for itself, so that what it shows is never old.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.db.models import (
    Case,
    Count,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Greatest, TruncDate

from inventory import at_once, clock
from inventory.models import Account, LedgerEntry, Organization, Sync
from inventory.policy import policy_for
from inventory.rights.privilege import ADMIN_LEVELS
from inventory.statements import Instances
from migrations_app.lifecycle import HAS_ACCESS, MoveName, Protection, State
from migrations_app.models import Change, DayCount, DayTotal, Departure, HeadCount
from migrations_app.users import listing

GOOD_FOR = timedelta(minutes=15)
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
RISKS = ("no_mfa", "old_keys", "admin", "never_used")
# What no sync has judged yet; no category, and not to be taken for a mystery.
UNJUDGED = "not-judged"


def kept(now: datetime) -> list[Account]:
    """Every account with its `headcount`, none of them old; one query while nothing happened."""
    accounts = _accounts()
    if old := [one for one in accounts if _is_old(one, now)]:
        count(old, now)
    return accounts


def keep_up() -> None:
    """The sweep's part: count what is old before a page has to."""
    kept(clock.now())


def history(accounts: Sequence[Account], today: date) -> QuerySet[Any]:
    """(day, all left, all with access) of each day before `today`: of one account, or of all."""
    if len(accounts) == 1:
        rows: QuerySet[Any] = DayCount.objects.filter(account=accounts[0])
    else:
        rows = DayTotal.objects.all()
    return (
        rows.filter(day__lt=today)
        .order_by("day")
        .values("day", all_left=F("left"), all_with_access=F("with_access"))
    )


def first_dispute(accounts: Iterable[Account]) -> str:
    """The day (ISO) on which the first dispute in these accounts ends; "" without one."""
    days = [one.headcount.counts.get("first_dispute") for one in accounts]
    return min(filter(None, days), default="")


def count(accounts: Sequence[Account], now: datetime) -> None:
    """Count these accounts anew; two statements, and two more where a day is over."""
    keys = sorted(one.pk for one in accounts)
    told = at_once.ask(
        Account.objects.filter(pk=keys[0]),
        {
            # Read with the counts: what is committed later makes them old, never wrong for good.
            "entry": Subquery(LedgerEntry.objects.order_by("-seq").values("seq")[:1]),
            "organization": Organization.objects.filter(pk=1).only("policy"),
            "groups": _groups(keys, now),
            "due": _due(keys),
            "began": _began(keys),
            "written": _written(keys),
        },
    )
    counted = _counted(told["groups"])
    for row in told["due"]:
        counted[row["user__account"]]["due"][row["on"].isoformat()] = row["number"]
    began = {row["user__account"]: row["first"].date() for row in told["began"]}
    organization = next(iter(told["organization"]), Organization())
    news: list[Account] = []
    for one in sorted(accounts, key=lambda account: account.pk):
        policy = policy_for(organization, one, "")
        counts = counted[one.pk] | {"wait_days": (policy.watch + policy.soak).days}
        row = HeadCount(account=one, at=now, entry=told["entry"] or 0, counts=counts)
        before = getattr(one, "headcount", None)
        if before is not None and before.first_on:
            row.first, row.first_on = before.first, before.first_on
        elif one.last_whole_at is not None and one.pk in began:
            row.first = {risk: counts["facts"].get(f"ever_{risk}", 0) for risk in RISKS}
            row.first_on = began[one.pk]
            news.append(one)
        one.headcount = row
    _keep_days(began, {row["account"]: row["last"] for row in told["written"]}, now.date())
    _keep([one.headcount for one in accounts if one not in news])
    _keep([one.headcount for one in news], "first", "first_on")


def _keep(rows: list[HeadCount], *besides: str) -> None:
    """Write counts down, in the order of their accounts, so that no two who count lock each other.

    What the first sync found is written by who saw its end: one who began to count before that, and
    is slower, must not take it away.
    """
    if rows:
        HeadCount.objects.bulk_create(
            sorted(rows, key=lambda row: row.account_id),
            update_conflicts=True,
            unique_fields=["account"],
            update_fields=["at", "entry", "counts", *besides],
        )


def _accounts() -> list[Account]:
    """Every account in the order of their names."""
    return _with_counts().among(Account.objects.order_by().values("pk"))


@cache
def _with_counts() -> Instances:
    wide = ("references_read", "dead_references", "report_notes", "trail_archive")
    since = LedgerEntry.objects.filter(
        account_id=OuterRef("account_id"), seq__gt=OuterRef("headcount__entry")
    )
    syncs = Sync.objects.filter(account=OuterRef("pk"))
    first = Exists(syncs.filter(status__in=Sync.OPEN)) & ~Exists(
        syncs.exclude(status__in=Sync.OPEN)
    )
    rows = Account.objects.select_related("headcount").defer(*wide)
    return Instances.of(rows.annotate(has_news=Exists(since), first_sync_runs=first))


def read(accounts: Iterable[Account]) -> list[Account]:
    """Those of `kept` whose first sync does not run just now: what it has not read is no zero."""
    return [one for one in accounts if not vars(one)["first_sync_runs"]]


def _is_old(account: Account, now: datetime) -> bool:
    row = getattr(account, "headcount", None)
    return (
        row is None
        or not timedelta() <= now - row.at < GOOD_FOR
        or row.at.date() != now.date()
        or (account.last_whole_at is not None and account.last_whole_at > row.at)
        or bool(vars(account)["has_news"])
    )


def _groups(accounts: Sequence[int], now: datetime) -> QuerySet[Any]:
    """By account, category and state the users, and the numbers of `_facts`."""
    facts = _facts(now)
    over = ExpressionWrapper(F("clock_started_at") + F("soak"), DateTimeField())
    rows = listing.shown().filter(user__account__in=accounts).order_by().annotate(over=over)
    return rows.values("user__account", "category", "shown_state").annotate(
        users=Count("pk"),
        first_dispute=Min("disputed_until", filter=facts["disputes"]),
        **{name: Count("pk", filter=holds) for name, holds in facts.items()},
    )


def _counted(groups: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """By account what its `HeadCount` keeps of these groups."""
    found: dict[int, dict[str, Any]] = defaultdict(
        lambda: {"categories": {}, "facts": Counter(), "due": {}}
    )
    for group in groups:
        row = found[group.pop("user__account")]
        category, state = group.pop("category") or UNJUDGED, group.pop("shown_state")
        row["categories"].setdefault(category, {})[state] = group.pop("users")
        if ends := group.pop("first_dispute"):
            row["first_dispute"] = min(row.get("first_dispute", "9999"), ends.isoformat())
        row["facts"].update({name: number for name, number in group.items() if number})
    return found


def _facts(now: datetime) -> dict[str, Q]:
    """What else the Overview counts, each as a condition on departures."""
    hit = Q(Exists(listing.open_hits()))
    bare = Q(protection=Protection.NONE)
    left = bare & ~Q(state=State.DELETED)
    access = bare & Q(state__in=HAS_ACCESS)
    held = Q(not_before__gt=now) | hit
    pending = Q(claim_pending_team__isnull=False)
    contested = Q(contested_by_team__isnull=False)
    discovered = left & Q(state=State.DISCOVERED)
    nobody = discovered & ~pending & Q(user__gone_at=None)
    risks = {
        "no_mfa": Q(user__has_console_password=True, user__mfa=[]),
        "old_keys": Q(listing.old_key(now)),
        "admin": Q(user__privilege__in=ADMIN_LEVELS),
        "never_used": Q(user__verdict="never-used"),
    }
    return {
        "break_glass": Q(protection=Protection.BREAK_GLASS),
        "exempt": Q(protection=Protection.EXEMPT),
        "own": Q(protection=Protection.SELF),
        "planned": Q(state=State.OWNER_ASSIGNED, plan__isnull=False),
        "called": Q(state=State.DISABLED) & hit,
        "ready": Q(state=State.SOAKING, over__lte=now) & ~held,
        "fresh": Q(state=State.DELETED, deleted_at__gte=now - WEEK),
        "disputes": left & Q(disputed_until__gte=now.date()),
        "contests": left & contested,
        "pending": left & pending & ~contested,
        "nobody": nobody,
        "unsuggested": nobody & Q(user__suggested_team=None),
        **{name: holds & access for name, holds in risks.items()},
        **{f"ever_{name}": holds & bare for name, holds in risks.items()},
    }


def _due(accounts: Sequence[int]) -> QuerySet[Any]:
    """By account and day (UTC), how many that are off may be deleted from then on."""
    shut = F("clock_started_at") + F("lengthened_by") + F("soak")
    over = Case(When(state=State.DISABLED, then=shut + F("watch")), default=shut)
    rows = Departure.objects.switched_off().unprotected().filter(user__account__in=accounts)
    ends = rows.order_by().annotate(over=ExpressionWrapper(over, DateTimeField()))
    known = ends.filter(over__isnull=False).annotate(on=TruncDate(Greatest("over", "not_before")))
    return known.values("user__account", "on").annotate(number=Count("pk"))


def _began(accounts: Sequence[int]) -> QuerySet[Any]:
    """By account when its first user was seen."""
    rows = Departure.objects.filter(user__account__in=accounts).order_by()
    return rows.values("user__account").annotate(first=Min("user__first_seen_at"))


def _written(accounts: Sequence[int]) -> QuerySet[Any]:
    """By account the last day that is kept."""
    rows = DayCount.objects.filter(account__in=accounts).order_by()
    return rows.values("account").annotate(last=Max("day"))


def _keep_days(began: dict[int, date], last: dict[int, date], today: date) -> None:
    """Write the days that are over and not written yet, from the dates of what happened."""
    behind = [pk for pk, first in began.items() if last.get(pk, first - DAY) < today - DAY]
    if not behind:
        return
    events = _events(behind)
    rows = [
        DayCount(account_id=pk, day=day, left=left, with_access=access)
        for pk in behind
        for day, left, access in _days(events[pk], began[pk], today)
        if day > last.get(pk, began[pk] - DAY)
    ]
    DayCount.objects.bulk_create(
        # By day, as their totals are kept: of two who write at once, none waits for the other.
        sorted(rows, key=lambda row: (row.day, row.account_id)),
        batch_size=2000,
        ignore_conflicts=True,
    )


def _days(
    events: dict[date, tuple[int, int]], first: date, today: date
) -> Iterator[tuple[date, int, int]]:
    """(day, left, with access) for each day from the first to yesterday."""
    left, access, day = 0, 0, first
    while day < today:
        more, more_access = events.get(day, (0, 0))
        left, access = left + more, access + more_access
        yield day, left, max(0, min(access, left))
        day += DAY


def _events(accounts: Sequence[int]) -> dict[int, dict[date, tuple[int, int]]]:
    """By account and day, by how many "left" and "with access" changed; one query."""
    users = Departure.objects.filter(user__account__in=accounts, protection=Protection.NONE)
    done = Change.objects.filter(
        status=Change.Status.DONE, departure__in=users.values("pk"), finished_at__isnull=False
    )
    gone = users.filter(state=State.DELETED)
    of_user, of_change = "user__account", "departure__user__account"
    # What happened, whose account, when, and what it adds to both counts.
    kinds = {
        "found": (users, of_user, "user__first_seen_at", 1, 1),
        "deleted": (gone, of_user, "deleted_at", -1, 0),
        "lost": (gone.filter(fenced_at=None), of_user, "deleted_at", 0, -1),
        "disabled": (done.filter(move=MoveName.DISABLE), of_change, "finished_at", 0, -1),
        "restored": (done.filter(move=MoveName.RESTORE), of_change, "finished_at", 0, 1),
    }
    told = at_once.ask(
        Account.objects.filter(pk=accounts[0]),
        {
            name: rows.order_by()
            .annotate(account=F(account), on=TruncDate(at))
            .values("account", "on")
            .annotate(number=Count("pk"))
            for name, (rows, account, at, *_) in kinds.items()
        },
    )
    found: dict[int, dict[date, tuple[int, int]]] = defaultdict(dict)
    for name, (*_, left, access) in kinds.items():
        for row in told[name]:
            if row["on"] is not None:
                days = found[row["account"]]
                were, had = days.get(row["on"], (0, 0))
                days[row["on"]] = (were + left * row["number"], had + access * row["number"])
    return found
