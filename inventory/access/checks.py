"""What a test of access looks at, one line each: the same rows are its plan and its result. Pure.

Nothing here changes an account. The reader's permissions are tried with harmless requests. What
the change roles may do cannot be tried without doing it, so their policies are read as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from inventory.aws import actions

Status = Literal["waiting", "done", "failed", "attention", "untried"]
Kind = Literal["assume", "without-id", "wrong-id", "call", "region", "policy", "names", "too-much"]
# Which worker does it: only those who will use a role can tell whether they may assume it.
Part = Literal["read", "write"]

CHANGE_ROLES = ("actor", "deleter")
# What the lines say that rest on a session which could not be opened.
NOT_ASSUMED = "Not tried: the reader role could not be assumed."
_SESSION: frozenset[Kind] = frozenset({"assume", "without-id", "wrong-id"})
_TEXTS: Mapping[Kind, str] = {
    "assume": "The role can be assumed",
    "without-id": "Refused without the external ID",
    "wrong-id": "Refused with another external ID",
    "names": "Says in CloudTrail who approved",
    "too-much": "Can give nobody access",
}


class Check(TypedDict):
    """One line. `said` are AWS's own words, `advice` what to do about them."""

    role: str
    kind: Kind
    text: str
    region: str
    needed: bool
    status: Status
    said: str
    advice: str


def planned(roles: Mapping[str, str], writes: Mapping[str, Iterable[str]]) -> list[Check]:
    """The lines of a test of `roles` (reader, actor, deleter -> ARN), in order.

    `writes`: what the shipped policy of a change role allows. A reader without ARN reads with the
    ambient credentials, which nobody assumes.
    """
    lines = [_line("reader", "assume")]
    if roles.get("reader"):
        lines += [_line("reader", "without-id"), _line("reader", "wrong-id")]
    lines += [_line("reader", "call", action, needed=_needed(action)) for action in _reads()]
    if roles.get("reader"):
        lines.append(_line("reader", "too-much", needed=False))
    for role in CHANGE_ROLES:
        if not roles.get(role):
            continue
        lines += [_line(role, "policy", action) for action in writes.get(role, ())]
        lines += [_line(role, "names", needed=False), _line(role, "too-much")]
        lines += [_line(role, kind) for kind in ("assume", "without-id", "wrong-id")]
    return lines


def regional(regions: Iterable[str]) -> list[Check]:
    """A line for the event history of each Region."""
    action = "cloudtrail:LookupEvents"
    return [_line("reader", "region", action, region=region) for region in sorted(regions)]


def part_of(check: Mapping[str, Any]) -> Part:
    """Whose work this line is."""
    by_writer = check["role"] in CHANGE_ROLES and check["kind"] in _SESSION
    return "write" if by_writer else "read"


def waiting(checks: Iterable[Check], part: Part) -> list[Check]:
    """What is left to that worker."""
    return [one for one in checks if one["status"] == "waiting" and part_of(one) == part]


def passed(checks: Iterable[Check], role: str) -> bool:
    """Whether everything that this role needs is there; false where it was never looked at."""
    own = [one for one in checks if one["role"] == role and one["needed"]]
    return bool(own) and all(one["status"] in ("done", "untried") for one in own)


def first_wrong(checks: Iterable[Check], role: str) -> Check | None:
    """The first needed line of this role that is not so."""
    own = (one for one in checks if one["role"] == role and one["needed"])
    return next((one for one in own if one["status"] not in ("done", "untried")), None)


def _reads() -> list[str]:
    """The reader's actions, users and account first; LookupEvents has a line for each Region."""
    first = [*_of("iam"), "ec2:DescribeRegions"]
    rest = [one for one in actions.ACCOUNT_WIDE if one not in (*first, "cloudtrail:LookupEvents")]
    return [*first, *rest, *actions.ON_THE_ORGANIZATION]


def _of(service: str) -> list[str]:
    named = (*actions.ACCOUNT_WIDE, *actions.ON_USERS)
    return [one for one in named if one.startswith(f"{service}:")]


def _needed(action: str) -> bool:
    return action.startswith("iam:") or action == "ec2:DescribeRegions"


def _line(
    role: str, kind: Kind, action: str = "", *, region: str = "", needed: bool = True
) -> Check:
    return {
        "role": role,
        "kind": kind,
        "text": action or _TEXTS[kind],
        "region": region,
        "needed": needed,
        "status": "waiting",
        "said": "",
        "advice": "",
    }
