"""On what a kept action is allowed: what the evidence names, within what was granted. Pure.

Resources that machines make and throw away (instances, objects) stand as a pattern of their kind;
what an action needs besides what was seen is added as a pattern too. Nothing here reaches further
than the statement that allowed the action before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from inventory.rights import resource_types
from inventory.rights.resource_types import ResourceType
from migrations_app.plans.facts import Condition, Granted
from migrations_app.plans.granted import EVERYTHING, about_the_user, covers

_MOST_OF_A_KIND = 5
# i-0abc…, vol-…, eni-…: gone tomorrow.
_MADE = re.compile(r"(instance|volume|snapshot|network-interface|spot-instances-request|task|"
                   r"container-instance|execution|command|session|image)[/:]")  # fmt: skip
_OBJECT = re.compile(r"(arn:[^:]*:s3:::[^/]+)/.+")
_LOG_GROUP = re.compile(r"arn:[^:]*:logs:[^:]*:[^:]*:log-group:[^:]+")
_INSIDE = ":*"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an action is allowed, and a sentence about why just there ("" if it needs none)."""

    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    why: str = ""

    @property
    def everywhere(self) -> bool:
        return EVERYTHING in self.resources


def scopes(
    action: str, seen: Iterable[str], allows: Iterable[Granted], partition: str, account_id: str
) -> tuple[Scope, ...]:
    """The scopes of one action (lower case), one for each statement that is needed for it.

    `seen`: the ARNs that its events named. `allows`: the statements that allowed it, those without
    a condition first.
    """
    kinds = resource_types.of_action(action)
    if not kinds:
        return _as_granted(allows, "AWS takes no resource for it.")
    fitting = [one for one in seen if any(kind.fits(one) for kind in kinds)]
    wanted = [one for kind in kinds for one in _of_kind(kind, fitting, partition, account_id)]
    wanted = sorted(set(wanted))
    found: list[Scope] = []
    for allow in allows:
        mine = [one for one in wanted if covers(allow, one)]
        wanted = [one for one in wanted if one not in mine]
        if not mine:
            continue
        needed = _missing(kinds, mine, partition, account_id)
        if not all(covers(allow, one) for one in needed):
            found.append(_whole(allow, "Its events name some resources, but not all it needs."))
            continue
        why = "It needs these kinds besides what its events name." if needed else ""
        found.append(Scope(tuple(sorted({*mine, *needed})), (), _kept(allow), why))
    return tuple(found) or _as_granted(allows, "No event names a resource.")


def _of_kind(kind: ResourceType, seen: Iterable[str], partition: str, account_id: str) -> list[str]:
    """What was seen of one kind; as a pattern where it is many or of a passing nature."""
    mine = [_OBJECT.sub(r"\1/*", one) for one in seen if kind.fits(one)]
    mine = list(dict.fromkeys(mine))
    passing = any(_MADE.search(one.split(":", 5)[-1]) for one in mine)
    if mine and (passing or len(mine) > _MOST_OF_A_KIND) and "s3:::" not in kind.template:
        return [kind.everything(partition, account_id)]
    # Nearly all calls about a log group are allowed by its ARN with `:*` behind, tagging by the
    # bare one (CloudWatch Logs user guide, "Overview of managing access permissions").
    return [*mine, *(f"{one}{_INSIDE}" for one in mine if _LOG_GROUP.fullmatch(one))]


def _missing(
    kinds: tuple[ResourceType, ...], have: list[str], partition: str, account_id: str
) -> list[str]:
    """The kinds a statement must name besides those it has, as patterns.

    Where none is required, they are alternatives; where one is, the others may be asked for too.
    """
    if not any(kind.required for kind in kinds):
        return []
    return [
        kind.everything(partition, account_id)
        for kind in kinds
        if not any(kind.fits(one.removesuffix(_INSIDE)) for one in have)
    ]


def _as_granted(allows: Iterable[Granted], why: str) -> tuple[Scope, ...]:
    found: list[Scope] = []
    for allow in allows:
        scope = _whole(allow, why)
        if not any(_within(scope, other) for other in found):
            found.append(scope)
    return tuple(found)


def _within(scope: Scope, other: Scope) -> bool:
    """Whether what one allows the other allows too, without a condition."""
    if other.conditions and other.conditions != scope.conditions:
        return False
    return other.everywhere or (
        other.resources == scope.resources and other.not_resources == scope.not_resources
    )


def _whole(allow: Granted, why: str) -> Scope:
    return Scope(allow.resources, allow.not_resources, _kept(allow), why)


def _kept(allow: Granted) -> tuple[Condition, ...]:
    return tuple(one for one in allow.conditions if not about_the_user(one))
