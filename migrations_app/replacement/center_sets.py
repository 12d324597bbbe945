"""The permission sets that plans for people ask for: whom each is for, and what it takes away.

All from what is kept beside the plans, so that a page with thousands of them drafts nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from migrations_app.models import Plan
from migrations_app.plans.identity_center import tightens
from migrations_app.replacement.proving import way_of


@dataclass(frozen=True, slots=True)
class Proposed:
    """One set in one account. `exists`: it is there already; `found`: how many of its people the
    directory knows; `used`: the actions that any of them used, None while one of them waits to be
    drafted anew; `tightens`: what ends with it.
    """

    name: str
    account: str
    exists: bool
    people: int
    found: int
    groups: tuple[str, ...]
    used: frozenset[str] | None
    tightens: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """All of them, those for most people first, and the whole in sentences."""

    sets: tuple[Proposed, ...]
    sentences: tuple[str, ...]

    def used(self, name: str) -> frozenset[str] | None:
        """What all people of a set used, in every account; None while that is not known."""
        told = [one.used for one in self.sets if one.name == name]
        known = [one for one in told if one is not None]
        return frozenset().union(*known) if len(known) == len(told) else None

    def people(self, name: str) -> int:
        return sum(one.people for one in self.sets if one.name == name)


def proposal(plans: Iterable[Plan], existing: Collection[str]) -> Proposal:
    """What these plans ask for together; `existing` are names of sets that are there."""
    by_set: defaultdict[tuple[str, str], list[Plan]] = defaultdict(list)
    idle = waiting = 0
    for plan in plans:
        if name := way_of(plan).name:
            by_set[plan.departure.user.account.name, name].append(plan)
        elif "used" in plan.figures:
            idle += 1
        else:
            waiting += 1
    sets = [_proposed(*key, those, existing) for key, those in by_set.items()]
    sets.sort(key=lambda one: (-one.people, one.account, one.name))
    everything = sum(bool(one.figures.get("everything")) for of in by_set.values() for one in of)
    return Proposal(tuple(sets), tuple(_sentences(sets, everything, idle, waiting)))


def _proposed(account: str, name: str, plans: list[Plan], existing: Collection[str]) -> Proposed:
    told = [plan.figures for plan in plans]
    used = None
    if all("actions" in one for one in told):
        used = frozenset(str(action) for one in told for action in one["actions"])
    everything = sum(bool(one.get("everything")) for one in told)
    granted = max(int(one.get("granted", 0)) for one in told)
    return Proposed(
        name=name,
        account=account,
        exists=name in existing,
        people=len(plans),
        found=sum(bool(one.get("person")) for one in told),
        groups=tuple(sorted({str(one["group"]) for one in told if one.get("group")})),
        used=used,
        tightens="" if used is None else tightens(len(plans), everything, len(used), granted),
    )


def _sentences(sets: list[Proposed], everything: int, idle: int, waiting: int) -> Iterable[str]:
    if sets:
        people, there = sum(one.people for one in sets), sum(one.exists for one in sets)
        number, new = len(sets), len(sets) - there
        yield (
            f"{people} {'person gets' if people == 1 else 'people get'} {number} permission"
            f" set{'' if number == 1 else 's'}: {there} that exist{'s' if there == 1 else ''} and"
            f" {new} new {'one' if new == 1 else 'ones'}."
        )
    if everything:
        yield f"{everything} of them had every action there is."
    if idle:
        yield f"{idle} more used nothing that needs a right: ask whether they need access at all."
    if waiting:
        yield f"{waiting} {'is' if waiting == 1 else 'are'} not drafted yet; the next sync does."
