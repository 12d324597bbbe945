"""Clocks that move, freezes, and faults of AWS that come and go."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.migrations_app.worlds import model
from tests.migrations_app.worlds.world import World

STRIKES = (
    "throttling", "error", "error-after", "reset", "reset-after", "temporarily-unmodifiable",
    "concurrent-modification", "limit-exceeded", "access-denied", "no-such-entity", "stale",
    "delete-conflict",
)  # fmt: skip
LASTING = ("throttling", "error", "reset", "reset-after", "access-denied", "stale", "short-pages")
_STRUCK = (
    "AttachUserPolicy", "DetachUserPolicy", "UpdateAccessKey", "DeleteLoginProfile",
    "DeleteAccessKey", "DeactivateMFADevice", "DeleteVirtualMFADevice", "DeleteUser", "GetUser",
    "ListAccessKeys", "ListUsers", "LookupEvents", "AssumeRole", "UpdateSSHPublicKey",
    "PutUserPermissionsBoundary", "GetAccessKeyLastUsed", "ListAttachedUserPolicies",
)  # fmt: skip
_READS = ("GetUser", "ListAccessKeys", "ListUsers", "ListAttachedUserPolicies", "GetLoginProfile")


def minutes(world: World, rng: random.Random) -> object:
    return skip_on(world, minutes=rng.choice((1, 6, 16, 31, 59)))


def hours(world: World, rng: random.Random) -> object:
    return skip_on(world, hours=rng.choice((1, 2, 5, 9, 25)))


def days(world: World, rng: random.Random) -> object:
    return skip_on(world, days=rng.choice((1, 3, 7.1, 8, 14.2, 15, 29)))


def to_the_due_day(world: World, rng: random.Random, around: int | None = None) -> object:
    """To an hour around which somebody's watch or soak is over."""
    dues = [user.due() for user in world.model.users.values() if user.state in model.OFF]
    ahead = [due for due in dues if due and due > world.now()]
    if not ahead:
        return None
    around = around or rng.choice((-3600, -1, 1, 3600, 40000))
    seconds = (min(ahead) - world.now()).total_seconds() + around
    return skip_on(world, seconds=max(seconds, 1))


def to_the_night_of_the_clocks(world: World, rng: random.Random) -> object:
    """To the day around a change of daylight saving in the account's own time."""
    zone, at = ZoneInfo(world.model.zone), world.now()
    for ahead in range(1, 60):
        day = at + timedelta(days=ahead)
        if _offset(zone, day) != _offset(zone, day + timedelta(days=1)):
            return skip_on(world, days=ahead, hours=rng.choice((-2, 8, 10, 20, 26)))
    return None


def _offset(zone: ZoneInfo, at: datetime) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def skip_on(world: World, **by: float) -> bool:
    world.stage.skip(**by)
    account = world.people.account
    type(account).objects.filter(pk=account.pk).update(
        admin_seen_at=world.now(), federated_sign_in_at=world.now()
    )
    world.says(f"time passes: {by}")
    return True


def freeze(world: World, rng: random.Random) -> object:
    """The file is applied anew: a freeze from today on, or none."""
    account, today = world.people.account, world.now().date()
    account.refresh_from_db()
    if world.model.freeze:
        world.model.freeze = None
        account.policy.pop("freezes")
    else:
        span: tuple[date, date] = (today, today + timedelta(days=rng.choice((0, 2))))
        world.model.freeze = span
        account.policy["freezes"] = [{"from": str(span[0]), "to": str(span[1])}]
    account.save()
    world.says(f"freeze: {world.model.freeze}")
    return True


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────


def strike(world: World, rng: random.Random) -> object:
    """One call fails once, some calls from now."""
    kind = rng.choice(STRIKES)
    operation = rng.choice(_READS if kind == "stale" else (*_STRUCK, "*"))
    kind, operation = world.strikes or (kind, operation)
    if kind in ("no-such-entity", "delete-conflict", "limit-exceeded") and operation == "*":
        return None
    world.stage.fault(kind, operation, skip=rng.choice((0, 0, 1, 3)))
    world.says(f"fault: {kind} strikes {operation}")
    return True


def lasting(world: World, rng: random.Random) -> object:
    kind = rng.choice(LASTING)
    operation = rng.choice(_READS if kind in ("stale", "short-pages") else _STRUCK)
    world.stage.fault(kind, operation, count=rng.choice((3, 8, None)), probability=0.6)
    world.says(f"fault: {kind} on {operation} for a while")
    return True


def no_fault(world: World, rng: random.Random) -> object:
    if not world.stage.simulator.faults.shown():
        return None
    world.stage.simulator.faults.clear()
    world.says("faults are over")
    return True
