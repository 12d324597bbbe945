"""The reference: what each IAM user must be, and what must never be sent, as DESIGN.md has it.

Written from sections 2 to 4 of the design, not from the code, and importing none of it. The world
tells what happened, in plain values: what people did, what a foreign hand wrote, what the product
sent. `broken` holds every sentence of the design that did not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.migrations_app.worlds.held import (
    DELETES,
    FENCE,
    SWITCHES,
    Batch,
    Held,
    Item,
    Job,
    Ours,
    Params,
    User,
    credential_of,
)

HOUR = timedelta(hours=1)
# An event is in the trail within 15 minutes; what is at the fence's edge is neither hit nor knock.
LAG, EDGE = timedelta(minutes=20), timedelta(minutes=6)
OFF = ("disabled", "soaking")
SOURCE = {"disable": "owner-assigned", "soak": "disabled", "delete": "soaking"}
STEPS = {
    ("owner-assigned", "disabled"), ("owner-assigned", "soaking"), ("disabled", "soaking"),
    ("disabled", "owner-assigned"), ("soaking", "owner-assigned"), ("soaking", "deleted"),
}  # fmt: skip
BY_WORKERS = {
    ("approved", "running"), ("approved", "draft"), ("running", "paused"), ("running", "done"),
}  # fmt: skip


@dataclass
class Model:
    """Everybody, every batch, and what holds the whole account."""

    zone: str = "UTC"
    days: frozenset[int] = frozenset(range(7))
    opens: time = time.min
    closes: time | None = None
    freeze: tuple[date, date] | None = None
    stop: str = ""
    approvers: set[str] = field(default_factory=set)
    users: dict[str, User] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def must(self, holds: object, sentence: str) -> None:
        if not holds:
            self.broken.append(sentence)

    def named(self, name: str) -> User | None:
        """Who bears the name in AWS now; names know no case."""
        there = (one for one in self.users.values() if not one.gone)
        return next((one for one in there if one.name.lower() == name.lower()), None)

    def open(self, now: datetime) -> bool:
        """The change window, in the account's own time; its wall clock, whatever the season."""
        local = now.astimezone(ZoneInfo(self.zone))
        if self.freeze and self.freeze[0] <= local.date() <= self.freeze[1]:
            return False
        return local.weekday() in self.days and (
            self.closes is None or self.opens <= local.time() < self.closes
        )

    # ── What others do in AWS ────────────────────────────────────────────────────────────────────

    def foreign(self, operation: str, params: Params, now: datetime, made: str = "") -> None:
        """An administrator's call that AWS carried out."""
        user = self.named(params["UserName"])
        if operation == "CreateUser":
            self.users[made] = User(made, params["UserName"], Held())
        elif user is None:
            self.broken.append(f"{operation} was carried out on nobody.")
        elif operation == "DeleteUser":
            user.gone = "outside"
        elif operation == "UpdateUser":
            user.name = params["NewUserName"]
        else:
            self._by_hand(user, operation, params, now, made)

    def _by_hand(
        self, user: User, operation: str, params: Params, now: datetime, made: str
    ) -> None:
        user.now.take(operation, params, made)
        credential = credential_of(params, made)
        ours = user.ours or user.undone
        switched = ours and credential in ours.credentials and params.get("Status") == "Inactive"
        if ours and not switched and params.get("PolicyArn") != FENCE:
            # What a foreign hand does stays done. What we took off comes back all the same.
            ours.before.take(operation, params, made)
        if user.state not in OFF:
            return
        told = {"CreateAccessKey": f"made {credential}"}
        user.key_stirred |= params.get("Status") == "Active"
        if params.get("Status") == "Active" and user.state == "soaking":
            told[operation] = f"active {credential}"
        if operation == "CreateLoginProfile" and user.state == "soaking":
            told[operation] = "password"
        if not user.now.fenced:
            told[operation] = "fence"
        if operation in told:
            user.attempts.setdefault(told[operation], now)

    def used(self, user: User, now: datetime) -> None:
        """The user itself called AWS, denied or not, and an event shows it."""
        user.used_at = now
        if user.state in OFF and user.fenced_at and now > user.fenced_at + EDGE:
            user.attempts["use"] = now

    # ── What the product sends ───────────────────────────────────────────────────────────────────

    def sent(self, job: Job, operation: str, params: Params, now: datetime) -> None:
        """Judge one write before it reaches AWS: rules 1 to 4, 6, 9, 11 and 12."""
        user = self.users[job.user]
        what = f"{operation} for {user.name} ({job.move})"
        bearer = self.named(params["UserName"]) if "UserName" in params else user
        self.must(bearer in (None, user), f"Rule 2: {what} reached a namesake.")
        if job.move == "restore":
            self._undoes(user, operation, params, what)
            return
        self.must(job.move in SOURCE, f"{what} belongs to no forward change.")
        self.must(not user.protection, f"Rule 3: {what}, and it is protected.")
        self.must(not self.stop, f"Rule 12: {what} while the emergency stop is pulled.")
        self.must(not user.restoring, f"Rule 14: {what} although a restore was asked for.")
        batch = self.batches[job.batch]
        two = batch.approver and batch.approver not in (batch.asked_by, batch.composed_by)
        self.must(two, f"Rule 4: {what} has no second person behind it.")
        self.must(user.id in batch.approved, f"Rule 4: {what} was not approved.")
        if job.pk not in self.begun and user.id in batch.approved:
            self._begins(user, batch, job, now, what)
        self.begun.add(job.pk)
        self._goes_forward(user, job, operation, params)

    def _begins(self, user: User, batch: Batch, job: Job, now: datetime, what: str) -> None:
        item = batch.approved[user.id]
        self.must(user.state == SOURCE[job.move], f"{what} while it is {user.state}.")
        self.must(batch.approver in self.approvers, f"Rule 4: {what}; its approver lost the role.")
        self.must(batch.urgent or self.open(now), f"Rule 12: {what} outside its window.")
        if not job.follows:
            self.must(now <= batch.lapses(), f"Rule 4: {what} after the approval lapsed.")
            self.must(batch.status == "running", f"{what} in a batch that is {batch.status}.")
            self.must(item.owner == user.owner, f"Rule 4: {what}; its owner changed.")
        self.must(self.as_approved(user, item, job.move), f"Rule 4: {what}; it is another now.")
        if job.move == "disable" and not batch.urgent and user.used_at:
            late = item.looked_at < user.used_at < now - LAG
            self.must(not late, f"Rule 6: {what}; it was used after it was looked at.")
        if job.move != "disable":
            due = user.due()
            self.must(due and now >= due, f"{what} before its time was over.")
            self.must(not user.hit, f"{what} in spite of an open hit.")
            heard = user.heard_at and now - user.heard_at <= HOUR
            self.must(heard, f"{what} without listening to it.")
        if job.move != "disable" or not batch.urgent:
            contested = user.disputed and now.date() <= user.disputed
            self.must(not contested, f"Rule 6: {what} while it is disputed.")

    def as_approved(self, user: User, item: Item, move: str) -> bool:
        """The same holdings under the same name; a shut is compared beside our own fence."""
        now = deepcopy(user.now)
        if move == "soak" and user.ours and user.ours.fence == "policy":
            now.policies.discard(FENCE)
        if move == "soak" and user.ours and user.ours.fence == "boundary":
            now.boundary = item.held.boundary
        return item.name == user.name and item.held == now

    def _goes_forward(self, user: User, job: Job, operation: str, params: Params) -> None:
        batch, what = self.batches[job.batch], f"{operation} for {user.name} ({job.move})"
        if job.move == "delete":
            self.must(operation in DELETES, f"{what} is no part of a deletion.")
            user.final = True
            return
        mine = user.ours = user.ours or Ours(deepcopy(user.now))
        user.undone = None
        if operation in ("AttachUserPolicy", "PutUserPermissionsBoundary"):
            given = params.get("PolicyArn") or params.get("PermissionsBoundary")
            self.must(given == FENCE and job.move == "disable", f"{what} is not the fence.")
            mine.fence = "policy" if operation == "AttachUserPolicy" else "boundary"
            mine.urgent = mine.urgent or batch.urgent
            return
        shuts = job.move == "soak" or batch.method == "shut"
        self.must(shuts, f"{what} shuts what was approved to be fenced.")
        if operation == "DeleteLoginProfile":
            mine.password = True
        else:
            off = operation in SWITCHES and params["Status"] == "Inactive"
            self.must(off, f"{what} is no part of a shut.")
            mine.credentials.add(credential_of(params))
        mine.urgent = mine.urgent or batch.urgent

    def _undoes(self, user: User, operation: str, params: Params, what: str) -> None:
        mine = user.ours or user.undone or Ours(Held())
        if operation in SWITCHES:
            credential = credential_of(params)
            leaked = mine.urgent and operation == "UpdateAccessKey"
            ours = credential in mine.credentials and params["Status"] == "Active" and not leaked
        elif operation == "DetachUserPolicy":
            ours = params["PolicyArn"] == FENCE and mine.fence == "policy"
        else:
            back = mine.before.boundary if mine.before.boundary != FENCE else ""
            ours = mine.fence == "boundary" and (params.get("PermissionsBoundary", "") == back)
            ours = ours and operation.endswith("UserPermissionsBoundary")
        self.must(ours, f"Rule 9: {what} undoes what the product did not do: {dict(params)}.")

    def applied(self, job: Job, operation: str, params: Params) -> None:
        """AWS carried a write of ours out, whatever it answered."""
        user = self.users[job.user]
        if operation == "DeleteUser":
            user.gone = "us"
        user.now.take(operation, params)

    # ── What becomes of a user ───────────────────────────────────────────────────────────────────

    def moved(self, user: User, state: str, now: datetime, *, outside: bool = False) -> None:
        """A worker recorded a new state: it must be true in AWS, and a row of the table."""
        what = f"{user.name} is recorded as {state}"
        if state == "deleted":
            self.must(user.gone, f"Rule 7: {what}, but AWS has it still.")
            self.must(
                outside == (user.gone == "outside") or user.final, f"{what}, not by {user.gone}."
            )
            self.must(outside or user.state == "soaking", f"{what} from {user.state}.")
            user.final = user.restoring = False
        else:
            self.must((user.state, state) in STEPS, f"{what} from {user.state}.")
            self.must(state != "disabled" or user.now.fenced, f"{what} without a fence.")
            self.must(state != "soaking" or user.now.shut, f"{what}, but it is not shut.")
        if state in OFF:
            # Who was protected while the last call was out is off, and is given back at once.
            held = user.protection and not user.restoring
            self.must(not held, f"Rule 3: {what} although it is protected.")
            user.fenced_at = user.fenced_at if user.state == "disabled" else now
            user.clock_at = now
            user.not_before = user.not_before if user.not_before and user.not_before > now else None
        user.state = state

    def restored(self, user: User, now: datetime) -> None:
        """A restore was recorded as done: the user holds what it had, but for the password."""
        user.restoring, user.hit, user.undone, user.ours = False, False, user.ours, None
        user.key_stirred = False
        user.fenced_at = user.clock_at = user.not_before = None
        user.attempts.clear()
        mine = user.undone
        if mine is None or user.gone:
            return
        had = deepcopy(mine.before)
        had.password = user.now.password if mine.password else had.password
        for credential in mine.credentials if mine.urgent else ():
            if credential.startswith("AKIA"):
                had.status[credential] = user.now.status.get(credential, "")
        self.must(user.now == had, f"Rule 9: {user.name} was restored to {user.now}, it had {had}.")

    def batch_moved(self, number: int, status: str, now: datetime, what: str) -> None:
        """A worker starts an approved batch, holds or ends a running one, and lets one lapse."""
        batch = self.batches[number]
        if batch.status == status:
            return
        self.must((batch.status, status) in BY_WORKERS, f"{what}: {batch.status} to {status}.")
        if status == "running":
            two = batch.approver in self.approvers and batch.approver != batch.asked_by
            self.must(two, f"Rule 4: batch {number} starts without an approval.")
            self.must(not self.stop, f"Rule 12: batch {number} starts in spite of the stop.")
            self.must(
                batch.urgent or self.open(now), f"Rule 12: batch {number} starts, window closed."
            )
        if status == "draft":
            self.void(number)
        batch.status = status

    def void(self, number: int) -> None:
        """Nothing is asked or approved any more."""
        batch = self.batches[number]
        batch.status, batch.asked_by, batch.approver, batch.approved = "draft", "", "", {}

    def heard(self, users: Iterable[User], now: datetime) -> None:
        """Everybody who is off was listened to and nothing disturbed it: attempts are hits now."""
        for user in users:
            since = (user.fenced_at or now) + EDGE
            told = {what: at for what, at in user.attempts.items() if now - at > LAG}
            late = [what for what, at in told.items() if at > since]
            self.must(user.hit or not late, f"{user.name} was called ({late}), and no hit tells.")
            for what in told:
                del user.attempts[what]
