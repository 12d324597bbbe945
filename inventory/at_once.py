"""Several questions in one statement: a page with rows of ten tables asks once, not ten times.

Each question is an ordinary queryset, correlated with nothing. Its SQL is the one that it would
have alone, so nothing is made of rows that are sorted or cut away; the rows that are left come back
as JSON and become what the queryset would have given: instances, with what it selects along and
annotates, or dicts for `values`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    Count,
    DateField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.expressions import BaseExpression, RawSQL
from django.db.models.functions import Coalesce

from inventory.statements import Statement, instances

Questions = Mapping[str, "QuerySet[Any] | BaseExpression"]


def ask(beside: QuerySet[Any], questions: Questions) -> dict[str, Any]:
    """By name the rows of each queryset, or the value of each expression.

    `beside` gives the one row that the answers stand beside; DoesNotExist where it gives none.
    """
    return Asked(beside, questions).answer() if questions else {}


class Asked:
    """The questions of `ask`, at least one, whose SQL is made once for as often as it is asked."""

    def __init__(self, beside: QuerySet[Any], questions: Questions) -> None:
        self._lists = {
            name: _List(one) for name, one in questions.items() if isinstance(one, QuerySet)
        }
        # Under names of our own: the model that they stand beside may have a column of that name.
        asked = {
            f"asked_{name}": self._lists[name].asked if name in self._lists else one
            for name, one in questions.items()
        }
        self._statement = Statement.of(beside.order_by().values(**asked))

    def answer(self) -> dict[str, Any]:
        """By name the rows of each queryset, or the value of each expression, as they are now."""
        answers = {}
        for asked, told in self._statement.get().items():
            name = asked.removeprefix("asked_")
            answers[name] = self._lists[name].rows(told) if name in self._lists else told
        return answers


def number(rows: QuerySet[Any]) -> Coalesce:
    """How many `rows` there are, as one of the questions or beside a row of another table."""
    counted = rows.order_by().annotate(one=Value(1)).values("one").annotate(number=Count("*"))
    return Coalesce(Subquery(counted.values("number")), Value(0))


def put_beside(row: Model, name: str, rows: list[Any]) -> None:
    """Let `row.name.all()` give these rows, as if it had been prefetched with them."""
    found = getattr(row, name).all()
    found._result_cache, found._prefetch_done = rows, True
    cache: dict[str, Any] = vars(row).setdefault("_prefetched_objects_cache", {})
    cache[name] = found


class _List:
    """One queryset as a column that holds its rows as text, and that text as rows again."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._queryset = _without_bytes(rows)
        query = self._queryset.query
        self._compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        try:
            sql, params = self._compiler.as_sql(with_col_aliases=True)
        except EmptyResultSet:
            self.asked: BaseExpression = Value("[]")
        else:
            text = f"SELECT coalesce(json_agg(one), '[]')::text FROM ({sql}) one"  # noqa: S608
            self.asked = RawSQL(text, params, TextField())  # noqa: S611 (Django's own SQL)

    def rows(self, told: str) -> list[Any]:
        """The rows of the answer, as the queryset gives them."""
        documents = json.loads(told)
        if not documents:
            return []
        read = self._read(documents)
        return list(
            instances(self._compiler, read)
            if _gives_instances(self._queryset)
            else self._dicts(read)
        )

    def _read(self, documents: list[dict[str, Any]]) -> Iterator[list[Any]]:
        """The values of each row; of most columns JSON gives them as they are."""
        aliases = [alias for _, _, alias in self._compiler.select]
        made = [
            (place, reader)
            for place, (one, *_) in enumerate(self._compiler.select)
            if (reader := _reader(one.output_field)) is not None
        ]
        for document in documents:
            row = [document[alias] for alias in aliases]
            for place, reader in made:
                if row[place] is not None:
                    row[place] = reader(row[place])
            yield row

    def _dicts(self, read: Iterator[list[Any]]) -> Iterator[dict[str, Any]]:
        query = self._queryset.query
        names = [*(query.selected or (*query.values_select, *query.annotation_select))]
        for row in read:
            yield dict(zip(names, row, strict=True))


# What these make of a value of JSON is that value.
_AS_IT_COMES = frozenset(
    one.to_python for one in (BooleanField, CharField, IntegerField, JSONField, TextField)
)


def _reader(field: Field[Any, Any]) -> Callable[[Any], Any] | None:
    """What makes of a value in JSON the value that the column holds; None where it is the same."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    make = type(field).to_python
    if make in _AS_IT_COMES:
        return None
    if make is DateTimeField.to_python:
        return datetime.fromisoformat
    if make is DateField.to_python:
        return date.fromisoformat
    return field.to_python


def _without_bytes(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Every column but bytes, which JSON cannot hold."""
    _, without = rows.query.deferred_loading
    if not without or not _gives_instances(rows):
        return rows
    return rows.defer(*_bytes_of(rows.model, "", rows.query.select_related))


def _bytes_of(model: type[Model], prefix: str, related: Any) -> Iterator[str]:
    for field in model._meta.concrete_fields:
        if isinstance(field, BinaryField):
            yield f"{prefix}{field.name}"
    for name, below in (related if isinstance(related, dict) else {}).items():
        other = model._meta.get_field(name).related_model
        yield from _bytes_of(other, f"{prefix}{name}__", below)  # type: ignore[arg-type]


def _gives_instances(rows: QuerySet[Any]) -> bool:
    return rows._fields is None  # type: ignore[attr-defined]
