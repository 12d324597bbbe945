"""The Overview: how far, how fast, what is risky; its questions, and what their answers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, F, Func, JSONField, OuterRef, Q, QuerySet, Subquery

from inventory import clock
from inventory.models import Account, Sync
from inventory.refresh import root
from migrations_app.lifecycle import HAS_ACCESS, Method, MoveName, State
from migrations_app.models import Change, Listed
from migrations_app.progress import headcount
from migrations_app.sync_progress import Progress, progress_of

STAGES = (*(state.value for state in State), "protected")
LABELS = {
    "discovered": "discovered",
    "owner-assigned": "owner assigned",
    "disabled": "disabled",
    "soaking": "soaking",
    "deleted": "deleted",
    "protected": "protected",
}
CATEGORIES = ("human-console", "human-programmatic", "ci-cd", "third-party", "mystery")


@dataclass(frozen=True, slots=True)
class Stage:
    """One column of the lifecycle card."""

    state: str
    count: int
    fact: str


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One category: how many are left of how many, and its bar."""

    category: str
    left: int
    total: int
    bar: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """All counts of the Overview; they agree because they come from one query."""

    stages: tuple[Stage, ...]
    categories: tuple[CategoryRow, ...]
    with_access: int
    left: int
    total: int
    largest_category: int
    protected: int

    @property
    def bar(self) -> tuple[tuple[str, str, int], ...]:
        return tuple((stage.state, LABELS[stage.state], stage.count) for stage in self.stages)

    @property
    def title(self) -> str:
        """The situation as a sentence."""
        if self.total and not self.left:
            kept = f"{_users(self.protected)} {'is' if self.protected == 1 else 'are'} left"
            return f"All gone. {kept}, protected." if self.protected else "All gone."
        have = "has" if self.with_access == 1 else "have"
        are = "is" if self.left == 1 else "are"
        return f"{_users(self.with_access)} still {have} access. {self.left} {are} left to delete."


@dataclass(frozen=True, slots=True)
class Risk:
    """One tile: how many among those with access, and how many the first sync found.

    `count` is None before anything was read of which it could tell.
    """

    view: str
    title: str
    fact: str
    icon: str
    count: int | None
    was: int | None
    was_on: date | None


def situation(accounts: Iterable[Account]) -> Situation:
    """All counts of these accounts together; asks nothing, `headcount.kept` did."""
    by_category: dict[str, Counter[str]] = {name: Counter() for name in CATEGORIES}
    for one in accounts:
        for category, states in one.headcount.counts["categories"].items():
            by_category.setdefault(category, Counter()).update(states)
    by_state = sum(by_category.values(), Counter[str]())
    facts = _facts(totals(accounts))
    categories = tuple(
        CategoryRow(
            category=name,
            left=counts.total() - counts["deleted"] - counts["protected"],
            total=counts.total(),
            bar=tuple((state, LABELS[state], counts[state]) for state in STAGES),
        )
        for name, counts in by_category.items()
    )
    return Situation(
        stages=tuple(Stage(state, by_state[state], facts[state]) for state in STAGES),
        categories=categories,
        with_access=sum(by_state[state] for state in HAS_ACCESS),
        left=by_state.total() - by_state["deleted"] - by_state["protected"],
        total=by_state.total(),
        largest_category=max((row.total for row in categories), default=0),
        protected=by_state["protected"],
    )


def totals(accounts: Iterable[Account]) -> Counter[str]:
    """The numbers of `headcount` beside states and categories, all these accounts together."""
    found = Counter[str]()
    for one in accounts:
        found.update(one.headcount.counts["facts"])
    return found


_TILES = (
    ("no-mfa", "No MFA", "console password, no MFA device", "fingerprint"),
    ("old-keys", "Key older than 1 year", "an active access key", "key"),
    ("admin", "Admin", "or can become admin", "bolt"),
    ("never-used", "Never used", "no sign-in, no key use, ever", "clock"),
)


def risks(accounts: Sequence[Account]) -> list[Risk]:
    """The four tiles, counted among unprotected users with access, beside the first sync's."""
    told = headcount.read(accounts)
    now, first = totals(told), Counter[str]()
    for one in accounts:
        first.update(one.headcount.first)
    began = min((row.first_on for one in accounts if (row := one.headcount).first_on), default=None)
    return [
        Risk(
            view,
            title,
            fact if told else "not read yet",
            icon,
            now[name] if told else None,
            first[name] if began else None,
            began,
        )
        for view, title, fact, icon in _TILES
        if (name := view.replace("-", "_"))
    ]


@dataclass(frozen=True, slots=True)
class RootTile:
    """The root users, which are no IAM users: of how many accounts one is at risk, and why."""

    count: int
    accounts: int
    fact: str
    at: datetime | None


