"""Workers of every queue, their deaths and rivals, the sweep, listening, syncs, and good days.

Each action takes the world and its own dice, and gives None where there is nothing to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from inventory import refresh
from inventory.aws.failure import AwsFailure
from inventory.models import Sync
from migrations_app import changes
from migrations_app.changes import running
from migrations_app.changes.sweep import PARTS
from migrations_app.models import Batch, Change
from tests.migrations_app.worlds import batches, clocks, foreign, held, model, people
from tests.migrations_app.worlds.clocks import skip_on
from tests.migrations_app.worlds.dice import batch_in, change_in, follow_restores
from tests.migrations_app.worlds.world import Plot, World, chance

# What a slow lane of a sync may be spared: here it reads users, their credentials, and judges.
_SPARED = ("report", "trail", "archive", "services", "references", "posture", "describe")
_MEANWHILE = (
    people.pull, people.restore, people.protect, people.own, batches.pause, batches.abort,
    foreign.by_hand, foreign.recreate,
)  # fmt: skip


def rival(world: World, rng: random.Random) -> object:
    """The lease ran out while a call hung: another worker takes the change and brings it on."""
    world.stage.no_waiting()
    for change in Change.objects.filter(status="running").select_related("departure__user"):
        job = running.run_restore if change.move == "restore" else running.run_change
        world.says(f"another worker takes {change}")
        job(change.pk)
    return True


# ── Workers ──────────────────────────────────────────────────────────────────────────────────────


def plot(world: World, rng: random.Random) -> Plot:
    """How the next worker is disturbed, as often as the emphasis of this world says."""
    dies, acted = world.shares["deaths"], world.shares["meanwhile"]
    if chance(rng, dies):
        if chance(rng, 0.6):
            return Plot(call=rng.randint(1, 24), after=chance(rng, 0.5))
        return Plot(statement=rng.randint(1, 90))
    if chance(rng, acted):
        deeds = (*_MEANWHILE, rival)
        deed, dice = rng.choice(world.meanwhile or deeds), random.Random(rng.random())

        def meanwhile() -> None:
            # Whoever wrote to AWS looks at the identity again after ten seconds (rule 2).
            world.pace.slept += 11
            deed(world, dice)

        return Plot(write=rng.randint(1, 5), meanwhile=meanwhile)
    return Plot()


def write_worker(world: World, rng: random.Random) -> object:
    """The queue `write`: a running batch, a shut, or a deletion to be finished; perhaps twice."""
    world.stage.no_waiting()
    batch = batch_in(rng, Batch.Status.RUNNING)
    alone = [
        change
        for change in Change.objects.filter(
            status__in=("queued", "running"), move__in=model.SOURCE
        ).select_related("departure__user", "batch")
        if change.follows_id or change.irreversible_at
    ]
    if batch is None and not alone:
        return None
    if batch is not None and (not alone or chance(rng, 0.6)):
        mine = list(batch.changes.filter(follows=None).select_related("departure__user", "batch"))
        _work(world, rng, f"works on {batch}", lambda: running.run_batch(batch.pk), mine)
    else:
        change = rng.choice(alone)
        _work(world, rng, f"works on {change}", lambda: running.run_change(change.pk), [change])
    return True


def _work(
    world: World, rng: random.Random, what: str, job: Callable[[], object], mine: list[Change]
) -> None:
    may = {
        (one.departure.user.user_id, state)
        for one in mine
        for state in {"disable": ("disabled", "soaking"), "soak": ("soaking",)}.get(
            one.move, ("deleted",)
        )
    } | {(one.departure.user.user_id, "deleted") for one in mine}
    world.work(what, job, may=may, must=lambda: fate(world, mine), plot=plot(world, rng))
    follow_restores(world)
    if chance(rng, 0.2):
        # A redelivered message: the second worker finds nothing left to do.
        before = world.writes
        still = Change.objects.filter(pk__in=[one.pk for one in mine], status__in=Change.OPEN)
        if not still.exists():
            world.work(f"{what} again", job)
            world.model.must(world.writes == before, f"{what} twice, and wrote twice.")


def fate(world: World, mine: list[Change]) -> Iterable[tuple[str, str]]:
    """Who must move if nothing disturbs: whatever is approved, ripe, and as it was."""
    now = world.now()
    for change in mine:
        change.refresh_from_db()
        batch = change.batch
        if batch is None or change.status not in ("queued", "running"):
            continue
        theirs = world.model.batches[batch.number]
        user = world.user(change.departure)
        item = theirs.approved.get(user.id)
        off = theirs.status != "running" and not change.follows_id and not change.irreversible_at
        # What the emergency stop halted, shuts that follow a fence too, waits for Resume.
        off = off or batch.resume_needed
        if item is None or off or world.account_is_held() or user.gone:
            continue
        stays = user.protection or world.model.stop or user.restoring or item.name != user.name
        if stays or theirs.approver not in world.model.approvers:
            continue
        if not theirs.urgent and not world.model.open(now):
            continue
        if change.begun:
            if not change.departure.changes.filter(move="restore", status="done", pk__gt=change.pk):
                yield user.id, world.leads_to(change)
            continue
        if not world.model.as_approved(user, item, change.move):
            continue
        if not change.follows_id and (item.owner != user.owner or now > theirs.lapses()):
            continue
        if user.used_at and user.used_at > item.looked_at - held.DAY and not theirs.urgent:
            continue
        due, heard = user.due(), user.surely_heard_at
        ripe = due and now >= due and heard and heard >= due and now - heard <= model.HOUR
        contested = user.disputed and now.date() <= user.disputed
        if change.move != "disable" and (not ripe or user.hit or user.attempts or contested):
            continue
        yield user.id, world.leads_to(change)


def late_worker(world: World, rng: random.Random) -> object:
    """A message that comes late, or twice, about any change there ever was."""
    change = change_in(rng, *Change.ENDED, "draft", "asked", "failed")
    if change is None:
        return None
    before = world.writes
    world.stage.no_waiting()
    if change.move == "restore":
        due = change.check_at is not None
        world.work(f"late: {change}", lambda: running.run_restore(change.pk))
        world.model.must(due or world.writes == before, f"A late message made {change} write.")
    else:
        world.work(f"late: {change}", lambda: running.run_change(change.pk))
        world.model.must(world.writes == before, f"A late message made {change} write.")
    return True


def restore_worker(world: World, rng: random.Random) -> object:
    world.stage.no_waiting()
    waiting = list(running.waiting_restores())
    if not waiting:
        return None
    pk = rng.choice(waiting)
    change = Change.objects.select_related("departure__user").get(pk=pk)
    user = world.user(change.departure)
    may = {(user.id, "owner-assigned")}

    def must() -> Iterable[tuple[str, str]]:
        change.refresh_from_db()
        waits = change.status == "queued" and change.departure.state in model.OFF
        if waits and not user.gone and world.bears_its_name(user):
            yield user.id, "owner-assigned"

    world.work(f"works on {change}", lambda: running.run_restore(pk), may=may, must=must,
               plot=plot(world, rng))  # fmt: skip
    follow_restores(world)
    return True


def listen(world: World, rng: random.Random) -> object:
    rows = world.departures(*model.OFF)
    if not rows:
        return None

    def job() -> None:
        try:
            world.stage.listen()
        except AwsFailure as failed:
            world.says(f"listening: {failed}")

    alone = world.work("listens", job, plot=plot(world, rng))
    users = [world.user(row) for row in rows]
    for user in users:
        user.heard_at = world.now()
    if alone:
        for row, user in zip(rows, users, strict=True):
            user.surely_heard_at = world.now()
            user.hit = row.hits.filter(kind="hit", closed="").exists()
        whole = [one for one in users if not one.gone and world.bears_its_name(one)]
        busy = Change.objects.filter(status="running").values_list(
            "departure__user__user_id", flat=True
        )
        world.model.heard([one for one in whole if one.id not in set(busy)], world.now())
    return True


def sweep(world: World, rng: random.Random) -> object:
    """The sweep, or one part of it that comes late or alone."""
    return _sweep(world, rng, rng.choice([*PARTS, *4 * ["start"], *3 * ["shut"], "all"]))


def _sweep(world: World, rng: random.Random, part: str) -> bool:
    job = changes.sweep if part == "all" else PARTS[part]
    world.work(f"sweeps: {part}", job, plot=plot(world, rng) if part != "all" else None)
    today = world.now().date()
    for row in world.departures():
        user = world.user(row)
        if user.protection and not row.protection:
            over = row.protection_until is None and part in ("all", "exemptions")
            world.model.must(over, f"The exemption of {user.name} ended by {part} on {today}.")
            user.protection = ""
    return True


def sync(world: World, rng: random.Random) -> object:
    """A short sync: who is there, what they hold. Who is gone is proven gone; who is new, found."""
    account = world.people.account

    def job() -> None:
        asked = refresh.ask_sync(account, None)
        for step in asked.steps:
            step["status"] = "done" if step["key"] in _SPARED else step["status"]
        Sync.objects.filter(pk=asked.pk).update(steps=asked.steps)
        while refresh.run_sync(asked.pk):
            pass

    known = {row.user.user_id: world.user(row) for row in world.departures()}
    gone = {user.id for user in known.values() if user.gone and user.state != "deleted"}
    world.work("syncs", job, may={(uid, "deleted") for uid in gone})
    account.refresh_from_db()
    return True


# ── Good days: several things in their order ─────────────────────────────────────────────────────


def good_batch(world: World, rng: random.Random) -> object:
    """A batch on a good day: asked for, approved, settled, started, and worked on."""
    if world.model.stop or batches.whole_batch(world, rng) is None:
        return None
    if chance(rng, 0.7):
        skip_on(world, hours=25)
        listen(world, rng)
    _sweep(world, rng, "start")
    write_worker(world, rng)
    return True


def ripen(world: World, rng: random.Random) -> object:
    """Somebody's watch or soak is over and was listened to; the sweep shuts, a worker works."""
    if world.model.stop or clocks.to_the_due_day(world, rng, 3600) is None:
        return None
    listen(world, rng)
    _sweep(world, rng, "shut")
    write_worker(world, rng)
    ready = [row for row in world.departures("soaking") if batches.fit(world, row)]
    if ready and chance(rng, 0.8):
        batches.whole_batch(world, rng, "delete")
        _sweep(world, rng, "start")
        write_worker(world, rng)
    return True


def undo(world: World, rng: random.Random) -> object:
    """A restore that its worker does at once, and perhaps reads back again later."""
    if people.restore(world, rng) is None:
        return None
    restore_worker(world, rng)
    if chance(rng, 0.3):
        skip_on(world, minutes=rng.choice((6, 61)))
        restore_worker(world, rng)
    return True
