"""What people do beside batches: restore, protect, stop, close hits, own; and who may approve.

Each action takes the world and its own dice, and gives None where there is nothing to do it to.
"""

from __future__ import annotations

import random
from datetime import timedelta

from inventory.models import Role
from migrations_app import changes
from migrations_app.models import Change, Hit
from tests.migrations_app.worlds import model
from tests.migrations_app.worlds.dice import (
    ANYBODY,
    ENGINEERS,
    batch_in,
    follow_restores,
    one,
    someone,
)
from tests.migrations_app.worlds.world import World, chance


def restore(world: World, rng: random.Random) -> object:
    row = one(world, rng)
    off = [each for each in world.departures() if world.user(each).ours or each.state in model.OFF]
    row = rng.choice(off) if off and chance(rng, 0.9) else row
    if row is None:
        return None
    user, by = world.user(row), someone(world, rng, ("jonas", "mei", "sara", "vera"))
    may: bool | None = None
    if row.state == "deleted" or user.final or by.username == "vera":
        may = False
    elif row.state in model.OFF and by.username in ENGINEERS and by.has_role(Role.ENGINEER):
        may = True
    world.verb(
        f"{by} restores {row.user}", lambda: changes.restore(row, by, "it is needed"), may=may
    )
    follow_restores(world)
    return True


def restore_batch(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "running", "paused", "done", "aborted")
    if batch is None:
        return None
    by = someone(world, rng)
    world.verb(f"{by} restores {batch}", lambda: changes.restore_batch(batch, by))
    follow_restores(world)
    return True


def protect(world: World, rng: random.Random) -> object:
    row = one(world, rng)
    if row is None:
        return None
    by = someone(world, rng, (*ENGINEERS, "ada", "sara"))
    until = world.now().date() + timedelta(days=rng.choice((1, 5, 30)))
    may = False if row.state in ("deleted", "discovered") or by.username == "sara" else None
    if world.verb(
        f"{by} protects {row.user}", lambda: changes.protect(row, by, "stays", until), may=may
    ):
        world.user(row).protection = "exempt"
        follow_restores(world)
    return True


def unprotect(world: World, rng: random.Random) -> object:
    rows = [row for row in world.departures() if row.protection]
    if not rows:
        return None
    row, by = rng.choice(rows), someone(world, rng, ("ada", "ada", "jonas"))
    may = by.username == "ada"
    if world.verb(
        f"{by} unprotects {row.user}", lambda: changes.unprotect(row, by, "may go"), may=may
    ):
        world.user(row).protection = ""
    return True


def pull(world: World, rng: random.Random) -> object:
    by = someone(world, rng, (*ENGINEERS, "ada"))
    world.verb(f"{by} pulls the stop", lambda: changes.pull(by, "what is this?"))
    if not world.model.stop:
        world.model.stop = by.username
        for batch in world.model.batches.values():
            batch.status = "paused" if batch.status == "running" else batch.status
    return True


def lift(world: World, rng: random.Random) -> object:
    if not world.model.stop:
        return None
    by = someone(world, rng, (*ENGINEERS, "ada"))
    may = by.username != world.model.stop
    if world.verb(f"{by} lifts the stop", lambda: changes.lift(by, "understood"), may=may):
        world.model.stop = ""
    return True


def close_hit(world: World, rng: random.Random) -> object:
    """Dismissed by an engineer, or the caller was fixed and the clock starts again."""
    hit = Hit.objects.filter(kind="hit", closed="").order_by("pk").first()
    if hit is None:
        return None
    by, user = someone(world, rng, ANYBODY), world.user(hit.departure)
    if chance(rng, 0.5):
        may = by.username in ENGINEERS
        world.verb(f"{by} dismisses it", lambda: changes.dismiss(hit, by, "known"), may=may)
    elif world.verb(f"{by}: the caller is fixed", lambda: changes.caller_fixed(hit, by)):
        last = hit.last_at
        user.clock_at = max(world.now(), last) if user.state in model.OFF else user.clock_at
    return True


