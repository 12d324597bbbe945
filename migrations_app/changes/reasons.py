"""Blockers and failed checks as one refusal, with the users it is about named one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from inventory.refusals import Because, Refused
from migrations_app.changes.situation import blockers_for
from migrations_app.models import Batch, Change, Departure


class Reason(Protocol):
    """What has a stable code, a sentence, and what to do about it."""

    @property
    def code(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def fix(self) -> str: ...


def refused_for(found: Iterable[Reason], about: Iterable[Because] = ()) -> Refused:
    """The refusal that `found` amounts to; `about` says it user by user."""
    found = list(found)
    return Refused(
        *(_said(one) for one in found),
        because=[*(Because(one.code, one.text, one.fix) for one in found), *about],
    )


def _said(one: Reason) -> str:
    """The text, which as a check's line has no full stop, and what to do about it."""
    if not one.fix or one.text.endswith((".", "?", "!")):
        return f"{one.text} {one.fix}".strip()
    return f"{one.text}. {one.fix}"


def blocked_users(batch: Batch) -> list[Because]:
    """Every reason of every user that was asked for and may not go now."""
    rows = batch.changes.filter(status=Change.Status.ASKED).select_related(
        "departure__user__account", "departure__owner"
    )
    changes = list(rows)
    judged = blockers_for(
        [change.departure for change in changes], batch.move, batch.urgent, besides=changes
    )
    return [
        _about(change.departure, one.code, one.text, one.fix)
        for change in changes
        for one in judged[change.departure_id]
    ]


def left_out(changes: Iterable[Change]) -> list[Because]:
    """The blockers that stand beside each user of a draft."""
    return [
        _about(change.departure, one["code"], one["text"], one.get("fix", ""))
        for change in changes
        for one in change.blockers
    ]


def _about(row: Departure, code: str, text: str, fix: str) -> Because:
    return Because(code, text, fix, row.user.user_id, row.user.user_name)
