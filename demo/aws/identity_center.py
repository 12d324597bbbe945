"""Identity Center of the organization: people, groups, permission sets, and who has which where.

An identity provider pushes the people and groups (SCIM), so each has its id there as well. What
AWS keeps when a group is deleted is kept here too: its assignments, which point at nobody then.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .cast import Member, people_words
from .ids import drawn_id
from .state import Document

REGION = "eu-central-1"
STAGING = "210987654321"
STORY_GROUP, STORY_SET = "platform-eng", "DeveloperAccess"
_ISSUER = "https://scim.aws.com/okta"
_STORY_SIZE = 14
_WHOLE_NAME = re.compile(r"([a-z]{2,})[.]([a-z]{2,})")
_INITIAL = re.compile(r"([a-z])[.]([a-z]{2,})")
# By group the teams whose people are in it, and what it is given in production.
_GROUPS = {
    STORY_GROUP: (("platform", "infrastructure"), STORY_SET),
    "data-eng": (("data",), "DataEngineer"),
    "payments": (("payments",), "ReadOnlyAccess"),
    "observability": (("observability",), "ReadOnlyAccess"),
    "finance": (("finance",), "BillingReadOnly"),
    "security-audit": (("security",), "SecurityAudit"),
}
# People of the product, who are nobody's IAM user here.
_STAFF = ("sara lindqvist", "priya nair", "tom okafor", "nils berg", "ravi menon", "olivia hart")


@dataclass
class Person:
    id: str
    user_name: str
    given_name: str
    family_name: str
    external_id: str
    enabled: bool = True


@dataclass
class Group:
    """`members`: by membership id the person's id."""

    id: str
    name: str
    external_id: str
    created_at: datetime
    members: dict[str, str] = field(default_factory=dict)


@dataclass
class PermissionSet:
    arn: str
    name: str
    created_at: datetime
    description: str = ""
    session: str = "PT4H"
    managed: list[str] = field(default_factory=list)
    customer_managed: list[tuple[str, str]] = field(default_factory=list)
    inline: Document | None = None
    boundary: str = ""


@dataclass(frozen=True, order=True)
class Assignment:
    account_id: str
    set_arn: str
    principal_id: str
    principal_type: str = "GROUP"


@dataclass
class IdentityCenter:
    """One instance with its identity store. `owner`: the management account."""

    arn: str
    store_id: str
    owner: str
    region: str = REGION
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    sets: dict[str, PermissionSet] = field(default_factory=dict)
    assignments: list[Assignment] = field(default_factory=list)
    # Groups of which DescribeGroup says that the key of KMS cannot be used, which is not gone.
    locked: set[str] = field(default_factory=set)

    def group(self, name: str) -> Group:
        """The group of that name. KeyError."""
        return next(one for one in self.groups.values() if one.name == name)

    def set(self, name: str) -> PermissionSet:
        """The permission set of that name."""
        return next(one for one in self.sets.values() if one.name == name)


