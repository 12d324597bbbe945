"""Draws the account's users from a seed and a size, and knows the truth about each.

For 206: 87 human-console, 34 human-programmatic, 42 ci-cd, 28 third-party and 15 mystery users;
129 in use, 61 silent for 90 days or more, 15 never used, and the break-glass user.
"""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta
from typing import Any

from .authentication import ADMIN_ROLE, ADMIN_SESSION
from .births import births
from .cast import PREFIXES, TEAM_GROUP, Member, Names, scaled
from .disguises import disguise
from .estate import SSO_READ_ROLE, furnish, let_trust
from .event_rules import EventRule
from .habits import address, faded, rhythm_name, sign_in, usual
from .identity_center import drawn
from .ids import drawn_id
from .managed_policies import ADMINISTRATOR
from .quirks import BESIDE, HOLDINGS, PARTS, RHYTHMS, Stage, add_fido, add_key, add_virtual
from .regions import ALL_REGIONS
from .resources import resources
from .rhythm import DAY, Habit, Rhythm
from .state import Account, LoginProfile, User, VirtualMfa

BREAK_GLASS = "break-glass"
_MADE_BY_AWS = {"smtp", "bedrock-key"}
_PERSON = re.compile(r"^[a-z]{2,}\.[a-z]{2,}$")
_POLICIES = {
    "human-programmatic": ["ReadOnlyAccess", "AmazonS3FullAccess", "AmazonEC2ReadOnlyAccess"],
    "ci-cd": ["AWSCloudFormationFullAccess", "AmazonECS_FullAccess", "AmazonS3FullAccess"],
    "third-party": ["SecurityAudit", "CloudWatchReadOnlyAccess", "AmazonEC2ReadOnlyAccess"],
    "mystery": ["PowerUserAccess", "AmazonS3FullAccess", "AmazonSQSFullAccess"],
}
_YOUNG = {"young": 35, "namesake": 40}


def populate(
    account: Account, rhythm: Rhythm, seed: int, size: int, born_at: datetime
) -> list[dict[str, Any]]:
    """Fill an empty account; the truth about each user comes back, by name."""
    furnish(account, seed, born_at)
    stage = Stage(account, seed, born_at)
    members = _members(seed, size)
    for member in members:
        user = _made(stage, member)
        for habit in _habits(stage, member, user):
            rhythm.add(habit)
    _break_glass(stage, rhythm)
    _federated_people(rhythm, born_at)
    # Last, because a habit's place among the others decides its times.
    for habit in births(account, born_at):
        rhythm.add(habit)
    named = [user.arn for m in members if "named-in-trust" in m.quirks
             for user in [account.user(m.name)]]  # fmt: skip
    if named:
        let_trust(account, seed, born_at - timedelta(days=700), named)
    account.resources = resources(account, seed)
    account.identity_center = drawn(account.id, seed, born_at, members)
    for label in ("abandoned-setup", "old.phone"):
        serial = account.arn(f"mfa/{label}")
        account.virtual_mfa[serial] = VirtualMfa(serial)
    return [_truth(account, member) for member in [*members, _BREAK_GLASS]]


_BREAK_GLASS = Member(
    BREAK_GLASS, "human-console", "break-glass", "security", "/breakglass/", "drill",
    ["break-glass"],
)  # fmt: skip


def _truth(account: Account, member: Member) -> dict[str, Any]:
    user = account.user(member.name)
    return {
        "user_name": user.name,
        "user_id": user.id,
        "category": member.category,
        "status": "young" if "namesake" in member.quirks else member.status,
        "rhythm": member.rhythm,
        "traps": list(member.quirks),
        "team": member.team,
        "owner_can_be_suggested": member.suggestable,
        "disguise": member.disguise,
    }


