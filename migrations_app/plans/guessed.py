"""The actions that are kept though no event shows them, each with the reason for the guess. Pure.

A guess is bounded: it is about a service that was used, within what was granted, and never about
who may do what (permissions management), unless a policy named such an action outright.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from inventory.rights import known_actions
from inventory.rights.escalation import listed
from inventory.rights.reach import PASS_ROLE
from migrations_app.plans import data_plane
from migrations_app.plans.facts import PlanFacts, Unlogged
from migrations_app.plans.granted import EVERYTHING, Grants
from migrations_app.plans.observed import Seen

# As many actions of one service may be kept on the word of Access Advisor alone.
_FEW = 20
_TAGS = re.compile(r":(create|add)tags|:tagresource$")
_PASSES_ANY = (
    "iam:PassRole stands on every role, as before. Name the roles that are passed before you apply "
    "this: whoever passes an administrator's role has its rights."
)
_VERB = re.compile(r"[a-z0-9-]+:[A-Z][a-z]+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Guess:
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Guesses:
    actions: tuple[Guess, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def guesses(facts: PlanFacts, allowed: Grants, seen: Seen) -> Guesses:
    """What to keep beside what was seen."""
    found: list[Guess] = []
    notes: list[str] = []
    warnings: list[str] = []
    told = {one.service: one for one in facts.unlogged}
    called = {action.partition(":")[0] for action in seen.called}
    for service in sorted(called | told.keys()):
        granted = {one for one in allowed.actions if one.partition(":")[0] == service}
        data = data_plane.ACTIONS.get(service, frozenset()) & granted
        data -= {one for one in data if _is_too_much(one, allowed)}
        logged = seen.called & data_plane.ACTIONS.get(service, frozenset())
        rest = data - seen.called
        likely = service in told or service in data_plane.MOSTLY
        if rest and likely and not logged:
            why = _unseen(service, told.get(service))
            found += [Guess(action, why) for action in sorted(rest)]
        elif logged and service in called:
            notes.append(f"CloudTrail logs the {data_plane.words(service)} of {service} here.")
        if service in told and service not in called and not data:
            kept, warning = _by_word(told[service], granted, facts.evidence_from)
            found += kept
            warnings += [warning] if warning else []
    needed = list(_needed(allowed, seen))
    if any(one.action == PASS_ROLE for one in needed) and _on_everything(allowed):
        warnings.append(_PASSES_ANY)
    return Guesses((*found, *needed), tuple(notes), tuple(warnings))


def _needed(allowed: Grants, seen: Seen) -> Iterator[Guess]:
    """Passing a role, tagging what is made: needed by other calls, with no event of its own."""
    by: dict[str, list[str]] = {}
    for one in seen.actions:
        for action in known_actions.dependents(one.action) & allowed.actions - seen.called:
            if action == PASS_ROLE or _TAGS.search(action):
                by.setdefault(action, []).append(known_actions.spelled(one.action))
    for action, callers in sorted(by.items()):
        yield Guess(action, f"No event shows it, and it may be needed for {listed(callers)}.")


def _on_everything(allowed: Grants) -> bool:
    return any(EVERYTHING in one.resources for one in allowed.allowing(PASS_ROLE))


def _unseen(service: str, told: Unlogged | None) -> str:
    what = data_plane.words(service)
    text = f"CloudTrail does not show {what} in {service}"
    if told is None:
        return f"{text}, and the service is used."
    return f"{text}; {told.source} saw the service used on {told.last_at:%Y-%m-%d}."


def _is_too_much(action: str, allowed: Grants) -> bool:
    """Permissions management that was granted only by a star."""
    if not known_actions.changes_permissions(action):
        return False
    return not any(
        action in (named.lower() for named in one.actions) for one in allowed.allowing(action)
    )


def _by_word(told: Unlogged, granted: set[str], evidence_from: datetime) -> tuple[list[Guess], str]:
    """For a service that no event shows though CloudTrail would: used before, or not logged."""
    when = f"{told.source} saw {told.service} used on {told.last_at:%Y-%m-%d}"
    why = (
        f"{when}, before the events begin."
        if told.last_at < evidence_from
        else (f"{when}, and no event shows what for.")
    )
    mine = {one for one in granted if not known_actions.changes_permissions(one)}
    if not mine:
        return [], f"{why} None of its actions is granted today, so none is kept."
    if len(mine) <= _FEW:
        return [Guess(action, why) for action in sorted(mine)], ""
    reading = sorted(action for action in mine if known_actions.only_reads(action))
    rest = len(mine) - len(reading)
    warning = (
        f"{why} {len(reading):,} reading actions of it are kept and {rest:,} others are not: ask "
        "its owner which it needs."
    )
    return [Guess(action, why) for action in reading], warning


def shortened(actions: set[str], allowed: Grants) -> tuple[str, ...]:
    """Actions as AWS spells them; hundreds of one verb as `ec2:Describe*`, where that is no more.

    No more today, because every action of that pattern is among them, and none tomorrow, because
    the old policies allowed the whole pattern too.
    """
    if len(actions) <= _FEW:
        return tuple(sorted(known_actions.spelled(one) for one in actions))
    groups: dict[str, set[str]] = {}
    for action in actions:
        verb = _VERB.match(known_actions.spelled(action))
        groups.setdefault(f"{verb[0]}*" if verb else action, set()).add(action)
    found: list[str] = []
    for pattern, of in groups.items():
        whole = known_actions.granted((pattern.lower(),), ()) == of
        if len(of) > 2 and whole and _is_granted(pattern, allowed):
            found.append(pattern)
        else:
            found += [known_actions.spelled(one) for one in of]
    return tuple(sorted(found))


def _is_granted(pattern: str, allowed: Grants) -> bool:
    return any(
        known_actions.wildcard(named.lower()).match(pattern.lower())
        for one in allowed.allows
        for named in one.actions
        if "?" not in named
    )
