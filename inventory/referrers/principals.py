"""Whom a policy document names: principals, conditions and resources, in every spelling. Pure.

AWS stores a user named as principal by its unique id and shows the ARN while the user exists; after
a deletion the bare id stays. Conditions and Resource elements are plain text: a new user of the
same name matches them again (IAM User Guide, "AWS JSON policy elements: Principal").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Document = Mapping[str, Any]

# How a document names somebody, the most consequential first.
ALL_BUT, PRINCIPAL, PINNED, RESOURCE, PATTERN, TAG = (
    "all-but",
    "principal",
    "pinned",
    "resource",
    "pattern",
    "tag",
)
# As `let_in` tells of a principal `*`: without any condition, or under one that names nobody.
EVERYBODY, PERHAPS_EVERYBODY = "*", "* under a condition"
_RANK = (ALL_BUT, PRINCIPAL, PINNED, RESOURCE, PATTERN, TAG)
_BARE_ID = re.compile(r"^A(?:IDA|ROA)[A-Z0-9]{12,}$")
_BY_ARN, _BY_ID, _BY_NAME = "aws:principalarn", "aws:userid", "aws:username"
_BY_TAG = "aws:principaltag/"
_WHO = (_BY_ARN, _BY_ID, _BY_NAME)


@dataclass(frozen=True, slots=True)
class Known:
    """One IAM user of the account as documents can name it."""

    user_id: str
    arn: str
    user_name: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mention:
    """A document names `user_id`; `by` is the condition key or pattern where there is one."""

    user_id: str
    how: str
    allows: bool
    by: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, its lists made lists. `principals` holds every kind of principal."""

    allows: bool
    principals: tuple[str, ...]
    not_principals: tuple[str, ...]
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def may(self, action: str) -> bool:
        """Whether the statement speaks of `action` (lower case, e.g. "kms:putkeypolicy")."""
        if self.not_actions:
            return not any(fnmatchcase(action, one.lower()) for one in self.not_actions)
        return any(fnmatchcase(action, one.lower()) for one in self.actions)

    def pins(self) -> tuple[str, ...]:
        """To whom conditions narrow an allowing statement; empty where they do not."""
        return tuple(
            value
            for operator, key, values in self.conditions
            if key.lower() in _WHO and "Not" not in operator and _compares(operator)
            for value in values
        )

    def spared(self) -> tuple[str, ...]:
        """Whom alone a denying statement leaves out; empty where it denies not all the others.

        Other conditions narrow it in ways not weighed here, and then it spares more.
        """
        if self.allows:
            return ()
        if self.not_principals and not self.conditions:
            return self.not_principals
        (operator, key, values), *others = self.conditions or (("", "", ()),)
        tells = key.lower() in (_BY_ARN, _BY_ID) and "Not" in operator and _compares(operator)
        return values if tells and not others and "*" in self.principals else ()

    def grants(self) -> tuple[str, ...]:
        """Who is let in by it in effect: the pinned ones, or else its principals."""
        return self.pins() or self.principals


class Directory:
    """The users of an account, found by any of their spellings; one lookup, however many."""

    def __init__(self, users: Iterable[Known]) -> None:
        self._users = tuple(users)
        self._exact: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._tagged: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._matched: dict[tuple[str, str], tuple[str, ...]] = {}
        for user in self._users:
            self._exact[user.user_id.lower()] = self._exact[user.arn.lower()] = user.user_id
            self._names[user.user_name.lower()] = user.user_id
            for key, value in user.tags.items():
                self._tagged[key.lower(), value].append(user.user_id)

    def find(self, value: str) -> str | None:
        """The user whose ARN or id `value` is, without regard to case."""
        return self._exact.get(value.lower())

    def named(self, user_name: str) -> str | None:
        return self._names.get(user_name.lower())

    def tagged(self, key: str, value: str) -> tuple[str, ...]:
        return tuple(self._tagged.get((key.lower(), value), ()))

    def like(self, key: str, pattern: str) -> tuple[str, ...]:
        """Users whose ARN, id or name (as `key` says) matches; `*` for everybody names nobody."""
        asked = (key, pattern.lower())
        if asked not in self._matched:
            self._matched[asked] = (
                ()
                if _means_everybody(*asked)
                else tuple(
                    user.user_id for user in self._users if _like(_spelled(user, key), asked[1])
                )
            )
        return self._matched[asked]

    def is_dead(self, value: str) -> bool:
        """Whether a principal is the bare id of somebody who is gone; live ones show as ARNs."""
        return bool(_BARE_ID.match(value)) and self.find(value) is None


def statements(document: object) -> Iterator[Statement]:
    """Its statements; what is no statement, or no document at all, is passed over."""
    told = document.get("Statement") if isinstance(document, Mapping) else None
    for one in told if isinstance(told, list) else [told]:
        if not isinstance(one, Mapping):
            continue
        yield Statement(
            allows=one.get("Effect") == "Allow",
            principals=_principals(one.get("Principal")),
            not_principals=_principals(one.get("NotPrincipal")),
            actions=_listed(one.get("Action")),
            not_actions=_listed(one.get("NotAction")),
            resources=_listed(one.get("Resource")),
            conditions=tuple(_conditions(one.get("Condition"))),
        )


def mentions(document: Document, directory: Directory) -> dict[str, Mention]:
    """Whom a document names, each once, by the most consequential way it does."""
    found: dict[str, Mention] = {}
    for statement in statements(document):
        for one in _of_statement(statement, directory):
            known = found.get(one.user_id)
            if known is None or _RANK.index(one.how) < _RANK.index(known.how):
                found[one.user_id] = one
    return found


