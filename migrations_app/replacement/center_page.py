"""Identity Center as its page shows it: what broke and its fix, the sets, who is nobody there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from inventory.models import CenterLook
from inventory.refresh import declared_center
from inventory.rights import known_actions
from migrations_app.models import Drift, Plan
from migrations_app.plans.drift import GROUP, Finding, compare
from migrations_app.plans.drift_fix import Fix, fix
from migrations_app.plans.permission_sets import PermissionSet
from migrations_app.replacement import center
from migrations_app.replacement.center_sets import Proposal, proposal
from migrations_app.replacement.planning import needing


@dataclass(frozen=True, slots=True)
class Broken:
    """One finding with its fix; `waiting` plans are on hold for it."""

    row: Drift
    waiting: int
    fix: Fix | None


@dataclass(frozen=True, slots=True)
class SetRow:
    """A permission set: what it allows, to how many it is given, for how many people plans ask for
    it, and how many of its actions any of these used (None while that is not known).
    """

    name: str
    description: str
    session: str
    actions: int
    writing: int
    administers: bool
    unread: tuple[str, ...]
    given: str
    accounts: int
    people: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Nobody:
    """A plan for somebody whom the directory does not tell, and why."""

    plan: Plan
    why: str


@dataclass(frozen=True, slots=True)
class CenterPage:
    """What stands on the page. `failed`: the last look that was not whole, if it is the newest."""

    declared: bool
    account: str
    region: str
    look: CenterLook | None
    failed: CenterLook | None
    broken: tuple[Broken, ...]
    proposal: Proposal
    sets: tuple[SetRow, ...]
    nobody: tuple[Nobody, ...]
    people: int
    closed: tuple[Drift, ...]

    @property
    def without_access(self) -> int:
        """How many people lost something by what is broken now."""
        return len({person["user_id"] for one in self.broken for person in one.row.lost})


@dataclass(frozen=True, slots=True)
class Note:
    """What the page of plans says about one broken group."""

    row: Drift
    waiting: int


def notes() -> list[Note]:
    """The groups that people lost their access by, with how many plans wait; two statements."""
    rows = list(Drift.objects.filter(closed_at=None, breaks=True))
    if not rows:
        return []
    waiting = Counter(
        Plan.objects.filter(needing(), held_by__in=rows).values_list("held_by", flat=True)
    )
    return [Note(row, waiting[row.pk]) for row in rows]


def page() -> CenterPage:
    """Everything about Identity Center as it was last read."""
    declared = declared_center()
    look = center.latest()
    looks = (
        CenterLook.objects.filter(account=declared[0]) if declared else CenterLook.objects.none()
    )
    looks = looks.without_content()
    plans = _plans()
    asked = proposal(plans, [row["name"] for row in look.permission_sets] if look else ())
    return CenterPage(
        declared=declared is not None,
        account=declared[0].name if declared else "",
        region=declared[1] if declared else "",
        look=look,
        failed=_failed(look, looks.filter(status=CenterLook.Status.FAILED).first()),
        broken=tuple(_broken(look)),
        proposal=asked,
        sets=tuple(_sets(look, asked)) if look else (),
        nobody=tuple(_nobody(plans)) if look else (),
        people=len(plans),
        closed=tuple(Drift.objects.exclude(closed_at=None).order_by("-closed_at")[:20]),
    )


def _failed(look: CenterLook | None, failed: CenterLook | None) -> CenterLook | None:
    """Only while no whole look is newer."""
    if failed is None or look is None or look.taken_at is None or failed.taken_at is None:
        return failed
    return failed if failed.taken_at > look.taken_at else None


def _plans() -> list[Plan]:
    rows = Plan.objects.filter(needing(), target=Plan.Target.IDENTITY_CENTER)
    return list(
        rows.select_related("departure__user__account", "departure__owner")
        .defer("generated_files")
        .order_by("departure__user__user_name", "pk")
    )


def _nobody(plans: Iterable[Plan]) -> Iterable[Nobody]:
    for plan in plans:
        if why := plan.figures.get("unmatched"):
            yield Nobody(plan, why)


def findings() -> dict[str, tuple[Finding, Fix]]:
    """By key what a comparison finds now, with its fix; nothing where none can be made."""
    look = center.latest()
    before = center.compared_with(look) if look else None
    if look is None or before is None:
        return {}
    now = center.snapshot(look)
    told = compare(center.snapshot(before), now)
    return {one.key: (one, fix(one, now)) for one in told.findings}


def _broken(look: CenterLook | None) -> Iterable[Broken]:
    rows = list(Drift.objects.filter(closed_at=None))
    if not rows:
        return
    waiting = Counter(Plan.objects.filter(held_by__in=rows).values_list("held_by", flat=True))
    found = findings() if look else {}
    for row in rows:
        known = found.get(row.key)
        yield Broken(row, waiting[row.pk], known[1] if known else None)


def _sets(look: CenterLook, asked: Proposal) -> Iterable[SetRow]:
    told = {row["arn"]: row for row in look.permission_sets}
    for one in sorted(center.existing(look), key=lambda one: one.name):
        row = told[one.arn]
        given = [each for each in look.assignments if each["set_arn"] == one.arn]
        yield _set(one, row["description"], row["session"], given, asked)


def _set(
    one: PermissionSet,
    description: str,
    session: str,
    given: list[dict[str, str]],
    asked: Proposal,
) -> SetRow:
    actions, used = one.actions, asked.used(one.name)
    return SetRow(
        name=one.name,
        description=description,
        session=session,
        actions=len(actions),
        writing=sum(not known_actions.only_reads(each) for each in actions),
        administers=one.administers,
        unread=tuple(each.words for each in one.unread),
        given=_receivers(given),
        accounts=len({each["account_id"] for each in given}),
        people=asked.people(one.name),
        used=None if used is None else len(actions & {each.lower() for each in used}),
    )


def _receivers(given: list[dict[str, str]]) -> str:
    """`2 groups and 1 person`."""
    found = {(each["principal_type"], each["principal_id"]) for each in given}
    groups = sum(kind == GROUP for kind, _ in found)
    people = len(found) - groups
    told = [f"{groups} group{'' if groups == 1 else 's'}"] if groups else []
    told += [f"{people} {'person' if people == 1 else 'people'}"] if people else []
    return " and ".join(told) or "nobody"


def progress(now: datetime) -> str:
    """How far the open look is, in a few words; "" where none is."""
    look = CenterLook.objects.filter(status__in=CenterLook.OPEN).without_content().first()
    if look is None:
        return ""
    if look.status == CenterLook.Status.ASKED:
        return "It was asked for and begins in a moment."
    seconds = max(0, int((now - look.asked_at).total_seconds()))
    return f"It began {seconds} seconds ago."
