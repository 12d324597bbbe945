"""People: from each one's own policies to a few permission sets for all, given to groups. Pure.

Sets that exist come first, where one does; the others are drafted for people who do alike. Who is
nobody in Identity Center's directory is said with the reason. What is drafted stays within AWS's
limits (AWS_FACTS: name 32, inline 10,240 characters, 20 managed policies) or says that it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count

from inventory.rights import known_actions
from inventory.rights.escalation import listed
from migrations_app.plans import alike, policy, statements
from migrations_app.plans.directory import Directory, DirectoryGroup, Match, match
from migrations_app.plans.facts import PlanFacts
from migrations_app.plans.granted import grants
from migrations_app.plans.permission_sets import Catalogue, Fit, Needs, PermissionSet
from migrations_app.plans.policy import Policy
from migrations_app.plans.statements import Statement

LONGEST_NAME = 32
MOST_MANAGED = 20
# IAM's own quota of managed policies for one role, unless the account asked for more.
MANAGED_UNASKED = 10
_MOST_FITS = 5
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """One person: who it is in the directory, what it needs, and the set it gets.

    `fits`: the existing sets compared, the best first. `set_name` is "" for who used nothing.
    """

    facts: PlanFacts
    match: Match
    policy: Policy
    fits: tuple[Fit, ...]
    set_name: str

    @property
    def tightens(self) -> str:
        """What the person loses that was not used, in a sentence."""
        return f"{self.policy.words} {self.policy.dropped_words}"


@dataclass(frozen=True, slots=True)
class GroupChoice:
    """The group a set is given to. `id` is "" for one that is to be made, with its `members`.

    `has` says that the set is assigned to it in this account already.
    """

    name: str
    id: str = ""
    members: tuple[str, ...] = ()
    has: bool = False


@dataclass(frozen=True, slots=True)
class SetPlan:
    """One permission set for people who do alike in one account.

    `arn` is "" for a drafted one; then `inline` and `managed` are its policies.
    """

    name: str
    account_id: str
    people: tuple[PersonPlan, ...]
    group: GroupChoice
    arn: str = ""
    inline: tuple[Statement, ...] = ()
    managed: tuple[tuple[Statement, ...], ...] = ()
    boundary: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def tightens(self) -> str:
        """`7 of its 9 people had every action there is. Together they used 41 of up to …`"""
        return tightens(
            len(self.people),
            sum(one.policy.had_everything for one in self.people),
            len({action for one in self.people for action in one.policy.used}),
            max((one.policy.granted for one in self.people), default=0),
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """All people in few sets. `unmatched`: who is nobody in the directory; their `match` says why.

    `idle`: people whose evidence calls for no right at all.
    """

    sets: tuple[SetPlan, ...]
    people: tuple[PersonPlan, ...]

    @property
    def unmatched(self) -> tuple[PersonPlan, ...]:
        return tuple(one for one in self.people if one.match.user is None)

    @property
    def idle(self) -> tuple[PersonPlan, ...]:
        return tuple(one for one in self.people if not one.set_name)


@dataclass(frozen=True, slots=True)
class _Person:
    """`group`: through which the person has the best set already."""

    need: alike.Need
    match: Match
    fits: tuple[Fit, ...]
    group: DirectoryGroup | None = None

    def plan(self, set_name: str) -> PersonPlan:
        one = self.need
        return PersonPlan(one.facts, self.match, one.policy, self.fits[:_MOST_FITS], set_name)


def propose(
    people: Iterable[PlanFacts], existing: Iterable[PermissionSet], directory: Directory
) -> Proposal:
    """Permission sets for these people, account by account."""
    catalogue = Catalogue(existing)
    taken = set(catalogue.names)
    given = _Given(directory)
    ordered = sorted(people, key=lambda one: (one.account_id, one.user_name, one.user_id))
    persons = [_person(one, catalogue, given) for one in ordered]
    sets: list[SetPlan] = []
    for account_id in dict.fromkeys(one.account_id for one in ordered):
        mine = [one for one in persons if one.need.facts.account_id == account_id]
        sets += _existing(mine, account_id, directory)
        for made in alike.together(one.need for one in mine if _is_drafted(one)):
            those = [one for one in mine if one.need in made.people]
            sets.append(_drafted(made, those, account_id, directory, taken))
    named = {id_of(each.facts): each for one in sets for each in one.people}
    told = tuple(named.get(id_of(one.need.facts)) or one.plan("") for one in persons)
    return Proposal(tuple(sets), told)


def id_of(facts: PlanFacts) -> tuple[str, str]:
    """What an IAM user is known by."""
    return facts.account_id, facts.user_id


class _Given:
    """Which groups have which set in which account, and who is in them."""

    def __init__(self, directory: Directory) -> None:
        self.users = directory.users
        groups = {one.id: one for one in directory.groups}
        self._having: dict[tuple[str, str], list[DirectoryGroup]] = {}
        for arn, account, group in sorted(directory.assignments):
            if group in groups:
                self._having.setdefault((arn, account), []).append(groups[group])

    def group(self, arn: str, account_id: str, match: Match) -> DirectoryGroup | None:
        """The group through which this person has the set in this account already."""
        person = match.user.id if match.user else ""
        rows = (one for one in self._having.get((arn, account_id), ()) if person in one.members)
        return min(rows, key=lambda one: (one.name, one.id), default=None)


def _person(facts: PlanFacts, catalogue: Catalogue, given: _Given) -> _Person:
    drafted = policy.draft(facts)
    seen = frozenset(one.lower() for one in drafted.used)
    kept = known_actions.granted([one.lower() for one in drafted.actions], ())
    needs = Needs(seen, kept if drafted.actions else frozenset(), grants(facts).actions)
    found = catalogue.fits(needs) if drafted.actions else ()
    who = match(facts, given.users)
    # Of the sets that would do, one that the person has already comes first: no access is new then.
    has = {one.arn: given.group(one.arn, facts.account_id, who) for one in found}
    found = tuple(sorted(found, key=lambda one: bool(one.why_not) or has[one.arn] is None))
    group = has[found[0].arn] if found and not found[0].why_not else None
    return _Person(alike.need(facts, drafted), who, found, group)


def _best(one: _Person) -> Fit | None:
    return one.fits[0] if one.fits and not one.fits[0].why_not else None


def _is_drafted(one: _Person) -> bool:
    return _best(one) is None and bool(one.need.policy.actions)


def _existing(persons: Sequence[_Person], account_id: str, directory: Directory) -> list[SetPlan]:
    by_set: dict[tuple[str, str, str], list[_Person]] = {}
    for one in persons:
        if (fit := _best(one)) is not None:
            group_id = one.group.id if one.group else ""
            by_set.setdefault((fit.name, fit.arn, group_id), []).append(one)
    found = []
    for (name, arn, _), those in sorted(by_set.items()):
        having = those[0].group
        group = _known(having, has=True) if having else _group(name, account_id, those, directory)
        found.append(
            SetPlan(
                name=name,
                account_id=account_id,
                people=tuple(one.plan(name) for one in those),
                group=group,
                arn=arn,
                warnings=_nobodies(those),
            )
        )
    return found


def _drafted(
    made: alike.Together,
    those: Sequence[_Person],
    account_id: str,
    directory: Directory,
    taken: set[str],
) -> SetPlan:
    name = _set_name(made, taken)
    taken.add(name)
    inline, managed = _policies(made.statements)
    warnings = [*_too_many(len(managed)), *_nobodies(those)]
    warnings += dict.fromkeys(each for one in those for each in one.need.policy.warnings)
    return SetPlan(
        name=name,
        account_id=account_id,
        people=tuple(one.plan(name) for one in those),
        group=_group(name, account_id, those, directory),
        inline=inline,
        managed=managed,
        boundary=those[0].need.facts.boundary,
        warnings=tuple(warnings),
    )


def _policies(
    found: Sequence[Statement],
) -> tuple[tuple[Statement, ...], tuple[tuple[Statement, ...], ...]]:
    """What fits inline, and the rest as managed policies of the account."""
    if statements.size(tuple(found)) <= statements.INLINE:
        return tuple(found), ()
    first, *_ = statements.split(found, statements.INLINE)
    sids = {one.sid for one in first}
    rest = [one for one in found if one.sid not in sids]
    if len(rest) + len(first) != len(found):
        # A single statement was cut, so that it has to be looked at from its start.
        return (), statements.split(found, statements.MANAGED)
    return first, statements.split(rest, statements.MANAGED)


def _too_many(managed: int) -> list[str]:
    if managed > MOST_MANAGED:
        return [f"It takes {managed} managed policies, and a set takes {MOST_MANAGED}. Split it."]
    if managed > MANAGED_UNASKED:
        return [
            f"It takes {managed} managed policies: raise IAM's quota of {MANAGED_UNASKED} for a "
            "role in the account first."
        ]
    return []


def _nobodies(those: Sequence[_Person]) -> tuple[str, ...]:
    names = [one.need.name for one in those if one.match.user is None]
    if not names:
        return ()
    return (f"Nobody in Identity Center is found for {_few(names)}.",)


def _few(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return listed(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED} others"


def _set_name(made: alike.Together, taken: set[str]) -> str:
    """`PaymentsAccess`, `EcsSqsAccess`, `PlatformReadOnly`: by team, else by what is done."""
    teams = {one.facts.team_key or one.facts.team for one in made.people}
    writing = sorted(one.partition(" ")[0] for one in made.features if one.endswith("writing"))
    reading = sorted(one.partition(" ")[0] for one in made.features if one.endswith("reading"))
    about = teams.pop() if len(teams) == 1 else " ".join((writing or reading)[:2])
    stem = "".join(part[:1].upper() + part[1:] for part in re.findall("[A-Za-z0-9]+", about))
    kind = "Access" if writing else "ReadOnly"
    base = f"{stem or 'Team'}{kind}"
    if len(base) > LONGEST_NAME - 3:
        mark = sha256(about.encode("utf-8", "surrogatepass")).hexdigest()[:4]
        base = f"{stem[: LONGEST_NAME - 7 - len(kind)]}{mark}{kind}"
    lowered = {one.lower() for one in taken}
    numbered = (f"{base}{number}" for number in count(2))
    return next(one for one in chain([base], numbered) if one.lower() not in lowered)


def _group(
    set_name: str, account_id: str, those: Sequence[_Person], directory: Directory
) -> GroupChoice:
    """The group whose members are just these people, or one to be made.

    A group with somebody else in it would give that person what nobody asked for.
    """
    members = {one.match.user.id for one in those if one.match.user is not None}
    for group in sorted(directory.groups, key=lambda one: (one.name, one.id)):
        if members and set(group.members) == members:
            return _known(group)
    names = sorted(one.match.user.user_name for one in those if one.match.user is not None)
    return GroupChoice(f"aws-{account_id}-{set_name}", members=tuple(dict.fromkeys(names)))


def _known(group: DirectoryGroup, *, has: bool = False) -> GroupChoice:
    return GroupChoice(group.name, group.id, group.members, has)


def tightens(people: int, everything: int, used: int, granted: int) -> str:
    """What a set takes away from its people: of how many `everything` was allowed, how many actions
    they used together, and how many the widest of them was `granted`.
    """
    if people == 1:
        had = "Its one person had every action there is. " if everything else ""
        return f"{had}Used {used:,} of {granted:,} granted actions."
    had = f"{everything} of its {people} people had every action there is. " if everything else ""
    return f"{had}Together they used {used:,} of up to {granted:,} granted actions."