def dead(document: Document, directory: Directory) -> tuple[str, ...]:
    """Ids of deleted users that a document still has as principals."""
    return tuple(
        sorted(
            {
                value
                for one in statements(document)
                for value in (*one.principals, *one.not_principals)
                if value.startswith("AIDA") and directory.is_dead(value)
            }
        )
    )


def let_in(document: object) -> tuple[str, ...]:
    """Every principal of any kind, as written, to whom a statement of a trust policy speaks.

    In place of `*`, those ARNs to which a condition narrows it; everybody but some is everybody.
    """
    found: set[str] = set()
    for one in statements(document):
        if not one.allows:
            continue
        named = set(one.principals) | ({EVERYBODY} if one.not_principals else set())
        if EVERYBODY in named and one.conditions:
            named.discard(EVERYBODY)
            arns = [pin for pin in one.pins() if pin.startswith("arn:")]
            named.update(arns if arns and len(arns) == len(one.pins()) else [PERHAPS_EVERYBODY])
        found |= named
    return tuple(sorted(found))


def allowed(document: Document, directory: Directory) -> frozenset[str]:
    """Everybody alive whom a trust policy lets in, IAM users by their id, others as written.

    Conditions on who it is are taken into account: they narrow an account root or `*`.
    """
    return frozenset(
        value
        for one in statements(document)
        if one.allows
        for value in _let_in(one, directory)
        if not directory.is_dead(value)
    )


def only_administrators(document: Document, directory: Directory) -> frozenset[str]:
    """The users without all of whom nobody could change a key policy any more; empty if others can.

    The account root stands for every administrator of the account. What holds only under a
    condition is not counted as another administrator: an orphaned key cannot be repaired. Whoever
    alone is spared by a deny is the only one, whoever else is allowed.
    """
    asked = [one for one in statements(document) if one.may("kms:putkeypolicy")]
    for one in asked:
        spared = {directory.find(value) or value for value in one.spared()}
        alive = {value for value in spared if not directory.is_dead(value)}
        if alive and all(directory.find(value) for value in alive):
            return frozenset(alive)
    theirs: set[str] = set()
    for one in asked:
        if not one.allows:
            continue
        if one.not_principals:
            return frozenset()
        for value in _let_in(one, directory):
            if directory.find(value):
                theirs.add(value)
            elif not one.conditions and not directory.is_dead(value):
                return frozenset()
    return frozenset(theirs)


def _let_in(one: Statement, directory: Directory) -> Iterator[str]:
    for value in one.grants():
        yield directory.find(value) or (one.pins() and directory.named(value)) or value


def _of_statement(one: Statement, directory: Directory) -> Iterator[Mention]:
    for value in one.principals:
        if user := directory.find(value):
            yield Mention(user, PRINCIPAL, one.allows)
    for value in one.not_principals:
        if user := directory.find(value):
            yield Mention(user, ALL_BUT, one.allows)
    for operator, key, values in one.conditions:
        negated = "Not" in operator
        for value in values if _compares(operator) else ():
            yield from _of_condition(one, key, value, directory, negated=negated)
    for value in one.resources:
        if user := directory.find(value):
            yield Mention(user, RESOURCE, one.allows)


def _of_condition(
    one: Statement, key: str, value: str, directory: Directory, *, negated: bool
) -> Iterator[Mention]:
    # A deny of everybody who is *not* this user is a grant to it; an allow to others is a pin.
    how = ALL_BUT if negated and not one.allows else PINNED
    if key.lower().startswith(_BY_TAG):
        tag = key[len(_BY_TAG) :]
        for user in directory.tagged(tag, value):
            yield Mention(user, TAG, one.allows, f"{tag}={value}")
        return
    key = key.lower()
    if key not in _WHO:
        return
    exact = directory.named(value) if key == _BY_NAME else directory.find(value)
    if exact:
        yield Mention(exact, how, one.allows, _WRITTEN[key])
    elif "*" in value or "?" in value:
        for user in directory.like(key, value):
            yield Mention(user, ALL_BUT if how == ALL_BUT else PATTERN, one.allows, value)


_WRITTEN = {_BY_ARN: "aws:PrincipalArn", _BY_ID: "aws:userid", _BY_NAME: "aws:username"}


def _spelled(user: Known, key: str) -> str:
    return {_BY_ARN: user.arn, _BY_ID: user.user_id, _BY_NAME: user.user_name}[key].lower()


def _like(value: str, pattern: str) -> bool:
    # IAM knows * and ? only; a bracket in a name means itself.
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _means_everybody(key: str, pattern: str) -> bool:
    """Whether a pattern leaves everybody in: `user/*` does, `user/ci/*` does not."""
    if key == _BY_ARN:
        mark = "user/" if "user/" in pattern else "/"
        pattern = pattern.rpartition(mark)[2] if mark in pattern else ""
    return pattern.strip("*?") in ("", "aida")


def _compares(operator: str) -> bool:
    """Whether an operator compares text: Null, Bool and dates name nobody."""
    return "String" in operator or "Arn" in operator


def _conditions(told: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if not isinstance(told, Mapping):
        return
    for operator, tests in told.items():
        if isinstance(tests, Mapping):
            for key, values in tests.items():
                yield str(operator), str(key), _listed(values)


def _principals(told: Any) -> tuple[str, ...]:
    if isinstance(told, Mapping):
        return tuple(value for values in told.values() for value in _listed(values))
    return _listed(told)


def _listed(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)
