"""What people do: they compose, approve, steer, restore, protect, and change roles and owners.

Each action takes the world and its own dice, and gives None where there is nothing to do it to.
"""

from __future__ import annotations

import random
from copy import deepcopy
from datetime import timedelta
from typing import Any

from inventory.models import Person, Role
from migrations_app import changes
from migrations_app.changes import batches
from migrations_app.models import Batch, Change, Departure, Hit
from tests.migrations_app.worlds import model
from tests.migrations_app.worlds.world import World, chance

OVERRIDES = {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"}
_ENGINEERS = ("jonas", "mei")
_ANYBODY = (*_ENGINEERS, "sara", "vera")


def someone(world: World, rng: random.Random, among: tuple[str, ...] = _ENGINEERS) -> Person:
    return Person.objects.get(username=rng.choice(among))


def batch_in(rng: random.Random, *statuses: str) -> Batch | None:
    rows = list(Batch.objects.filter(status__in=statuses).order_by("pk"))
    return rng.choice(rows) if rows else None


def change_in(rng: random.Random, *statuses: str, **how: Any) -> Change | None:
    rows = Change.objects.filter(status__in=statuses, **how).order_by("pk")
    found = list(rows.select_related("departure__user", "batch"))
    return rng.choice(found) if found else None


def one(world: World, rng: random.Random, *states: str) -> Departure | None:
    rows = world.departures(*states)
    return rng.choice(rows) if rows else None


# ── A batch on its way ───────────────────────────────────────────────────────────────────────────


def compose(world: World, rng: random.Random, urgent: bool = False) -> object:
    """A draft of one to three users, with its dry run."""
    free = [
        row
        for row in world.departures()
        if not row.changes.filter(status__in=[*Change.OPEN, "draft"]).exists()
    ]
    ripe = [row for row in free if row.state == "soaking"]
    fresh = [row for row in free if row.state in ("owner-assigned", "discovered")]
    move = "delete" if ripe and not urgent and (not fresh or chance(rng, 0.6)) else "disable"
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
    world.model.batches[batch.number] = model.Batch(move, batch.method, urgent, by.username)
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
    world.work(f"dry run of {batch}", lambda: batches.dry_run(batch.pk))
    items = world.model.batches[batch.number].items
    for change in batch.changes.exclude(digest="").select_related("departure__user"):
        user = world.user(change.departure)
        items[user.id] = model.Item(user.name, user.owner, deepcopy(user.now), world.now())
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
    second = tuple(name for name in _ENGINEERS if name not in asker)
    by = someone(world, rng, second if second and chance(rng, 0.8) else _ANYBODY)
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


def whole_batch(world: World, rng: random.Random) -> object:
    """Composed, asked for and approved in one go, as on a good day."""
    before = set(Batch.objects.values_list("pk", flat=True))
    if compose(world, rng) is None:
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
    if world.verb(f"{change} is tried again", lambda: changes.retry(change, by), may=may):
        if change.batch and world.model.batches[change.batch.number].status == "done":
            world.model.batches[change.batch.number].status = "running"
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


# ── Undo, and what holds ─────────────────────────────────────────────────────────────────────────


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
    elif row.state in model.OFF and by.username in _ENGINEERS and by.has_role(Role.ENGINEER):
        may = True
    world.verb(f"{by} restores {row.user}", lambda: changes.restore(row, by, "it is needed"), may=may)
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


def follow_restores(world: World) -> None:
    """A restore is open from the click on, and no forward write of that user after it."""
    rows = Change.objects.filter(move="restore", status__in=("queued", "running", "failed"))
    open_ones = set(rows.values_list("departure__user__user_id", flat=True))
    for user in world.model.users.values():
        user.restoring = user.id in open_ones


def protect(world: World, rng: random.Random) -> object:
    row = one(world, rng)
    if row is None:
        return None
    by = someone(world, rng, (*_ENGINEERS, "ada", "sara"))
    until = world.now().date() + timedelta(days=rng.choice((1, 5, 30)))
    may = False if row.state in ("deleted", "discovered") or by.username == "sara" else None
    if world.verb(f"{by} protects {row.user}", lambda: changes.protect(row, by, "stays", until), may=may):
        world.user(row).protection = "exempt"
        follow_restores(world)
    return True


def unprotect(world: World, rng: random.Random) -> object:
    rows = [row for row in world.departures() if row.protection]
    if not rows:
        return None
    row, by = rng.choice(rows), someone(world, rng, ("ada", "ada", "jonas"))
    may = by.username == "ada"
    if world.verb(f"{by} unprotects {row.user}", lambda: changes.unprotect(row, by, "may go"), may=may):
        world.user(row).protection = ""
    return True


def pull(world: World, rng: random.Random) -> object:
    by = someone(world, rng, (*_ENGINEERS, "ada"))
    world.verb(f"{by} pulls the stop", lambda: changes.pull(by, "what is this?"))
    if not world.model.stop:
        world.model.stop = by.username
        for batch in world.model.batches.values():
            batch.status = "paused" if batch.status == "running" else batch.status
    return True


def lift(world: World, rng: random.Random) -> object:
    if not world.model.stop:
        return None
    by = someone(world, rng, (*_ENGINEERS, "ada"))
    may = by.username != world.model.stop
    if world.verb(f"{by} lifts the stop", lambda: changes.lift(by, "understood"), may=may):
        world.model.stop = ""
    return True


def close_hit(world: World, rng: random.Random) -> object:
    """Dismissed by an engineer, or the caller was fixed and the clock starts again."""
    hit = Hit.objects.filter(kind="hit", closed="").order_by("pk").first()
    if hit is None:
        return None
    by, user = someone(world, rng, _ANYBODY), world.user(hit.departure)
    if chance(rng, 0.5):
        may = by.username in _ENGINEERS
        world.verb(f"{by} dismisses it", lambda: changes.dismiss(hit, by, "known"), may=may)
    elif world.verb(f"{by}: the caller is fixed", lambda: changes.caller_fixed(hit, by)):
        last = hit.last_at
        user.clock_at = max(world.now(), last) if user.state in model.OFF else user.clock_at
    return True


def extend(world: World, rng: random.Random) -> object:
    row = one(world, rng, "disabled", "soaking")
    if row is None:
        return None
    by, days = someone(world, rng, _ANYBODY), rng.choice((1, 3, 20, 120))
    until = world.now().date() + timedelta(days=days)
    done = world.verb(f"{by} extends {row.user} to {until}", lambda: changes.extend(row, by, until, "slow"))
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
    by = someone(world, rng, _ANYBODY)
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
        gone = False if row.state == "deleted" else True
        if world.verb(f"{row.user} to {team}", lambda: changes.assign(row, team, by), may=gone):
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
    elif world.verb(f"hands {row.user} over", lambda: changes.hand_over(row, world.people.platform, by)):
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
    world.model.approvers = (world.model.approvers | {by.username}) - ({by.username} if lost else set())
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
