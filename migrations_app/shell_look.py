"""All that the shell draws, asked in one statement, however many users and accounts there are.

It hangs on the row of whoever reads. Counts stop at `MOST`, so that none of them grows with the
data. The emergency stop, hits, alerts and messages are as fresh as the page; how many users,
claims, batches and plans there are is kept for some seconds, or until the ledger's next entry,
since whatever a person or a worker does to them is written there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject, NullIf

from inventory import clock
from inventory.models import Account, Alert, LedgerEntry, Person, Sync
from inventory.permissions import Action, may
from inventory.remembered import remembered
from inventory.statements import Statement
from migrations_app.changes.break_glass import USED
from migrations_app.claims import owing
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import (
    Batch,
    Change,
    Departure,
    EmergencyStop,
    Hit,
    Listed,
    Opening,
    Plan,
)
from migrations_app.outgoing import notices
from migrations_app.replacement.planning import needing

# A page says "999+".
MOST = 1000
# Counted anew for every page.
_FRESH = ("hits", "inbox", "calls", "alerts")
# So many readers, each with an account, have their statement kept by a process.
_READERS = 256
# What changes without an entry in the ledger: a verdict, the last day of a dispute.
_KEPT_SECONDS = 30
# Messages older than this wait for nobody any more.
_UNREAD_FOR = timedelta(days=90)
_DONE_WORDS = {"disable": "disabled", "delete": "deleted"}


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


@dataclass(frozen=True, slots=True)
class Strips:
    """What every page must say before anything else."""

    running: RunningBatch | None
    stopped: Stopped | None
    break_glass_used: str


@dataclass(frozen=True, slots=True)
class Look:
    """The whole shell. `others`: whether there are accounts that are not active any more."""

    strips: Strips
    accounts: list[ShellAccount]
    counts: Mapping[str, int]
    others: bool

    def account(self, chosen: str) -> ShellAccount | None:
        """The chosen account, or the only one; None for all."""
        if len(self.accounts) == 1:
            return self.accounts[0]
        return next((row for row in self.accounts if row.aws_id == chosen), None)


class _Counted(Subquery):
    """How many rows a query has."""

    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def strips(person: Person) -> Strips:
    """The strips alone, for those who ask every few seconds; one statement."""
    return _strips(_row(person, **_strip_questions()))


def look(person: Person, chosen: str) -> Look:
    """The shell for `person` and the account with the id `chosen`, "" for all.

    One statement, and one more after something happened. Where what was chosen is not there, or
    one account alone is active, it is asked again.
    """
    row = _statement(person.pk, tuple(person.roles), chosen, clock.now().date()).get()
    found = Look(_strips(row), [_account(told) for told in row["shown"]], {}, row["others"])
    account = found.account(chosen)
    meant = account.aws_id if account else ""
    if meant != chosen and (chosen or found.others):
        return look(person, meant)
    fresh = {name: row[name] for name in _FRESH}
    return replace(found, counts={**fresh, **_slow(person, chosen, row["head"] or "")})


def _slow(person: Person, account_id: str, head: str) -> dict[str, int]:
    """The counts that may be as old as the ledger's last entry."""
    lead = may(person, Action.CLAIM) and not may(person, Action.OPERATE)
    key = f"shell-counts:{account_id}:{person.pk if lead else ''}:{head}"

    def ask() -> dict[str, int]:
        waiting = _waiting(account_id)
        if lead:
            waiting["claims"] = _owed(person)
        return _row(person, **_counted(waiting))

    return remembered(key, _KEPT_SECONDS, ask)


@lru_cache(_READERS)
def _statement(person_pk: int, roles: tuple[str, ...], chosen: str, today: date) -> Statement:
    """What the shell asks: made once a day for each reader and account, for every page asks it."""
    person = Person(pk=person_pk, roles=list(roles))
    questions = {
        **_strip_questions(),
        "shown": ArraySubquery(_accounts()),
        "others": Exists(Account.objects.filter(active=False)),
        "head": Subquery(LedgerEntry.objects.order_by("-seq").values("hash")[:1]),
        **_counted(_calling(person, chosen, today)),
    }
    return Statement.of(Person.objects.filter(pk=person_pk).values(**questions))


def _row(person: Person, **questions: Any) -> dict[str, Any]:
    return dict(Person.objects.filter(pk=person.pk).values(**questions).get())


def _counted(of: Mapping[str, QuerySet[Any]]) -> dict[str, Any]:
    return {name: _Counted(rows.order_by().values("pk")[:MOST]) for name, rows in of.items()}


