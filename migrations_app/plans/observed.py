"""The calls of an IAM user as actions of policies, and which of them need none any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from inventory.rights import known_actions
from inventory.rights.called import actions_of
from inventory.rights.escalation import listed
from migrations_app.plans.facts import PlanFacts, Used
from migrations_app.plans.granted import Grants


@dataclass(frozen=True, slots=True)
class Observed:
    """One action (lower case) of all calls that needed it.

    `resources`: what they acted on; nothing where one of them does not say.
    """

    action: str
    resources: tuple[str, ...]
    days: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """`actions`: what a new policy has to allow. `called`: all that was called, also the rest."""

    actions: tuple[Observed, ...]
    called: frozenset[str]
    notes: tuple[str, ...]


def observe(facts: PlanFacts, allowed: Grants) -> Seen:
    """What these facts show, and sentences about what of it is not carried over."""
    calls: dict[str, list[Used]] = {}
    for one in facts.used:
        needed = actions_of(one.service, one.action)
        for action in needed:
            # Of a copy nobody can tell which of the two is read and which is written.
            alone = one if len(needed) == 1 else replace(one, resources=())
            calls.setdefault(action, []).append(alone)
    own, unknown, beyond, kept = [], [], [], []
    for action, of in sorted(calls.items()):
        named = known_actions.spelled(action)
        if _is_about_itself(action, of, allowed, facts):
            own.append(named)
        elif action in allowed.actions:
            kept.append(_observed(action, of))
        elif known_actions.is_known(action):
            beyond.append(named)
        else:
            unknown.append(named)
    return Seen(tuple(kept), frozenset(calls), tuple(_notes(own, beyond, unknown)))


def _observed(action: str, of: list[Used]) -> Observed:
    whole = all(one.resources for one in of)
    resources = tuple(sorted({arn for one in of for arn in one.resources})) if whole else ()
    return Observed(action, resources, max(one.days for one in of), max(one.last_at for one in of))


def _is_about_itself(action: str, of: list[Used], allowed: Grants, facts: PlanFacts) -> bool:
    """Whether it managed the IAM user's own keys, password or MFA: there will be no such user."""
    if not action.startswith("iam:"):
        return False
    resources = {arn for one in of for arn in one.resources}
    if not resources:
        resources = {each for one in allowed.allowing(action) for each in one.resources}
    return bool(resources) and all(_is_own(one, facts) for one in resources)


def _is_own(arn: str, facts: PlanFacts) -> bool:
    if arn == facts.arn:
        return True
    kind = arn.split(":", 5)[-1].partition("/")[0]
    return kind in ("user", "mfa") and arn.rpartition("/")[2] == facts.user_name


def _notes(own: list[str], beyond: list[str], unknown: list[str]) -> Iterable[str]:
    if own:
        yield (
            f"Not carried over: {listed(own)} on the IAM user itself. There will be no such user "
            "to manage."
        )
    if beyond:
        yield (
            f"Used, but no policy of today allows it: {listed(beyond)}. A resource's own policy "
            "may name the user, or the right was taken away since."
        )
    if unknown:
        yield (
            f"No action is known by the name of these calls: {listed(unknown)}. Look at what they "
            "need before you apply this."
        )
