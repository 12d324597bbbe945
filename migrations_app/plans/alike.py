"""People with the same needs put together, so that few permission sets serve all. Pure.

Two are alike by what they do (which services, reading or writing), and may share a set only if
that gives none of them what he or she was not allowed before, on the very resources; if they had
the same denies and the same boundary; and if both or neither could become administrator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations

from inventory.rights import known_actions
from migrations_app.plans.facts import PlanFacts
from migrations_app.plans.granted import EVERYTHING, Grants, covers, grants
from migrations_app.plans.policy import Policy
from migrations_app.plans.statements import Statement

# Alike from here: half of what either does, both do.
_ALIKE = 0.5
# Down to so many sets, people are put together that are less alike, if they may be.
_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Need:
    """One person with the policy that the evidence calls for."""

    facts: PlanFacts
    policy: Policy
    allowed: Grants

    @property
    def name(self) -> str:
        return self.facts.user_name


@dataclass(frozen=True, slots=True)
class Together:
    """People who may share one set, and its statements."""

    people: tuple[Need, ...]
    statements: tuple[Statement, ...]
    features: frozenset[str]


def need(facts: PlanFacts, policy: Policy) -> Need:
    return Need(facts, policy, grants(facts))


def together(needs: Iterable[Need]) -> tuple[Together, ...]:
    """All of them in as few sets as may be; each in exactly one. Of one account."""
    ordered = sorted(needs, key=_by_name)
    groups = {
        number: Together((one,), one.policy.statements, _features(one.policy))
        for number, one in enumerate(ordered)
    }
    pairs: list[tuple[float, int, int]] = []
    for one, other in combinations(groups, 2):
        _weigh(pairs, groups, one, other)
    while pairs:
        unlike, one, other = heappop(pairs)
        if one not in groups or other not in groups:
            continue
        if -unlike < _ALIKE and len(groups) <= _ENOUGH:
            break
        made = _joined(groups[one], groups[other])
        if made is None:
            continue
        number = max(groups) + 1
        del groups[one], groups[other]
        groups[number] = made
        for each in list(groups)[:-1]:
            _weigh(pairs, groups, each, number)
    return tuple(sorted(groups.values(), key=lambda each: (-len(each.people), each.people[0].name)))


def _weigh(
    pairs: list[tuple[float, int, int]], groups: Mapping[int, Together], one: int, other: int
) -> None:
    likeness = _likeness(groups[one].features, groups[other].features)
    if likeness > 0:
        heappush(pairs, (-likeness, one, other))


def _joined(one: Together, other: Together) -> Together | None:
    """Both in one set; None if they may not share it."""
    people = tuple(sorted((*one.people, *other.people), key=_by_name))
    statements = _united(people)
    if not _may_share(people, statements):
        return None
    return Together(people, statements, one.features | other.features)


def _by_name(one: Need) -> tuple[str, str]:
    return one.name, one.facts.user_id


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    if not one and not other:
        return 1.0
    return len(one & other) / len(one | other)


def _features(policy: Policy) -> frozenset[str]:
    """`ecs reading`, `s3 writing`: what somebody does, without the single calls."""
    actions = known_actions.granted([one.lower() for one in policy.actions], ())
    if not policy.actions:
        return frozenset()
    return frozenset(
        f"{one.partition(':')[0]} {'reading' if known_actions.only_reads(one) else 'writing'}"
        for one in actions
    )


def _may_share(people: Sequence[Need], statements: Sequence[Statement]) -> bool:
    first = people[0]
    if any(one.facts.boundary != first.facts.boundary for one in people):
        return False
    if any(one.policy.powerful != first.policy.powerful for one in people):
        return False
    if any(_denies(one.policy) != _denies(first.policy) for one in people):
        return False
    allows = [one for one in statements if one.effect == "Allow"]
    return all(_was_allowed(one, each.allowed) for each in people for one in allows)


def _denies(policy: Policy) -> frozenset[Statement]:
    return frozenset(
        replace(one, sid="", why=()) for one in policy.statements if one.effect == "Deny"
    )


def _was_allowed(statement: Statement, allowed: Grants) -> bool:
    """Whether all that a statement allows was allowed before, under no more conditions."""
    for action in known_actions.granted([one.lower() for one in statement.actions], ()):
        before = [
            one
            for one in allowed.allowing(action)
            if not one.conditions or one.conditions == statement.conditions
        ]
        if statement.not_resources:
            if not any(one.not_resources == statement.not_resources for one in before):
                return False
        elif not all(any(covers(one, each) for one in before) for each in statement.resources):
            return False
    return True


def _united(people: Sequence[Need]) -> tuple[Statement, ...]:
    """The statements of all, each action once for each scope, and none beside one on everything."""
    groups: dict[Statement, list[Statement]] = {}
    for one in people:
        for statement in one.policy.statements:
            groups.setdefault(_bare(statement), []).append(statement)
    whole = {
        action
        for bare, of in groups.items()
        if bare.effect == "Allow" and EVERYTHING in bare.resources and not bare.conditions
        for one in of
        for action in one.actions
    }
    made: list[Statement] = []
    numbers: dict[str, int] = {}
    for bare, of in sorted(groups.items(), key=lambda pair: pair[0]):
        actions = {action for one in of for action in one.actions}
        if bare.effect == "Allow" and not (EVERYTHING in bare.resources and not bare.conditions):
            actions -= whole
        if not actions and bare.effect == "Allow":
            continue
        numbers[bare.sid] = numbers.get(bare.sid, 0) + 1
        number = numbers[bare.sid]
        why = tuple(sorted({each for one in of for each in one.why}))
        made.append(
            replace(
                bare,
                sid=f"{bare.sid}No{number}" if number > 1 else bare.sid,
                actions=tuple(sorted(actions)),
                why=why,
            )
        )
    return tuple(made)


def _bare(statement: Statement) -> Statement:
    """A statement without what may differ between people who share it."""
    stem = re.sub(r"No\d+$", "", statement.sid)
    if statement.effect == "Deny":
        return replace(statement, sid=stem, why=())
    return replace(statement, sid=stem, actions=(), why=())
