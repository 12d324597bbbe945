"""Restores: who was fenced or shut gets its access back."""

from __future__ import annotations

from typing import Annotated, Self

from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field, model_validator

from inventory.models import Person, Scope
from inventory.refusals import Because, Refused
from migrations_app import changes
from migrations_app.api.door import acts, person_of
from migrations_app.api.fields import AccountId, Asked, BatchNumber, Note, UserId
from migrations_app.api.problems import BlockedItem, Blocker
from migrations_app.api.users import departure_of
from migrations_app.models import Batch, Change, Departure

router = Router(tags=["Restores"])


class RestoreAsked(Asked):
    """Users of one account, or everybody a batch took who is still off."""

    account: AccountId | None = None
    user_ids: Annotated[list[UserId], Field(max_length=100)] = []
    batch: BatchNumber | None = None
    reason: Note = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_user = self.account is not None and bool(self.user_ids)
        if by_user == (self.batch is not None):
            raise ValueError("Name an account and user ids, or a batch")
        return self


class Restore(Schema):
    """One restore that was asked for; nobody has to approve it."""

    change: int
    account_id: str
    user_id: str
    user_name: str
    status: str


class Restores(Schema):
    """What was asked for, and who could not be: one that is refused holds up nobody else."""

    items: list[Restore]
    refused: list[BlockedItem]


@acts(router, "restores", Scope.RESTORE, answer=Restores, name="restore", status=202)
def restore(request: HttpRequest, asked: RestoreAsked) -> Restores:
    """Restore users

    Takes about a minute, needs no approval, and outranks every other change. Asking again gives
    the restore that is under way.
    """
    person = person_of(request)
    if asked.batch is not None:
        batch = get_object_or_404(Batch, number=asked.batch)
        begun = changes.restore_batch(batch, person, asked.reason)
        if not begun:
            raise Refused(f"Nobody of batch {batch} is off by it, and yours.", rule="state")
        return Restores(items=[_told(change) for change in begun], refused=[])
    rows = [departure_of(str(asked.account), user_id) for user_id in dict.fromkeys(asked.user_ids)]
    return _each(rows, person, asked.reason)


def _each(rows: list[Departure], person: Person, reason: str) -> Restores:
    done, refused, first = [], [], None
    for row in rows:
        try:
            with transaction.atomic():
                done.append(_told(changes.restore(row, person, reason)))
        except Refused as refusal:
            first = first or refusal
            refused.append((row, refusal))
    because = [
        Because(one.rule, str(one), "", row.user.user_id, row.user.user_name)
        for row, one in refused
    ]
    if first is not None and not done:
        raise type(first)(*first.reasons, rule=first.rule, because=because)
    return Restores(
        items=done,
        refused=[
            BlockedItem(
                user_id=one.user_id,
                user_name=one.user_name,
                blockers=[Blocker(code=one.code, text=one.text)],
            )
            for one in because
        ],
    )


def _told(change: Change) -> Restore:
    user = change.departure.user
    return Restore(
        change=change.pk,
        account_id=user.account.account_id,
        user_id=user.user_id,
        user_name=user.user_name,
        status=change.status,
    )
