"""How far an IAM user's permissions reach. Pure.

Only what is allowed is read: denies, boundaries and conditions can narrow it, so this errs towards
"more" and says so. The fence itself therefore changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inventory.rights import escalation, known_actions
from inventory.rights.escalation import Held, Path, PowerfulRole, Ways
from inventory.rights.reach import Reach, reach

# The levels; NOT_LOOKED_AT is what a user has before its policies were read.
ADMIN, CAN_BECOME_ADMIN, WRITE, READ, NONE = "admin", "can-become-admin", "write", "read", "none"
NOT_LOOKED_AT = ""
# Whoever is treated with care for its rights: those who have them, and those who can take them.
ADMIN_LEVELS = (ADMIN, CAN_BECOME_ADMIN)
# From least to most.
LEVELS = (NONE, READ, WRITE, CAN_BECOME_ADMIN, ADMIN)
_MOST_PATHS = 8
_MOST_SERVICES = 40
_ADMINISTRATORS = ("AdministratorAccess", "IAMFullAccess")
_DENIERS = ("AWSDenyAll", "AWSCompromisedKeyQuarantine")


@dataclass(frozen=True, slots=True)
class Privilege:
    """A level, and what the page says of it: JSON for `IamUser.privilege_facts`, a few KiB."""

    level: str
    facts: dict[str, Any]


def held(name: str, kind: str, document: object, *, arn: str = "", group: str = "") -> Held:
    """A policy with its document measured; `document` None where AWS gave none.

    The administrator's own policies are known by name even then.
    """
    if document is None and kind == "aws-managed" and name in _ADMINISTRATORS:
        action = "*" if name == _ADMINISTRATORS[0] else "iam:*"
        document = {"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
    measured = None if document is None else reach(document)
    return Held(name, kind, arn, group, measured)


def privilege(
    policies: Sequence[Held], roles: Sequence[PowerfulRole] | None, arn: str
) -> Privilege:
    """The level that these policies give the user or role with this ARN, with paths and sources.

    `roles`: see `escalation.ways`.
    """
    level, found = _level(policies, roles, arn)
    unread = [text for one in policies if (text := _unread(one))]
    if unread and level == NONE:
        level = NOT_LOOKED_AT
    reaches = [one.reach for one in policies if one.reach is not None]
    services = _services(reaches)
    return Privilege(
        level,
        {
            "paths": [_told(path) for path in found.paths[:_MOST_PATHS]],
            "paths_count": len(found.paths),
            "missing": [_told(path) for path in found.missing[:_MOST_PATHS]],
            "missing_count": len(found.missing),
            "policies": [_row(one, roles, arn) for one in policies],
            "services": services if len(services) <= _MOST_SERVICES else {},
            "services_count": min(len(services), known_actions.services()) if reaches else 0,
            "conditions": any(one.conditional for one in reaches),
            "denies": any(
                one.reach is not None and one.reach.denies and not one.name.startswith(_DENIERS)
                for one in policies
            ),
            "unread": unread,
            "unknown_actions": sorted({each[:80] for one in reaches for each in one.unknown})[:10],
        },
    )


def is_powerful(judged: Privilege) -> bool:
    """Administrator, or able to become one by a way that no condition may close.

    For what others can reach through this role: a chain of "perhaps" would call everybody one.
    """
    if judged.level == ADMIN:
        return True
    return any(not path["conditional"] for path in judged.facts["paths"])


def _higher(one: str, other: str) -> str:
    return max(one, other, key=LEVELS.index)


def _level(
    policies: Sequence[Held], roles: Sequence[PowerfulRole] | None, arn: str
) -> tuple[str, Ways]:
    if administrator := escalation.administrator(policies):
        return ADMIN, Ways(paths=administrator)
    found = escalation.ways(policies, roles, arn)
    level = CAN_BECOME_ADMIN if found.paths else NONE
    for one in policies:
        level = _higher(level, _level_alone(one.reach))
    return level, found


def _level_alone(measured: Reach | None) -> str:
    if measured is None or not measured.services:
        return NONE
    return WRITE if "write" in measured.services.values() else READ


def _services(reaches: Iterable[Reach]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in reaches:
        for service, level in one.services.items():
            found[service] = _higher(found.get(service, level), level)
    return dict(sorted(found.items()))


def _unread(one: Held) -> str:
    """Why this policy may grant more than is shown, as a sentence; "" if it was read whole."""
    name = f"{one.words[:1].upper()}{one.words[1:]}"
    if one.reach is None:
        return f"{name} was not given by AWS."
    if one.reach.problems:
        return f"{name} could not be analysed whole: {' '.join(one.reach.problems)}"
    return ""


def _told(path: Path) -> dict[str, Any]:
    return {"text": path.text, "conditional": path.conditional}


def _row(one: Held, roles: Sequence[PowerfulRole] | None, arn: str) -> dict[str, Any]:
    """One policy for the table of the page."""
    measured = one.reach or Reach()
    services = measured.services
    return {
        "name": one.name,
        "kind": one.kind,
        "group": one.group,
        "arn": one.arn,
        "level": _level([one], roles, arn)[0],
        "every_action": measured.every_action,
        "actions": measured.actions,
        "services": list(services) if len(services) <= _MOST_SERVICES else [],
        "services_count": len(services),
        "patterns": list(measured.patterns),
        "unread": _unread(one),
    }
