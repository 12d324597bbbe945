"""Foreign hands in the console, and the users themselves, who call or are called at the door."""

from __future__ import annotations

import random

from demo.aws.acts import act
from demo.aws.errors import AwsError, ConnectionLost
from migrations_app.models import Departure
from tests.migrations_app.stage import REGIONS
from tests.migrations_app.worlds.held import FENCE
from tests.migrations_app.worlds.world import World, chance


def _there(world: World, rng: random.Random) -> Departure | None:
    rows = [row for row in world.departures() if not world.user(row).gone]
    return rng.choice(rows) if rows else None


def by_hand(world: World, rng: random.Random) -> object:  # noqa: PLR0911
    """An administrator changes something of a user in the console."""
    row = _there(world, rng)
    if row is None:
        return None
    user = world.user(row)
    keys = [one for one in user.now.status if one.startswith("AKIA")]
    kind = rng.choice(("make", "switch", "policy", "fence", "boundary", "password", "rename"))
    if kind == "make":
        return world.administrator("CreateAccessKey", user.name)
    if kind == "switch" and keys:
        key = rng.choice(keys)
        to = "Inactive" if user.now.status[key] == "Active" else "Active"
        return world.administrator("UpdateAccessKey", user.name, AccessKeyId=key, Status=to)
    if kind == "policy":
        arn = "arn:aws:iam::aws:policy/SecurityAudit"
        there = "Detach" if arn in user.now.policies else "Attach"
        return world.administrator(f"{there}UserPolicy", user.name, PolicyArn=arn)
    if kind == "fence" and user.ours and FENCE in user.now.policies:
        return world.administrator("DetachUserPolicy", user.name, PolicyArn=FENCE)
    if kind == "boundary" and user.now.boundary != FENCE:
        arn = f"arn:aws:iam::{world.account.id}:policy/developer-boundary"
        return world.administrator("PutUserPermissionsBoundary", user.name, PermissionsBoundary=arn)
    if kind == "password":
        if user.now.password:
            return world.administrator("DeleteLoginProfile", user.name)
        return world.administrator("CreateLoginProfile", user.name, Password="Xk!3".ljust(20, "q"))
    if kind == "rename":
        return world.administrator("UpdateUser", user.name, NewUserName=f"{user.name}-x"[:40])
    return None


def foreign_deny(world: World, rng: random.Random) -> object:
    """Somebody denies everything to a user by hand: never ours to take off."""
    row = _there(world, rng)
    if row is None or world.user(row).ours or world.user(row).undone:
        return None
    return world.administrator("AttachUserPolicy", world.user(row).name, PolicyArn=FENCE)


def delete_by_hand(world: World, rng: random.Random) -> object:
    row = _there(world, rng)
    if row is None:
        return None
    _gone(world, world.user(row).name)
    return True


def recreate(world: World, rng: random.Random) -> object:
    """Somebody deletes a user and makes another one under its name; or only makes one again."""
    rows = world.departures()
    if not rows:
        return None
    name = world.user(rng.choice(rows)).name
    if name.lower() in world.account.users:
        _gone(world, name)
    if name.lower() not in world.account.users:
        world.administrator("CreateUser", name.upper() if chance(rng, 0.2) else name)
    return True


def _gone(world: World, name: str) -> None:
    try:
        act(world.stage.simulator, {"act": "delete-in-console", "user": name})
    except (AwsError, ConnectionLost) as no:
        world.says(f"by hand: {name} is not deleted, {no}")
    else:
        world.says(f"by hand: {name} is deleted")


def call(world: World, rng: random.Random) -> object:
    """The user itself calls, signs in, or somebody tries its name at the door."""
    row = _there(world, rng)
    if row is None:
        return None
    user = world.user(row)
    kind = rng.choice(("call", "call", "call", "sign-in", "failed-sign-in"))
    active = [one for one, status in user.now.status.items() if status == "Active"]
    if kind == "call" and not [one for one in active if one.startswith("AKIA")]:
        return None
    if kind == "sign-in" and not user.now.password:
        return None
    done = act(
        world.stage.simulator,
        {"act": kind, "user": user.name, "region": rng.choice(REGIONS)},
    )["happened"]
    if done and kind != "failed-sign-in":
        world.model.used(user, world.now())
    world.says(f"{user.name}: {kind}, {done}")
    return True
