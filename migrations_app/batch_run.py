"""How far a batch is: its users, its calls and its numbers, as values for the live page.

Everything is read from the `Change` and `Call` tables in a handful of queries, however many users
the batch has. `Progress.mark` changes whenever anything that the page shows changed, so a poll that
brings the same mark is answered with nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q

from inventory.models import TrailCoverage
from migrations_app.batch_plan import arguments_of, cut_keys, short_name
from migrations_app.lifecycle import Method, MoveName, State
from migrations_app.models import Batch, Call, Change, Departure, Hit

SHOWN_CALLS = 200
READ_BACK = "read back"
_USER_ID = re.compile(r"\b(AIDA)[A-Z0-9]{8,120}([A-Z0-9]{4})\b")
_ORDER = {"running": 0, "failed": 1, "done": 2, "queued": 3}


@dataclass(frozen=True, slots=True)
class RunRow:
    """One user of a batch while it runs and afterwards."""

    change: Change
    badge: str
    label: str
    steps: tuple[str, ...]
    line: str = ""
    restorable: bool = False
    skippable: bool = False
    retryable: bool = False
    finishable: bool = False

    @property
    def departure(self) -> Departure:
        return self.change.departure

    @property
    def steps_done(self) -> int:
        return self.steps.count("done")


@dataclass(frozen=True, slots=True)
class Progress:
    """The head of the live page."""

    total: int
    done: int
    running: int
    queued: int
    failed: int
    left_out: int
    # Of those done, how many were restored since.
    restored: int
    calls: int
    segments: tuple[str, ...]
    elapsed: timedelta | None
    left: timedelta | None
    hits: int
    read_to: datetime | None
    running_name: str
    last_call: int
    open_calls: tuple[int, ...]
    mark: str
    ended: bool

    @property
    def standing(self) -> int:
        """Of how many users what was done still holds."""
        return self.done - self.restored

    @property
    def poll(self) -> str:
        """What the next poll says it has seen already."""
        waiting = ",".join(str(pk) for pk in self.open_calls)
        return f"since={self.last_call}&open={waiting}&mark={self.mark}"


@dataclass(frozen=True, slots=True)
class CallLine:
    """One line of the journal as it is read."""

    pk: int
    at: datetime
    user_name: str
    text: str
    answer: str
    tone: str


def changes_of(batch: Batch) -> list[Change]:
    """The users of a batch, without the shuts that follow a fence by themselves."""
    return list(
        batch.changes.filter(follows=None)
        .exclude(move=MoveName.RESTORE)
        .select_related("departure__user__account", "departure__owner")
        .order_by("pk")
    )


def rows_of(batch: Batch, changes: Sequence[Change]) -> list[RunRow]:
    """The users with how far each is: running first, then failed, done newest first, queued."""
    steps = _steps(batch)
    restores = _restores(changes)
    rows = [_row(batch, change, steps.get(change.pk, {}), restores) for change in changes]

    def order(row: RunRow) -> tuple[int, float]:
        ended = row.change.finished_at
        return _ORDER.get(row.badge, 4), -ended.timestamp() if ended else row.change.pk

    return sorted(rows, key=order)


def _steps(batch: Batch) -> dict[int, dict[str, int]]:
    """Per change, how many looks, answered writes and read-backs its journal holds."""
    answered = Call.objects.filter(change__batch=batch).exclude(outcome="")
    counted = (
        answered.order_by()
        .values_list("change_id")
        .annotate(
            look=Count("pk", filter=~Q(kind=Call.Kind.WRITE) & ~Q(operation=READ_BACK)),
            write=Count("pk", filter=Q(kind=Call.Kind.WRITE, outcome__in=_SETTLED)),
            back=Count("pk", filter=Q(operation=READ_BACK)),
        )
    )
    return {pk: {"look": look, "write": write, "back": back} for pk, look, write, back in counted}


_SETTLED = ("ok", "already-gone", "already-there")


def _restores(changes: Iterable[Change]) -> dict[int, Change]:
    """The newest restore of each user that came after its change in this batch."""
    first = {change.departure_id: change.pk for change in changes}
    found = Change.objects.filter(
        move=MoveName.RESTORE, departure_id__in=first, pk__gt=min(first.values(), default=0)
    )
    return {
        row.departure_id: row for row in found.order_by("pk") if row.pk > first[row.departure_id]
    }


def _row(
    batch: Batch, change: Change, steps: dict[str, int], restores: dict[int, Change]
) -> RunRow:
    status = Change.Status
    departure = change.departure
    restore = restores.get(departure.pk)
    badge, label = _badge(batch, change)
    line = change.error or ("; ".join(b["text"] for b in change.blockers) or change.result)
    if change.status == status.DONE:
        line = ""
    if restore is not None:
        badge = "restored" if restore.status == status.DONE else "running"
        label = "Restored" if restore.status == status.DONE else "Restoring"
    is_off = departure.state in (State.DISABLED, State.SOAKING)
    return RunRow(
        change=change,
        badge=badge,
        label=label,
        steps=_step_states(change, steps),
        line=line,
        restorable=is_off
        and not departure.partly_deleted
        and restore is None
        and change.status in (status.DONE, status.FAILED, status.RUNNING),
        skippable=change.status in (status.QUEUED, status.FAILED)
        and batch.status in Batch.LIVE
        and not departure.partly_deleted,
        retryable=change.status == status.FAILED and not departure.partly_deleted,
        finishable=change.status == status.FAILED and departure.partly_deleted,
    )


def _badge(batch: Batch, change: Change) -> tuple[str, str]:
    status = Change.Status
    if change.status == status.RUNNING:
        return "running", "Running"
    if change.status == status.FAILED:
        return "failed", "Partly deleted" if change.departure.partly_deleted else "Failed"
    if change.status == status.DONE:
        return "done", _done_label(batch, change)
    if change.status in (status.QUEUED, status.ASKED, status.DRAFT):
        waits = batch.status in Batch.OPEN
        return ("queued", "Queued") if waits else ("skipped", "Not touched")
    words = {status.SUPERSEDED: "Restore asked", status.WITHDRAWN: "Not touched"}
    return "skipped", words.get(status(change.status), "Left out")


def _done_label(batch: Batch, change: Change) -> str:
    if batch.move == MoveName.DELETE:
        outside = change.departure.deleted_outside
        return "Deleted outside" if outside else "Deleted"
    if batch.method == Method.SHUT:
        return "Fenced and shut"
    return "Disabled, by boundary" if change.departure.fence == "boundary" else "Disabled"


def _step_states(change: Change, steps: dict[str, int]) -> tuple[str, ...]:
    """Look again, each write of today, read back: done, running or queued, in that order."""
    writes = sum(1 for call in change.facts.get("calls") or [] if call.get("when") != "shut")
    total = writes + 2
    if change.status == Change.Status.DONE:
        return ("done",) * total
    done = min(steps.get("look", 0), 1) + min(steps.get("write", 0), writes)
    done = min(done + (min(steps.get("back", 0), 1) if done > writes else 0), total - 1)
    rest = ["queued"] * (total - done)
    if change.status in (Change.Status.RUNNING, Change.Status.FAILED):
        rest[0] = "running" if change.status == Change.Status.RUNNING else "failed"
    return ("done",) * done + tuple(rest)


def progress_of(batch: Batch, rows: Sequence[RunRow], now: datetime) -> Progress:
    """The numbers of the head, and the mark that changes when anything on the page does."""
    status = Change.Status
    counted = [row.change.status for row in rows]
    total = sum(1 for one in counted if one not in Change.OUT)
    done = counted.count(status.DONE)
    running = [row for row in rows if row.change.status == status.RUNNING]
    calls = Call.objects.filter(change__batch=batch)
    facts = calls.aggregate(
        last=Max("pk"),
        answered=Count("pk", filter=~Q(outcome="")),
        writes=Count("pk", filter=Q(kind=Call.Kind.WRITE)),
    )
    waiting = calls.filter(outcome="").order_by("pk").values_list("pk", flat=True)[:SHOWN_CALLS]
    departures = [row.departure.pk for row in rows]
    hits = Hit.objects.filter(departure__in=departures, kind=Hit.Kind.HIT, closed="").count()
    elapsed = ((batch.finished_at or now) - batch.started_at) if batch.started_at else None
    seen = (
        batch.status,
        batch.pause_reason,
        hits,
        facts,
        [(r.badge, r.label, r.line) for r in rows],
    )
    return Progress(
        total=total,
        done=done,
        running=len(running),
        queued=sum(1 for row in rows if row.badge == "queued"),
        failed=counted.count(status.FAILED),
        left_out=len(rows) - total,
        restored=sum(
            1 for row in rows if row.badge == "restored" and row.change.status == status.DONE
        ),
        calls=facts["writes"],
        segments=_segments(rows),
        elapsed=elapsed,
        left=elapsed / done * (total - done) if elapsed and 0 < done < total else None,
        hits=hits,
        read_to=_read_to(rows),
        running_name=running[0].departure.user.user_name if running else "",
        last_call=facts["last"] or 0,
        open_calls=tuple(waiting),
        mark=hashlib.sha256(repr(seen).encode()).hexdigest()[:16],
        ended=batch.status in Batch.ENDED,
    )


def _segments(rows: Sequence[RunRow]) -> tuple[str, ...]:
    shown = [row.change.status for row in rows if row.change.status not in Change.OUT]
    words = {Change.Status.DONE: "done", Change.Status.FAILED: "failed"}
    words[Change.Status.RUNNING] = "running"
    order = ["done", "failed", "running", "queued"]
    return tuple(sorted((words.get(Change.Status(s), "queued") for s in shown), key=order.index))


def _read_to(rows: Sequence[RunRow]) -> datetime | None:
    """How far CloudTrail was read, in every Region, for the users that are off by now."""
    off = [row.departure.user_id for row in rows if row.departure.fenced_at is not None]
    read: datetime | None = TrailCoverage.objects.filter(user__in=off).aggregate(to=Min("read_to"))[
        "to"
    ]
    return read


def call_lines(batch: Batch, after: int = 0, also: Iterable[int] = ()) -> list[CallLine]:
    """The newest journal lines past `after`, newest first, and those named in `also`.

    A look is written down once it is answered, so the order of the rows is not that of the clock.
    """
    calls = Call.objects.filter(change__batch=batch).filter(Q(pk__gt=after) | Q(pk__in=list(also)))
    rows = calls.select_related("change__departure__user").order_by("-pk")[:SHOWN_CALLS]
    newest = sorted(rows, key=lambda call: (call.sent_at, call.pk), reverse=True)
    return [_line(call) for call in newest]


def _line(call: Call) -> CallLine:
    answer, tone = _answer(call)
    return CallLine(
        pk=call.pk,
        at=call.sent_at,
        user_name=call.change.departure.user.user_name,
        text=cut_keys(_said(call)),
        answer=answer,
        tone=tone,
    )


def _said(call: Call) -> str:
    """ "UpdateAccessKey AccessKeyId=… Status=Inactive"; a look says what it saw."""
    if call.kind != Call.Kind.WRITE:
        seen = call.target.partition(": ")[2]
        parts = ": " if call.operation == READ_BACK else ", "
        seen = _USER_ID.sub(r"\1…\2", seen)
        return f"{call.operation}{parts}{seen}" if seen else call.operation
    status = str(call.params.get("Status", ""))
    return f"{call.operation} {short_name(call.target)} {status}".strip()


def _answer(call: Call) -> tuple[str, str]:
    """What AWS answered, in a word or two, and its tone."""
    if call.outcome == "":
        return "sent", "quiet"
    if call.outcome == "ok":
        if call.kind != Call.Kind.WRITE:
            return ("ok", "done") if call.operation == READ_BACK else ("200", "plain")
        again = f", retry {call.attempt - 1}" if call.attempt > 1 else ""
        return f"{call.http_status or 200}{again}", "attention" if again else "plain"
    if call.outcome in _SETTLED:
        return call.outcome.replace("-", " "), "done"
    return call.error_code or call.outcome, "danger" if call.outcome == "refused" else "attention"


def calls_document(batch: Batch) -> list[dict[str, object]]:
    """Every journal line of a batch for download, with request ids; access keys are cut."""
    calls = Call.objects.filter(change__batch=batch).select_related("change__departure__user")
    return [
        {
            "change": call.change_id,
            "user_id": call.change.departure.user.user_id,
            "user_name": call.change.departure.user.user_name,
            "seq": call.seq,
            "kind": call.kind,
            "operation": call.operation,
            "target": cut_keys(call.target),
            "arguments": arguments_of(call.params) if call.params else "",
            "attempt": call.attempt,
            "sent_at": call.sent_at,
            "answered_at": call.answered_at,
            "outcome": call.outcome,
            "error_code": call.error_code,
            "error": cut_keys(call.error),
            "request_id": call.request_id,
            "http_status": call.http_status,
        }
        for call in calls.order_by("pk")
    ]


def change_lines(change: Change) -> list[CallLine]:
    """The journal of one change, oldest first."""
    calls = change.calls.select_related("change__departure__user").order_by("pk")[:SHOWN_CALLS]
    return [_line(call) for call in calls]
