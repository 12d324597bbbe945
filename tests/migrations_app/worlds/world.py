"""One world: the real engine on real rows, the simulated account, and the model beside them.

Whatever reaches the simulated account is told to the model as it happens, and judged there. After
each step rows, journal and account are compared with it. A worker may be killed at any statement or
call, or disturbed by somebody between two of its writes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from demo.aws.authentication import ADMIN_CREDENTIALS
from demo.aws.calls import Call as ApiCall
from demo.aws.errors import AwsError, ConnectionLost
from demo.aws.state import User as InAws
from inventory import clock, ledger
from inventory.models import Account, IamUser, LedgerEntry
from inventory.refusals import Refused
from migrations_app.models import Batch, Call, Change, Departure
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import Killed, Stage, is_write
from tests.migrations_app.worlds import held
from tests.migrations_app.worlds.held import Held, Job
from tests.migrations_app.worlds.model import Model

_STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Broken(AssertionError):
    """The engine and the model do not agree; the message says where."""


@dataclass
class Plot:
    """How a worker is disturbed: it dies at a call or a statement, or somebody acts between."""

    call: int = 0
    after: bool = False
    statement: int = 0
    write: int = 0
    meanwhile: Callable[[], object] | None = None

    @property
    def quiet(self) -> bool:
        return not (self.call or self.statement or self.write)


@dataclass
class World:
    """The stage with its model, and everything that happened so far."""

    stage: Stage
    pace: Pace
    model: Model
    # Where a test wants just these disturbances.
    meanwhile: tuple[Callable[..., object], ...] = ()
    strikes: tuple[str, str] | None = None
    # The ledger's last entry when this world began.
    since: int = 0
    told: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    # How often a worker dies, and how often somebody acts between two of its writes.
    shares: dict[str, float] = field(default_factory=lambda: {"deaths": 0.0, "meanwhile": 0.0})
    # Whether the last worker was left alone, by faults as well.
    plot: Plot = field(default_factory=Plot)
    journalled: set[int] = field(default_factory=set)
    restored: set[int] = field(default_factory=set)
    _working: bool = False
    _calls: int = 0
    _writes: int = 0
    _statements: int = 0

    # ── Who is there ─────────────────────────────────────────────────────────────────────────────

    @property
    def people(self) -> Any:
        return self.stage.people

    @property
    def account(self) -> Any:
        return self.stage.simulator.account

    def now(self) -> datetime:
        return clock.now()

    def departures(self, *states: str) -> list[Departure]:
        """Everybody but the break-glass user, in the order they were found; of these states."""
        rows = Departure.objects.select_related("user__account", "owner").order_by("pk")
        rows = rows.exclude(user__user_name="break-glass")
        return list(rows.filter(state__in=states) if states else rows)

    def user(self, departure: Departure) -> held.User:
        return self.model.users[departure.user.user_id]

    @property
    def writes(self) -> int:
        """How many writes the product has sent so far."""
        return self.done["writes"]

    def bears_its_name(self, user: held.User) -> bool:
        """Whether the product knows the user by the name it bears in AWS."""
        row = IamUser.objects.get(user_id=user.id)
        return self.model.named(row.user_name) is user

    def account_is_held(self) -> bool:
        account = Account.objects.get(pk=self.people.account.pk)
        return bool(account.hold_reason)

    @staticmethod
    def leads_to(change: Change) -> str:
        if change.move == "delete":
            return "deleted"
        return "soaking" if change.move == "soak" or change.method == "shut" else "disabled"

    # ── What happens ─────────────────────────────────────────────────────────────────────────────

    def says(self, line: str) -> None:
        self.told.append(line)

    def verb(self, what: str, ask: Callable[[], Any], *, may: bool | None = None) -> Any:
        """A person uses a verb; its answer, or None where it was refused.

        `may` is what the model says: False must be refused, True must not.
        """
        try:
            answer = ask()
        except Refused as no:
            self.says(f"{what}: refused, {no}")
            self.done["refused"] += 1
            if may is True:
                raise Broken(f"{what} was refused: {no}") from no
            return None
        self.says(what)
        if may is False:
            raise Broken(f"{what} was allowed.")
        return True if answer is None else answer

    def work(
        self,
        what: str,
        job: Callable[[], object],
        *,
        may: Iterable[tuple[str, str]] = (),
        must: Callable[[], Iterable[tuple[str, str]]] = tuple,
        plot: Plot | None = None,
    ) -> bool:
        """A worker does `job`; whether it was left alone.

        `may` and `must` are pairs of a user's id and its new state.
        """
        self.plot = plot or Plot()
        allowed = set(may)
        undisturbed = self.plot.quiet and not self.stage.simulator.faults.shown()
        expected = set(must()) if undisturbed else set()
        self._calls = self._writes = self._statements = 0
        self._working, how = True, ""
        try:
            with connection.execute_wrapper(self._statement):
                job()
        except Killed:
            how = ", and its worker died"
            self.done["killed"] += 1
        finally:
            self._working = False
        self.says(f"{what}{how}")
        self._follow(allowed, expected, what)
        return undisturbed

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._working and sql.startswith(_STATEMENTS):
            self._statements += 1
            if self.plot.statement == self._statements:
                raise Killed
        return execute(sql, params, many, context)

    def perform(self, really: Callable[[ApiCall], dict[str, Any]], call: ApiCall) -> dict[str, Any]:
        """Stands before the simulated account: tells the model, and disturbs."""
        if call.access_key_id == ADMIN_CREDENTIALS["AWS_ACCESS_KEY_ID"]:
            answer: dict[str, Any] = {}
            try:
                answer = really(call)
            finally:
                # Also where the answer is lost: then nobody but AWS knows what it made.
                applied = self.stage.simulator.calls[-1]["applied"]
                if applied and is_write(call) and "UserName" in call.params:
                    self._by_hand(call, answer)
            return answer
        self._calls += 1
        if self._working and self.plot.call == self._calls and not self.plot.after:
            if is_write(call):
                self._judge(call)
            raise Killed
        answer = self._write(really, call) if is_write(call) else really(call)
        if self._working and self.plot.call == self._calls and self.plot.after:
            raise Killed
        return answer

    def _write(self, really: Callable[[ApiCall], dict[str, Any]], call: ApiCall) -> dict[str, Any]:
        job = self._judge(call)
        self._writes += 1
        try:
            return really(call)
        finally:
            if job is not None and self.stage.simulator.calls[-1]["applied"]:
                self.model.applied(job, call.operation, call.params)
            if self._working and self.plot.write == self._writes and self.plot.meanwhile:
                self._working = False
                self.plot.meanwhile()
                self._working = True

    def _judge(self, call: ApiCall) -> Job | None:
        """Each write stands in the journal, as it is sent, unanswered and under a living change."""
        working, self._working = self._working, False
        self.done["writes"] += 1
        line = Call.objects.filter(kind=Call.Kind.WRITE).order_by("-pk").select_related(
            "change__departure__user", "change__batch").first()  # fmt: skip
        fits = line is not None and (line.operation, line.params, line.outcome) == (
            call.operation, dict(call.params), "")  # fmt: skip
        if line is None or not fits or line.pk in self.journalled:
            raise Broken(f"Rule 10: {call.operation} {call.params} stands in no journal line.")
        self.journalled.add(line.pk)
        job = _job(line.change)
        self.model.must(line.change.status == "running", f"{line.change} writes, and has ended.")
        self.model.sent(job, call.operation, call.params, self.now())
        self.check()
        self._working = working
        return job

    def _by_hand(self, call: ApiCall, answer: dict[str, Any]) -> None:
        made = answer.get("AccessKey", {}).get("AccessKeyId") or answer.get("User", {}).get(
            "UserId", ""
        )
        self.model.foreign(call.operation, call.params, self.now(), made)

    def administrator(self, operation: str, name: str, **params: str) -> bool:
        """A foreign hand in the console; whether AWS carried it out."""
        try:
            self.stage.administrator(operation, UserName=name, **params)
        except (AwsError, ConnectionLost) as no:
            self.says(f"by hand: {operation} {name} {params}: {no}")
            return False
        self.says(f"by hand: {operation} {name} {params}")
        return True

    # ── Whether it is as the model says ──────────────────────────────────────────────────────────

    def _follow(
        self, allowed: set[tuple[str, str]], expected: set[tuple[str, str]], what: str
    ) -> None:
        """What workers recorded: told to the model, which says whether it is true."""
        for change in Change.objects.filter(move="restore", status="done").select_related(
            "departure__user"
        ):
            if change.pk not in self.restored:
                self.restored.add(change.pk)
                self.model.restored(self.user(change.departure), self.now())
                self.done["restored"] += 1
        for batch in Batch.objects.all():
            self.model.batch_moved(batch.number, batch.status, self.now(), what)
        moved = set()
        for row in self.departures():
            if not self.model.users.get(row.user.user_id):
                enter(self, row)
            user = self.user(row)
            if not user.state:
                # Found by a sync: the model knew it from AWS already.
                self.model.must(row.state == "discovered", f"{user.name} was found {row.state}.")
                user.state = row.state
            if row.state == user.state:
                continue
            moved.add((user.id, row.state))
            if (user.id, row.state) not in allowed:
                raise Broken(f"{what} moved {user.name} from {user.state} to {row.state}.")
            self.model.moved(user, row.state, self.now(), outside=row.deleted_outside)
        missing = expected - moved
        if missing:
            shown = [(self.model.users[one].name, state) for one, state in missing]
            raise Broken(f"{what} should have led to {shown}. {self._why(missing)}")
        self.check(what)

    def _why(self, missing: set[tuple[str, str]]) -> str:
        rows = Change.objects.filter(departure__user__user_id__in=[one for one, _ in missing])
        last = rows.order_by("-pk").first()
        batch = last.batch if last else None
        return f"{last}: {last.result} {last.error}; {batch and batch.pause_reason}" if last else ""

    def check(self, what: str = "") -> None:
        if self.model.broken:
            raise Broken("; ".join([*self.model.broken, what]).strip("; "))

    def end(self) -> None:
        """What only the end of a world shows."""
        found = ledger.verify()
        if not found.intact:
            raise Broken(f"Rule 15: {found.reason}")

    def transitions(self) -> Counter[str]:
        """Every move of the table that the ledger tells of, with how often."""
        rows = LedgerEntry.objects.filter(kind__startswith="move.", seq__gt=self.since).values_list(
            "kind", "data"
        )
        return Counter(
            f"{kind.removeprefix('move.')}: {data['source']} -> {data['target']}"
            for kind, data in rows
        )


def _job(change: Change) -> Job:
    return Job(
        change.pk,
        change.departure.user.user_id,
        change.move,
        change.batch.number if change.batch else 0,
        change.follows_id is not None,
    )


def held_in_aws(user: InAws | None) -> Held | None:
    """What the simulated account has, in the model's words."""
    if user is None:
        return None
    credentials: list[Any] = [
        *user.keys.values(),
        *user.ssh_keys.values(),
        *user.certificates.values(),
        *user.service_credentials.values(),
    ]
    return Held(
        {one.id: one.status for one in credentials},
        user.login is not None,
        set(user.attached),
        user.boundary or "",
        {*user.groups, *user.inline, *user.mfa},
    )


def enter(world: World, departure: Departure) -> None:
    """Tell the model of a user that is there already."""
    user: IamUser = departure.user
    holds = held_in_aws(world.account.by_user_id[user.user_id])
    assert holds is not None
    world.model.users[user.user_id] = held.User(
        user.user_id,
        user.user_name,
        holds,
        departure.state,
        departure.owner.key if departure.owner else "",
        departure.protection,
    )


@contextmanager
def watched(world: World) -> Iterator[None]:
    """The model stands before the simulated account until the block ends."""
    simulator = world.stage.simulator
    really = type(simulator).perform.__get__(simulator)
    simulator.perform = lambda call: world.perform(really, call)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del simulator.perform


def chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share