def _calling(person: Person, account_id: str, today: date) -> dict[str, QuerySet[Any]]:
    """By name what is counted anew for every page; nothing in it depends on the time of day.

    `hits` are those of the account looked at, `calls` those of all accounts, as the alerts are.
    """
    hits = everywhere = Hit.objects.filter(kind=Hit.Kind.HIT, closed="")
    if account_id:
        # Few hits are open: each is asked for its account, instead of each user for its hit.
        of = Listed.objects.filter(departure=OuterRef("departure"))
        chosen = Account.objects.filter(account_id=account_id)
        hits = hits.annotate(of_account=Subquery(of.values("account")[:1]))
        hits = hits.filter(of_account=Subquery(chosen.values("pk")))
    since = datetime.combine(today, time(), UTC) - _UNREAD_FOR
    inbox = notices.inbox_for(person).filter(at__gte=since)
    opened = Opening.objects.filter(notice=OuterRef("pk"), person=person)
    return {
        "hits": hits,
        # Nobody opens a message before it is there: what was opened earlier is another one.
        "inbox": inbox.exclude(Exists(opened.filter(at__gte=since))),
        "calls": everywhere,
        "alerts": Alert.objects.filter(closed_at=None),
    }


def _waiting(account_id: str) -> dict[str, QuerySet[Any]]:
    """By name what is counted in one account or with "" in all, and may be kept."""
    left = Departure.objects.left()
    batches = Batch.objects.filter(status__in=Batch.OPEN)
    plans = Plan.objects.filter(needing())
    if account_id:
        # As the Users page finds them: the users of an account lie all over their own table.
        chosen = Subquery(Account.objects.filter(account_id=account_id).values("pk"))
        left = left.filter(listed__account=chosen)
        batches = batches.filter(account=chosen)
        plans = plans.filter(departure__listed__account=chosen)
    claims = left.filter(
        Q(state=State.DISCOVERED)
        | Q(disputed_until__gte=clock.now().date())
        | Q(claim_pending_team__isnull=False)
        | Q(contested_by_team__isnull=False)
    )
    return {"users": left, "claims": claims, "batches": batches, "plans": plans}


def _owed(person: Person) -> QuerySet[Any]:
    """Whom the teams of a lead have to answer for: the page that the sidebar leads a lead to."""
    now, owed = clock.now(), Q(pk__in=[])
    for team in person.leading():
        owed |= Q(pk__in=owing.owed(team, now).values("pk"))
    return Departure.objects.filter(owed)


def _accounts() -> QuerySet[Account, Any]:
    last = Sync.objects.filter(account=OuterRef("pk")).exclude(status__in=Sync.OPEN)
    return (
        Account.objects.filter(active=True)
        .order_by("name")
        .values(
            told=JSONObject(
                name="name",
                aws_id="account_id",
                sandbox="sandbox",
                last=Subquery(last.order_by("-asked_at").values("status")[:1]),
                synced_at="last_whole_at",
            )
        )
    )


def _account(told: Mapping[str, Any]) -> ShellAccount:
    return ShellAccount(
        name=told["name"],
        aws_id=told["aws_id"],
        sandbox=told["sandbox"],
        sync_failed=told["last"] in (Sync.Status.FAILED, Sync.Status.PARTIAL),
        synced_at=_time(told["synced_at"]),
    )


def _strip_questions() -> dict[str, Any]:
    # The users of the batch as the head of its page counts them (`batch_run.progress_of`).
    of_batch = Q(changes__follows=None) & ~Q(changes__move=MoveName.RESTORE)
    is_in = of_batch & ~Q(changes__status__in=Change.OUT)
    running = (
        Batch.objects.filter(status=Batch.Status.RUNNING)
        .annotate(
            total=Count("changes", filter=is_in),
            done=Count("changes", filter=of_batch & Q(changes__status=Change.Status.DONE)),
            failed=Count("changes", filter=of_batch & Q(changes__status=Change.Status.FAILED)),
        )
        .order_by("started_at")
        .values(
            told=JSONObject(
                number="number", move="move", total="total", done="done", failed="failed"
            )
        )
    )
    by = Coalesce(NullIf("pulled_by__name", Value("")), "pulled_by__username", Value("the product"))
    stopped = EmergencyStop.objects.filter(lifted_at=None).values(
        told=JSONObject(by=by, at="pulled_at", reason="reason")
    )
    used = Alert.objects.filter(key=USED, closed_at=None).values("title")
    return {
        "running": Subquery(running[:1]),
        "stopped": Subquery(stopped[:1]),
        "used": Subquery(used[:1]),
    }


def _strips(row: Mapping[str, Any]) -> Strips:
    running, stopped = row["running"], row["stopped"]
    return Strips(
        running=RunningBatch(
            running["number"],
            running["done"],
            running["total"],
            running["failed"],
            _DONE_WORDS.get(running["move"], "done"),
        )
        if running
        else None,
        stopped=Stopped(stopped["by"], datetime.fromisoformat(stopped["at"]), stopped["reason"])
        if stopped
        else None,
        break_glass_used=row["used"] or "",
    )


def _time(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None