def root_tile(accounts: Iterable[Account], now: datetime) -> RootTile:
    """Root of those of these accounts that are active."""
    told = [row for row in accounts if row.active and row.root_facts]
    wrong = {row.name: found for row in told if (found := root.risks(row, now))}
    facts = [
        f"{name} {' and '.join(risk.short for risk in found)}"
        if len(told) > 1
        else ", ".join(risk.short for risk in found)
        for name, found in list(wrong.items())[:3]
    ]
    if len(wrong) > len(facts):
        facts.append(f"and {len(wrong) - len(facts)} more")
    sound = "MFA, no access key, not used in 30 days"
    if not told:
        sound = "not read yet"
    elif not all(root.read_whole(row) for row in told):
        sound = "nothing wrong in what could be read"
    times = [row.root_facts.get("live_at") or row.root_facts.get("at") for row in told]
    return RootTile(
        count=len(wrong),
        accounts=len(told),
        fact="; ".join(facts) or sound,
        at=min((datetime.fromisoformat(at) for at in times if at), default=None),
    )


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many unprotected users were not deleted, and how many still had access, that evening."""

    day: date
    left: int
    with_access: int


def burn_down(before: Iterable[Mapping[str, Any]], today: date, now: Situation) -> list[DayCount]:
    """One row per day since the first user was seen; empty before that. `today` is in UTC.

    `before` are the rows of `headcount.history`; today's row is what the lifecycle card says.
    """
    if not now.total:
        return []
    rows = [DayCount(row["day"], row["all_left"], row["all_with_access"]) for row in before]
    return [*rows, DayCount(today, now.left, now.with_access)]


def may_go(accounts: Iterable[Account], today: date, now: Situation) -> dict[date, int]:
    """How many of those left may be deleted from which day on: watch and soak come first."""
    found = Counter[date]()
    off, longest = 0, 0
    for one in accounts:
        counts = one.headcount.counts
        longest = max(longest, int(counts.get("wait_days", 0)))
        for day, number in counts.get("due", {}).items():
            found[max(date.fromisoformat(day), today)] += number
            off += number
    found[today + timedelta(days=longest)] += max(0, now.left - off)
    return dict(found)


def this_week(account_id: str, now: datetime) -> QuerySet[Any]:
    """What changed in the last seven days, per move that was done, and how many it shut at once."""
    changes = Change.objects.filter(
        status=Change.Status.DONE, finished_at__gte=now - timedelta(days=7)
    )
    if account_id:
        # A batch holds one account; what was done without one, as restores are, is asked for it.
        of = Listed.objects.filter(departure=OuterRef("departure"))
        chosen = Subquery(Account.objects.filter(account_id=account_id).values("pk"))
        changes = changes.alias(of_account=Subquery(of.values("account"))).filter(
            Q(batch__account=chosen) | Q(batch=None, of_account=chosen)
        )
    shut = Count("pk", filter=Q(move=MoveName.DISABLE, method=Method.SHUT))
    return changes.order_by().values("move").annotate(number=Count("pk"), shut=shut)


# Beside the credential report, which has a time of its own.
_SOURCES = {"trail": "CloudTrail", "services": "Access Advisor"}
_SOURCES_READ = (
    "jsonb_path_query_array(%(expressions)s,"
    """ '$[*] ? (@.status == "done" && (@.key == "trail" || @.key == "services"))')"""
)


@dataclass(frozen=True, slots=True)
class SyncLine:
    """The last and the running sync of one account."""

    account: Account
    last: Sync | None
    running: Sync | None

    @property
    def first(self) -> bool:
        """Whether nothing was ever read whole: the numbers mean nothing yet."""
        return self.account.last_whole_at is None

    @property
    def progress(self) -> Progress | None:
        """How far the running one is."""
        return progress_of(self.running, clock.now()) if self.running else None

    @property
    def took(self) -> timedelta | None:
        """How long the last sync worked."""
        if self.last is None or self.last.started_at is None or self.last.finished_at is None:
            return None
        return self.last.finished_at - self.last.started_at

    @property
    def sources(self) -> list[tuple[str, datetime]]:
        """What the last sync read, by the name of its step, and when."""
        told = getattr(self.last, "sources", None) or []
        return [
            (_SOURCES[one["key"]], datetime.fromisoformat(one["read_at"]))
            for one in told
            if "read_at" in one
        ]

    @property
    def failed(self) -> bool:
        return self.last is not None and self.last.status in (
            Sync.Status.FAILED,
            Sync.Status.PARTIAL,
        )


def last_syncs(accounts: Iterable[Account]) -> QuerySet[Sync]:
    """The last sync that ended and the open one of those of these accounts that are active."""
    active = Account.objects.filter(pk__in=[row.pk for row in accounts if row.active])
    ended = Sync.objects.filter(account=OuterRef("pk")).exclude(status__in=Sync.OPEN)
    last = active.values(last=Subquery(ended.order_by("-asked_at").values("pk")[:1]))
    rows = Sync.objects.filter(Q(pk__in=last) | Q(status__in=Sync.OPEN))
    # Of the steps, which are wide, those that people ask the age of.
    return rows.defer("steps", "calls", "changes").annotate(
        sources=Func(F("steps"), template=_SOURCES_READ, output_field=JSONField())
    )


def syncs(accounts: Iterable[Account], found: Iterable[Sync]) -> list[SyncLine]:
    """Where those of these accounts that are active stand; `found` by `last_syncs`."""
    ends: dict[int, Sync] = {}
    opens: dict[int, Sync] = {}
    for sync in found:
        (opens if sync.status in Sync.OPEN else ends)[sync.account_id] = sync
    return [SyncLine(row, ends.get(row.pk), opens.get(row.pk)) for row in accounts if row.active]


_KINDS = {"break_glass": "break-glass", "exempt": "exempt", "own": "our own"}


def _facts(counts: Counter[str]) -> dict[str, str]:
    """The most useful fact of each state."""
    return {
        "discovered": "no owner yet",
        "owner-assigned": _planned(counts["planned"]),
        "disabled": f"watched, {counts['called'] or 'none'} {_was(counts['called'])} called",
        "soaking": f"{counts['ready'] or 'none'} ready to delete",
        "deleted": f"+{counts['fresh']} in 7 days" if counts["fresh"] else "final",
        "protected": ", ".join(kind for key, kind in _KINDS.items() if counts[key]) or "none yet",
    }


def _users(count: int) -> str:
    return f"{count} user" if count == 1 else f"{count} users"


def _planned(count: int) -> str:
    return f"{count or 'none'} {'have' if count > 1 else 'has'} a plan"


def _was(count: int) -> str:
    return "were" if count > 1 else "was"
