"""Whether rows, journal, approvals and the account itself are as the model says."""

from __future__ import annotations

from collections import Counter

from migrations_app.models import Batch, Call, Change, Departure, Hit
from tests.migrations_app.worlds import model
from tests.migrations_app.worlds.world import Broken, World, held_in_aws

_FORWARD = ("disable", "soak", "delete")


def compare(world: World) -> None:
    """After each step: every row, the account itself, the journal, the approvals."""
    called = set(Hit.objects.filter(kind="hit", closed="").values_list("departure_id", flat=True))
    for row in world.departures():
        _user(world, row, row.pk in called)
    for batch in Batch.objects.select_related("approved_by"):
        _batch(world, batch)
    forward = list(
        Change.objects.filter(move__in=_FORWARD, status__in=Change.OPEN).values_list(
            "departure", flat=True
        )
    )
    if len(set(forward)) < len(forward):
        raise Broken("Rule 11: a user is in two open forward changes.")
    _journal(world)
    world.check()


def _user(world: World, row: Departure, hit: bool) -> None:
    user = world.user(row)
    why = user.used_at or user.attempts or user.key_stirred
    if hit and not user.hit and not why:
        raise Broken(f"{user.name} has an open hit, and nobody called it.")
    user.hit = hit
    ours = {
        "state": row.state,
        "owner": row.owner.key if row.owner else "",
        "protection": row.protection,
        "partly deleted": row.partly_deleted,
        "in AWS": held_in_aws(world.account.by_user_id.get(user.id)) if not user.gone else None,
    }
    theirs = {
        "state": user.state,
        "owner": user.owner,
        "protection": user.protection,
        "partly deleted": user.final,
        "in AWS": user.now if not user.gone else None,
    }
    for what, value in theirs.items():
        if ours[what] != value:
            raise Broken(f"{user.name}, {what}: {ours[what]}, and the model says {value}.")
    there = world.account.users.get(user.name.lower())
    if user.gone and there is not None and there.id == user.id:
        raise Broken(f"{user.name} is gone by the model, and there.")
    if row.state in model.OFF and not row.fence and user.ours and user.ours.fence:
        raise Broken(f"{user.name} is {row.state}, and its row knows of no fence.")


def _batch(world: World, batch: Batch) -> None:
    theirs = world.model.batches[batch.number]
    if batch.status != theirs.status:
        raise Broken(f"Batch {batch} is {batch.status}, and the model says {theirs.status}.")
    approver = batch.approved_by.username if batch.approved_by else ""
    if approver != theirs.approver:
        raise Broken(f"Batch {batch} is approved by “{approver}”, not “{theirs.approver}”.")


def _journal(world: World) -> None:
    lines = Call.objects.order_by("change_id", "seq").values_list("change_id", "seq", "kind", "pk")
    count: Counter[int] = Counter()
    for change, seq, kind, pk in lines:
        count[change] += 1
        if seq != count[change]:
            raise Broken(f"Rule 10: the journal of change {change} lacks line {count[change]}.")
        if kind == "write" and pk not in world.journalled:
            # Killed between the line and the send: it is there, and nothing was sent.
            world.journalled.add(pk)
            if world.plot.quiet:
                raise Broken(f"Rule 10: line {seq} of change {change} was never sent.")
