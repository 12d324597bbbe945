"""How the youngest users of the account came to be: events that event history still holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from .authentication import ADMIN_ROLE, ADMIN_SESSION
from .estate import RUNNER_ROLE
from .habits import address
from .rhythm import DAY, Habit, once
from .state import Account, User

_WITHIN = timedelta(days=90)
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36"
_TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) "
    "terraform-provider-aws/5.70.0 aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.1"
)
MAKERS = (
    # role, session, user agent
    (RUNNER_ROLE, "terraform-apply", _TERRAFORM),
    (ADMIN_ROLE, ADMIN_SESSION, _BROWSER),
    (ADMIN_ROLE, "ravi.menon@acme.example", "aws-cli/2.31.2 md/awscrt#0.27 os/macos#24.6"),
)
"""A pipeline, a person in the console, a person at a terminal."""


def births(account: Account, born_at: datetime) -> list[Habit]:
    """Who made each user younger than 90 days, its password and its keys; each happens once."""
    young = [user for user in account.users.values() if user.created_at > born_at - _WITHIN]
    young.sort(key=lambda user: (user.created_at, user.name))
    return [
        habit
        for number, user in enumerate(young)
        for habit in _birth(user, *MAKERS[number % len(MAKERS)])
    ]


def _birth(user: User, role: str, session: str, agent: str) -> list[Habit]:
    def made(event: str, at: datetime) -> Habit:
        habit = Habit(
            kind="made", actor=user.id, key=f"{role}/{session}", service="iam", event=event,
            region="us-east-1", every=DAY, first=at, ip=address(session, "human"), agent=agent,
            read_only=False,
        )  # fmt: skip
        return once(habit, at)

    habits = [made("CreateUser", user.created_at)]
    if user.login is not None:
        habits.append(made("CreateLoginProfile", user.login.created_at + timedelta(seconds=2)))
    habits += [made("CreateAccessKey", key.created_at) for key in user.keys.values()]
    return habits
