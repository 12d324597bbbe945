"""What a declaration would change, in sentences, and what of it loosens. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, Protocol

from inventory.models.people import Role
from inventory.organization.policy_section import CATEGORIES, DEFAULT_POLICY
from inventory.organization.values import Declaration, DeclaredAccount, DeclaredPerson
from inventory.policy import (
    TIMES,
    WINDOWS,
    Always,
    Policy,
    Window,
    in_words,
    parse_window,
    policy_for,
)

POWERFUL = (Role.APPROVER, Role.ADMIN)
# Older evidence is looser; for every other time, shorter is.
_LONGER_IS_LOOSER = frozenset({"evidence_max_age"})


@dataclass(frozen=True, slots=True)
class Difference:
    """Sentences: everything that changes, what of it loosens, and which of them name a person."""

    changes: tuple[str, ...]
    loosens: tuple[str, ...]
    personal: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.changes)


def difference(before: Declaration, after: Declaration, today: date) -> Difference:
    """What applying `after` changes where `before` holds; `today` tells which freezes are past."""
    personal = [*_people(before, after)]
    powers = [*_more_powerful(before, after)]
    changes = dict.fromkeys([*_changes(before, after), *personal])
    loosens = dict.fromkeys([*_loosenings(before, after, today), *powers])
    return Difference(tuple(changes), tuple(loosens), frozenset([*personal, *powers]))


class _Row(Protocol):
    name: str


def _changes(before: Declaration, after: Declaration) -> Iterator[str]:
    yield from _rows(
        "Account",
        {account.account_id: account for account in before.accounts},
        {account.account_id: account for account in after.accounts},
        apart=("protected", "policy"),
    )
    yield from _protections(before, after)
    yield from _rows("Team", before.staying_teams, after.staying_teams, apart=("lead",))
    yield from _policy_changes("Policy", before.policy, after.policy)
    for old, new in _pairs(before, after):
        yield from _policy_changes(f"Policy of {new.name}", old.policy, new.policy)
    for key in ("break_glass", "identity_center", "custodian", "group_roles"):
        old_value, new_value = getattr(before, key), getattr(after, key)
        if old_value != new_value:
            yield f"{key}: {_say(old_value)} → {_say(new_value)}"


def _people(before: Declaration, after: Declaration) -> Iterator[str]:
    yield from _rows("Person", before.staying_people, after.staying_people)
    for key, team in after.staying_teams.items():
        old = before.staying_teams[key].lead if key in before.staying_teams else ""
        if old != team.lead:
            yield f"Team {team.name}: lead {_say(old)} → {_say(team.lead)}"


def _rows(
    noun: str, before: dict[str, Any], after: dict[str, Any], apart: tuple[str, ...] = ()
) -> Iterator[str]:
    """Added, removed and changed rows of one kind; columns `apart` are told elsewhere."""
    for key, row in after.items():
        if key not in before:
            yield f"{noun} {row.name} ({key}): added{_with_what(row)}"
            continue
        for column in fields(row):
            old, new = getattr(before[key], column.name), getattr(row, column.name)
            if column.compare and column.name not in apart and old != new:
                yield f"{noun} {row.name}: {column.name} {_say(old)} → {_say(new)}"
    for key in before.keys() - after.keys():
        yield f"{noun} {before[key].name} ({key}): removed"


def _with_what(row: object) -> str:
    if isinstance(row, DeclaredPerson) and row.roles:
        return f" as {', '.join(row.roles)}"
    if isinstance(row, DeclaredAccount) and row.sandbox:
        return " as a sandbox"
    return ""


def _pairs(
    before: Declaration, after: Declaration
) -> Iterator[tuple[DeclaredAccount, DeclaredAccount]]:
    old = {account.account_id: account for account in before.accounts}
    for account in after.accounts:
        yield (
            old.get(account.account_id, DeclaredAccount(account.account_id, account.name)),
            account,
        )


def _protections(before: Declaration, after: Declaration) -> Iterator[str]:
    for old_account, account in _pairs(before, after):
        old = {entry.user.lower(): entry for entry in old_account.protected}
        new = {entry.user.lower(): entry for entry in account.protected}
        for name in new.keys() - old.keys():
            yield f"{account.name}: {new[name].user} becomes protected ({new[name].kind})"
        for name in old.keys() - new.keys():
            yield f"{account.name}: {old[name].user} is no longer protected"
        for name in new.keys() & old.keys():
            for column in ("kind", "reason", "owner", "until"):
                was, becomes = getattr(old[name], column), getattr(new[name], column)
                if was != becomes:
                    yield (
                        f"{account.name}: protection of {new[name].user}: {column} "
                        f"{_say(was)} → {_say(becomes)}"
                    )


def _policy_changes(scope: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in DEFAULT_POLICY:
        old, new = before.get(key), after.get(key)
        if key != "by_category" and old != new:
            yield f"{scope}: {key} {_say_policy(key, old)} → {_say_policy(key, new)}"
    old_own, new_own = before.get("by_category", {}), after.get("by_category", {})
    for category in old_own.keys() | new_own.keys():
        was, becomes = old_own.get(category, {}), new_own.get(category, {})
        yield from _policy_changes(f"{scope} for {category}", was, becomes)


def _say_policy(key: str, value: Any) -> str:
    if value is None:
        return "not set"
    if key in WINDOWS:
        return str(parse_window(value))
    if key == "freezes":
        return "; ".join(f"{row['from']} to {row['to']}" for row in value) or "none"
    return str(value)


def _say(value: object) -> str:
    if value is None or value in ("", (), {}, []):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_say, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_say(one)}" for key, one in value.items())
    if hasattr(value, "user") and hasattr(value, "account"):
        return f"{value.user} in {value.account}"
    return str(value)


# --- What loosens -----------------------------------------------------------------------------


def _loosenings(before: Declaration, after: Declaration, today: date) -> Iterator[str]:
    yield from _looser_policy(before, after, today)
    known = {account.account_id for account in before.accounts}
    for old, new in _pairs(before, after):
        if new.sandbox and not old.sandbox:
            yield f"{new.name} becomes a sandbox: short times, windows always open."
        yield from _looser_protection(old, new, today)
        moved = old.time_zone != new.time_zone
        if new.account_id in known and moved and not (old.sandbox and new.sandbox):
            yield f"{new.name}: its windows move from {old.time_zone} to {new.time_zone}."
    yield from _looser_break_glass(before, after)


def _looser_protection(old: DeclaredAccount, new: DeclaredAccount, today: date) -> Iterator[str]:
    entries = {entry.user.lower(): entry for entry in new.protected}
    for entry in old.protected:
        if not entry.held_on(today):
            continue
        now = entries.get(entry.user.lower())
        if now is None:
            yield f"{new.name}: {entry.user} loses its protection."
        elif entry.kind == "break-glass" and now.kind != "break-glass":
            yield f"{new.name}: {entry.user} is no longer break-glass, only {now.kind}."
        elif now.until and (entry.until is None or now.until < entry.until):
            yield f"{new.name}: the protection of {entry.user} ends earlier, on {now.until}."


def _looser_break_glass(before: Declaration, after: Declaration) -> Iterator[str]:
    old, new = before.break_glass, after.break_glass
    if old is None:
        return
    if new is None or (old.account, old.user) != (new.account, new.user):
        yield (
            f"{old.user} is no longer the organization's break-glass user, "
            f"{_say(new)} is. Without it a failure of sign-in locks everybody out."
        )


def _looser_policy(before: Declaration, after: Declaration, today: date) -> Iterator[str]:
    """Compares what holds in the end per account and category, wherever in the file it stands."""
    known = {account.account_id for account in before.accounts}
    looser: dict[str, list[str]] = {}
    for old, new in _pairs(before, after):
        if new.account_id not in known:
            continue
        for category in ("", *CATEGORIES):
            was = policy_for(before, old, category)
            becomes = policy_for(after, new, category)
            for sentence in _looser(was, becomes, today):
                where = f"{new.name} ({category})" if category else new.name
                looser.setdefault(sentence, []).append(where)
    for sentence, places in looser.items():
        whole = [place for place in places if "(" not in place]
        yield f"{sentence} In {', '.join(whole or places)}."


def _looser(was: Policy, becomes: Policy, today: date) -> Iterator[str]:
    for key in TIMES:
        old: timedelta = getattr(was, key)
        new: timedelta = getattr(becomes, key)
        if new > old if key in _LONGER_IS_LOOSER else new < old:
            how = "longer" if new > old else "shorter"
            yield f"{key} becomes {how}: {in_words(old)} → {in_words(new)}."
    if becomes.batch_size > was.batch_size:
        yield f"batch_size becomes larger: {was.batch_size} → {becomes.batch_size}."
    for key in WINDOWS:
        if _minutes(getattr(becomes, key)) - _minutes(getattr(was, key)):
            yield f"{key} becomes wider: {getattr(was, key)} → {getattr(becomes, key)}."
    thawed = _frozen_days(was, today) - _frozen_days(becomes, today)
    if thawed:
        yield f"Days are no longer frozen: {min(thawed)} to {max(thawed)}."


def _minutes(window: Window | Always) -> frozenset[int]:
    """The minutes of a week, from Monday 00:00, that a window holds open."""
    if isinstance(window, Always):
        return frozenset(range(7 * 1440))
    start = window.start.hour * 60 + window.start.minute
    length = (window.end.hour * 60 + window.end.minute - start) % 1440 or 1440
    return frozenset(
        (day * 1440 + start + minute) % (7 * 1440)
        for day in window.days
        for minute in range(length)
    )


def _frozen_days(policy: Policy, today: date) -> set[date]:
    days: set[date] = set()
    for freeze in policy.freezes:
        first = max(freeze.start, today)
        days |= {first + timedelta(days=n) for n in range((freeze.end - first).days + 1)}
    return days


def _more_powerful(before: Declaration, after: Declaration) -> Iterator[str]:
    old_people = before.staying_people
    for username, person in after.staying_people.items():
        old = old_people.get(username)
        had = set(old.roles) if old else set()
        for role in _powerful(person.roles):
            if role not in had:
                yield f"{person.name} becomes {role}."
            elif old and old.email.lower() != person.email.lower():
                # Whoever proves that address signs in as this person.
                yield f"The e-mail address of {person.name}, {role}, changes to {person.email}."
    for group, grant in after.group_roles.items():
        had = set(before.group_roles.get(group, {}).get("roles", ()))
        for role in _powerful(grant["roles"]):
            if role not in had:
                yield f"Everybody in the group {group} becomes {role}."


def _powerful(roles: Iterable[str]) -> list[str]:
    return [role for role in roles if role in POWERFUL]
