"""Who and what an action happens to, drawn from its own dice; None where there is nothing."""

from __future__ import annotations

import random
from typing import Any

from inventory.models import Person
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.worlds.world import World

ENGINEERS = ("jonas", "mei")
ANYBODY = (*ENGINEERS, "sara", "vera")


def someone(world: World, rng: random.Random, among: tuple[str, ...] = ENGINEERS) -> Person:
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


def follow_restores(world: World) -> None:
    """A restore is open from the click on, and no forward write of that user after it."""
    rows = Change.objects.filter(move="restore", status__in=("queued", "running", "failed"))
    open_ones = set(rows.values_list("departure__user__user_id", flat=True))
    for user in world.model.users.values():
        user.restoring = user.id in open_ones
