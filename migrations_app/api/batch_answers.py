"""What the API tells of a batch: the same facts as its page, from the frozen rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.shortcuts import get_object_or_404
from ninja import Schema
from pydantic import Field

from inventory import clock
from inventory.models import Person
from inventory.permissions import Action, may
from migrations_app import batch_plan, batch_run, changes
from migrations_app.api.fields import blockers_of
from migrations_app.api.problems import Blocker
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch as BatchRow
from migrations_app.models import Change


class Warned(Schema):
    """What an approver should look at first."""

    code: str
    text: str


class PlannedCall(Schema):
    """One AWS call of the plan, with its way back and what is lost by it."""

    number: int
    operation: str
    arguments: str
    target: str
    day: str
    undo: str
    loses: str
    final: bool = Field(description="It cannot be undone.")


class JournalLine(Schema):
    """One AWS call as it was sent and answered."""

    seq: int
    kind: str
    operation: str
    target: str
    arguments: str
    attempt: int
    sent_at: datetime
    answered_at: datetime | None
    outcome: str
    error_code: str
    error: str
    request_id: str
    http_status: int | None


class Item(Schema):
    """One IAM user of a batch."""

    change: int
    user_id: str
    user_name: str
    owner: str
    status: str
    digest: str
    blockers: list[Blocker]
    warnings: list[Warned]
    calls: list[PlannedCall]
    journal: list[JournalLine]
    started_at: datetime | None
    finished_at: datetime | None
    irreversible_at: datetime | None
    result: str
    error: str
    error_code: str


class DryRun(Schema):
    """The last look at the users in AWS; `at` is null while it is under way."""

    asked_at: datetime | None
    at: datetime | None
    error: str


class Check(Schema):
    """One check before an approval; a failed one says what to do."""

    code: str
    ok: bool
    text: str
    fix: str
    overridable: bool


class CallCount(Schema):
    """How many calls of one kind."""

    operation: str
    count: int


class PlanPart(Schema):
    """One day of the plan."""

    title: str
    at: datetime | None
    counts: list[CallCount]


class Then(Schema):
    """One date that follows."""

    at: datetime
    text: str


class Plan(Schema):
    """When it may begin, what it takes, and what follows."""

    opens_at: datetime
    closes_at: datetime
    calls: int
    parts: list[PlanPart]
    then: list[Then]


class Batch(Schema):
    """One batch. Who may not decide about it gets no checks."""

    number: int
    account_id: str
    move: str
    method: str
    urgent: bool
    reason: str
    message: str
    status: str
    digest: str
    approved_digest: str
    words: str = Field(description="What the approver of a delete types.")
    to_acknowledge: list[str] = Field(description="The codes of the warnings of its users.")
    checks: list[Check]
    waits: list[str] = Field(description="What an approved batch waits for.")
    overrides: dict[str, str]
    composed_by: str
    composed_at: datetime
    asked_by: str
    asked_at: datetime | None
    approved_by: str
    approved_at: datetime | None
    dry_run: DryRun
    window_from: datetime | None
    window_to: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    pause_reason: str
    resume_needed: bool
    sandbox: bool
    plan: Plan
    items: list[Item]


def batch_by(number: int) -> BatchRow:
    """The batch with this number; 404 where there is none."""
    rows = BatchRow.objects.select_related("account", "composed_by", "asked_by", "approved_by")
    return get_object_or_404(rows, number=number)


def told(row: BatchRow, person: Person) -> Batch:
    """A batch as `person` may see it."""
    items = batch_run.changes_of(row)
    asked = row.status == BatchRow.Status.ASKED
    deciding = asked and (may(person, Action.APPROVE) or row.asked_by_id == person.pk)
    return Batch(
        number=row.number,
        account_id=row.account.account_id,
        move=row.move,
        method=row.method,
        urgent=row.urgent,
        reason=row.reason,
        message=row.message,
        status=row.status,
        digest=row.digest,
        approved_digest=row.approved_digest,
        words=changes.words_for(row) if asked and row.move == MoveName.DELETE else "",
        to_acknowledge=changes.to_acknowledge(row),
        checks=[_check(one) for one in changes.checks(row, person)] if deciding else [],
        waits=changes.waits_for(row) if row.status == BatchRow.Status.APPROVED else [],
        overrides=row.overrides,
        composed_by=str(row.composed_by),
        composed_at=row.composed_at,
        asked_by=str(row.asked_by or ""),
        asked_at=row.asked_at,
        approved_by=str(row.approved_by or ""),
        approved_at=row.approved_at,
        dry_run=DryRun(asked_at=row.dry_run_asked_at, at=row.dry_run_at, error=row.dry_run_error),
        window_from=row.window_from,
        window_to=row.window_to,
        started_at=row.started_at,
        finished_at=row.finished_at,
        pause_reason=row.pause_reason,
        resume_needed=row.resume_needed,
        sandbox=row.sandbox,
        plan=_plan(row, items),
        items=_items(row, items),
    )


def _items(batch: BatchRow, rows: list[Change]) -> list[Item]:
    journal: dict[object, list[JournalLine]] = defaultdict(list)
    for line in batch_run.calls_document(batch):
        journal[line["user_id"]].append(JournalLine.model_validate(line))
    return [
        Item(
            change=row.pk,
            user_id=row.departure.user.user_id,
            user_name=row.departure.user.user_name,
            owner=row.departure.owner.key if row.departure.owner else "",
            status=row.status,
            digest=row.digest,
            blockers=[Blocker.model_validate(one) for one in blockers_of(row.blockers)],
            warnings=[Warned(code=one["code"], text=one["text"]) for one in row.warnings],
            calls=[_call(one) for one in batch_plan.planned_calls(row)],
            journal=journal[row.departure.user.user_id],
            started_at=row.started_at,
            finished_at=row.finished_at,
            irreversible_at=row.irreversible_at,
            result=row.result,
            error=batch_plan.cut_keys(row.error),
            error_code=row.error_code,
        )
        for row in rows
    ]


def _call(one: batch_plan.PlannedCall) -> PlannedCall:
    return PlannedCall(
        number=one.number,
        operation=one.operation,
        arguments=one.arguments,
        target=one.target,
        day=one.day,
        undo=one.undo,
        loses=one.loses,
        final=one.final,
    )


def _plan(batch: BatchRow, rows: list[Change]) -> Plan:
    out = (Change.Status.LEFT_OUT, Change.Status.SUPERSEDED, Change.Status.WITHDRAWN)
    kept = [row for row in rows if row.status not in out and not row.blockers]
    plan = batch_plan.plan_of(batch, kept, clock.now())
    return Plan(
        opens_at=plan.opens_at,
        closes_at=plan.closes_at,
        calls=plan.calls,
        parts=[
            PlanPart(
                title=part.title,
                at=part.at,
                counts=[CallCount(operation=one.operation, count=one.count) for one in part.counts],
            )
            for part in plan.parts
        ],
        then=[Then(at=one.at, text=one.text) for one in plan.then],
    )


def _check(one: changes.Check) -> Check:
    return Check(code=one.code, ok=one.ok, text=one.text, fix=one.fix, overridable=one.overridable)
