"""The Overview's questions: how far, how fast, what is risky; a query or two each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, Exists, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import TruncDate

from inventory.models import Account, Sync
from inventory.refresh import root
from inventory.rights.privilege import ADMIN_LEVELS
from inventory.templatetags.times import duration
from migrations_app import listing
from migrations_app.lifecycle import HAS_ACCESS, MoveName, Protection, State
from migrations_app.models import Change
from migrations_app.models.departure import DepartureQuerySet

STAGES = (*(state.value for state in State), "protected")
LABELS = {
    "discovered": "discovered",
    "owner-assigned": "owner assigned",
    "disabled": "disabled",
    "soaking": "soaking",
    "deleted": "deleted",
    "protected": "protected",
}
# What no sync has judged yet; no category, and not to be taken for a mystery.
UNJUDGED = "not-judged"
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
    """One tile: how many among those with access, and how many there ever were."""

    view: str
    title: str
    fact: str
    icon: str
    count: int
    ever: int


def situation(account_id: str, now: datetime) -> Situation:
    """Counts per state and category of one account, or of all with an empty id."""
    rows = _departures(account_id)
    # `shown` annotates both columns; the type checker cannot follow that far.
    columns = ("category", "shown_state")
    groups = rows.order_by().values_list(*columns).annotate(Count("pk"))
    by_state: Counter[str] = Counter()
    by_category: dict[str, Counter[str]] = {name: Counter() for name in CATEGORIES}
    for category, state, number in groups:
        by_state[state] += number
        by_category.setdefault(category or UNJUDGED, Counter())[state] += number
    facts = _facts(rows, now)
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


def risks(account_id: str, now: datetime) -> list[Risk]:
    """The four tiles, counted among unprotected users with access, beside all ever found."""
    tiles = (
        ("no-mfa", "No MFA", "console password, no MFA device", "fingerprint"),
        ("old-keys", "Key older than 1 year", "an active access key", "key"),
        ("admin", "Admin", "or can become admin", "bolt"),
        ("never-used", "Never used", "no sign-in, no key use, ever", "clock"),
    )
    holds = {
        "no-mfa": Q(user__has_console_password=True, user__mfa=[]),
        "old-keys": Q(listing.old_key(now)),
        "admin": Q(user__privilege__in=ADMIN_LEVELS),
        "never-used": Q(user__verdict="never-used"),
    }
    access = Q(state__in=HAS_ACCESS, protection=Protection.NONE)
    rows = _departures(account_id).order_by()
    counts = rows.aggregate(
        **{
            f"now_{place}": Count("pk", filter=holds[tile[0]] & access)
            for place, tile in enumerate(tiles)
        },
        **{f"ever_{place}": Count("pk", filter=holds[tile[0]]) for place, tile in enumerate(tiles)},
    )
    return [
        Risk(view, title, fact, icon, counts[f"now_{place}"], counts[f"ever_{place}"])
        for place, (view, title, fact, icon) in enumerate(tiles)
    ]


@dataclass(frozen=True, slots=True)
class RootTile:
    """The root users, which are no IAM users: of how many accounts one is at risk, and why."""

    count: int
    accounts: int
    fact: str
    at: datetime | None


def root_tile(account_id: str, now: datetime) -> RootTile:
    """Root of one account, or of all active ones with an empty id; one query."""
    rows = Account.objects.filter(active=True)
    if account_id:
        rows = rows.filter(account_id=account_id)
    told = [row for row in rows if row.root_facts]
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


def burn_down(account_id: str, today: date, now: Situation) -> list[DayCount]:
    """One row per day since the first user was seen; empty before that. `today` is in UTC.

    Today's row is what the lifecycle card says: a state that no finished change explains (a user
    that vanished and came back) would otherwise make the two disagree.
    """
    users = _departures(account_id).filter(protection=Protection.NONE).order_by()
    done = Change.objects.filter(
        status=Change.Status.DONE, departure__in=users.values("pk"), finished_at__isnull=False
    )
    gone_with_access = users.filter(state=State.DELETED, fenced_at=None)
    found = _per_day(users, "user__first_seen_at")
    deleted = _per_day(users.filter(state=State.DELETED), "deleted_at")
    lost = _per_day(done.filter(move=MoveName.DISABLE), "finished_at") + _per_day(
        gone_with_access, "deleted_at"
    )
    restored = _per_day(done.filter(move=MoveName.RESTORE), "finished_at")
    if not found:
        return []
    rows, left, access, day = [], 0, 0, min(found)
    while day <= today:
        left += found[day] - deleted[day]
        access += found[day] - lost[day] + restored[day]
        rows.append(DayCount(day, left, max(0, min(access, left))))
        day += timedelta(days=1)
    rows[-1] = DayCount(today, now.left, now.with_access)
    return rows


def this_week(account_id: str, now: datetime) -> dict[str, int]:
    """What changed in the last seven days, per move that was done."""
    changes = Change.objects.filter(
        status=Change.Status.DONE, finished_at__gte=now - timedelta(days=7)
    )
    if account_id:
        changes = changes.filter(departure__user__account__account_id=account_id)
    return dict(changes.order_by().values_list("move").annotate(Count("pk")))


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
    def took(self) -> timedelta | None:
        """How long the last sync worked."""
        if self.last is None or self.last.started_at is None or self.last.finished_at is None:
            return None
        return self.last.finished_at - self.last.started_at

    @property
    def failed(self) -> bool:
        return self.last is not None and self.last.status in (
            Sync.Status.FAILED,
            Sync.Status.PARTIAL,
        )


def syncs(account_id: str) -> list[SyncLine]:
    """Where each active account stands with its syncs; three queries."""
    accounts = Account.objects.filter(active=True)
    if account_id:
        accounts = accounts.filter(account_id=account_id)
    ended = Sync.objects.exclude(status__in=Sync.OPEN).order_by("account_id", "-asked_at")
    last = {sync.account_id: sync for sync in ended.distinct("account_id")}
    running = {sync.account_id: sync for sync in Sync.objects.filter(status__in=Sync.OPEN)}
    return [SyncLine(row, last.get(row.pk), running.get(row.pk)) for row in accounts]


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One step of a sync as the progress list shows it."""

    label: str
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: its steps, and the one that counts users."""

    title: str
    left: str
    steps: tuple[SyncStep, ...]
    value: int
    total: int


def progress_of(sync: Sync, now: datetime) -> Progress:
    """The progress of one sync at `now`; a sync that ended says how long it took."""
    rows = [row for row in sync.steps if isinstance(row, dict)]
    done = sum(row.get("status") == "done" for row in rows)
    share = 0.0
    for row in rows:
        if row.get("status") == "running" and row.get("total"):
            share = min(1.0, int(row.get("done") or 0) / int(row["total"]))
    started, ended = sync.started_at or sync.asked_at, sync.finished_at or now
    took = max(timedelta(), ended - started)
    minutes, seconds = divmod(int(took.total_seconds()), 60)
    clocked = f"{minutes}:{seconds:02d}" if minutes < 60 else duration(took)
    whole = "First sync" if sync.account.last_whole_at is None else "Sync"
    return Progress(
        title=f"{whole} of {sync.account.name}",
        left=f"{sync.get_status_display()}, {clocked}",
        steps=tuple(_step(row) for row in rows),
        value=round(100 * (done + share)),
        total=100 * len(rows),
    )


def _step(row: dict[str, Any]) -> SyncStep:
    counted = f"{row.get('done') or 0} of {row['total']}" if row.get("total") else ""
    said = str(row.get("detail") or "")
    told = (said or counted,) if row.get("status") == "done" else (counted, said)
    detail = ", ".join(filter(None, told))
    return SyncStep(str(row.get("label", "")), str(row.get("status", "waiting")), detail)


def _departures(account_id: str) -> DepartureQuerySet:
    rows = listing.shown()
    return rows.filter(user__account__account_id=account_id) if account_id else rows


def _facts(rows: DepartureQuerySet, now: datetime) -> dict[str, str]:
    """The most useful fact of each state."""
    hit = Exists(listing.open_hits())
    over = ExpressionWrapper(F("clock_started_at") + F("soak"), DateTimeField())
    counts = (
        rows.order_by()
        .annotate(over=over)
        .aggregate(
            planned=Count("pk", filter=Q(state=State.OWNER_ASSIGNED, plan__isnull=False)),
            called=Count("pk", filter=Q(hit, state=State.DISABLED)),
            ready=Count(
                "pk",
                filter=Q(state=State.SOAKING, over__lte=now)
                & (Q(not_before=None) | Q(not_before__lte=now))
                & ~Q(hit),
            ),
            fresh=Count(
                "pk", filter=Q(state=State.DELETED, deleted_at__gte=now - timedelta(days=7))
            ),
        )
    )
    return {
        "discovered": "no owner yet",
        "owner-assigned": _planned(counts["planned"]),
        "disabled": f"watched, {counts['called'] or 'none'} {_was(counts['called'])} called",
        "soaking": f"{counts['ready'] or 'none'} ready to delete",
        "deleted": f"+{counts['fresh']} in 7 days" if counts["fresh"] else "final",
        "protected": "break-glass, exempt",
    }


def _per_day(rows: QuerySet[Any], column: str) -> Counter[date]:
    pairs = rows.order_by().annotate(on=TruncDate(column)).values_list("on").annotate(Count("pk"))
    return Counter({day: number for day, number in pairs if day is not None})


def _users(count: int) -> str:
    return f"{count} user" if count == 1 else f"{count} users"


def _planned(count: int) -> str:
    return f"{count or 'none'} {'have' if count > 1 else 'has'} a plan"


def _was(count: int) -> str:
    return "were" if count > 1 else "was"
