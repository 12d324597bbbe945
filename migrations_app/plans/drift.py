"""Who lost access because a group of Identity Center is not the group it was. Pure.

A group that is deleted and created again has the old name and none of the old assignments, which
stay behind and point at nobody (AWS keeps them). Nothing in AWS complains; people just find their
accounts gone. So two looks are compared: what access each person had, and has. The earlier look
stays the one to compare with until nothing is found any more or somebody accepts what is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

GROUP, USER = "GROUP", "USER"


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A person of the identity store."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """One group. `external_id` is the identity provider's own id, "" where there is none."""

    id: str
    name: str
    external_id: str = ""
    members: tuple[Member, ...] = ()
    created_at: datetime | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(sorted(set(self.members))))


@dataclass(frozen=True, slots=True, order=True)
class Assignment:
    """A permission set in an account for a group or a person."""

    account_id: str
    permission_set: str
    permission_set_arn: str
    principal_id: str
    principal_type: str = GROUP

    @property
    def access(self) -> Access:
        return Access(self.account_id, self.permission_set)


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """What an assignment gives."""

    account_id: str
    permission_set: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All groups and assignments at one time. `missing`: what could not be read, "" for nothing.

    `people`: everybody in the directory, so that who left is not taken for somebody without access.
    """

    taken_at: datetime
    groups: tuple[Group, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    instance_arn: str = ""
    identity_store_id: str = ""
    missing: str = ""
    people: tuple[Member, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(sorted(set(self.groups))))
        object.__setattr__(self, "assignments", tuple(sorted(set(self.assignments))))


class Kind(StrEnum):
    RECREATED = "recreated"
    GONE = "gone"
    DEAD = "dead-assignment"
    EMPTIED = "emptied"
    VANISHED = "assignment-vanished"
    PERSON = "person-assignment-vanished"


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """What one person could do before and cannot do now."""

    person: Member
    access: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One group that is not what it was. `assignments`: those to make again or to make good.

    `dead`: those that point at nobody now. `new`: the group of the same name, where there is one.
    """

    kind: Kind
    group: Group
    new: Group | None = None
    assignments: tuple[Assignment, ...] = ()
    dead: tuple[Assignment, ...] = ()
    lost: tuple[Loss, ...] = ()

    @property
    def permission_sets(self) -> tuple[str, ...]:
        held = {one.permission_set for one in (*self.assignments, *self.dead)}
        return tuple(sorted(held))

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(sorted({one.account_id for one in (*self.assignments, *self.dead)}))

    @property
    def key(self) -> str:
        """The same finding of a later look has the same one."""
        return f"{self.kind}:{self.group.id}"

    @property
    def breaks(self) -> bool:
        """Whether somebody is without access by it; what only lies about breaks nothing."""
        return bool(self.lost or self.assignments) or self.kind is Kind.EMPTIED

    def holds(self, group_name: str) -> bool:
        """Whether a plan that sends its people through this group has to wait."""
        return self.breaks and group_name.casefold() == self.group.name.casefold()

    @property
    def sentence(self) -> str:
        """What happened and who feels it, for the alert."""
        return " ".join(filter(None, (f"{self.happened}.", self.meaning, self.felt)))

    @property
    def happened(self) -> str:
        """A headline."""
        name = self.group.name or self.group.id
        return {
            Kind.RECREATED: f"Group {name} was deleted and re-created",
            Kind.GONE: f"Group {name} is gone",
            Kind.DEAD: f"Assignments point at group {name}, which is no longer there",
            Kind.EMPTIED: f"Group {name} has no members any more",
            Kind.VANISHED: f"Group {name} is there, but assignments of it are not",
            Kind.PERSON: f"What was assigned to {name} directly is not any more",
        }[self.kind]

    @property
    def meaning(self) -> str:
        """What it comes to, beyond the headline; "" where that says it all."""
        if self.kind is not Kind.RECREATED:
            return ""
        if self.assignments:
            return "Same name, new ID: Identity Center gives it nothing of what the old one had."
        if self.new is not None and not self.new.members:
            return "Same name, new ID, and nobody in it yet."
        return "The new one has what the old one had; what is left of the old one can go."

    @property
    def felt(self) -> str:
        """Who lost what where."""
        if not self.lost:
            return "Nobody is known to have lost access by it."
        people = len(self.lost)
        accesses = {access for loss in self.lost for access in loss.access}
        sets = sorted({access.permission_set for access in accesses})
        accounts = len({access.account_id for access in accesses})
        who = "1 person" if people == 1 else f"{people} people"
        where = "1 account" if accounts == 1 else f"{accounts} accounts"
        return f"{who} lost {' and '.join(sets)} in {where}."


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is found. `not_looked_at` says why nothing can be said, and then nothing was found."""

    findings: tuple[Finding, ...] = ()
    not_looked_at: str = ""


def compare(before: Snapshot, now: Snapshot) -> Comparison:
    """Every group that lost people their access between two looks, the gravest first."""
    for snapshot, which in ((before, "earlier"), (now, "new")):
        if snapshot.missing:
            return Comparison(not_looked_at=f"The {which} look is not whole: {snapshot.missing}")
    if before.identity_store_id != now.identity_store_id:
        return Comparison(not_looked_at="The two looks are of different identity stores.")
    if before.groups and not now.groups:
        return Comparison(not_looked_at="No group at all was listed, where there were some before.")
    look = _Look(before, now)
    found = [*look.by_group(), *look.by_person(), *look.dead()]
    return Comparison(tuple(sorted(found, key=lambda one: (-len(one.lost), one.group))))


def baseline(before: Snapshot, now: Snapshot, accepted: Collection[str] = ()) -> Snapshot:
    """Which look the next one is compared with: the earlier, as long as it tells what was lost.

    `accepted` are keys of findings that somebody found to be right as they are.
    """
    told = compare(before, now)
    open_still = any(one.kind is not Kind.DEAD and one.key not in accepted for one in told.findings)
    return before if open_still or told.not_looked_at else now


def access(snapshot: Snapshot) -> dict[str, set[Access]]:
    """What each person may do where, by user id, through groups and directly."""
    members = {group.id: group.members for group in snapshot.groups}
    found: dict[str, set[Access]] = defaultdict(set)
    for one in snapshot.assignments:
        if one.principal_type == USER:
            found[one.principal_id].add(one.access)
        for member in members.get(one.principal_id, ()):
            found[member.user_id].add(one.access)
    return found


@dataclass(frozen=True)
class _Look:
    before: Snapshot
    now: Snapshot
    _had: dict[str, set[Access]] = field(init=False)
    _has: dict[str, set[Access]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_had", access(self.before))
        object.__setattr__(self, "_has", access(self.now))

    def by_group(self) -> Iterator[Finding]:
        """What became of each group that was there before."""
        now = {group.id: group for group in self.now.groups}
        for group in self.before.groups:
            finding = self._of(group, now.get(group.id))
            if finding is not None:
                yield finding

    def _of(self, group: Group, same: Group | None) -> Finding | None:
        had = _of_group(self.before, group.id)
        has = _of_group(self.now, group.id)
        if same is None:
            new = self._named(group)
            missing = self._missing(had, new)
            kind = Kind.GONE if new is None else Kind.RECREATED
            nobody = bool(had and group.members and new and not new.members)
            worth = missing or has or nobody
            return self._finding(kind, group, new, missing, has) if worth else None
        if group.members and not same.members:
            return self._finding(Kind.EMPTIED, group, same, (), ())
        vanished = self._missing(had, same)
        return self._finding(Kind.VANISHED, group, same, vanished, ()) if vanished else None

    def _named(self, group: Group) -> Group | None:
        """The group that has this one's name now; names are compared as people read them."""
        name = group.name.casefold()
        known = {one.id for one in self.before.groups}
        same = [one for one in self.now.groups if one.name.casefold() == name]
        return next((one for one in same if one.id not in known), same[0] if same else None)

    def _missing(self, had: Iterable[Assignment], new: Group | None) -> tuple[Assignment, ...]:
        """Those that the group of this name does not have now."""
        given = {one.access for one in _of_group(self.now, new.id)} if new else set()
        return tuple(one for one in had if one.access not in given)

    def _finding(
        self,
        kind: Kind,
        group: Group,
        new: Group | None,
        assignments: tuple[Assignment, ...],
        dead: tuple[Assignment, ...],
    ) -> Finding:
        held, people = _of_group(self.before, group.id), set(group.members)
        if kind is Kind.VANISHED and new is not None:
            held, people = assignments, people & set(new.members)
        had = {one.access for one in held}
        lost = []
        for member in people:
            without = had - self._has.get(member.user_id, set())
            if without:
                lost.append(Loss(member, tuple(sorted(without))))
        return Finding(kind, group, new, assignments, dead, tuple(sorted(lost)))

    def by_person(self) -> Iterator[Finding]:
        """Who is there still and was given something directly, and has it in no way any more."""
        there = {one.user_id: one for one in self.now.people}
        gone: dict[str, list[Assignment]] = defaultdict(list)
        for one in self.before.assignments:
            has = self._has.get(one.principal_id, set())
            if one.principal_type == USER and one.principal_id in there and one.access not in has:
                gone[one.principal_id].append(one)
        for user_id, held in sorted(gone.items()):
            person = there[user_id]
            lost = Loss(person, tuple(sorted(one.access for one in held)))
            group = Group(user_id, person.name, members=(person,))
            yield Finding(Kind.PERSON, group, None, tuple(held), (), (lost,))

    def dead(self) -> Iterator[Finding]:
        """Assignments to groups that neither look knows: dead for longer than we watch."""
        known = {one.id for one in (*self.before.groups, *self.now.groups)}
        orphans: dict[str, list[Assignment]] = defaultdict(list)
        for one in self.now.assignments:
            if one.principal_type == GROUP and one.principal_id not in known:
                orphans[one.principal_id].append(one)
        for principal, held in sorted(orphans.items()):
            yield Finding(Kind.DEAD, Group(principal, ""), None, (), tuple(held))


def _of_group(snapshot: Snapshot, group_id: str) -> tuple[Assignment, ...]:
    held = (GROUP, group_id)
    return tuple(
        one for one in snapshot.assignments if (one.principal_type, one.principal_id) == held
    )
