"""A batch on its way: composed, asked for, approved, steered, paused, aborted, tried again.

Each action takes the world and its own dice, and gives None where there is nothing to do it to.
"""

from __future__ import annotations

import random
from copy import deepcopy

from inventory.models import Role
from migrations_app import changes
from migrations_app.changes.batches import dry_run
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.worlds import held
from tests.migrations_app.worlds.dice import (
    ANYBODY,
    ENGINEERS,
    batch_in,
    change_in,
    follow_restores,
    one,
    someone,
)
from tests.migrations_app.worlds.world import World, chance

OVERRIDES = {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"}


# ── A batch on its way ───────────────────────────────────────────────────────────────────────────


def compose(world: World, rng: random.Random, urgent: bool = False, move: str = "") -> object:
    """A draft of one to three users, with its dry run."""
    free = [
        row
        for row in world.departures()
        if not row.changes.filter(status__in=[*Change.OPEN, "draft"]).exists()
    ]
    ripe = [row for row in free if row.state == "soaking"]
    fresh = [row for row in free if row.state in ("owner-assigned", "discovered")]
    if not move:
        delete = ripe and not urgent and (not fresh or chance(rng, 0.6))
        move = "delete" if delete else "disable"
    wanted = ripe if move == "delete" else fresh
    if chance(rng, 0.75):
        wanted = [row for row in wanted if urgent or fit(world, row)]
    if not wanted:
        return None
    rows = rng.sample(wanted, min(len(wanted), rng.choice((1, 1, 2, 3))))
    by, method = someone(world, rng), rng.choice(("fence", "fence", "shut"))
    batch = world.verb(
        f"{by.username} composes {move} of {[row.user.user_name for row in rows]}",
        lambda: changes.compose(
            world.people.account, move, rows, by, method, urgent, "leaked" if urgent else ""
        ),
    )
    if batch is None:
        return True
    world.model.batches[batch.number] = held.Batch(move, batch.method, urgent, by.username)
    for row in rows if urgent else ():
        if row.state == "discovered" and not row.protection:
            world.user(row).state, world.user(row).owner = "owner-assigned", "security"
    return look(world, batch)


def fit(world: World, row: Departure) -> bool:
    """Whether a sensible person would choose this user for a batch now."""
    user, now = world.user(row), world.now()
    if user.protection or user.gone or user.disputed or row.handed_to or row.restored_at:
        return False
    due = user.due()
    return row.state == "owner-assigned" or bool(due and due <= now and not user.hit)


def look(world: World, batch: Batch) -> bool:
    """The dry run; what it froze is what the model knows of each user now."""
    world.work(f"dry run of {batch}", lambda: dry_run(batch.pk))
    items = world.model.batches[batch.number].items
    for change in batch.changes.exclude(digest="").select_related("departure__user"):
        user = world.user(change.departure)
        items[user.id] = held.Item(user.name, user.owner, deepcopy(user.now), world.now())
    return True


def look_again(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "draft")
    if batch is None:
        return None
    by = someone(world, rng)
    if world.verb(f"a dry run of {batch}", lambda: changes.ask_dry_run(batch, by)):
        look(world, batch)
    return True


def ask(world: World, rng: random.Random, batch: Batch | None = None) -> object:
    batch = batch or batch_in(rng, "draft")
    if batch is None:
        return None
    by = someone(world, rng)
    asked = world.verb(f"{by.username} asks for {batch}", lambda: changes.ask(batch, by))
    if asked:
        theirs = world.model.batches[batch.number]
        theirs.status, theirs.asked_by = "asked", by.username
        theirs.asked = {
            change.departure.user.user_id
            for change in batch.changes.filter(status="asked").select_related("departure__user")
        }
        for user in map(world.model.users.__getitem__, theirs.asked):
            world.model.must(not user.protection, f"Rule 3: {user.name} is asked for.")
            world.model.must(not user.hit, f"{user.name} is asked for with an open hit.")
        world.stage.open(batch)
    return True


def approve(world: World, rng: random.Random, batch: Batch | None = None) -> object:
    """Somebody views every user and approves; whoever asked may not."""
    batch = batch or batch_in(rng, "asked")
    if batch is None:
        return None
    theirs = world.model.batches[batch.number]
    asker = (theirs.asked_by, theirs.composed_by)
    second = tuple(name for name in ENGINEERS if name not in asker)
    by = someone(world, rng, second if second and chance(rng, 0.8) else ANYBODY)
    batch.refresh_from_db()
    if by.has_role(Role.APPROVER):
        for change in batch.changes.filter(status="asked"):
            changes.view(change, by)
    may = None if by.username in world.model.approvers - set(asker) else False
    digest, words = batch.digest, changes.words_for(batch)
    done = world.verb(
        f"{by.username} approves {batch}",
        lambda: changes.approve(batch, by, digest, words, OVERRIDES),
        may=may,
    )
    if done:
        theirs.status, theirs.approver, theirs.approved_at = "approved", by.username, world.now()
        theirs.approved = {uid: deepcopy(theirs.items[uid]) for uid in theirs.asked}
    return True


def whole_batch(world: World, rng: random.Random, move: str = "") -> object:
    """Composed, asked for and approved in one go, as on a good day."""
    before = set(Batch.objects.values_list("pk", flat=True))
    if compose(world, rng, move=move) is None:
        return None
    return _onward(world, rng, before)


def urgent_batch(world: World, rng: random.Random) -> object:
    """Leaked keys: shut at once, a second person as ever."""
    before = set(Batch.objects.values_list("pk", flat=True))
    if compose(world, rng, urgent=True) is None:
        return None
    return _onward(world, rng, before)


def _onward(world: World, rng: random.Random, before: set[int]) -> bool:
    batch = Batch.objects.exclude(pk__in=before).first()
    if batch is not None:
        ask(world, rng, batch)
        batch.refresh_from_db()
        if batch.status == Batch.Status.ASKED:
            approve(world, rng, batch)
    return True


def change_draft(world: World, rng: random.Random) -> object:
    """Another user in, one out, or another method; in a batch already asked for, it is refused."""
    batch = batch_in(rng, "draft", "asked", "approved", "running")
    row = one(world, rng, "owner-assigned", "soaking")
    if batch is None or row is None:
        return None
    by, may = someone(world, rng), None if batch.status == "draft" else False
    kind = rng.choice(("add", "remove", "method"))
    if kind == "add":
        done = world.verb(
            f"{row.user} into {batch}", lambda: changes.add_users(batch, [row], by), may=may
        )
    elif kind == "remove":
        done = world.verb(
            f"{row.user} out of {batch}", lambda: changes.remove_user(batch, row, by), may=may
        )
    else:
        method = rng.choice(("fence", "shut"))
        done = world.verb(
            f"{batch} by {method}", lambda: changes.set_method(batch, method, by), may=may
        )
        if done:
            world.model.batches[batch.number].method = method
    if done:
        look(world, batch)
    return True


def void(world: World, rng: random.Random) -> object:
    """Withdrawn, sent back, or thrown away: no approval stands after it."""
    batch = batch_in(rng, "draft", "asked", "approved")
    if batch is None:
        return None
    theirs = world.model.batches[batch.number]
    by = someone(world, rng)
    if batch.status == "draft":
        if world.verb(f"{batch} is thrown away", lambda: changes.discard(batch, by)):
            theirs.status = "withdrawn"
    elif chance(rng, 0.5):
        mine = by.username in (theirs.asked_by, theirs.approver)
        may = mine or False
        if world.verb(f"{by} withdraws {batch}", lambda: changes.withdraw(batch, by), may=may):
            world.model.void(batch.number)
    elif world.verb(f"{by} sends {batch} back", lambda: changes.send_back(batch, by, "look again")):
        world.model.must(by.username in world.model.approvers, "Sent back by no approver.")
        world.model.void(batch.number)
    return True


# ── A batch that runs ────────────────────────────────────────────────────────────────────────────


def pause(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "running")
    if batch is None:
        return None
    by = someone(world, rng)
    if world.verb(f"{batch} is paused", lambda: changes.pause(batch, by)):
        world.model.batches[batch.number].status = "paused"
    return True


def resume(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "paused")
    if batch is None:
        return None
    by, may = someone(world, rng), False if world.model.stop else None
    if world.verb(f"{batch} is resumed", lambda: changes.resume(batch, by), may=may):
        world.model.batches[batch.number].status = "running"
    return True


def abort(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "approved", "running", "paused")
    if batch is None:
        return None
    by, back = someone(world, rng), chance(rng, 0.4)
    if world.verb(f"{batch} is aborted, {back=}", lambda: changes.abort(batch, by, restore=back)):
        world.model.batches[batch.number].status = "aborted"
        follow_restores(world)
    return True


def retry(world: World, rng: random.Random) -> object:
    change = change_in(rng, "failed")
    if change is None:
        return None
    by = someone(world, rng)
    may = False if world.model.stop and change.forward else None
    done = world.verb(f"{change} is tried again", lambda: changes.retry(change, by), may=may)
    theirs = world.model.batches[change.batch.number] if change.batch else None
    # The shut that follows a fence is no part of a run.
    if done and theirs and theirs.status == "done" and not change.follows_id:
        theirs.status = "running"
    return True


def skip(world: World, rng: random.Random) -> object:
    change = change_in(rng, "asked", "queued", "failed", "running", batch__isnull=False)
    if change is None:
        return None
    by = someone(world, rng)
    world.verb(f"{change} is skipped", lambda: changes.skip(change, by))
    return True


def take_over(world: World, rng: random.Random) -> object:
    batch = batch_in(rng, "approved", "running", "paused", "done")
    if batch is None:
        return None
    theirs, by = world.model.batches[batch.number], someone(world, rng)
    own = by.username in (theirs.asked_by, theirs.composed_by)
    lost = theirs.approver not in world.model.approvers
    # Whatever has not begun just goes back to a draft, which anybody's approver role may say.
    may = None if lost and not (own and batch.started_at) else False
    if world.verb(f"{by} takes {batch} over", lambda: changes.take_over(batch, by), may=may):
        if batch.started_at is None:
            world.model.void(batch.number)
        else:
            theirs.approver = by.username
    return True
