"""What users of each kind do with AWS, and how often."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

from .cast import TEAM_REGIONS, Member
from .disguises import TERRAFORM
from .rhythm import DAY, HOUR, Habit, once
from .state import User

HISTORY = timedelta(days=94)
_CONSOLE_CALLS = (
    ("ec2", "DescribeInstances"),
    ("s3", "ListBuckets"),
    ("rds", "DescribeDBInstances"),
)
_CI_CALLS = (
    ("ecr", "GetAuthorizationToken"), ("cloudformation", "DescribeStacks"),
    ("ecs", "DescribeServices"), ("lambda", "ListFunctions20150331"),
)  # fmt: skip
_VENDOR_CALLS = (
    ("ec2", "DescribeInstances"),
    ("monitoring", "ListMetrics"),
    ("rds", "DescribeDBInstances"),
)
_BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"
)
_AGENTS = {
    "human-console": "aws-cli/2.31.2 md/awscrt#0.27 ua/2.1 os/macos#24.6 lang/python#3.13",
    "human-programmatic": "aws-cli/2.15.30 Python/3.11.8 Linux/6.1 source/x86_64 prompt/off",
    "ci-cd": "Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux#5.15 exec-env/CI",
    "third-party": "aws-sdk-java/2.25.11 Linux/5.10 OpenJDK_64-Bit_Server_VM/17",
    "mystery": "aws-cli/1.18.69 Python/3.6.9 Linux/4.15.0-112-generic botocore/1.16.19",
}


def where(member: Member) -> str:
    """The address a member calls from. People share the office, builds the runners or their team's
    gateway, and so do servers that nobody remembers; a vendor has its own."""
    pick = random.Random(f"where-{member.name}")
    if member.category == "third-party":
        return address(member.name, member.category)
    if member.category.startswith("human"):
        if pick.random() < 0.5:
            return address(member.name, "human")
        return f"203.0.113.{pick.choice((10, 11))}"
    if member.category == "ci-cd" and pick.random() < 0.5:
        return f"198.51.100.{pick.choice((20, 21, 22))}"
    return f"198.51.100.{40 + list(TEAM_REGIONS).index(member.team)}"


def address(name: str, category: str) -> str:
    """The address somebody calls from: documentation ranges, the same in every run."""
    number = random.Random(f"ip-{name}").randrange(1, 255)
    network = {"ci-cd": "198.51.100", "third-party": "192.0.2"}.get(category, "203.0.113")
    return f"{network}.{number}"


def sign_in(member: Member, user: User, born_at: datetime, every: int) -> Habit:
    """Console sign-ins each followed by a call."""
    pick = random.Random(f"console-{member.name}")
    service, event = pick.choice(_CONSOLE_CALLS)
    region = TEAM_REGIONS.get(member.team, "us-east-1")
    return Habit(
        kind="console", actor=user.id, key="", service=service, event=event, region=region,
        every=every, first=_first(user, born_at), ip=where(member), agent=_BROWSER,
        workdays=every < 20 * DAY, works=True,
    )  # fmt: skip


def calls(member: Member, user: User, key: str, born_at: datetime, every: int) -> Habit:
    """Management calls with an access key."""
    pick = random.Random(f"calls-{member.name}")
    table = {"ci-cd": _CI_CALLS, "third-party": _VENDOR_CALLS}.get(member.category, _CONSOLE_CALLS)
    service, event = pick.choice(table)
    return Habit(
        kind="api", actor=user.id, key=key, service=service, event=event,
        region=TEAM_REGIONS.get(member.team, "us-east-1"), every=every,
        first=_first(user, born_at), ip=where(member),
        agent=TERRAFORM if member.disguise == "terraform-at-home" else _AGENTS[member.category],
        works=True,
    )  # fmt: skip


def _first(user: User, born_at: datetime) -> datetime:
    return max(user.created_at + timedelta(hours=6), born_at - HISTORY)


def usual(member: Member, user: User, born_at: datetime, pick: random.Random) -> list[Habit]:
    """An active user: sign-ins for those with a password, calls for those with keys."""
    habits = []
    keys = [key.id for key in user.keys.values() if key.status == "Active"]
    if user.login is not None and member.disguise != "with-password":
        every = pick.choice([2 * DAY, 3 * DAY, 3 * DAY, 7 * DAY, 24 * DAY])
        habits.append(sign_in(member, user, born_at, every))
        member.rhythm = rhythm_name(every)
    if keys and (not habits or pick.random() < 0.5):
        faster = {"ci-cd": [12 * HOUR, DAY, DAY, 7 * DAY], "third-party": [DAY, DAY, 3 * DAY]}
        every = pick.choice(faster.get(member.category, [DAY, 2 * DAY, 7 * DAY]))
        habits.append(_as_usual(member, calls(member, user, keys[0], born_at, every)))
        member.rhythm = member.rhythm or rhythm_name(every)
    return habits


def _as_usual(member: Member, habit: Habit) -> Habit:
    """People work on working days; every second build is started by a clock."""
    if member.category == "human-programmatic":
        return replace(habit, workdays=habit.every < 20 * DAY)
    pick = random.Random(f"clock-{member.name}")
    if member.category == "ci-cd" and pick.random() < 0.5:
        first = habit.first + timedelta(minutes=pick.randrange(24 * 60))
        return replace(habit, first=first, spread=0.0)
    return habit


def rhythm_name(every: int) -> str:
    """The word for a period, e.g. `daily`."""
    for limit, name in ((DAY, "daily"), (8 * DAY, "weekly"), (31 * DAY, "monthly"),
                        (100 * DAY, "quarterly"), (200 * DAY, "half-yearly")):  # fmt: skip
        if every <= limit:
            return name
    return "yearly"


def faded(member: Member, user: User, last: datetime, born_at: datetime) -> list[Habit]:
    """The last three uses of somebody who stopped at `last`."""
    if user.login is not None and member.disguise != "with-password":
        habit = sign_in(member, user, born_at, 3 * DAY)
    else:
        habit = calls(member, user, next(iter(user.keys)), born_at, 3 * DAY)
    moments = [last - timedelta(days=days) for days in (9, 4, 0)]
    return [once(habit, at) for at in moments if at > user.created_at]
