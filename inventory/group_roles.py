"""What a person may do by the file and by the groups of the sign-in provider, put together.

Roles add up. Which part came from groups alone is kept apart, so that a group that is lost, or that
the file gives nothing for any more, takes exactly its own part along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inventory.models import Person, Team


def declared_roles(person: Person) -> tuple[str, ...]:
    """The roles the organization file gives this person."""
    return tuple(sorted(set(person.roles) - set(person.granted_roles)))


def declared_teams(person: Person) -> tuple[str, ...]:
    """The keys of the teams the organization file puts this person in."""
    keys = person.teams.filter(active=True).values_list("key", flat=True)
    return tuple(sorted(set(keys) - set(person.granted_teams)))


def settle(
    person: Person,
    roles: Iterable[str],
    teams: Iterable[str],
    group_roles: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Give `person` the declared `roles` and `teams`, and what their groups bring; saved.

    `group_roles` is `sign_in.group_roles` of the file. Whether they may do something else now.
    """
    if person._state.adding:
        person.save()
    before = (set(person.roles), set(person.teams.values_list("key", flat=True)))
    person.groups = sorted(group for group in person.groups if group in group_roles)
    grants = [group_roles[group] for group in person.groups]
    given = {role for grant in grants for role in grant["roles"]}
    given_teams = {key for grant in grants for key in grant["teams"]}
    person.granted_roles = sorted(given - set(roles))
    person.granted_teams = sorted(given_teams - set(teams))
    person.roles = sorted(given | set(roles))
    person.save()
    keys = given_teams | set(teams)
    person.teams.set(Team.objects.filter(key__in=keys, active=True))
    return before != (set(person.roles), keys)
