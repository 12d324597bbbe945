"""Which way out for whom: how a person or workload gets access once its IAM user is gone.

`suggest` is pure: a category and what the evidence shows go in, a target and its reason come out.
The owner decides; a suggestion is a draft until somebody confirms that the new access works.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from inventory.models import Person
from migrations_app.guards import quiet_since
from migrations_app.lifecycle import HAS_ACCESS, Protection
from migrations_app.models import Answer, Plan

Target = Plan.Target


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A target with the reason for it."""

    target: Plan.Target
    reason: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """For how many of the policy's days nothing was seen of the old credentials."""

    days: int
    of: int
    since: datetime | None

    @property
    def is_over(self) -> bool:
        return self.days >= self.of

    @property
    def over_at(self) -> datetime | None:
        """When it will be long enough, if nothing calls again."""
        return self.since + timedelta(days=self.of) if self.since else None

    @property
    def words(self) -> str:
        """`7 of 14 d`."""
        return f"{self.days} of {self.of} d"


def quiet(
    last_activity_at: datetime | None, created_at: datetime | None, length: timedelta, now: datetime
) -> Quiet:
    """As rule 6 counts it; whole days, and no more than are asked for."""
    since = quiet_since(last_activity_at, created_at)
    # Nothing known of it, not even its making: no day counts.
    passed = now - since if since else timedelta()
    return Quiet(max(0, min(passed, length).days), length.days, since)


_SEEN = (
    (("github",), Suggestion(Target.GITHUB_OIDC, "Its calls come from GitHub Actions.")),
    (("eks", "kubernetes"), Suggestion(Target.EKS, "Its calls come from a Kubernetes cluster.")),
    (("ec2",), Suggestion(Target.INSTANCE_PROFILE, "Its calls come from EC2 instances.")),
)
_BY_CATEGORY = {
    "third-party": Suggestion(
        Target.CROSS_ACCOUNT_ROLE, "A vendor can assume a role with an external ID."
    ),
    "ci-cd": Suggestion(
        Target.GITHUB_OIDC, "A pipeline can present its own identity instead of a key."
    ),
}
_NOBODY_KNOWS = Suggestion(Target.OTHER, "Nobody knows yet what it does. Ask its owner first.")


def names_of(plans: Iterable[Plan]) -> dict[str, str]:
    """By username, how whoever asked for a key to stay or agreed to it is called.

    Choices hold usernames, which tell two people of one name apart. One query where there are any.
    """
    rows = list(plans)
    told = {str(row.choice(by)) for row in rows for by in ("asked_by", "approved_by")} - {""}
    if not told:
        return {}
    people = {one.username: str(one) for one in Person.objects.filter(username__in=told)}
    return {username: people.get(username, username) for username in told}


def needing() -> Q:
    """Which plans somebody waits for: not those of users that are quiet or may simply go."""
    # By the row that the lists find users by, which is far narrower than a user.
    unused = Q(departure__listed__verdict__in=("dormant", "never-used"))
    still = ~unused | Q(departure__answer=Answer.NEEDED)
    access = Q(departure__state__in=HAS_ACCESS, departure__protection=Protection.NONE)
    return access & still & ~Q(departure__answer=Answer.CAN_GO)


def kept_with_a_key() -> Q:
    """Plans of users that stay until a date, with a key that rotates: agreed exceptions."""
    return Q(
        target=Target.SECRETS_MANAGER,
        departure__protection=Protection.EXEMPT,
        departure__state__in=HAS_ACCESS,
    )


def suggest(
    category: str, user_agents: Collection[str] = (), tags: Collection[str] = ()
) -> Suggestion:
    """The way out for a user of `category`, judged by its user agents and tag values."""
    seen = " ".join([*user_agents, *tags]).lower()
    if category in ("human-console", "human-programmatic"):
        how = "signs in to the console" if category == "human-console" else "uses keys by hand"
        return Suggestion(Target.IDENTITY_CENTER, f"A person who {how} gets a permission set.")
    for words, suggestion in _SEEN:
        if any(word in seen for word in words):
            return suggestion
    return _BY_CATEGORY.get(category, _NOBODY_KNOWS)
