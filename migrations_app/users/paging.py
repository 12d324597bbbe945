"""Orders of the Users page, and a place in one: the row after (or before) which a page begins.

A page is found by the values of that row in an index, so the last page costs as much as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Expression, F, Func, OrderBy, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan
from django.http import QueryDict

from inventory.statements import Instances
from migrations_app.keyset import BETWEEN, EPOCH, PAGE, written
from migrations_app.models import Departure, Listed

SORTS = {
    "suggested": "Suggested order",
    "name": "Name",
    "last-used": "Last used",
    "oldest-key": "Oldest key",
}
# Columns that are unique together, each order with an index of its own (see `models.listed`).
_COLUMNS: dict[str, tuple[str, ...]] = {
    "suggested": ("urgency", "user_name", "departure_id"),
    "name": ("user_name", "departure_id"),
    "last-used": ("last_used_at", "departure_id"),
    "oldest-key": ("oldest_key_at", "departure_id"),
}
_DOWN = frozenset({"last-used"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins. `number` is that of its first row, as it was when the link was made."""

    values: tuple[Any, ...] = ()
    backwards: bool = False
    number: int = 1

    @classmethod
    def read(cls, query: QueryDict, sort: str) -> Place:
        """The place of a query string; the first page where it names none of this order."""
        backwards = "before" in query
        values = _values(query.get("before" if backwards else "after", ""), sort)
        number = query.get("from", "")
        if values is None:
            return FIRST
        known = number.isascii() and number.isdigit() and len(number) < 10
        return cls(values, backwards, max(1, int(number)) if known else 1)

    def pairs(self) -> list[tuple[str, str]]:
        """As a query string says it."""
        if not self.values:
            return []
        text = BETWEEN.join(written(value) for value in self.values)
        return [("before" if self.backwards else "after", text), ("from", str(self.number))]


FIRST = Place()


@dataclass(frozen=True, slots=True)
class Page:
    """Some departures in order, and the places of the pages around them; None where none is."""

    rows: list[Departure]
    number: int
    previous: Place | None
    next: Place | None

    @property
    def last(self) -> int:
        return self.number + len(self.rows) - 1


def order(sort: str, prefix: str = "") -> list[str]:
    """The columns of one of SORTS; `suggested`: admin and risky first, easy wins, by name."""
    sign = "-" if sort in _DOWN else ""
    return [f"{sign}{prefix}{column}" for column in _COLUMNS[sort]]


def page_of(
    departures: Callable[[str, bool], Instances],
    found: QuerySet[Listed],
    sort: str,
    place: Place,
    *,
    few: bool = False,
) -> Page:
    """The page of `found` at `place`; one query. `departures` are those in the order of a sort, as
    it is or backwards.

    Of many it walks the index of the order and reads little more than that page. `few` are found
    by what was asked of them and then sorted: in the order they may all stand at its far end.
    """
    if place.values:
        found = found.filter(_beyond(sort, place))
    found = found.order_by(*(_sorted(sort) if few else order(sort)))
    if place.backwards:
        found = found.reverse()
    some = departures(sort, place.backwards).among(found.values("pk")[: PAGE + 1])
    more, some = len(some) > PAGE, some[:PAGE]
    if place.backwards:
        some.reverse()
    number = place.number if place.values else 1
    if place.backwards and not more:
        number = 1
    goes_back = more if place.backwards else bool(place.values)
    goes_on = place.backwards or more
    return Page(
        rows=some,
        number=number,
        previous=_before(some, sort, number) if goes_back and some else None,
        next=_after(some, sort, number) if goes_on and some else None,
    )


def _sorted(sort: str) -> list[OrderBy | str]:
    """The order as an expression that no index holds, so that the rows are sorted."""
    first, *others = order(sort)
    column = F(first.removeprefix("-"))
    return [OrderBy(Coalesce(column, column), descending=first.startswith("-")), *others]


def is_one_of(found: QuerySet[Any, Any]) -> Func:
    """Whoever is among `found`, which is looked for before anything is joined, unlike with `IN`."""
    return Func(
        F("pk"),
        Func(ArraySubquery(found), function=""),
        template="%(expressions)s",
        arg_joiner=" = ANY ",
        output_field=BooleanField(),
    )


def _before(some: Sequence[Departure], sort: str, number: int) -> Place:
    # The second page leads back to the plain first one.
    if number <= PAGE + 1:
        return FIRST
    return Place(_values_of(some[0], sort), True, number - PAGE)


def _after(some: Sequence[Departure], sort: str, number: int) -> Place:
    return Place(_values_of(some[-1], sort), False, number + len(some))


def _values_of(row: Departure, sort: str) -> tuple[Any, ...]:
    return tuple(getattr(Listed.of(row), column) for column in _COLUMNS[sort])


def _beyond(sort: str, place: Place) -> Expression:
    """Rows after the place, or before it. One comparison of rows, which an index answers."""
    compare = LessThan if (sort in _DOWN) != place.backwards else GreaterThan
    columns = Func(*_COLUMNS[sort], function="ROW", output_field=BooleanField())
    values = Func(*map(Value, place.values), function="ROW", output_field=BooleanField())
    return compare(columns, values)


def _values(text: str, sort: str) -> tuple[Any, ...] | None:
    """What a link says of a row; None where that is no row of this order."""
    parts = text.split(BETWEEN)
    columns = _COLUMNS[sort]
    if len(parts) != len(columns):
        return None
    found = [_read(column, part) for column, part in zip(columns, parts, strict=True)]
    return None if None in found else tuple(found)


def _read(column: str, text: str) -> Any:
    if column == "user_name":
        return text[:64]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    number = int(text)
    if column in ("departure_id", "urgency"):
        return number if column == "departure_id" or number < 100 else None
    try:
        return EPOCH + timedelta(microseconds=number)
    except OverflowError:
        return None