def _members(seed: int, size: int) -> list[Member]:
    names = Names(seed, [BREAK_GLASS, *(part[0] for part in PARTS)])
    pick = random.Random(f"{seed}-members")
    members = []
    for (category, status), count in scaled(size).items():
        parts = [part for part in PARTS if part[1:3] == (category, status)][:count]
        for name, _, _, team, path, quirks in parts:
            members.append(Member(name, category, status, team, path, quirks=list(quirks)))
        for _ in range(count - len(parts)):
            team = pick.choice(list(PREFIXES))
            path = {"ci-cd": "/ci/", "third-party": "/vendors/"}.get(category, "/")
            path = path if pick.random() < 0.5 else "/"
            name = names.name(category, team)
            members.append(Member(name, category, status, team, path))
    disguise(members, seed)
    return members


def _created_at(member: Member, pick: random.Random, born_at: datetime) -> datetime:
    for quirk, days in _YOUNG.items():
        if quirk in member.quirks:
            return born_at - timedelta(days=days)
    low, high = {"dormant": (1400, 2400), "never-used": (120, 900)}.get(member.status, (420, 1900))
    return born_at - timedelta(days=pick.randrange(low, high), seconds=pick.randrange(DAY))


def _made(stage: Stage, member: Member) -> User:
    """The user with what its kind usually holds, and its quirks."""
    pick = random.Random(f"{stage.seed}-{member.name}")
    created_at = _created_at(member, pick, stage.born_at)
    user = User(
        name=member.name,
        id=stage.drawn("AIDA", 17, member.name),
        path=member.path,
        arn=stage.account.arn(f"user{member.path}{member.name}"),
        created_at=created_at,
    )
    stage.account.add_user(user)
    if member.category == "human-console":
        user.login = LoginProfile(created_at)
        user.password_changed_at = created_at
        if pick.random() < 0.55 and not any("mfa" in quirk for quirk in member.quirks):
            add_virtual(stage, user)
    if member.disguise == "with-password":
        # Somebody ticked the box when the user was made; nobody ever signed in.
        user.login = LoginProfile(created_at)
        user.password_changed_at = created_at
    _give_keys(stage, member, user, pick)
    _give_rights(member, user, pick)
    _give_tags(member, user, pick)
    for quirk in member.quirks:
        if quirk in HOLDINGS:
            HOLDINGS[quirk](stage, user)
    return user


def _give_keys(stage: Stage, member: Member, user: User, pick: random.Random) -> None:
    if {"git-only", "bedrock-key"} & set(member.quirks):
        return
    chance = 0.6 if member.category == "human-console" else 1.0
    if pick.random() < chance:
        add_key(stage, user, user.created_at + timedelta(minutes=5))
        if pick.random() < 0.2:
            status = "Active" if pick.random() < 0.5 else "Inactive"
            add_key(stage, user, user.created_at + timedelta(days=20), status)


def _give_rights(member: Member, user: User, pick: random.Random) -> None:
    if member.category == "human-console":
        user.groups = [TEAM_GROUP[member.team]]
        if pick.random() < 0.1:
            user.groups.append("developers" if user.groups != ["developers"] else "ops")
        return
    if member.category == "ci-cd" and pick.random() < 0.5:
        user.groups = ["deployers"]
    policy = pick.choice(_POLICIES[member.category])
    user.attached = [f"arn:aws:iam::aws:policy/{policy}"]


def _give_tags(member: Member, user: User, pick: random.Random) -> None:
    """Tags for most: they are what an owner can be suggested from, beside names and groups."""
    chance = {"mystery": 0.0, "third-party": 0.55, "ci-cd": 0.6}.get(member.category, 0.7)
    if pick.random() < chance:
        user.tags["team"] = _tagged_team(member)
    plain = member.disguise in {"neutral-name", "build-name", "product-name"}
    if member.category == "third-party" and pick.random() < (0.2 if plain else 0.6):
        user.tags["vendor"] = member.name.removeprefix("vendor-").split("=")[0].rstrip("0123456789")
    if member.category == "ci-cd" and pick.random() < (0.1 if plain else 0.4):
        user.tags["purpose"] = "ci"
    if member.category == "human-console" and pick.random() < 0.3:
        user.tags["email"] = f"{user.name.replace('@acme.example', '')}@acme.example"
    a_person = member.category == "human-programmatic" and not _MADE_BY_AWS & set(member.quirks)
    nameless = not _PERSON.match(user.name) and not member.disguise
    if a_person and (pick.random() < 0.3 or nameless):
        user.tags["email"] = f"{user.name.replace(',', '.')}@acme.example"
    named = any(user.name.startswith((f"{p}-", f"ci-{p}-")) for p in PREFIXES.values())
    member.suggestable = "team" in user.tags or named


