"""Which person of Identity Center an IAM user belongs to. Pure, and never a guess between two.

By e-mail first, then by user name, then by the parts of a name. The first of these that fits
anybody decides; if it fits more than one, nobody is taken and all are named.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inventory.rights.escalation import listed
from migrations_app.plans.facts import PlanFacts

_EMAIL_TAGS = frozenset({"email", "e-mail", "mail", "user-email", "useremail", "user_email"})
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PARTS = re.compile(r"[a-z]+")
# What people put around a name: nina.haas-admin, svc names aside.
_AROUND = frozenset({"admin", "adm", "cli", "console", "dev", "prod", "user", "iam", "aws"})


@dataclass(frozen=True, slots=True, order=True)
class DirectoryUser:
    """A person in Identity Center's directory. `emails`: all of them, the first one first."""

    id: str
    user_name: str
    display_name: str = ""
    given_name: str = ""
    family_name: str = ""
    emails: tuple[str, ...] = ()
    active: bool = True

    @property
    def words(self) -> str:
        return self.display_name or self.user_name


@dataclass(frozen=True, slots=True, order=True)
class DirectoryGroup:
    """A group with the ids of its members. `managed`: an identity provider pushes it (SCIM)."""

    id: str
    name: str
    members: tuple[str, ...] = ()
    managed: bool = True


@dataclass(frozen=True, slots=True)
class Directory:
    """Identity Center as it was read. `assignments`: (permission set ARN, account id, group id)."""

    users: tuple[DirectoryUser, ...] = ()
    groups: tuple[DirectoryGroup, ...] = ()
    assignments: tuple[tuple[str, str, str], ...] = ()
    instance_arn: str = ""
    identity_store_id: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The person, and by what; or nobody, and why."""

    user: DirectoryUser | None
    why: str


def match(facts: PlanFacts, users: Iterable[DirectoryUser]) -> Match:
    """Who in the directory this IAM user is."""
    everybody = sorted(users)
    if not everybody:
        return Match(None, "Identity Center was not read, so nobody was looked for in it.")
    for how, fits in _ways(facts):
        found = [one for one in everybody if fits(one)]
        if len(found) > 1:
            named = listed([f"{one.words} ({one.user_name})" for one in found])
            return Match(None, f"Its {how} fits {len(found)} people: {named}.")
        if found and not found[0].active:
            return Match(None, f"{found[0].words} fits by {how}, and is disabled there.")
        if found:
            return Match(found[0], f"By {how}.")
    return Match(None, "Nobody there has its e-mail, its user name or a name like it.")


def _ways(facts: PlanFacts) -> list[tuple[str, Callable[[DirectoryUser], bool]]]:
    emails = {value.lower() for key, value in facts.tags if key.lower() in _EMAIL_TAGS}
    name = facts.user_name.lower()
    if _EMAIL.fullmatch(name):
        emails.add(name)
    parts = _parts(name.partition("@")[0]) - _AROUND
    return [
        ("e-mail", lambda one: bool(emails & {each.lower() for each in one.emails})),
        ("user name", lambda one: name in _names(one)),
        ("name", lambda one: _is_named(parts, one)),
    ]


def _names(one: DirectoryUser) -> set[str]:
    return {one.user_name.lower()} | {each.lower().partition("@")[0] for each in one.emails}


def _is_named(parts: frozenset[str], one: DirectoryUser) -> bool:
    """Whether `n.haas`, `nhaas`, `haas-nina` or `nina.haas` is this person."""
    given, family = _parts(_plain(one.given_name)), _parts(_plain(one.family_name))
    if not given or not family:
        return False
    whole, joined = given | family, "".join(sorted(family, key=_plain(one.family_name).find))
    first = min(given, key=_plain(one.given_name).find)
    return parts in (
        whole,
        frozenset({first}) | family,
        frozenset({first[0]}) | family,
        frozenset({first[0] + joined}),
        frozenset({first + joined}),
        frozenset({joined + first[0]}),
    )


def _parts(text: str) -> frozenset[str]:
    return frozenset(_PARTS.findall(_plain(text)))


def _plain(text: str) -> str:
    """Lower case, without accents: `Müller` and `muller` are one, and `mueller` another."""
    spread = unicodedata.normalize("NFKD", text.lower())
    return "".join(one for one in spread if not unicodedata.combining(one))
