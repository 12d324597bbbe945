"""The filters of the Users page that are chips: what each one asks of a user, and its values.

A facet is a column of `Listed`, or a few conditions of which everybody meets exactly one; counting
and filtering use the same, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from migrations_app.lifecycle import HAS_ACCESS
from migrations_app.models import Change, Listed, Plan
from migrations_app.models.listed import NEVER, NO_KEY

NOBODY = "nobody"
NONE = "none"
TITLES = {
    "state": "State",
    "access": "Has access",
    "category": "Category",
    "owner": "Owner",
    "verdict": "Verdict",
    "privilege": "Privilege",
    "mfa": "MFA",
    "key": "Oldest key",
    "used": "Last used",
    "target": "Target",
    "accounts": "Account",
    "protection": "Protection",
    "disputed": "Disputed",
    "batch": "Batch",
    "reads": "Coverage",
    "named": "Who refers to it",
}
FACETS = tuple(TITLES)
_YES_NO = {"yes": "Yes", "no": "No"}
# In the order in which they are read, not by number.
_LABELS: dict[str, dict[str, str]] = {
    "access": _YES_NO,
    "disputed": _YES_NO,
    "mfa": {"no": "No", "yes": "Yes", "n/a": "No console password"},
    "key": {
        "old": "Older than 1 year",
        "90": "90 days to 1 year",
        "fresh": "Up to 90 days",
        "none": "No active key",
    },
    "used": {
        "7": "Within 7 days",
        "45": "Within 45 days",
        "90": "Within 90 days",
        "older": "Longer ago",
        "never": "Never",
        "unknown": "Not known",
    },
    "target": {**dict(Plan.Target.choices), NONE: "No plan"},
    "protection": {
        "break-glass": "Break-glass",
        "exempt": "Exempt",
        "self": "Self",
        NONE: "Not protected",
    },
    "reads": {
        "whole": "Read whole",
        "young": "Too young to judge",
        "credentials": "Credentials not read",
        "advisor": "Access Advisor not read",
        "regions": "Regions not read",
        "unjudged": "Not judged yet",
    },
    "named": {
        "blocks": "Blocks deletion",
        "names": "Named, blocks nothing",
        "nobody": "Nobody that was found",
    },
}
_COLUMNS = {
    "owner": "owner__key",
    "accounts": "account__account_id",
    "batch": "departure__changes__batch__number",
}
# An empty column by the name that its value has in a link.
_EMPTY = {"owner": NOBODY, "target": NONE, "protection": NONE}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter with how many users it would show."""

    value: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One chip with its menu; `choices` are only the chosen ones until the menu is opened."""

    name: str
    title: str
    choices: tuple[Choice, ...]
    is_open: bool = False

    @property
    def is_chosen(self) -> bool:
        return any(choice.chosen for choice in self.choices)


def matches(name: str, values: tuple[str, ...], now: datetime) -> Q:
    """Whoever of `Listed` has one of `values`; what is no value of the facet fits nobody."""
    if (cases := conditions(name, now)) is not None:
        return _any(cases[value] for value in values if value in cases)
    if name == "batch":
        return Q(departure__in=in_batches(values))
    column = _COLUMNS.get(name, name)
    match = Q(**{f"{column}__in": values})
    if _EMPTY.get(name) not in values:
        return match
    return match | (Q(owner=None) if name == "owner" else Q(**{column: ""}))


def in_batches(numbers: Iterable[str]) -> object:
    """The departures that stand in one of these batches and were not left out of it."""
    known = [int(one) for one in numbers if one.isascii() and one.isdigit() and len(one) < 9]
    rows = Change.objects.filter(batch__number__in=known).exclude(status=Change.Status.LEFT_OUT)
    return rows.values("departure")


def counted(rows: QuerySet[Listed], name: str, now: datetime) -> dict[str, int]:
    """How many of `rows` have each value of a facet; one query, and no value that nobody has."""
    if (cases := conditions(name, now)) is not None:
        # One pass with a sum for each: grouped by the conditions it takes half as long again.
        asked = {f"case_{place}": holds for place, holds in enumerate(cases.values())}
        sums = {key: Count(Value(1), filter=holds) for key, holds in asked.items()}
        told = rows.aggregate(**sums)
        return {value: told[key] for value, key in zip(cases, asked, strict=True) if told[key]}
    column = F(_COLUMNS.get(name, name))
    value = Coalesce(column, Value(NOBODY)) if name == "owner" else column
    # Rows, not keys: an index that holds the value answers it without the wide rows.
    grouped = rows.annotate(value=value).values_list("value").annotate(number=Count("*"))
    return {str(value): number for value, number in grouped}


def label_of(name: str, value: str) -> str:
    """The words of a value, where they are this module's; "" where the value has a look."""
    return f"#{value}" if name == "batch" else _LABELS.get(name, {}).get(value, "")


def facet(
    name: str,
    tally: Mapping[str, int],
    chosen: tuple[str, ...],
    *,
    names: Mapping[str, str],
    is_open: bool = False,
) -> Facet:
    """A facet with the values that would show somebody, and those that are chosen.

    `names`: of teams or accounts by their key.
    """
    values: dict[str, int] = {}
    for value, number in tally.items():
        values[value or _EMPTY.get(name, "")] = number
    for value in chosen:
        values.setdefault(value, 0)
    order = list(_LABELS.get(name, ()))
    ranked = sorted(
        values.items(),
        key=lambda pair: (order.index(pair[0]) if pair[0] in order else 0, -pair[1], pair[0]),
    )
    labels = {**names, NOBODY: "Nobody yet"} if name == "owner" else names
    choices = tuple(
        Choice(value, labels.get(value, value), number, value in chosen)
        for value, number in ranked
        if value
    )
    return Facet(name, TITLES[name], choices, is_open)


def conditions(name: str, now: datetime) -> Mapping[str, Q] | None:
    """The conditions of a facet that is no column, by the value that each of them is."""
    make = {"access": _access, "disputed": _disputed, "key": _key, "used": _used}.get(name)
    return make(now) if make else None


def _access(_: datetime) -> Mapping[str, Q]:
    has = Q(state__in=sorted(HAS_ACCESS))
    return {"yes": has, "no": ~has}


def _disputed(now: datetime) -> Mapping[str, Q]:
    today = now.date()
    over = Q(disputed_until=None) | Q(disputed_until__lt=today)
    return {"yes": Q(disputed_until__gte=today), "no": over}


def _key(now: datetime) -> Mapping[str, Q]:
    year, quarter = now - timedelta(days=365), now - timedelta(days=90)
    return {
        "old": Q(oldest_key_at__lt=year),
        "90": Q(oldest_key_at__gte=year, oldest_key_at__lt=quarter),
        "fresh": Q(oldest_key_at__gte=quarter, oldest_key_at__lt=NO_KEY),
        "none": Q(oldest_key_at=NO_KEY),
    }


def _used(now: datetime) -> Mapping[str, Q]:
    week, month, quarter = (now - timedelta(days=days) for days in (7, 45, 90))
    return {
        "7": Q(last_used_at__gte=week),
        "45": Q(last_used_at__gte=month, last_used_at__lt=week),
        "90": Q(last_used_at__gte=quarter, last_used_at__lt=month),
        "older": Q(last_used_at__gt=NEVER, last_used_at__lt=quarter),
        "never": Q(last_used_at=NEVER) & ~Q(verdict="unknown"),
        "unknown": Q(last_used_at=NEVER, verdict="unknown"),
    }


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found or Q(pk__in=[])