def _tagged_team(member: Member) -> str:
    """Its team; one tag in fourteen is older than the last reorganization."""
    pick = random.Random(f"tag-{member.name}")
    stale = not member.quirks and pick.random() < 1 / 14
    return pick.choice(list(PREFIXES)) if stale else member.team


def _habits(stage: Stage, member: Member, user: User) -> list[Habit]:
    pick = random.Random(f"{stage.seed}-habits-{member.name}")
    beside = [h for q in member.quirks if q in BESIDE for h in BESIDE[q](stage, member, user)]
    for quirk in member.quirks:
        if quirk in RHYTHMS:
            habits = RHYTHMS[quirk](stage, member, user)
            member.rhythm = "none" if quirk == "namesake" else rhythm_name(habits[0].every)
            return habits + beside
    if member.status == "never-used":
        member.rhythm = "none"
        return beside
    if member.status == "dormant":
        member.rhythm = "ended"
        last = stage.born_at - timedelta(days=pick.randrange(96, 1300), hours=pick.randrange(24))
        return faded(member, user, last, stage.born_at) + beside
    return usual(member, user, stage.born_at, pick) + beside


def _break_glass(stage: Stage, rhythm: Rhythm) -> None:
    """Two FIDO keys in two safes, no access key, its policy held directly; a drill each 80 days."""
    user = User(
        name=BREAK_GLASS,
        id=drawn_id("AIDA", 17, stage.seed, BREAK_GLASS),
        path="/breakglass/",
        arn=stage.account.arn(f"user/breakglass/{BREAK_GLASS}"),
        created_at=stage.born_at - timedelta(days=1100),
        attached=[ADMINISTRATOR],
        tags={"iam-retire": "never", "runbook": "RB-7"},
    )
    user.login = LoginProfile(user.created_at)
    user.password_changed_at = user.created_at
    add_fido(stage, user, "safe-berlin", "safe-dublin")
    stage.account.add_user(user)
    stage.account.rules += [_alarm(stage.account.id, user, region) for region in ALL_REGIONS]
    drill = sign_in(_BREAK_GLASS, user, stage.born_at, 80 * DAY)
    fields = {name: getattr(drill, name) for name in Habit.__dataclass_fields__}
    first = stage.born_at - timedelta(days=121)
    rhythm.add(Habit(**{**fields, "first": first, "spread": 0.0, "workdays": False}))


def _alarm(account_id: str, user: User, region: str) -> EventRule:
    """Whoever is on call hears of each call and sign-in of the user."""
    kinds = ["AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail"]
    who = {"userIdentity": {"arn": [user.arn]}}
    return EventRule(
        "break-glass-used",
        region,
        {"detail-type": kinds, "detail": who},
        "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        [f"arn:aws:sns:{region}:{account_id}:break-glass-used"],
    )


def _federated_people(rhythm: Rhythm, born_at: datetime) -> None:
    """People who come through Identity Center: sign-ins and what they do."""
    people = [
        (ADMIN_ROLE, ADMIN_SESSION, 2 * DAY),
        (ADMIN_ROLE, "ravi.menon@acme.example", 5 * DAY),
        (SSO_READ_ROLE, "sara@acme.example", 2 * DAY),
        (SSO_READ_ROLE, "priya@acme.example", 3 * DAY),
        (SSO_READ_ROLE, "tom@acme.example", 3 * DAY),
    ]
    for role, person, every in people:
        for service, event in (("signin", "ConsoleLogin"), ("ec2", "DescribeInstances")):
            rhythm.add(
                Habit(
                    kind="session", actor=role, key=person, service=service, event=event,
                    region="eu-central-1", every=every, first=born_at - timedelta(days=88),
                    ip=address(person, "human"),
                    agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0 Safari/537.36",
                    spread=0.3,
                )
            )  # fmt: skip
