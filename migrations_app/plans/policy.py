"""A least-privilege policy from what an IAM user really did, with a reason for each doubt. Pure.

Three kinds of actions are kept: seen in CloudTrail, seen once or long ago, and guessed, because
CloudTrail does not show such calls and the service was used. None of them was not granted before.
Everything that is left out, widened or dangerous is said, never silently dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.rights import known_actions
from inventory.rights.escalation import listed
from inventory.rights.privilege import ADMIN_LEVELS, held, privilege
from migrations_app.plans import guessed, statements
from migrations_app.plans.facts import PlanFacts, Widened
from migrations_app.plans.granted import Grants, about_the_user, actions_of, grants
from migrations_app.plans.observed import Observed, observe
from migrations_app.plans.scope import Scope, scopes
from migrations_app.plans.statements import Statement

# Used at most on one day, or not for this long: kept, and marked for whoever reads the policy.
_LONG_AGO = timedelta(days=90)
_MOST_NAMED = 12
SEEN, RARE, GUESSED = "Seen", "Rare", "Guessed"


@dataclass(frozen=True, slots=True)
class Policy:
    """`used`: the actions that events show, as AWS spells them. `granted`: how many there were.

    `powerful`: whether it can lead to administrator rights; the ways are among the warnings.
    """

    statements: tuple[Statement, ...]
    used: tuple[str, ...]
    granted: int
    widened: tuple[Widened, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    powerful: bool = False

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action it allows, sorted."""
        allows = [one for one in self.statements if one.effect == "Allow"]
        return tuple(sorted({action for one in allows for action in one.actions}))

    @property
    def document(self) -> dict[str, Any]:
        """The whole policy; statements too large for a managed policy are cut."""
        whole = self.statements
        if statements.size(whole) > statements.INLINE:
            whole = tuple(one for part in self.documents(statements.MANAGED) for one in part)
        return statements.document(whole)

    def documents(self, limit: int) -> tuple[tuple[Statement, ...], ...]:
        """The statements in as few documents as AWS's sizes ask for."""
        return statements.split(self.statements, limit)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Each reason for a doubt once, with the statement it is about."""
        return tuple(f"{one.sid}: {why}" for one in self.statements for why in one.why)

    @property
    def words(self) -> str:
        """`Used 14 of 1,240 granted actions.`"""
        return f"Used {len(self.used):,} of {self.granted:,} granted actions."

    @property
    def had_everything(self) -> bool:
        """Whether the old user could do whatever there is."""
        return self.granted >= known_actions.everything()

    @property
    def dropped_share(self) -> float:
        """What share of the granted actions the new policy does not allow, from 0 to 1."""
        kept = known_actions.granted([one.lower() for one in self.actions], ())
        return 1 - len(kept) / self.granted if self.granted and self.actions else 1.0

    @property
    def dropped_words(self) -> str:
        """`99.8 % of what was granted is dropped.`; all of it only if it is all."""
        share = self.dropped_share
        shown = "All" if share == 1 else f"{math.floor(share * 1000) / 10:g} %"
        return f"{shown} of what was granted is dropped."


@dataclass(frozen=True, slots=True)
class _Kept:
    """One action (lower case) with where it is allowed, what kind it is, and why in doubt."""

    action: str
    kind: str
    scope: Scope
    why: str = ""


def draft(facts: PlanFacts) -> Policy:
    """The policy that these facts call for."""
    allowed = grants(facts)
    seen = observe(facts, allowed)
    guesses = guessed.guesses(facts, allowed, seen)
    kept = [
        *_seen(facts, allowed, seen.actions),
        *_guessed(facts, allowed, guesses.actions),
    ]
    made = [*_merged(kept, allowed), *_denied(allowed, {one.action for one in kept})]
    ways = _ways_up(made)
    return Policy(
        statements=tuple(made),
        used=tuple(sorted(known_actions.spelled(one.action) for one in seen.actions)),
        granted=len(allowed.actions),
        widened=tuple(sorted(set(_widened(kept)))),
        notes=(*seen.notes, *guesses.notes, *_about_conditions(allowed, kept)),
        warnings=(*_unread(facts), *guesses.warnings, *_about_denies(allowed), *ways),
        powerful=bool(ways),
    )


def _seen(facts: PlanFacts, allowed: Grants, seen: Sequence[Observed]) -> Iterator[_Kept]:
    for one in seen:
        allows = allowed.allowing(one.action)
        where = scopes(one.action, one.resources, allows, facts.partition, facts.account_id)
        why = _rarely(one, facts.evidence_from, facts.evidence_to)
        for scope in where:
            yield _Kept(one.action, RARE if why else SEEN, scope, why)


def _guessed(
    facts: PlanFacts, allowed: Grants, guesses: Iterable[guessed.Guess]
) -> Iterator[_Kept]:
    for one in guesses:
        allows = allowed.allowing(one.action)
        for scope in scopes(one.action, (), allows, facts.partition, facts.account_id):
            yield _Kept(one.action, GUESSED, scope, one.why)


def _rarely(one: Observed, since: datetime, until: datetime) -> str:
    """Why an action counts as rare, as a sentence; "" if it does not."""
    if one.last_at < until - _LONG_AGO:
        return f"Last used on {one.last_at:%Y-%m-%d}, not since."
    if one.days <= 1 and until - since >= _LONG_AGO:
        return f"Used on one day only, {one.last_at:%Y-%m-%d}."
    return ""


def _merged(kept: Sequence[_Kept], allowed: Grants) -> list[Statement]:
    """One statement for each kind, service and scope, in the order of kinds and services."""
    groups: dict[tuple[int, str, str, Scope], list[_Kept]] = {}
    for one in sorted(kept, key=_place):
        groups.setdefault(_place(one)[:4], []).append(one)
    counts: dict[str, int] = {}
    made: list[Statement] = []
    for group in groups.values():
        first = group[0]
        service = first.action.partition(":")[0]
        stem = first.kind + "".join(
            one for one in service.title() if one.isalnum() and one.isascii()
        )
        counts[stem] = counts.get(stem, 0) + 1
        made.append(
            Statement(
                sid=f"{stem}No{counts[stem]}" if counts[stem] > 1 else stem,
                actions=guessed.shortened({one.action for one in group}, allowed),
                resources=first.scope.resources,
                not_resources=first.scope.not_resources,
                conditions=first.scope.conditions,
                why=_reasons(group),
            )
        )
    return made


def _place(one: _Kept) -> tuple[int, str, str, Scope, str]:
    # The sentence about the scope is not what tells two scopes apart.
    bare = Scope(one.scope.resources, one.scope.not_resources, one.scope.conditions)
    order = (SEEN, RARE, GUESSED).index(one.kind)
    return order, one.action.partition(":")[0], repr(bare), bare, one.action


def _reasons(group: Sequence[_Kept]) -> tuple[str, ...]:
    """Each sentence once, with the actions it is about where it is not about all."""
    about: dict[str, set[str]] = {}
    for one in group:
        for why in (one.why, one.scope.why):
            if why:
                about.setdefault(why, set()).add(known_actions.spelled(one.action))
    everything = len({one.action for one in group})
    return tuple(
        why if len(actions) == everything else f"{_some(sorted(actions))}: {why}"
        for why, actions in about.items()
    )


def _some(words: Sequence[str]) -> str:
    if len(words) <= _MOST_NAMED:
        return listed(words)
    return f"{', '.join(words[:_MOST_NAMED])} and {len(words) - _MOST_NAMED} more"


def _widened(kept: Iterable[_Kept]) -> Iterator[Widened]:
    for one in kept:
        action = known_actions.spelled(one.action)
        if one.why:
            yield Widened(action, one.why)
        elif one.scope.everywhere and one.scope.why and not one.scope.why.startswith("AWS takes"):
            yield Widened(action, f"On everything. {one.scope.why}")


def _denied(allowed: Grants, kept: set[str]) -> Iterator[Statement]:
    """The denies of old that speak of what is kept: without them more would be allowed."""
    number = 0
    for one in allowed.denies:
        if any(about_the_user(each) for each in one.conditions) or not actions_of(one) & kept:
            continue
        number += 1
        yield Statement(
            sid="Denied" if number == 1 else f"DeniedNo{number}",
            effect="Deny",
            actions=one.actions,
            not_actions=one.not_actions,
            resources=one.resources,
            not_resources=one.not_resources,
            conditions=one.conditions,
            why=(f"Kept from {one.origin.words}.",),
        )


def _about_denies(allowed: Grants) -> Iterator[str]:
    for one in allowed.denies:
        keys = sorted({each.key for each in one.conditions if about_the_user(each)})
        if keys:
            yield (
                f"A deny in {one.origin.words} asks for {listed(keys)}, which a role's session "
                "does not have as the user had it. It is left out: ask for it where people sign in."
            )


def _about_conditions(allowed: Grants, kept: Iterable[_Kept]) -> Iterator[str]:
    actions = {one.action for one in kept}
    for one in allowed.allows:
        keys = sorted({each.key for each in one.conditions if about_the_user(each)})
        if keys and actions_of(one) & actions:
            yield (
                f"A condition on {listed(keys)} in {one.origin.words} is left out: it asks for "
                "what only the old user has."
            )


def _unread(facts: PlanFacts) -> Iterator[str]:
    for one in facts.unread:
        yield (
            f"AWS gave no document of {one.words}. What only it grants is missing here, even if "
            "it was used."
        )
    if facts.boundary:
        yield (
            f"The user was held within the boundary {facts.boundary}. It has to hold the new role "
            "too: it is no part of this policy."
        )


def _ways_up(made: Sequence[Statement]) -> tuple[str, ...]:
    """How the new policy itself could lead to administrator rights, as warnings."""
    judged = privilege([held("new", "inline", statements.document(made))], None, "")
    if judged.level not in ADMIN_LEVELS:
        return ()
    told = [
        path["text"].removesuffix(", through inline policy new") for path in judged.facts["paths"]
    ]
    more = judged.facts["paths_count"] - len(told)
    found = [f"It can lead to administrator rights: {one}." for one in told]
    return (*found, f"And {more} more ways.") if more > 0 else tuple(found)
