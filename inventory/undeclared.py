"""The accounts of an AWS organization beside the declared ones: who is missing, as YAML to paste.

The last listing is remembered for a month, so that Settings can say how many are not declared.
Nothing is declared by it: that takes the file and `organization apply`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache

from inventory.aws.organizations import Listed, Member

READER_ROLE = "arn:{partition}:iam::{id}:role/IamCleanupReader"
_KEY = "organization:active-members"
_REMEMBERED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`missing` are active and not declared; `closed` are not active; `strangers` are ids that are
    declared and no members."""

    declared: tuple[Member, ...]
    missing: tuple[Member, ...]
    closed: tuple[Member, ...]
    strangers: tuple[str, ...]


def compare(members: Iterable[Member], declared: Iterable[str]) -> Comparison:
    """The members beside the ids of the declared accounts."""
    everybody, ids = tuple(members), frozenset(declared)
    return Comparison(
        declared=tuple(one for one in everybody if one.account_id in ids),
        missing=tuple(one for one in everybody if one.active and one.account_id not in ids),
        closed=tuple(one for one in everybody if not one.active),
        strangers=tuple(sorted(ids - {one.account_id for one in everybody})),
    )


def stanza(
    missing: Iterable[Member],
    reader_role: str,
    external_id: str = "",
    taken_names: Iterable[str] = (),
) -> list[str]:
    """Lines for below `accounts:` of iamcleanup.yaml. `{id}` in role and external id is the
    account's; a name that stands twice, or is taken, gets its id behind it."""
    rows = list(missing)
    names = Counter(_plain(one.name).lower() for one in rows)
    names.update(name.lower() for name in taken_names)
    lines = []
    for one in rows:
        name = _plain(one.name) or one.account_id
        if names[name.lower()] > 1:
            name = f"{name} {one.account_id}"
        lines += [
            f"  - id: {quoted(one.account_id)}",
            f"    name: {quoted(name)}",
            f"    reader_role: {quoted(reader_role.replace('{id}', one.account_id))}",
        ]
        if external_id:
            lines.append(f"    external_id: {quoted(external_id.replace('{id}', one.account_id))}")
    return lines


def remember(listed: Listed) -> None:
    """Keep which members are active, for `count`."""
    active = [one.account_id for one in listed.members if one.active]
    cache.set(_KEY, active, timeout=int(_REMEMBERED.total_seconds()))


def count(declared: Iterable[str]) -> int:
    """How many members of the last listing are not declared; 0 too where nobody listed lately."""
    return len(set(cache.get(_KEY, ())) - set(declared))


def _plain(name: str) -> str:
    """Somebody typed it into AWS: nothing in it may end the line or the terminal's patience."""
    return "".join(character for character in name if character.isprintable()).strip()[:80]


def quoted(text: str) -> str:
    """A double-quoted YAML scalar: JSON's escapes are YAML's."""
    return json.dumps(text, ensure_ascii=False)
