"""What is different in Identity Center between two looks, in sentences. Pure.

Rows are those of `CenterLook`. What a change means for people's access is judged elsewhere; this
says what was added, taken away and made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
MOST = 50


@dataclass(frozen=True, slots=True)
class Content:
    """What a look holds."""

    people: Iterable[Row] = ()
    groups: Iterable[Row] = ()
    permission_sets: Iterable[Row] = ()
    assignments: Iterable[Row] = ()


def changes(before: Content, after: Content) -> list[str]:
    """Sentences, the first fifty and how many more there are."""
    found = [
        *_groups(before, after),
        *_sets(before, after),
        *_assignments(before, after),
        *_people(before, after),
    ]
    if len(found) > MOST:
        return [*found[:MOST], f"{len(found) - MOST} more changes."]
    return found


def _by(key: str, rows: Iterable[Row]) -> dict[str, Row]:
    return {str(row[key]): row for row in rows}


def _groups(before: Content, after: Content) -> Iterator[str]:
    was, now = _by("id", before.groups), _by("id", after.groups)
    gone = {str(row["name"]).casefold() for key, row in was.items() if key not in now}
    for key, row in now.items():
        if key in was:
            yield from _group(was[key], row)
        elif str(row["name"]).casefold() in gone:
            yield f"Group {row['name']} has another ID than before."
        else:
            yield f"Group {row['name']} is new."
    back = {str(row["name"]).casefold() for key, row in now.items() if key not in was}
    for key, row in was.items():
        if key not in now and str(row["name"]).casefold() not in back:
            yield f"Group {row['name']} is gone."


def _group(was: Row, now: Row) -> Iterator[str]:
    if was["name"] != now["name"]:
        yield f"Group {was['name']} is called {now['name']} now."
    if was["external_id"] != now["external_id"]:
        yield f"Group {now['name']} has another ID at the identity provider."
    joined, left = _apart(was["members"], now["members"])
    if joined or left:
        yield f"Group {now['name']}: {joined} joined, {left} left."


def _apart(was: Iterable[str], now: Iterable[str]) -> tuple[int, int]:
    old, new = set(was), set(now)
    return len(new - old), len(old - new)


def _sets(before: Content, after: Content) -> Iterator[str]:
    was, now = _by("arn", before.permission_sets), _by("arn", after.permission_sets)
    for arn, row in now.items():
        if arn not in was:
            yield f"Permission set {row['name']} is new."
        elif was[arn] != row:
            yield f"Permission set {row['name']} was changed."
    for arn, row in was.items():
        if arn not in now:
            yield f"Permission set {row['name']} is gone."


def _assignments(before: Content, after: Content) -> Iterator[str]:
    names = {
        str(row["arn"]): str(row["name"])
        for row in (*before.permission_sets, *after.permission_sets)
    }

    def keys(content: Content) -> set[tuple[str, str, str]]:
        return {(r["set_arn"], r["account_id"], r["principal_id"]) for r in content.assignments}

    was, now = keys(before), keys(after)
    for word, rows in (("given", now - was), ("taken away", was - now)):
        counted = Counter((names.get(arn, arn), account) for arn, account, _ in rows)
        for (name, account), number in sorted(counted.items()):
            times = "once" if number == 1 else f"{number} times"
            yield f"{name} in {account} was {word} {times}."


def _people(before: Content, after: Content) -> Iterator[str]:
    was, now = _by("id", before.people), _by("id", after.people)
    joined, left = _apart(was, now)
    off = sum(was[key]["active"] and not row["active"] for key, row in now.items() if key in was)
    if joined:
        yield f"{joined} {'person' if joined == 1 else 'people'} came into the directory."
    if left:
        yield f"{left} {'person' if left == 1 else 'people'} left the directory."
    if off:
        yield f"{off} {'person was' if off == 1 else 'people were'} disabled in the directory."
