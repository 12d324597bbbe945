"""The way back from a batch as a shell script of AWS CLI lines, stored before its first write.

A disable is taken back exactly; after a delete users can only be re-created, from what was saved
when they were fenced. An IAM administrator runs it, never we.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventory.aws.holdings import UserHoldings
from migrations_app import aws, rebuild
from migrations_app.changes.restoring import saved_before
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change


def script(batch: Batch) -> str:
    """What takes the whole batch back by hand, user by user.

    Made from the approved facts (a disable) or from the saved holdings (a delete).
    """
    taken = batch.changes.filter(status__in=Change.OPEN).exclude(facts={})
    taken = taken.select_related("departure__user__account")
    if batch.move == MoveName.DELETE:
        return _recreated(batch, list(taken))
    lines = [
        "#!/bin/sh",
        f"# Undo of batch {batch} ({batch.move}) in account {batch.account.account_id}.",
        "# Each block gives one user its access back, exactly as it was before.",
        "set -u",
    ]
    for change in taken:
        # One line, whatever it is called: a comment that breaks would go on as a command.
        name = rebuild.one_line(change.facts["user_name"])
        lines += ["", f"# {name} ({change.facts['user_id']})", *_undone(change.facts, batch.urgent)]
    return "\n".join(lines) + "\n"


def _undone(facts: dict[str, Any], urgent: bool) -> Iterator[str]:
    kept = urgent and any(call["operation"] == "UpdateAccessKey" for call in facts["calls"])
    if kept:
        yield "# Its access keys leaked: they stay inactive."
    for call in facts["calls"]:
        if not (kept and call["operation"] == "UpdateAccessKey"):
            yield from aws.undo_lines(
                call["operation"], call["params"], boundary=facts["holdings"]["boundary"]
            )


def _recreated(batch: Batch, taken: list[Change]) -> str:
    about = (
        f"Batch {batch} deletes users of account {batch.account.account_id}. This re-creates them, "
        "with new ids."
    )
    saved = [held for change in taken if (held := saved_before(change.departure)) is not None]
    return rebuild.scripts([UserHoldings.from_document(one.document) for one in saved], about)
