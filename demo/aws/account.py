"""The simulated account at work: a call comes in, time catches up, AWS answers.

Order of one call: faults that strike before, authentication, authorization, the operation itself,
the stored log, the trail, faults that strike after. Everything but waiting happens under one lock.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import (  # noqa: F401
    advisor,
    event_rules,
    iam,
    identity_store,
    instances,
    lake,
    organizations,
    report,
    resource_policies,
    sso,
    stacks,
    storage,
    sts,
    trail,
    trail_settings,
)
from .authentication import authenticate
from .authorization import authorize
from .calls import OPERATIONS, Call, Caller, Context
from .errors import AwsError, ConnectionLost, NoAnswer
from .estate import trust_from
from .faults import Fault, Faults
from .happenings import Happenings, use_key
from .ids import Ids
from .log_files import LogFiles
from .persistence import Line, Log
from .population import populate
from .recording import event_of_call, safe_params, secrets_of
from .regions import ALL_REGIONS, REGIONS, refuse_disabled
from .rhythm import Habit, Rhythm, once
from .state import Account

ACCOUNT_ID = "123456789012"
_AFTER = {"error-after", "reset-after", "time-out"}
# These let the operation answer, only otherwise.
_SHAPING = {"latency", "stale", "short-pages", "job-failed", "job-stuck"}
_MOST_REMEMBERED = 4_000
Truth = dict[str, Any]
Kept = tuple[dict[str, Any], dict[str, dict[str, Any]]]


def _real_now() -> datetime:
    return datetime.now(UTC)


class Simulator:
    """One simulated AWS account and its clock.

    `seed` and `size` draw the population; `clock` gives aware UTC; `log_path` keeps what happened.
    `regions`: how many of `ALL_REGIONS` are enabled. `lookup_rate`: LookupEvents a second for each
    Region, 0 for no limit.
    """

    def __init__(
        self,
        seed: int = 206,
        size: int = 206,
        clock: Callable[[], datetime] = _real_now,
        *,
        regions: int = len(REGIONS),
        log_path: Path | None = None,
        account_id: str = ACCOUNT_ID,
        lookup_rate: float = trail.REQUESTS_PER_SECOND,
    ) -> None:
        self.regions = ALL_REGIONS[:regions]
        self.faults = Faults()
        self.ids = Ids(seed)
        self.page_limit = 1000
        self.calls: deque[dict[str, Any]] = deque(maxlen=50_000)
        self.counts: Counter[str] = Counter()
        # What must turn up nowhere: every secret that was ever handed out or sent in, in memory.
        self.secrets: set[str] = set()
        self._clock = clock
        self._fixed: datetime | None = None
        self.lock = threading.RLock()
        self._remembered: dict[str, dict[str, Any]] = {}
        self._log = Log(log_path)
        self._drawn_from = (account_id, seed, size)
        self._lookup_rate = lookup_rate
        self._draw()

    def _draw(self) -> None:
        """Draw the account from its seed and replay what was kept."""
        account_id, seed, size = self._drawn_from
        lines = list(self._log.lines())
        self.born_at = _born_at(lines, self._log, seed, size, self.now())
        account = Account(account_id, "acme-production")
        self.accounts = {account_id: account}
        self._trails = {account_id: trail.Trail(self._lookup_rate)}
        files = LogFiles(account_id, self.regions, self._trails[account_id])
        self._log_files = {account_id: files}
        self._lakes = {account_id: lake.Lake()}
        self._rhythm = Rhythm(seed)
        self._happenings = Happenings(self, account)
        self._others: list[tuple[Rhythm, Happenings]] = []
        self.organization: organizations.Organization | None = None
        self.truth: list[Truth] = populate(account, self._rhythm, seed, size, self.born_at)
        self._replay(lines[1:])

    def start_over(self) -> None:
        """Forget what was kept, faults and calls; the account as its seed draws it now."""
        with self.lock:
            self._log.empty()
            self.faults.clear()
            self.calls.clear()
            self.counts.clear()
            self._remembered.clear()
            self.page_limit = 1000
            self._draw()

    def keep(self) -> Kept:
        """A copy of the first account, and of what it answered last, for `put_back`."""
        with self.lock:
            return deepcopy(self.account.__dict__), dict(self._remembered)

    def put_back(self, kept: Kept) -> None:
        """The first account as it was when `kept` was made, without faults. Its trail goes on."""
        state, remembered = kept
        with self.lock:
            # Everybody holds the account itself, so it is filled anew in place.
            self.account.__dict__.clear()
            self.account.__dict__.update(deepcopy(state))
            self._remembered = dict(remembered)
            self.faults.clear()

    def now(self) -> datetime:
        """The account's time, aware UTC in whole seconds; during replay the time of the line."""
        return (self._fixed or self._clock()).replace(microsecond=0)

    def trail(self, account_id: str) -> trail.Trail:
        return self._trails[account_id]

    def log_files(self, account_id: str) -> LogFiles:
        """What the account's trail delivers to S3."""
        return self._log_files[account_id]

    def lake(self, account_id: str) -> lake.Lake:
        """The account's event data store in CloudTrail Lake."""
        return self._lakes[account_id]

    @property
    def account(self) -> Account:
        """The first account: the product's own, and the one that is kept."""
        return next(iter(self.accounts.values()))

    def add_account(self, account_id: str, alias: str, seed: int, size: int) -> Account:
        """Another account, whose IamCleanup roles trust the product of the first one.

        What happens in it is not kept: it is for tests in one process.
        """
        with self.lock:
            account = Account(account_id, alias)
            self.accounts[account_id] = account
            self._trails[account_id] = own = trail.Trail(self._lookup_rate)
            self._log_files[account_id] = LogFiles(account_id, self.regions, own)
            self._lakes[account_id] = lake.Lake()
            rhythm = Rhythm(seed)
            populate(account, rhythm, seed, size, self.born_at)
            trust_from(account, self.account)
            self._others.append((rhythm, Happenings(self, account)))
            self.advance()
            return account

    def create_stack(self, account_id: str, template: str) -> list[str]:
        """Make the roles of a CloudFormation template in an account; kept. Their ARNs; ValueError.

        An account that nobody has heard of yet is there then, small and without a role of ours.
        """
        with self.lock:
            self.advance()
            arns = self._stack(account_id, template)
            kept = {"account": account_id, "template": template}
            self._log.append({"at": self.now(), "stack": kept})
            return arns

    def _stack(self, account_id: str, template: str) -> list[str]:
        roles = stacks.read(account_id, template)
        if account_id not in self.accounts:
            drawn = self.add_account(account_id, f"acme-{account_id[-4:]}", int(account_id), 24)
            stacks.without_product(drawn)
        return stacks.make(self.accounts[account_id], roles, self.now())

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        with self.lock:
            for at, habit in self._rhythm.due(self.now()):
                self._happenings.happen(at, habit)
            for rhythm, happenings in self._others:
                for at, habit in rhythm.due(self.now()):
                    happenings.happen(at, habit)

    def perform(self, call: Call) -> dict[str, Any]:
        """The answer to a call; AwsError, or ConnectionLost where a fault says so."""
        call.request_id = call.request_id or str(uuid.uuid4())
        with self.lock:
            hits = self.faults.strike(call)
        for fault in hits:
            if fault.kind == "latency":
                time.sleep(fault.seconds)
        with self.lock:
            note = self._note(call)
            self.secrets |= secrets_of(call.params)
            try:
                result = self._answer(call, hits, note)
                self.secrets |= secrets_of(result)
                _strike_after(call, hits)
            except AwsError as error:
                note["outcome"] = error.code
                raise
            except ConnectionLost:
                note["outcome"] = "ConnectionLost"
                raise
            note["outcome"] = "success"
            return result

    def act(self, habit: Habit) -> bool:
        """Let one thing happen now by somebody's hand; False when it leaves no trace."""
        with self.lock:
            self.advance()
            now = self.now()
            happened = self._happenings.happen(now, once(habit, now))
            line = asdict(habit) | {"first": now, "until": now}
            self._log.append({"at": now, "happen": line})
            return happened

    def _note(self, call: Call) -> dict[str, Any]:
        note: dict[str, Any] = {
            "n": self.counts.total() + 1,
            "at": self.now().isoformat(),
            "service": call.service,
            "operation": call.operation,
            "region": call.region,
            "params": safe_params(call.params),
            "access_key_id": call.access_key_id,
            "request_id": call.request_id,
            "arn": "",
            "applied": False,
        }
        self.calls.append(note)
        self.counts[call.operation] += 1
        return note

    def _answer(self, call: Call, hits: list[Fault], note: dict[str, Any]) -> dict[str, Any]:
        self.advance()
        for fault in hits:
            if fault.kind == "reset":
                raise ConnectionLost
            if fault.kind not in _AFTER | _SHAPING:
                raise fault.error(call)
        refuse_disabled(call.region, self.regions, call.service)
        caller = authenticate(self.accounts, call)
        note["arn"], note["session"] = caller.arn, caller.session_name
        note["source_identity"] = caller.source_identity
        error: AwsError | None = None
        result: dict[str, Any] = {}
        self.ids.begin()
        try:
            authorize(caller, call)
            result = self._operate(call, caller, hits)
        except AwsError as raised:
            error = raised
        self._keep(call, caller, error, result)
        note["applied"] = error is None
        if error is not None:
            raise error
        return result

    def _operate(self, call: Call, caller: Caller, hits: list[Fault]) -> dict[str, Any]:
        found = OPERATIONS.get((call.service, call.operation))
        if found is None:
            message = f"The action {call.operation} is not simulated for {call.service}."
            raise AwsError("InvalidAction", message, 400)
        memory = f"{call.service}/{call.operation}/{call.region}/{call.params}"
        if (
            not found.writes
            and memory in self._remembered
            and any(fault.kind == "stale" for fault in hits)
        ):
            return self._remembered[memory]
        limits = [fault.size for fault in hits if fault.kind == "short-pages"]
        context = Context(self, caller.account, caller, call, self.now())
        context.page_limit = min([self.page_limit, *limits])
        context.shaped_by = frozenset(fault.kind for fault in hits)
        result = found.handler(context) or {}
        if found.writes:
            caller.account.denials.clear()
        elif call.service == "iam":
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[memory] = result
        return result

    def _keep(
        self, call: Call, caller: Caller, error: AwsError | None, result: dict[str, Any]
    ) -> None:
        """Into the stored log and the trail; a user's own key moves its last-used date."""
        found = OPERATIONS.get((call.service, call.operation))
        writes = found is not None and found.writes and error is None
        if writes or caller.user is not None:
            kept = {"writes": writes, "ids": self.ids.given}
            self._log.append(_line(self.now(), call, caller, error) | kept)
        self._show(call, caller, error or result)

    def _show(self, call: Call, caller: Caller, outcome: AwsError | dict[str, Any]) -> None:
        user, now = caller.user, self.now()
        if user is not None and call.access_key_id in user.keys:
            use_key(user, user.keys[call.access_key_id], now, call.service, call.region)
        history = self.trail(caller.account.id)
        history.add(event_of_call(history.next_seq(), now, call, caller, outcome))

    def _replay(self, lines: list[Line]) -> None:
        self._log.replaying = True
        for line in lines:
            self._fixed = datetime.fromisoformat(line["at"])
            self.advance()
            if "stack" in line:
                self._stack(line["stack"]["account"], line["stack"]["template"])
                continue
            if "happen" in line:
                habit = dict(line["happen"])
                for name in ("first", "until"):
                    habit[name] = datetime.fromisoformat(habit[name])
                self._happenings.happen(self._fixed, Habit(**habit))
                continue
            call, caller = _call_of(line, self.accounts)
            error = AwsError(*line["error"]) if line["error"] else None
            self.ids.begin(line["ids"])
            result = self._operate(call, caller, []) if line["writes"] else {}
            self._show(call, caller, error or result)
        self._fixed, self._log.replaying = None, False
        self.ids.begin()


