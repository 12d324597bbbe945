"""What a plan is made from and what it is made into, as values that every target shares. Pure.

Each value puts its parts into one order when it is made, so that the same facts give the same
bytes, whatever order the rows came in. Texts are as AWS gave them: hostile until they are written
by `hcl` or `files`. What only one target needs (a cluster, a vendor's account) is that target's
own argument and does not stand here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inventory.callers import Caller


def _put(one: object, **values: Any) -> None:
    """Set parts of a frozen value while it is being made."""
    for name, value in values.items():
        object.__setattr__(one, name, value)


def _in_order(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Which policy a statement comes from. `kind`: inline, managed or aws-managed.

    `group`: the group that the user has it through, or "".
    """

    name: str
    kind: str = "inline"
    arn: str = ""
    group: str = ""

    @property
    def words(self) -> str:
        """`policy deploy in group ci`, `inline policy deploy`."""
        kind = "inline policy" if self.kind == "inline" else "policy"
        return f"{kind} {self.name}" + (f" in group {self.group}" if self.group else "")


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """One test of a statement's Condition, e.g. `StringEquals`, `aws:RequestedRegion`, values."""

    operator: str
    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _put(self, values=_in_order(self.values))


@dataclass(frozen=True, slots=True, order=True)
class Granted:
    """One statement of a policy, as written. `effect`: Allow or Deny.

    Of `actions` and `not_actions` one is empty, of `resources` and `not_resources` too.
    """

    origin: Origin
    effect: str = "Allow"
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _put(
            self,
            actions=_in_order(self.actions),
            not_actions=_in_order(self.not_actions),
            resources=_in_order(self.resources),
            not_resources=_in_order(self.not_resources),
            conditions=tuple(sorted(self.conditions)),
        )


@dataclass(frozen=True, slots=True, order=True)
class Used:
    """One kind of call that succeeded, of all days and Regions together.

    `service` and `action` are CloudTrail's words (`monitoring`, `CreateFunction20150331`), which
    `actions` turns into those of policies. `resources`: the ARNs that its events named; empty
    where they named none. `days`: on how many days it was seen.
    """

    service: str
    action: str
    count: int
    first_at: datetime
    last_at: datetime
    regions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    days: int = 1

    def __post_init__(self) -> None:
        _put(self, regions=_in_order(self.regions), resources=_in_order(self.resources))


@dataclass(frozen=True, slots=True, order=True)
class Unlogged:
    """A service that CloudTrail shows no call to, though it was used. `service`: as policies say.

    `source`: who says so, `Access Advisor` or `Access key last used`.
    """

    service: str
    last_at: datetime
    source: str = "Access Advisor"


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A source repository that uses this user. The ids are GitHub's numbers, "" if not known."""

    owner: str
    name: str
    owner_id: str = ""
    repository_id: str = ""
    branches: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _put(self, branches=_in_order(self.branches), environments=_in_order(self.environments))


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """All that is known of one IAM user that a plan rests on. Times are aware UTC.

    `category`: the one shown, so with a person's correction. `unread`: policies that AWS gave no
    document of, so that more may be granted than is known. `evidence_from` to `evidence_to` is
    what CloudTrail was read for in every Region, without a gap. `generated_at` is given in, since
    nothing here has a clock. `key_ids` are cut to their first and last four signs.
    `terraform_managed`: its address in somebody's code (`module.ci.aws_iam_user.deploy`), or
    "aws_iam_user" where only that it is managed is known, or "".
    """

    account_id: str
    account_name: str
    user_name: str
    user_id: str
    arn: str
    generated_at: datetime
    evidence_from: datetime
    evidence_to: datetime
    path: str = "/"
    category: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    team: str = ""
    team_key: str = ""
    groups: tuple[str, ...] = ()
    attached_policies: tuple[str, ...] = ()
    boundary: str = ""
    granted: tuple[Granted, ...] = ()
    unread: tuple[Origin, ...] = ()
    used: tuple[Used, ...] = ()
    unlogged: tuple[Unlogged, ...] = ()
    user_agents: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()
    repositories: tuple[Repository, ...] = ()
    key_ids: tuple[str, ...] = ()
    terraform_managed: str = ""

    def __post_init__(self) -> None:
        _put(
            self,
            tags=tuple(sorted(set(self.tags))),
            groups=_in_order(self.groups),
            attached_policies=_in_order(self.attached_policies),
            granted=tuple(sorted(set(self.granted))),
            unread=tuple(sorted(set(self.unread))),
            used=tuple(sorted(self.used)),
            unlogged=tuple(sorted(set(self.unlogged))),
            user_agents=_in_order(self.user_agents),
            callers=tuple(sorted(self.callers, key=lambda one: (-one.calls, one.kind))),
            repositories=tuple(sorted(set(self.repositories))),
            key_ids=_in_order(self.key_ids),
        )

    @property
    def partition(self) -> str:
        """aws, aws-cn or aws-us-gov, from the ARN that AWS gave."""
        parts = self.arn.split(":")
        return parts[1] if len(parts) > 1 and parts[1] else "aws"

    def tag(self, name: str) -> str:
        """A tag's value, without regard to the case of its name; "" where there is none."""
        found = (value for key, value in self.tags if key.lower() == name.lower())
        return next(found, "")


@dataclass(frozen=True, slots=True, order=True)
class GeneratedFile:
    """One file of a plan. `language`: hcl, json, yaml, shell, markdown or text; `path` is safe."""

    path: str
    text: str
    language: str


@dataclass(frozen=True, slots=True, order=True)
class Widened:
    """An action that is kept though no event shows it, or wider than shown, and why."""

    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets a permission set ("" for none), and how.

    `person` is an id of the directory, "" where nobody there was found, `signs_in_as` its name
    there; `why` says by what, or why not. `has`: the group has the set and the person already.
    """

    permission_set: str
    group: str
    person: str = ""
    why: str = ""
    has: bool = False
    signs_in_as: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan's content. `used_actions`: as policies name them; `granted_actions`: how many the
    old user had. `notes` inform, `warnings` must be read before anything is applied. `to`: of a
    plan for a person, who gets what.
    """

    target: str
    title: str
    files: tuple[GeneratedFile, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    used_actions: tuple[str, ...] = ()
    granted_actions: int = 0
    widened: tuple[Widened, ...] = field(default=())
    to: Receiver | None = None

    def __post_init__(self) -> None:
        _put(
            self,
            files=tuple(sorted(self.files)),
            used_actions=_in_order(self.used_actions),
            widened=tuple(sorted(set(self.widened))),
        )
