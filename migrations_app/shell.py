"""What every page shows around its own content: who reads, which account, what waits, what runs.

A context processor hands one lazy `Shell` to every template; a fragment that draws no shell asks
the database nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Value
from django.http import HttpRequest

from inventory import clock
from inventory.models import Account, Alert, Person, Sync
from inventory.permissions import Action, may
from migrations_app import notices
from migrations_app.changes.break_glass import USED
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, EmergencyStop, Hit, Plan
from migrations_app.planning import needing

CHOSEN = "account"


@dataclass(frozen=True, slots=True)
class ShellAccount:
    """One line of the account switcher."""

    name: str
    aws_id: str
    sandbox: bool
    sync_failed: bool
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunningBatch:
    """What the strip says of the batch that runs."""

    number: int
    done: int
    total: int
    failed: int
    move: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The emergency stop that nobody lifted yet."""

    pulled_by: str
    at: datetime
    reason: str


def chosen_account_id(request: HttpRequest) -> str:
    """The account looked at, empty for all: chosen by `?account=`, kept in the session."""
    if CHOSEN in request.GET:
        chosen = request.GET[CHOSEN]
        if request.session.get(CHOSEN, "") != chosen:
            request.session[CHOSEN] = chosen
        return chosen
    return str(request.session.get(CHOSEN, ""))


class Shell:
    """The facts of the shell, each asked for when a template first needs it."""

    def __init__(self, request: HttpRequest, person: Person) -> None:
        self.person = person
        self._chosen = chosen_account_id(request)

    @property
    def role_line(self) -> str:
        """ "Security engineer, Approver"."""
        labels = dict(Person._meta.get_field("roles").base_field.choices or [])
        return ", ".join(str(labels.get(role, role)) for role in self.person.roles)

    @cached_property
    def accounts(self) -> list[ShellAccount]:
        last = Sync.objects.filter(account=OuterRef("pk")).exclude(status__in=Sync.OPEN)
        last_status = Subquery(last.order_by("-asked_at").values("status")[:1])
        rows = Account.objects.filter(active=True).annotate(last_sync=last_status)
        return [
            ShellAccount(
                name=row.name,
                aws_id=row.account_id,
                sandbox=row.sandbox,
                sync_failed=row.last_sync in (Sync.Status.FAILED, Sync.Status.PARTIAL),
                synced_at=row.last_whole_at,
            )
            for row in rows
        ]

    @property
    def not_whole(self) -> int:
        """How many of the accounts looked at their last sync could not read whole."""
        rows = [self.account] if self.account else self.accounts
        return sum(row.sync_failed for row in rows)

    @cached_property
    def account(self) -> ShellAccount | None:
        """The chosen account, or the only one; None for all."""
        if len(self.accounts) == 1:
            return self.accounts[0]
        return next((row for row in self.accounts if row.aws_id == self._chosen), None)

    @property
    def synced_at(self) -> datetime | None:
        """When the account (or the one that waits longest) was last read whole."""
        rows = [self.account] if self.account else self.accounts
        times = [row.synced_at for row in rows if row.synced_at is not None]
        return min(times) if times and len(times) == len(rows) else None

    @cached_property
    def counts(self) -> dict[str, int]:
        """The quiet numbers of the sidebar for the account looked at, in one query."""
        left = Departure.objects.left()
        hits = Hit.objects.filter(kind=Hit.Kind.HIT, closed="")
        batches = Batch.objects.filter(status__in=Batch.OPEN)
        plans = Plan.objects.filter(needing()).exclude(status=Plan.Status.CONFIRMED)
        if self.account is not None:
            account = self.account.aws_id
            left = left.filter(user__account__account_id=account)
            hits = hits.filter(departure__user__account__account_id=account)
            batches = batches.filter(account__account_id=account)
            plans = plans.filter(departure__user__account__account_id=account)
        inbox = notices.inbox_for(self.person).exclude(openings__person=self.person)
        questions = {
            "users": left,
            "claims": left.filter(
                Q(state=State.DISCOVERED)
                | Q(disputed_until__gte=clock.now().date())
                | Q(claim_pending_team__isnull=False)
                | Q(contested_by_team__isnull=False)
            ),
            "batches": batches,
            "hits": hits,
            "plans": plans,
            "inbox": inbox,
            "alerts": Alert.objects.filter(closed_at=None),
            "break_glass": Alert.objects.filter(key=USED, closed_at=None),
        }
        first, *rest = (_counted(name, rows) for name, rows in questions.items())
        return dict(first.union(*rest, all=True))

    @cached_property
    def running_batch(self) -> RunningBatch | None:
        """The batch that is being written to AWS right now."""
        done = Q(changes__status__in=Change.ENDED)
        batch = (
            Batch.objects.filter(status=Batch.Status.RUNNING)
            .annotate(
                total=Count("changes"),
                done=Count("changes", filter=done),
                failed=Count("changes", filter=Q(changes__status=Change.Status.FAILED)),
            )
            .order_by("started_at")
            .first()
        )
        if batch is None:
            return None
        words = {"disable": "disabled", "delete": "deleted"}
        return RunningBatch(
            batch.number, batch.done, batch.total, batch.failed, words.get(batch.move, "done")
        )

    @cached_property
    def break_glass_used(self) -> Alert | None:
        """The use of the break-glass user that nobody explained yet; in every account."""
        if not self.counts.get("break_glass"):
            return None
        return Alert.objects.filter(key=USED, closed_at=None).first()

    @property
    def may_see_settings(self) -> bool:
        return may(self.person, Action.SEE_SETTINGS)

    @cached_property
    def emergency_stop(self) -> Stopped | None:
        stop = EmergencyStop.objects.filter(lifted_at=None).select_related("pulled_by").first()
        if stop is None:
            return None
        return Stopped(str(stop.pulled_by or "the product"), stop.pulled_at, stop.reason)

    @property
    def sandbox(self) -> bool:
        return any(row.sandbox for row in self.accounts)

    @property
    def demo(self) -> bool:
        return bool(settings.IAMCLEANUP_DEMO)

    @property
    def demo_now(self) -> datetime | None:
        return clock.now() if self.demo else None

    @property
    def closed_pages(self) -> frozenset[str]:
        """Pages of the sidebar that would only answer "not yours" to this person."""
        pages = {"/claims/": Action.CLAIM, "/settings/accounts/": Action.SEE_SETTINGS}
        return frozenset(page for page, act in pages.items() if not may(self.person, act))

    @property
    def may_stop(self) -> bool:
        return may(self.person, Action.STOP)


def context(request: HttpRequest) -> dict[str, Shell | None]:
    """`shell` for every template; None while nobody is signed in."""
    person = getattr(request, "user", None)
    if not isinstance(person, Person) or not person.is_active:
        return {"shell": None}
    return {"shell": Shell(request, person)}


def _counted(name: str, rows: QuerySet) -> QuerySet:  # type: ignore[type-arg]
    """(name, number of rows) as a query that can stand in a union; no row where nothing is."""
    counted: QuerySet = (  # type: ignore[type-arg]
        rows.order_by()
        .annotate(question=Value(name))
        .values("question")
        .annotate(number=Count(F("pk"), distinct=True))
        .values_list("question", "number")
    )
    return counted
