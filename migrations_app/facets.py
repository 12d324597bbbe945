"""The filters of the Users page that are chips: what each one asks of a user, and its values.

Every facet is a column that the query bears, so that counting and filtering cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, Exists, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable

from inventory.models import Credential
from migrations_app.models.departure import DepartureQuerySet

NOBODY = "nobody"
# Always shown as chips; the others stand in one menu until they are chosen.
MAIN = ("state", "category", "owner", "verdict", "privilege")
OTHERS = ("mfa", "key", "used", "reads", "named")
FACETS = (*MAIN, *OTHERS)
TITLES = {
    "mfa": "MFA",
    "key": "Oldest key",
    "used": "Last used",
    "reads": "Coverage",
    "named": "Who refers to it",
}
# In the order in which they are read, not by number.
_LABELS: dict[str, dict[str, str]] = {
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
_YEAR = timedelta(days=365)
_QUARTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter with how many users it would show."""

    value: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One chip with its menu."""

    name: str
    title: str
    choices: tuple[Choice, ...]

    @property
    def is_chosen(self) -> bool:
        return any(choice.chosen for choice in self.choices)

    @property
    def is_main(self) -> bool:
        """Whether it stands beside the search field, and not in the menu of further ones."""
        return self.name in MAIN or self.is_chosen


def annotated(rows: DepartureQuerySet, now: datetime, *names: str) -> DepartureQuerySet:
    """`rows` with a column for each named facet that has none of its own."""
    made = {f"{name}_facet": _MADE[name](now) for name in names if name in _MADE}
    return rows.annotate(**made)


def column(name: str) -> str:
    """The column by which a facet is filtered and counted."""
    return _COLUMNS.get(name, f"{name}_facet")


def matches(name: str, values: tuple[str, ...]) -> Q:
    """Whoever has one of `values`."""
    match = Q(**{f"{column(name)}__in": values})
    return match | Q(owner=None) if name == "owner" and NOBODY in values else match


def shown_value(name: str, value: object) -> str:
    """A column's value as a filter names it."""
    text = str(value or "")
    return text or NOBODY if name == "owner" else text


def label_of(name: str, value: str) -> str:
    """The words of a value, where they are this module's; "" where the value has a look."""
    return _LABELS.get(name, {}).get(value, "")


def facet(
    name: str, tally: Mapping[str, int], chosen: tuple[str, ...], teams: Mapping[str, str]
) -> Facet:
    """A facet with the values that would show somebody, and those that are chosen.

    `teams`: the names of teams by their key.
    """
    labels = _LABELS.get(name, {})
    if name == "owner":
        labels = {**teams, NOBODY: "Nobody yet"}
    values = Counter(tally) + Counter()
    for value in chosen:
        values.setdefault(value, 0)
    order = list(_LABELS.get(name, ()))
    ranked = sorted(
        values.items(), key=lambda pair: (order.index(pair[0]) if pair[0] in order else 0, -pair[1])
    )
    choices = tuple(
        Choice(value, labels.get(value, value), number, value in chosen)
        for value, number in ranked
        if value
    )
    return Facet(name, TITLES.get(name, name.capitalize()), choices)


def _mfa(_: datetime) -> Combinable:
    return _case(
        ("n/a", Q(user__has_console_password=False)), ("no", Q(user__mfa=[])), default="yes"
    )


def _key(now: datetime) -> Combinable:
    keys = Credential.objects.filter(
        user=OuterRef("user"), kind=Credential.Kind.ACCESS_KEY, status="Active", gone_at=None
    )
    return _case(
        ("old", Q(Exists(keys.filter(created_at__lt=now - _YEAR)))),
        ("90", Q(Exists(keys.filter(created_at__lt=now - _QUARTER)))),
        ("fresh", Q(Exists(keys))),
        default="none",
    )


def _used(now: datetime) -> Combinable:
    within = [
        (str(days), Q(user__last_activity_at__gte=now - timedelta(days=days)))
        for days in (7, 45, 90)
    ]
    return _case(
        *within,
        ("older", Q(user__last_activity_at__isnull=False)),
        ("unknown", Q(user__verdict="unknown")),
        default="never",
    )


def _reads(_: datetime) -> Combinable:
    young = Q(user__verdict="unknown") & ~Q(user__coverage__blockers=[])
    return _case(
        ("unjudged", Q(user__judged_at=None)),
        ("young", young & Q(user__coverage__has_key="blockers", user__coverage_whole=True)),
        ("whole", Q(user__coverage_whole=True)),
        ("credentials", Q(user__coverage__gaps__has_key="credentials")),
        ("advisor", Q(user__coverage__gaps__has_key="services")),
        default="regions",
    )


def _named(_: datetime) -> Combinable:
    return _case(
        ("blocks", Q(user__references__contains=[{"blocks": True}])),
        ("nobody", Q(user__references=[])),
        default="names",
    )


def _case(*cases: tuple[str, Q], default: str) -> Case:
    whens = [When(condition, then=Value(value)) for value, condition in cases]
    return Case(*whens, default=Value(default), output_field=CharField())


_COLUMNS = {
    "state": "shown_state",
    "category": "category",
    "owner": "owner__key",
    "verdict": "user__verdict",
    "privilege": "user__privilege",
}
_MADE = {"mfa": _mfa, "key": _key, "used": _used, "reads": _reads, "named": _named}
