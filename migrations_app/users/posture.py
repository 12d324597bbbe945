"""CIS AWS Foundations on the screens: the Overview's card, the filters it links to, its export.

The judgement is `inventory.posture`; here it is shown, now beside how it was when the account was
first read whole. A filter counts whom the card counts: everybody present, protected or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from inventory.models import Account, PostureDay
from inventory.posture import BENCHMARK, RULES, Rule, Status
from migrations_app.users.paging import is_one_of

# Shown as a tab of the Users page only while one is chosen; "Unused, 45 days" always.
VIEWS = {
    "console-no-mfa": "Console, no MFA",
    "keys-90": "Keys older than 90 days",
    "two-keys": "Two active keys",
    "direct-policies": "Direct policies",
    "console-password": "Console password",
}
FIELDS = (
    "account_id",
    "account",
    "day",
    "first",
    "at",
    "benchmark",
    "item",
    "item_7_0",
    "key",
    "title",
    "status",
    "count",
    "total",
    "not_read",
    "protected",
    "why",
    "users",
)
_WORSE = {Status.PASSED: 0, Status.NOT_LOOKED_AT: 1, Status.FAILED: 2}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one rule was met, in one account or in several together."""

    status: Status
    count: int = 0
    total: int = 0
    unread: int = 0
    protected: int = 0
    why: str = ""

    @property
    def words(self) -> str:
        """ "Met", "12 of 87", "Not met" for what there is only one of, "Not looked at"."""
        if self.status is Status.PASSED:
            return "Met"
        if self.status is Status.NOT_LOOKED_AT:
            return "Not looked at"
        return f"{self.count} of {self.total}" if self.count and self.total > 1 else "Not met"

    @property
    def note(self) -> str:
        """What a reader of the number must know."""
        parts = []
        if self.protected:
            are = "is" if self.protected == 1 else "are"
            parts.append(f"{self.protected} {are} protected")
        if self.unread and self.status is not Status.NOT_LOOKED_AT:
            parts.append(f"{self.unread} not looked at")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the card. `before` None: nobody looked before, so nothing can be compared."""

    rule: Rule
    now: Standing
    before: Standing | None

    @property
    def change(self) -> str:
        """better, worse or same; empty where either side is not known."""
        if self.before is None:
            return ""
        if Status.NOT_LOOKED_AT in (self.now.status, self.before.status):
            return ""
        was = (_WORSE[self.before.status], self.before.count)
        is_now = (_WORSE[self.now.status], self.now.count)
        return "same" if is_now == was else "better" if is_now < was else "worse"

    @property
    def change_words(self) -> str:
        """ "31 fewer", "2 more", "met now", "not met any more"."""
        if self.before is None or self.change in ("", "same"):
            return ""
        if self.now.status is Status.PASSED:
            return "met now"
        if self.before.status is Status.PASSED:
            return "not met any more"
        apart = abs(self.before.count - self.now.count)
        return f"{apart} {'fewer' if self.change == 'better' else 'more'}"


@dataclass(frozen=True, slots=True)
class Card:
    """The Overview's card. `at` is the oldest of the accounts' looks."""

    benchmark: str
    lines: tuple[Line, ...]
    at: datetime
    before_at: datetime | None
    accounts: int

    def _count(self, status: Status) -> int:
        return sum(line.now.status is status for line in self.lines)

    @property
    def passed(self) -> int:
        return self._count(Status.PASSED)

    @property
    def unseen(self) -> int:
        return self._count(Status.NOT_LOOKED_AT)

    @property
    def passed_before(self) -> int | None:
        """How many were met at first; None while there is no state before."""
        if self.before_at is None:
            return None
        met = Status.PASSED
        return sum(line.before is not None and line.before.status is met for line in self.lines)


def days(account_id: str) -> QuerySet[PostureDay]:
    """The latest day of each account, and how it was at first: what `card` is made of."""
    accounts = Account.objects.filter(active=True)
    if account_id:
        accounts = accounts.filter(account_id=account_id)
    # Two looks at an index for each account, however many days it has.
    wanted = [
        accounts.values(
            day=Subquery(of.filter(account=OuterRef("pk")).order_by("-day").values("pk")[:1])
        )
        for of in (PostureDay.objects.filter(first=False), PostureDay.objects.filter(first=True))
    ]
    latest, first = (Q(is_one_of(of)) for of in wanted)
    rows = PostureDay.objects.filter(latest | first)
    shown = ("account__name", "day", "first", "at", "benchmark", "items")
    return rows.select_related("account").only(*shown).order_by("account_id", "first")


def card(rows: Iterable[PostureDay]) -> Card | None:
    """The card of all these `days` together; None before the first sync."""
    days = list(rows)
    latest, first = [row for row in days if not row.first], [row for row in days if row.first]
    if not latest:
        return None
    # Two states are compared only if they are of the same accounts.
    comparable = {row.account_id for row in first} == {row.account_id for row in latest}
    now, before = _together(latest), _together(first) if comparable else {}
    missing = Standing(Status.NOT_LOOKED_AT)
    return Card(
        benchmark=BENCHMARK,
        lines=tuple(Line(rule, now.get(rule.key, missing), before.get(rule.key)) for rule in RULES),
        at=min(row.at for row in latest),
        before_at=min(row.at for row in first) if comparable else None,
        accounts=len(latest),
    )


def rows(account_id: str = "") -> Iterator[dict[str, Any]]:
    """The export: one row per account, day and item, how it was at first before the days."""
    days = _of(account_id).select_related("account")
    days = days.order_by("account__account_id", "-first", "day")
    for row in days.iterator(chunk_size=200):
        for item in row.items:
            yield _row(row, item)


def _row(day: PostureDay, item: Mapping[str, Any]) -> dict[str, Any]:
    rule = next((one for one in RULES if one.key == item["key"]), None)
    return {
        "account_id": day.account.account_id,
        "account": day.account.name,
        "day": day.day,
        "first": day.first,
        "at": datetime.fromisoformat(item["at"]) if "at" in item else day.at,
        "benchmark": day.benchmark,
        "item": item["number"],
        "item_7_0": rule.number_7 if rule else "",
        "key": item["key"],
        "title": rule.title if rule else item["key"],
        "status": item["status"],
        "count": item["count"],
        "total": item["total"],
        "not_read": item["unread"],
        "protected": item["protected"],
        "why": item["why"],
        "users": item["users"],
    }


def _of(account_id: str) -> QuerySet[PostureDay]:
    days = PostureDay.objects.all()
    return days.filter(account__account_id=account_id) if account_id else days


def _together(days: list[PostureDay]) -> dict[str, Standing]:
    by_key: dict[str, list[tuple[PostureDay, Mapping[str, Any]]]] = defaultdict(list)
    for day in days:
        for item in day.items:
            by_key[item["key"]].append((day, item))
    return {
        key: Standing(
            status=max((Status(one["status"]) for _, one in found), key=_WORSE.__getitem__),
            count=sum(one["count"] for _, one in found),
            total=sum(one["total"] for _, one in found),
            unread=sum(one["unread"] for _, one in found),
            protected=sum(one["protected"] for _, one in found),
            why=next((_why(day, one, len(days)) for day, one in found if one["why"]), ""),
        )
        for key, found in by_key.items()
    }


def _why(day: PostureDay, item: Mapping[str, Any], days: int) -> str:
    return f"{day.account.name}: {item['why']}" if days > 1 else str(item["why"])