def as_uuid(text: str) -> str:
    """An id as the identity store gives them, that belongs to `text`."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def okta_id(text: str) -> str:
    """An id as Okta gives them, that belongs to `text`."""
    return drawn_id("00g", 17, "okta", text).lower()


def drawn(
    account_id: str, seed: int, born_at: datetime, members: Iterable[Member]
) -> IdentityCenter:
    """The Identity Center of an organization whose account has these users."""
    sixteen = drawn_id("", 16, seed, "sso").lower()
    made_at = born_at - timedelta(days=900)
    store = drawn_id("", 40, seed, "store").encode().hex()[:10]
    made = IdentityCenter(f"arn:aws:sso:::instance/ssoins-{sixteen}", f"d-{store}", account_id)
    teams = _people(made, seed, [one for one in members if one.category.startswith("human")])
    _sets(made, seed, made_at)
    _groups(made, seed, made_at, teams)
    return made


def _people(made: IdentityCenter, seed: int, humans: list[Member]) -> dict[str, list[str]]:
    """The people behind most of the human users; by team the ids of who works there.

    Some left and are nobody, some left and are disabled, and one short name fits two people.
    """
    teams: dict[str, list[str]] = {}
    for name in _STAFF:
        _add(made, seed, *name.split())
    twice = False
    for member in humans:
        pick = random.Random(f"{seed}-directory-{member.name}")
        left = member.status != "active"
        if pick.random() < (0.5 if left else 0.04):
            continue
        local = member.name.lower().partition("@")[0].replace(",", ".")
        first, last = people_words(pick)
        if found := _WHOLE_NAME.fullmatch(local):
            first, last = found.groups()
        elif found := _INITIAL.fullmatch(local):
            first, other, last = *_given(found[1]), found[2]
            if not twice and not left:
                twice = True
                _add(made, seed, other, last)
        else:
            first, last = "", ""
        person = _add(made, seed, first, last, local)
        if left and pick.random() < 0.4:
            person.enabled = False
        teams.setdefault(member.team, []).append(person.id)
    return teams


def _given(initial: str) -> tuple[str, str]:
    """Two given names that begin so."""
    pick = random.Random(f"given-{initial}")
    names = dict.fromkeys(people_words(pick)[0] for _ in range(400))
    fits = [name for name in names if name[0] == initial]
    return (fits[0], fits[1]) if len(fits) > 1 else (f"{initial}lex", f"{initial}lexis")


def _add(made: IdentityCenter, seed: int, first: str, last: str, local: str = "") -> Person:
    name = f"{first}.{last}" if first and last else local
    user_name = f"{name}@acme.example"
    known = {one.user_name: one for one in made.people.values()}
    if user_name in known:
        return known[user_name]
    person = Person(
        as_uuid(f"{seed}-{user_name}"),
        user_name,
        first.capitalize() or local,
        last.capitalize() or "Acme",
        okta_id(user_name).replace("00g", "00u", 1),
    )
    made.people[person.id] = person
    return person


def _policy(*actions: str) -> Document:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _sets(made: IdentityCenter, seed: int, made_at: datetime) -> None:
    given: dict[str, tuple[list[str], Document | None, str]] = {
        "AdministratorAccess": (["AdministratorAccess"], None, "Everything, for the few"),
        STORY_SET: (
            ["ReadOnlyAccess"],
            _policy("ec2:StartInstances", "ec2:StopInstances", "ec2:RebootInstances"),
            "Looks everywhere, starts and stops instances",
        ),
        "DataEngineer": (
            ["AmazonAthenaFullAccess", "AmazonS3ReadOnlyAccess", "AmazonRDSReadOnlyAccess"],
            _policy("ec2:Describe*"),
            "Queries and what they read",
        ),
        "ReadOnlyAccess": (["ReadOnlyAccess"], None, "Looks everywhere"),
        "BillingReadOnly": (["AWSBillingReadOnlyAccess"], None, "Costs and budgets"),
        "SecurityAudit": (["ReadOnlyAccess", "SecurityAudit"], None, "For audits"),
    }
    for name, (managed, inline, description) in given.items():
        sixteen = drawn_id("", 16, seed, "set", name).lower()
        arn = f"{made.arn.replace(':instance/', ':permissionSet/')}/ps-{sixteen}"
        arns = [f"arn:aws:iam::aws:policy/{each}" for each in managed]
        one = PermissionSet(arn, name, made_at, description, managed=arns, inline=inline)
        made.sets[arn] = one


def _groups(
    made: IdentityCenter, seed: int, made_at: datetime, teams: dict[str, list[str]]
) -> None:
    for name, (whose, set_name) in _GROUPS.items():
        group = Group(as_uuid(f"{seed}-group-{name}"), name, okta_id(f"{seed}-{name}"), made_at)
        people = [each for team in whose for each in teams.get(team, [])]
        known = [each for each in dict.fromkeys(people) if made.people[each].enabled]
        if name == STORY_GROUP:
            known = known[:_STORY_SIZE]
        group.members = {as_uuid(f"{seed}-{name}-{each}"): each for each in known}
        made.groups[group.id] = group
        made.assignments.append(Assignment(made.owner, made.set(set_name).arn, group.id))
        if name == STORY_GROUP:
            made.assignments.append(Assignment(STAGING, made.set(set_name).arn, group.id))
    for name in ("olivia.hart", "ravi.menon"):
        person = next(o for o in made.people.values() if o.user_name == f"{name}@acme.example")
        administrator = made.set("AdministratorAccess").arn
        made.assignments.append(Assignment(made.owner, administrator, person.id, "USER"))