def _strike_after(call: Call, hits: list[Fault]) -> None:
    for fault in hits:
        if fault.kind == "reset-after":
            raise ConnectionLost
        if fault.kind == "time-out":
            raise NoAnswer
        if fault.kind == "error-after":
            raise fault.error(call)


def _born_at(lines: list[Line], log: Log, seed: int, size: int, now: datetime) -> datetime:
    """When the account was drawn: kept in the first line. ValueError for another seed or size."""
    if not lines:
        log.append({"at": now, "seed": seed, "size": size})
        return now
    if (lines[0]["seed"], lines[0]["size"]) != (seed, size):
        raise ValueError(
            f"The kept account was drawn with seed {lines[0]['seed']} and size "
            f"{lines[0]['size']}, not {seed} and {size}. Start over, or use those."
        )
    return datetime.fromisoformat(lines[0]["at"])


def _line(now: datetime, call: Call, caller: Caller, error: AwsError | None) -> Line:
    return {
        "at": now,
        "call": asdict(call) | {"session_token": "", "params": safe_params(call.params)},
        "caller": {
            "arn": caller.arn,
            "principal_id": caller.principal_id,
            "access_key_id": caller.access_key_id,
            "user_id": caller.user.id if caller.user else "",
            "role": caller.role.name if caller.role else "",
            "session_name": caller.session_name,
            "source_identity": caller.source_identity,
            "federated": caller.federated,
        },
        "error": [error.code, error.message, error.status] if error else None,
    }


def _call_of(line: Line, accounts: dict[str, Account]) -> tuple[Call, Caller]:
    kept = dict(line["caller"])
    account = accounts[kept["arn"].split(":")[4]]
    user = account.by_user_id.get(kept.pop("user_id"))
    role = account.roles.get(str(kept.pop("role")).lower())
    return Call(**line["call"]), Caller(account=account, user=user, role=role, **kept)
