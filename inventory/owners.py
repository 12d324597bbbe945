"""Which team an IAM user looks like, and why. Pure; people decide.

Each sign has a likelihood of its own; signs for the same team add up as independent ones do.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

_OWNER_KEYS = frozenset(
    {"owner", "team", "contact", "createdby", "created-by", "created_by", "email", "maintainer"}
)
_REPOSITORY_KEYS = frozenset({"repo", "repository", "github", "gitlab", "source"})
_LEAST_PERCENT = 40
# More users than this behind one address is an office or a gateway, and says ever less.
_CLOSE = 10


@dataclass(frozen=True, slots=True)
class TeamSigns:
    """A team as it is looked for. `match` as declared: {"tags": {key: [values]}, "names": [regex],
    "repositories": [...]}; `people`: user names and e-mail addresses of its members."""

    key: str
    name: str
    match: Mapping[str, Any] = field(default_factory=dict)
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """Other users that call from the same place: `what` is an address or a user agent.

    `owned` counts those that a team answers for, by team key; `users` counts all of them.
    """

    what: str
    users: int
    owned: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Word:
    """What people of a team said about an IAM user, as far as it still holds.

    `said` is "ours", "not-ours", "released" (they had it and let go), or "named": `by` is then
    whoever said that it is this team's.
    """

    team_key: str
    said: str
    on: date
    by: str = ""


@dataclass(frozen=True, slots=True)
class UserSigns:
    """What an IAM user shows of its owner.

    `created_by` is the actor of CreateUser, where known, and `creator_team` the team that answers
    for that actor if it is an IAM user.
    """

    user_name: str
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    created_by: str = ""
    creator_team: str = ""
    user_agents: tuple[str, ...] = ()
    addresses: tuple[Shared, ...] = ()
    shared_agents: tuple[Shared, ...] = ()
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A team with how likely it is, 1 to 99 percent, and why."""

    team_key: str
    percent: int
    reasons: tuple[str, ...]


def suggest(user: UserSigns, teams: Iterable[TeamSigns]) -> Suggestion | None:
    """The likeliest team; None where no sign is strong enough or two teams are as likely.

    What speaks for another team as well takes from the percent, as doubt does. A team that said
    that the user is not theirs is not suggested again, whatever else speaks for it.
    """
    denied = {word.team_key: word for word in user.words if word.said == "not-ours"}
    known = list(teams)
    domains = _domains(known)
    names = {team.key: team.name for team in known}
    known = [team for team in known if team.key not in denied]
    doubt: dict[str, float] = defaultdict(lambda: 1.0)
    reasons: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for team in known:
        for likelihood, reason in _signs(user, team, domains):
            doubt[team.key] *= 1 - likelihood
            reasons[team.key].append((likelihood, reason))
    for word in user.words:
        if word.said == "released" and word.team_key in doubt:
            # Half of what speaks for a team that had it and let it go.
            doubt[word.team_key] = (1 + doubt[word.team_key]) / 2
            text = f"{names[word.team_key]} had it and let it go on {_day(word.on)}"
            reasons[word.team_key].append((0.0, text))
    ranked = sorted(doubt.items(), key=lambda item: item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    key, left = ranked[0]
    odds = (1 - left) / left
    against = sum((1 - other) / other for _, other in ranked[1:])
    percent = min(99, round(100 * odds / (1 + odds + against)))
    told = [text for _, text in sorted(reasons[key], key=lambda one: -one[0])]
    told += [
        f"{names[word.team_key]} said on {_day(word.on)} that it is not theirs"
        for word in denied.values()
        if word.team_key in names
    ]
    return Suggestion(key, percent, tuple(told)) if percent >= _LEAST_PERCENT else None


def _signs(
    user: UserSigns, team: TeamSigns, domains: Mapping[str, int]
) -> Iterator[tuple[float, str]]:
    yield from _by_tags(user, team)
    yield from _by_people(user, team, domains)
    yield from _by_neighbours(user, team)
    yield from _by_words(user, team)
    for pattern in team.match.get("names", ()):
        if re.search(pattern, user.user_name, re.IGNORECASE):
            yield 0.72, f"Name matches {pattern}"
            break
    parts = {part.lower() for part in user.path.split("/") if part}
    groups = {part for group in user.groups for part in re.split(r"[^a-z0-9]+", group.lower())}
    if team.key.lower() in parts or team.key.lower() in {one.lower() for one in user.groups}:
        yield 0.6, f"Path or group {team.key}"
    elif team.key.lower() in groups:
        yield 0.5, f"A group speaks of {team.name}"


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
    for agent in user.user_agents:
        if named := next((one for one in repositories if one in agent.lower()), ""):
            yield 0.8, f"Called by a build of {named}"
            break


def _by_people(
    user: UserSigns, team: TeamSigns, domains: Mapping[str, int]
) -> Iterator[tuple[float, str]]:
    people = {one.lower() for one in team.people if one}
    for key, value in user.tags.items():
        if key.lower() in _OWNER_KEYS and value.lower() in people:
            yield 0.7, f"Tag {key}={value}"
    # A role session is called ROLE/SESSION, and sessions of people bear their address.
    creator = user.created_by.lower().rpartition("/")[2]
    if creator and creator in people:
        yield 0.6, f"Made by {creator}"
    elif user.creator_team == team.key:
        yield 0.55, f"Made by {user.created_by}, which {team.name} answers for"
    if user.user_name.lower() in people:
        yield 0.6, f"Named like {user.user_name} of {team.name}"
    addresses = (user.user_name, *user.tags.values())
    for domain in {one.rpartition("@")[2].lower() for one in addresses if "@" in one}:
        if domains.get(domain) == 1 and any(one.endswith(f"@{domain}") for one in people):
            yield 0.5, f"Mail domain {domain}, which only {team.name} has"


def _by_words(user: UserSigns, team: TeamSigns) -> Iterator[tuple[float, str]]:
    for word in user.words:
        if word.team_key == team.key and word.said == "named":
            yield 0.75, f"{word.by} said on {_day(word.on)} that it is {team.name}’s"
        elif word.team_key == team.key and word.said == "ours":
            yield 0.5, f"{team.name} claimed it on {_day(word.on)}"


def _day(on: date) -> str:
    return f"{on.day} {on:%b %Y}"


def _domains(teams: Iterable[TeamSigns]) -> Counter[str]:
    """How many teams have people of a mail domain: what all have tells nobody apart."""
    found: Counter[str] = Counter()
    for team in teams:
        found.update({one.rpartition("@")[2].lower() for one in team.people if "@" in one})
    return found


def _by_neighbours(user: UserSigns, team: TeamSigns) -> Iterator[tuple[float, str]]:
    """Only the most telling address and user agent: several of them are no independent signs."""
    for shared, most, text in (
        (user.addresses, 0.8, "from the same address"),
        (user.shared_agents, 0.6, "with the same client"),
    ):
        weighed = [(most * _telling(one, team.key), one) for one in shared]
        likelihood, best = max(weighed, key=lambda pair: pair[0], default=(0.0, None))
        if best is not None and likelihood > 0:
            count = best.owned[team.key]
            calls = "1 user of {} calls" if count == 1 else f"{count} users of {{}} call"
            yield likelihood, f"{calls.format(team.name)} {text}"


def _telling(shared: Shared, team_key: str) -> float:
    """0 to 1: how surely whoever calls from there is of this team."""
    mine = shared.owned.get(team_key, 0)
    if not mine:
        return 0.0
    pure = mine / sum(shared.owned.values())
    close = min(1.0, _CLOSE / shared.users)
    return pure**2 * close * mine / (mine + 1)