def extend(world: World, rng: random.Random) -> object:
    row = one(world, rng, "disabled", "soaking")
    if row is None:
        return None
    by, days = someone(world, rng, ANYBODY), rng.choice((1, 3, 20, 120))
    until = world.now().date() + timedelta(days=days)
    done = world.verb(
        f"{by} extends {row.user} to {until}", lambda: changes.extend(row, by, until, "slow")
    )
    if done:
        user = world.user(row)
        user.not_before = max(done.not_before, user.not_before or done.not_before)
        late = (done.not_before - user.fenced_at).days if user.fenced_at else 0
        world.model.must(late <= 91, "Extended beyond 90 days.")
        world.model.must(done.not_before.date() >= until, "Not extended to the end of that day.")
    return True


def dispute(world: World, rng: random.Random) -> object:
    row = one(world, rng)
    if row is None:
        return None
    by = someone(world, rng, ANYBODY)
    user = world.user(row)
    if user.disputed and chance(rng, 0.6):
        if world.verb(f"{by} ends the dispute", lambda: changes.end_dispute(row, by)):
            user.disputed = None
        return True
    until = world.now().date() + timedelta(days=rng.choice((1, 10, 30, 31)))
    if world.verb(f"{by} disputes {row.user}", lambda: changes.dispute(row, by, "no", until)):
        user.disputed = until
        world.model.must(row.state != "deleted", "A deleted user was disputed.")
    return True


def own(world: World, rng: random.Random) -> object:
    """Assigned to another team, released, or adopted; the state follows the table."""
    row = one(world, rng)
    if row is None:
        return None
    user, by = world.user(row), someone(world, rng)
    kind = rng.choice(("assign", "release", "adopt", "hand over"))
    if kind == "assign":
        team = rng.choice((world.people.payments, world.people.platform))
        there = row.state != "deleted"
        if world.verb(f"{row.user} to {team}", lambda: changes.assign(row, team, by), may=there):
            user.owner = team.key
            user.state = "owner-assigned" if user.state == "discovered" else user.state
    elif kind == "adopt":
        world.verb(f"adopts {row.user}", lambda: changes.adopt([row], by))
        if row.state == "discovered":
            user.state, user.owner = "owner-assigned", "security"
    elif kind == "release":
        busy = row.changes.filter(status__in=Change.OPEN).exists()
        may = None if row.state == "owner-assigned" and not busy and not row.protection else False
        if world.verb(f"{row.user} is released", lambda: changes.release(row, by), may=may):
            user.state, user.owner = "discovered", ""
    elif world.verb(
        f"hands {row.user} over", lambda: changes.hand_over(row, world.people.platform, by)
    ):
        row.refresh_from_db()
        if world.verb("accepted", lambda: changes.accept_hand_over(row, world.people.priya)):
            user.owner = "platform"
    return True


def roles(world: World, rng: random.Random) -> object:
    """Somebody loses the role of an approver, or gets it back."""
    by = someone(world, rng)
    lost = by.username in world.model.approvers and chance(rng, 0.6)
    by.roles = [Role.ENGINEER.value] if lost else [Role.ENGINEER.value, Role.APPROVER.value]
    by.save()
    world.model.approvers = (world.model.approvers | {by.username}) - (
        {by.username} if lost else set()
    )
    world.says(f"{by.username} {'is no approver any more' if lost else 'is an approver'}")
    return True


def half_deleted(world: World, rng: random.Random) -> object:
    """Finish a deletion that stopped half-way, or stop and rebuild."""
    rows = [row for row in world.departures() if row.partly_deleted]
    if not rows:
        return None
    row, by = rng.choice(rows), someone(world, rng)
    if chance(rng, 0.7):
        world.verb(f"{by} finishes {row.user}", lambda: changes.finish_deleting(row, by))
    else:
        world.verb(f"{by} stops {row.user}", lambda: changes.stop_and_rebuild(row, by))
    return True
