"""Pages of lists that grow: a page begins after (or before) a row, which an index finds.

A list may have parts, one after the other, each in an order of its own. The Users page, which can
be sorted, has its own way (`migrations_app.users.paging`), but writes a place as it is written
here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from django.db.models import BooleanField, Expression, Func, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan
from django.http import QueryDict

PAGE = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Stands in no name of an IAM user.
BETWEEN = "~"
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Part:
    """Rows in the order of `columns`, which are never empty and unique together."""

    rows: QuerySet[Any]
    columns: tuple[str, ...]
    down: bool = False

    def ordered(self, backwards: bool) -> QuerySet[Any]:
        sign = "-" if self.down != backwards else ""
        return self.rows.order_by(*(f"{sign}{column}" for column in self.columns))

    def beyond(self, values: Sequence[Any], backwards: bool) -> Expression:
        """Rows after these values, or before them. One comparison of rows, for an index."""
        compare = LessThan if self.down != backwards else GreaterThan
        columns = Func(*self.columns, function="ROW", output_field=BooleanField())
        told = Func(*map(Value, values), function="ROW", output_field=BooleanField())
        return compare(columns, told)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and the query strings of this page and those around it."""

    rows: list[Any]
    number: int
    total: int
    here: str
    previous: str | None
    next: str | None

    @property
    def last(self) -> int:
        return self.number + len(self.rows) - 1


@dataclass(frozen=True, slots=True)
class _Place:
    """The row after (or before) which a page begins; `number` is that of its first row."""

    part: int = 0
    values: tuple[Any, ...] = ()
    backwards: bool = False
    number: int = 1

    @property
    def query(self) -> str:
        if not self.values:
            return ""
        text = BETWEEN.join([str(self.part), *map(written, self.values)])
        return urlencode({"before" if self.backwards else "after": text, "from": self.number})


def page_of(parts: Sequence[Part], query: QueryDict, total: int, size: int = PAGE) -> Page:
    """The page of the list that `query` asks for, the first where it names none.

    One statement for each part that has rows on it; `total` is what the page says of all of them.
    """
    place = _read_place(parts, query)
    found: list[tuple[int, Any]] = []
    for index, part in sorted(enumerate(parts), reverse=place.backwards, key=lambda one: one[0]):
        ahead = index > place.part if place.backwards else index < place.part
        if place.values and ahead:
            continue
        rows = part.ordered(place.backwards)
        if place.values and index == place.part:
            rows = rows.filter(part.beyond(place.values, place.backwards))
        found += [(index, row) for row in rows[: size + 1 - len(found)]]
        if len(found) > size:
            break
    more, found = len(found) > size, found[:size]
    if place.backwards:
        found.reverse()
    number = place.number if place.values and (more or not place.backwards) else 1
    goes_back = more if place.backwards else bool(place.values)
    previous = following = None
    if goes_back and found:
        # The second page leads back to the plain first one.
        first = _place_of(parts, found[0], backwards=True, number=number - size)
        previous = first.query if number > size + 1 else ""
    if (place.backwards or more) and found:
        following = _place_of(parts, found[-1], False, number + len(found)).query
    return Page([row for _, row in found], number, total, place.query, previous, following)


def page_in(rows: Sequence[Any], column: str, query: QueryDict, size: int = PAGE) -> Page:
    """The same of rows that stand frozen in one place, in the order of `column`, a number."""
    backwards = "before" in query
    place = _number(query.get("before" if backwards else "after", ""))
    start = 0
    if place is not None and backwards:
        start = max(0, bisect_left(rows, place, key=attrgetter(column)) - size)
    elif place is not None:
        start = bisect_right(rows, place, key=attrgetter(column))
    some = list(rows[start : start + size])
    previous = following = None
    if start and some:
        # The second page leads back to the plain first one.
        previous = f"before={getattr(some[0], column)}" if start > size else ""
    if start + size < len(rows):
        following = f"after={getattr(some[-1], column)}"
    here = f"{'before' if backwards else 'after'}={place}" if place is not None else ""
    return Page(some, start + 1, len(rows), here, previous, following)


def _place_of(
    parts: Sequence[Part], found: tuple[int, Any], backwards: bool, number: int
) -> _Place:
    index, row = found
    values = tuple(_value(row, column) for column in parts[index].columns)
    return _Place(index, values, backwards, number)


def _value(row: Any, column: str) -> Any:
    for name in column.split("__"):
        row = getattr(row, name)
    return row


def _read_place(parts: Sequence[Part], query: QueryDict) -> _Place:
    """The place of a query string; the first page where it names none of this list."""
    backwards = "before" in query
    index, *texts = query.get("before" if backwards else "after", "").split(BETWEEN)
    part = _number(index)
    if part is None or part >= len(parts) or len(texts) != len(parts[part].columns):
        return _Place()
    pairs = zip(parts[part].columns, texts, strict=True)
    values = tuple(_read(column, text) for column, text in pairs)
    if None in values:
        return _Place()
    return _Place(part, values, backwards, max(1, _number(query.get("from", "")) or 1))


def _read(column: str, text: str) -> Any:
    """A value of this column: a moment, a number or a name; None for what is none."""
    if column.endswith("_name"):
        return text[:_LONGEST].replace("\x00", "")
    number = _number(text)
    if number is None or not column.endswith("_at"):
        return number
    try:
        return EPOCH + timedelta(microseconds=number)
    except OverflowError:
        return None


def written(value: Any) -> str:
    """A value of a row as a link says it; a moment in microseconds since 1970."""
    if isinstance(value, datetime):
        return str((value - EPOCH) // timedelta(microseconds=1))
    return str(value)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
