"""Batches: compose, ask, approve, withdraw; pause, resume and abort a run."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import Field, StringConstraints

from inventory.models import Account, Scope
from migrations_app import changes
from migrations_app.api.batch_answers import Batch, batch_by, told
from migrations_app.api.door import acts, person_of, reads
from migrations_app.api.fields import (
    AccountId,
    Asked,
    BatchNumber,
    Digest,
    Note,
    Reason,
    UserId,
)
from migrations_app.users import listing

router = Router(tags=["Batches"])
_Words = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]
# One that is about a single user ends with it, as quarantine:AIDA… does.
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}(:[A-Za-z0-9]{1,128})?$")]


class Composed(Asked):
    """What a batch is to do, and to whom."""

    account: AccountId
    move: Literal["disable", "delete"]
    method: Literal["fence", "shut"] = Field(
        "fence", description="Fence and watch first, or shut at once; no matter for a delete."
    )
    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=100)]
    urgent: bool = Field(False, description="Leaked keys: five users at most, shut at once.")
    reason: Note = Field("", description="Why it is urgent.")


class AskedFor(Asked):
    """With `digest`, refused where the draft is no longer what was looked at."""

    message: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")] = Field(
        "", description="What owners and approvers read beside the standard text."
    )
    digest: Digest | None = None


class Approval(Asked):
    """What was looked at, and what the approver says to it."""

    digest: Digest = Field(description="Of the batch; counts as having viewed everything in it.")
    words: _Words = Field("", description="For a delete: the words that the batch tells.")
    acknowledged: Annotated[list[_Code], Field(max_length=50)] = Field(
        [], description="The codes in to_acknowledge of the batch."
    )
    overrides: dict[_Code, Reason] = Field(
        {}, description="A reason for each failed check that may be overridden."
    )


class Nothing(Asked):
    """An empty object."""


class Aborted(Asked):
    """What becomes of those that are done."""

    then: Literal["leave", "restore"] = "leave"


@reads(router, "batches/{number}", Batch, "batch")
def batch(request: HttpRequest, number: BatchNumber) -> Batch:
    """Look at a batch

    Its status, plan, digest, and each user with its calls, blockers, warnings and journal.
    """
    return told(batch_by(number), person_of(request))


@acts(router, "batches", Scope.OPERATE, answer=Batch, name="batch-compose", status=201)
def compose(request: HttpRequest, asked: Composed) -> Batch:
    """Compose a batch

    A draft; a dry run looks at its users in AWS at once. Look at the batch until dry_run.at is
    set, then ask.
    """
    account = get_object_or_404(Account, account_id=asked.account, active=True)
    made = changes.compose(
        account=account,
        move=asked.move,
        departures=listing.named(account, set(asked.user_ids)),
        person=person_of(request),
        method=asked.method,
        urgent=asked.urgent,
        reason=asked.reason,
    )
    return told(batch_by(made.number), person_of(request))


@acts(router, "batches/{number}/ask", Scope.OPERATE, answer=Batch, name="batch-ask")
def ask(request: HttpRequest, number: BatchNumber, asked: AskedFor) -> Batch:
    """Ask for approval

    Freezes the draft and tells the owners. Users with a blocker are left out, each with its reason.
    """
    changes.ask(batch_by(number), person_of(request), asked.message, asked.digest)
    return told(batch_by(number), person_of(request))


@acts(router, "batches/{number}/approve", Scope.APPROVE, answer=Batch, name="batch-approve")
def approve(request: HttpRequest, number: BatchNumber, said: Approval) -> Batch:
    """Approve a batch

    By another person than the one who asked. The run starts by itself when notice and window allow.
    """
    changes.approve_by_digest(
        batch_by(number),
        person_of(request),
        said.digest,
        words=said.words,
        acknowledged=said.acknowledged,
        overrides=dict(said.overrides),
    )
    return told(batch_by(number), person_of(request))


@acts(
    router,
    "batches/{number}/withdraw",
    Scope.OPERATE,
    Scope.APPROVE,
    answer=Batch,
    name="batch-withdraw",
)
def withdraw(request: HttpRequest, number: BatchNumber, nothing: Nothing) -> Batch:
    """Take a batch back before it runs

    By whoever asked or approved; it is a draft again.
    """
    changes.withdraw(batch_by(number), person_of(request))
    return told(batch_by(number), person_of(request))


@acts(router, "batches/{number}/pause", Scope.OPERATE, answer=Batch, name="batch-pause")
def pause(request: HttpRequest, number: BatchNumber, nothing: Nothing) -> Batch:
    """Pause a batch

    Whoever is being written to is finished; the rest waits.
    """
    changes.pause(batch_by(number), person_of(request))
    return told(batch_by(number), person_of(request))


@acts(router, "batches/{number}/resume", Scope.OPERATE, answer=Batch, name="batch-resume")
def resume(request: HttpRequest, number: BatchNumber, nothing: Nothing) -> Batch:
    """Go on with a paused batch"""
    changes.resume(batch_by(number), person_of(request))
    return told(batch_by(number), person_of(request))


@acts(router, "batches/{number}/abort", Scope.OPERATE, answer=Batch, name="batch-abort")
def abort(request: HttpRequest, number: BatchNumber, said: Aborted) -> Batch:
    """Stop a batch for good

    Whoever waits stays as it is; those that are done are left, or all restored.
    """
    changes.abort(batch_by(number), person_of(request), restore=said.then == "restore")
    return told(batch_by(number), person_of(request))
