"""The ways in which somebody who is no administrator can become one, as sentences. Pure.

Which actions lead there is cloudsplaining's knowledge; here they are brought together over all of
a user's policies, with what they are limited to and with the roles that the account really has: a
service can hand over an administrator's rights only if an administrator's role trusts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from inventory.referrers.principals import EVERYBODY, PERHAPS_EVERYBODY
from inventory.rights import known_actions
from inventory.rights.known_actions import wildcard
from inventory.rights.reach import ASSUME_ROLE, PASS_ROLE, Reach, Scope

# Allowed on oneself they only renew what one has.
_SELF_SERVICE = frozenset(
    {
        "iam:createaccesskey",
        "iam:deleteaccesskey",
        "iam:createloginprofile",
        "iam:updateloginprofile",
    }
)
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_MOST_ON = 2


@dataclass(frozen=True, slots=True)
class Held:
    """One policy that a user or role has. `kind`: inline, managed or aws-managed.

    `group`: the group that it comes through, or "". `reach` is None where AWS gave no document.
    """

    name: str
    kind: str
    arn: str = ""
    group: str = ""
    reach: Reach | None = None

    @property
    def words(self) -> str:
        """`policy deploy in group ci`, `inline policy deploy`."""
        kind = "inline policy" if self.kind == "inline" else "policy"
        return f"{kind} {self.name}" + (f" in group {self.group}" if self.group else "")


@dataclass(frozen=True, slots=True)
class PowerfulRole:
    """A role with administrator rights, or one that can take them, and whom it trusts."""

    arn: str
    principals: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Path:
    """One way up. `conditional`: a condition may close it, which was not weighed."""

    text: str
    conditional: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """`paths` are open; `missing` would be, if the account had an administrator's role for them."""

    paths: tuple[Path, ...] = ()
    missing: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Grant:
    held: Held
    scope: Scope


@lru_cache(maxsize=1)
def direct_actions() -> frozenset[str]:
    """The actions that each lead to administrator rights by themselves, within IAM."""
    alone = (next(iter(one)) for one in known_actions.escalation_methods() if len(one) == 1)
    return frozenset(action for action in alone if action.startswith("iam:"))


def administrator(held: Sequence[Held]) -> tuple[Path, ...]:
    """Which policies make an administrator; empty for who is none.

    That is every action on everything, or all of IAM that matters on everything: by one policy, or
    by all of them together.
    """
    found = [
        Path(f"{_all_of(one.reach)} on everything, through {one.words}", one.reach.conditional)
        for one in held
        if one.reach is not None and (one.reach.every_action or _is_iam_whole([one.reach]))
    ]
    if found:
        return tuple(found)
    reaches = [one.reach for one in held if one.reach is not None]
    if not _is_iam_whole(reaches):
        return ()
    sources = [one for one in held if one.reach and _in_part(one.reach)]
    text = f"All of IAM on everything, through {listed([one.words for one in sources])}"
    return (Path(text, any(one.reach and one.reach.conditional for one in sources)),)


def _all_of(measured: Reach) -> str:
    return "Every action" if measured.every_action else "All of IAM"


def _is_iam_whole(reaches: Sequence[Reach]) -> bool:
    return all(any(one.allows_everywhere(each) for one in reaches) for each in direct_actions())


def _in_part(measured: Reach) -> bool:
    return any(measured.allows_everywhere(each) for each in direct_actions())


def ways(held: Sequence[Held], roles: Sequence[PowerfulRole] | None, arn: str) -> Ways:
    """How the user or role with this ARN can become administrator with what it holds.

    `roles`: the powerful roles of its account; None if they are not known, and then each way
    through a role counts as open.
    """
    grants = _grants(held, arn)
    paths: list[Path] = []
    missing: list[Path] = []
    for method in known_actions.escalation_methods():
        if not method <= grants.keys():
            continue
        chosen = _chosen(method, grants)
        if _is_direct(method) or roles is None:
            paths.append(_path(chosen))
            continue
        takers = _takers(method, grants, roles)
        if takers:
            paths.append(_path(chosen, takers[0]))
        else:
            missing.append(_path(chosen))
    paths += _assumable(grants, roles or (), arn)
    # What no condition may close comes first.
    paths.sort(key=lambda path: path.conditional)
    return Ways(tuple(paths), tuple(missing))


def _grants(held: Sequence[Held], arn: str) -> dict[str, list[_Grant]]:
    """For each telling action where it comes from, the widest first."""
    found: dict[str, list[_Grant]] = {}
    for one in held:
        for action, scopes in one.reach.scopes.items() if one.reach else ():
            useful = [_Grant(one, scope) for scope in scopes if _useful(action, scope, arn)]
            if useful:
                found.setdefault(action, []).extend(useful)
    for grants in found.values():
        grants.sort(key=lambda grant: (grant.scope.conditional, not grant.scope.everywhere))
    return found


