"""Which team an IAM user looks like, and why. Pure; people decide.

Each sign has a likelihood of its own; signs for the same team add up as independent ones do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_OWNER_KEYS = frozenset(
    {"owner", "team", "contact", "createdby", "created-by", "created_by", "email", "maintainer"}
)
_REPOSITORY_KEYS = frozenset({"repo", "repository", "github", "gitlab", "source"})
_LEAST_PERCENT = 40


@dataclass(frozen=True, slots=True)
class TeamSigns:
    """A team as it is looked for. `match` as declared: {"tags": {key: [values]}, "names": [regex],
    "repositories": [...]}; `people`: user names and e-mail addresses of its members."""

    key: str
    name: str
    match: Mapping[str, Any] = field(default_factory=dict)
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserSigns:
    """What an IAM user shows of its owner. `created_by` is the actor of CreateUser, where known."""

    user_name: str
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A team with how likely it is, 1 to 99 percent, and why."""

    team_key: str
    percent: int
    reasons: tuple[str, ...]


def suggest(user: UserSigns, teams: Iterable[TeamSigns]) -> Suggestion | None:
    """The likeliest team; None where no sign is strong enough or two teams are as likely."""
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    reasons: dict[str, list[str]] = defaultdict(list)
    for team in teams:
        for likelihood, reason in _signs(user, team):
            doubt[team.key] *= 1 - likelihood
            reasons[team.key].append(reason)
    ranked = sorted(doubt.items(), key=lambda item: item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    key, left = ranked[0]
    percent = min(99, round((1 - left) * 100))
    return Suggestion(key, percent, tuple(reasons[key])) if percent >= _LEAST_PERCENT else None


def _signs(user: UserSigns, team: TeamSigns) -> Iterator[tuple[float, str]]:
    yield from _by_tags(user, team)
    yield from _by_people(user, team)
    for pattern in team.match.get("names", ()):
        if re.search(pattern, user.user_name, re.IGNORECASE):
            yield 0.72, f"Name matches {pattern}"
            break
    parts = {part.lower() for part in (*user.path.split("/"), *user.groups) if part}
    if team.key.lower() in parts:
        yield 0.6, f"Path or group {team.key}"


def _by_tags(user: UserSigns, team: TeamSigns) -> Iterator[tuple[float, str]]:
    wanted = {key.lower(): values for key, values in team.match.get("tags", {}).items()}
    repositories = [one.lower() for one in team.match.get("repositories", ())]
    for key, value in user.tags.items():
        values = wanted.get(key.lower(), ())
        values = [values] if isinstance(values, str) else values
        names = {str(one).lower() for one in values}
        if key.lower() == "team":
            names |= {team.key.lower(), team.name.lower()}
        if value.lower() in names:
            yield 0.9, f"Tag {key}={value}"
        if key.lower() in _REPOSITORY_KEYS and any(one in value.lower() for one in repositories):
            yield 0.85, f"Repository {value}"


def _by_people(user: UserSigns, team: TeamSigns) -> Iterator[tuple[float, str]]:
    people = {one.lower() for one in team.people if one}
    for key, value in user.tags.items():
        if key.lower() in _OWNER_KEYS and value.lower() in people:
            yield 0.7, f"Tag {key}={value}"
    if user.created_by.lower() in people:
        yield 0.6, f"Created by {user.created_by}"
    if user.user_name.lower() in people:
        yield 0.6, f"Named like {user.user_name} of {team.name}"
