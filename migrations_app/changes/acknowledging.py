"""Approving without a page: the digest stands for having viewed everything that bears it.

What a person ticks in the browser is said in words here: each kind of warning is acknowledged, and
the rest is asked by the same `approve`.
"""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.db import transaction

from inventory import meanwhile
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import Because, NotAllowed, Refused, Stale
from migrations_app.changes import approval, checking
from migrations_app.changes.state import locked_batch
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change


def to_acknowledge(batch: Batch) -> list[str]:
    """The kinds of warnings in a batch that waits for approval, in alphabetical order."""
    rows = batch.changes.filter(status=Change.Status.ASKED).values_list("warnings", flat=True)
    return sorted({one["code"] for warnings in rows for one in warnings})


def approve_by_digest(
    batch: Batch,
    person: Person,
    digest: str,
    *,
    words: str = "",
    acknowledged: Collection[str] = (),
    overrides: dict[str, str] | None = None,
) -> Batch:
    """Approve what bears `digest`, all of it viewed; `acknowledged` names the kinds of warnings.

    Stale for another digest. Refused, naming the users, while a kind of warning is not named. A
    delete only where IAMCLEANUP_API_APPROVES_DELETES says so. Else as `approve`.
    """
    require(person, Action.APPROVE)
    if batch.move == MoveName.DELETE and not settings.IAMCLEANUP_API_APPROVES_DELETES:
        raise NotAllowed(
            "A delete is approved in the browser. IAMCLEANUP_API_APPROVES_DELETES=1 allows it by "
            "token.",
            rule="api-approves-deletes",
        )
    with transaction.atomic():
        # Nobody may change it between the look and the approval; the order of `approve`'s locks.
        row = locked_batch(batch)
        if row.status == Batch.Status.ASKED:
            if digest != row.digest:
                raise Stale(meanwhile.of_batch(row.number), rule="digest")
            _refuse_unacknowledged(row, acknowledged)
            for change in row.changes.filter(status=Change.Status.ASKED):
                checking.view(change, person)
        return approval.approve(row, person, digest, words, overrides)


def _refuse_unacknowledged(batch: Batch, acknowledged: Collection[str]) -> None:
    missing = [code for code in to_acknowledge(batch) if code not in acknowledged]
    if not missing:
        return
    waiting = batch.changes.filter(status=Change.Status.ASKED).select_related("departure__user")
    raise Refused(
        f"Not acknowledged: {', '.join(missing)}.",
        rule="warnings",
        because=[
            Because(
                one["code"],
                one["text"],
                "Look at it, then acknowledge it.",
                change.departure.user.user_id,
                change.departure.user.user_name,
            )
            for change in waiting
            for one in change.warnings
            if one["code"] in missing
        ],
    )