def _useful(action: str, scope: Scope, arn: str) -> bool:
    """False where a grant cannot lead up: on something else than IAM, or on oneself only."""
    if not action.startswith(("iam:", "sts:")):
        return True
    about = [one for one in scope.resources if _is_iams(one)]
    if action in _SELF_SERVICE:
        about = [one for one in about if one != arn and not one.endswith("/${aws:username}")]
    return bool(about)


def _is_iams(resource: str) -> bool:
    parts = resource.split(":", 3)
    return len(parts) < 4 or wildcard(parts[2].lower()).match("iam") is not None


def _is_direct(method: frozenset[str]) -> bool:
    return PASS_ROLE not in method and any(one.startswith("iam:") for one in method)


def _chosen(method: frozenset[str], grants: dict[str, list[_Grant]]) -> list[tuple[str, _Grant]]:
    """One grant for each action, PassRole first; all from one policy where one has them all."""
    order = sorted(method, key=lambda action: (action != PASS_ROLE, action))
    in_all = [
        grant.held
        for grant in grants[order[0]]
        if all(any(one.held is grant.held for one in grants[action]) for action in order)
    ]
    if not in_all:
        return [(action, grants[action][0]) for action in order]
    return [
        (action, next(one for one in grants[action] if one.held is in_all[0])) for action in order
    ]


def _takers(
    method: frozenset[str], grants: dict[str, list[_Grant]], roles: Iterable[PowerfulRole]
) -> list[PowerfulRole]:
    """The powerful roles that this method's service may take and, if passed, that may be passed."""
    services = {one.partition(":")[0].removesuffix("-instance-connect") for one in method}
    if "ssm" in services:
        # Its commands run on instances, with their role.
        services.add("ec2")
    found = [
        role
        for role in roles
        if any(_is_service(principal, services) for principal in role.principals)
    ]
    if PASS_ROLE not in method:
        return found
    return [role for role in found if _covers(grants[PASS_ROLE], role.arn)]


def _is_service(principal: str, services: Iterable[str]) -> bool:
    # ecs-tasks.amazonaws.com, tasks.apprunner.amazonaws.com: the service's word is in the name.
    name = principal.partition(".amazonaws.com")[0]
    return ".amazonaws.com" in principal and any(service in name for service in services)


def _covers(grants: Iterable[_Grant], arn: str) -> bool:
    resources = (one for grant in grants for one in grant.scope.resources)
    # ${aws:PrincipalTag/team} may stand for anything.
    return any(wildcard(_VARIABLE.sub("*", one)).match(arn) for one in resources)


def _assumable(
    grants: dict[str, list[_Grant]], roles: Iterable[PowerfulRole], arn: str
) -> Iterator[Path]:
    """Powerful roles that trust this user by its ARN, or everybody, who then need no policy of
    their own (IAM User Guide, "Principal"); or its account, and the user is allowed to.
    """
    account = arn.split(":")[4] if arn.count(":") >= 4 else ""
    for role in roles:
        if role.arn == arn:
            continue
        if any(_names(principal, arn) for principal in role.principals):
            yield Path(f"sts:AssumeRole on role {role.name}, which trusts it by name", False)
            continue
        if EVERYBODY in role.principals or PERHAPS_EVERYBODY in role.principals:
            text = f"sts:AssumeRole on role {role.name}, which trusts everybody"
            yield Path(text, EVERYBODY not in role.principals)
            continue
        if not any(_is_account(principal, account) for principal in role.principals):
            continue
        for grant in grants.get(ASSUME_ROLE, ()):
            if _covers([grant], role.arn):
                text = f"sts:AssumeRole on role {role.name}, through {grant.held.words}"
                yield Path(text, grant.scope.conditional)
                break


def _names(principal: str, arn: str) -> bool:
    """Whether a principal is this ARN, or a pattern of ARNs that a condition narrows it to."""
    if principal == arn:
        return True
    return (
        principal.startswith("arn:") and wildcard(principal.lower()).match(arn.lower()) is not None
    )


def _is_account(principal: str, account: str) -> bool:
    return principal == account or principal.endswith(f":iam::{account}:root")


def _path(chosen: Sequence[tuple[str, _Grant]], role: PowerfulRole | None = None) -> Path:
    first, rest = _action(*chosen[0]), [_action(*one) for one in chosen[1:]]
    text = f"{first} with {listed(rest)}" if rest else first
    if role is not None:
        text += f", and role {role.name}"
    sources = list(dict.fromkeys(grant.held.words for _, grant in chosen))
    return Path(
        f"{text}, through {listed(sources)}", any(grant.scope.conditional for _, grant in chosen)
    )


def _action(action: str, grant: _Grant) -> str:
    name = known_actions.spelled(action)
    if grant.scope.everywhere:
        return name
    on = [one.split(":", 5)[-1] for one in grant.scope.resources if one]
    shown = on[:_MOST_ON] + ([f"{len(on) - _MOST_ON} more"] if len(on) > _MOST_ON else [])
    return f"{name} on {listed(shown)}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
