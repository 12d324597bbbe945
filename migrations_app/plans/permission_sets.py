"""The permission sets that exist, and which of them would do for a person. Pure.

One does if it allows all that was seen and does not bring back the width that a plan is to end: it
makes nobody an administrator, allows no writing that the person could not do before, and not most
of the writing that is to go. Resources and conditions of it are not weighed; people are told so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from inventory.rights import known_actions
from inventory.rights.privilege import ADMIN, held, privilege
from migrations_app.plans.facts import Granted, Origin
from migrations_app.plans.granted import EVERYTHING, actions_of

# So many writing actions more than needed are never too many.
_FEW = 25


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """One that exists: `granted` are the statements of all its policies.

    `unread`: policies that no document was given of (customer managed ones of another account).
    """

    name: str
    arn: str
    granted: tuple[Granted, ...] = ()
    unread: tuple[Origin, ...] = ()

    @property
    def actions(self) -> frozenset[str]:
        """Every action it allows (lower case)."""
        allowed: set[str] = set()
        for one in self.granted:
            if one.effect == "Allow":
                allowed |= actions_of(one)
        for one in self.granted:
            if one.effect == "Deny" and not one.conditions and EVERYTHING in one.resources:
                allowed -= actions_of(one)
        return frozenset(allowed)

    @property
    def administers(self) -> bool:
        """Whether it makes an administrator."""
        statements = [
            {
                "Effect": "Allow",
                **({"Action": list(one.actions)} if one.actions else {}),
                **({"NotAction": list(one.not_actions)} if one.not_actions else {}),
                "Resource": list(one.resources) or [EVERYTHING],
            }
            for one in self.granted
            if one.effect == "Allow"
        ]
        return privilege([held("set", "inline", {"Statement": statements})], (), "").level == ADMIN


@dataclass(frozen=True, slots=True)
class Needs:
    """What one person has and needs, as actions (lower case). `kept`: seen and guessed."""

    seen: frozenset[str]
    kept: frozenset[str]
    before: frozenset[str]


@dataclass(frozen=True, slots=True)
class Fit:
    """How an existing set compares with a person's needs.

    `missing`: seen and not allowed by it, as AWS spells them. `unproven`: guessed and not allowed.
    `more`: allowed beyond what is needed, `more_writing` of them change something. `why_not` is ""
    where it would do.
    """

    name: str
    arn: str
    missing: tuple[str, ...]
    unproven: int
    more: int
    more_writing: int
    why_not: str

    @property
    def words(self) -> str:
        """`Allows 210 actions more than are needed, 14 writing.`"""
        told = [
            f"Allows {self.more:,} actions more than are needed, {self.more_writing:,} writing."
        ]
        if self.missing:
            told.append(f"Lacks {len(self.missing)} that were used.")
        if self.unproven:
            told.append(f"Lacks {self.unproven} that were only guessed.")
        return " ".join(told)


@dataclass(frozen=True, slots=True)
class _Known:
    """An existing set with what it allows, measured once for all people."""

    one: PermissionSet
    actions: frozenset[str]
    writing: frozenset[str]
    administers: bool


class Catalogue:
    """The existing sets, to compare people with."""

    def __init__(self, existing: Iterable[PermissionSet]) -> None:
        ordered = sorted(existing, key=lambda one: (one.name, one.arn))
        self._sets = [
            _Known(one, actions := one.actions, _writing(actions), one.administers)
            for one in ordered
        ]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(known.one.name for known in self._sets)

    def fits(self, needs: Needs) -> tuple[Fit, ...]:
        """All sets, those that would do first, the tightest of them first."""
        enough = max(_FEW, len(_writing(needs.before)) // 2)
        return tuple(sorted((_fit(one, needs, enough) for one in self._sets), key=_place))


def _place(fit: Fit) -> tuple[bool, int, int, int, str]:
    return bool(fit.why_not), len(fit.missing), fit.more_writing, fit.more, fit.name


def _fit(known: _Known, needs: Needs, enough: int) -> Fit:
    missing = tuple(sorted(known_actions.spelled(each) for each in needs.seen - known.actions))
    writing = known.writing - needs.kept
    return Fit(
        name=known.one.name,
        arn=known.one.arn,
        missing=missing,
        unproven=len(needs.kept - needs.seen - known.actions),
        more=len(known.actions - needs.kept),
        more_writing=len(writing),
        why_not=_why_not(known, missing, writing, needs, enough),
    )


def _why_not(
    known: _Known, missing: tuple[str, ...], writing: frozenset[str], needs: Needs, enough: int
) -> str:
    if known.one.unread:
        return f"A {known.one.unread[0].words} of it could not be read."
    if missing:
        number = len(missing)
        return f"It lacks {number} action{' that was' if number == 1 else 's that were'} used."
    if known.administers:
        return "It makes an administrator."
    if writing - needs.before:
        return "It allows writing that was not allowed before."
    if len(writing) > enough:
        return "It keeps most of the writing that is not needed."
    return ""


def _writing(actions: frozenset[str]) -> frozenset[str]:
    return frozenset(one for one in actions if not known_actions.only_reads(one))
