"""A question that every page asks in the same words: its SQL is made once and asked often.

Django makes the SQL of a queryset anew each time that it is asked, which for a statement of many
parts takes longer than PostgreSQL takes to answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import BooleanField, F, Func, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler

# Stands in a statement where the keys come that are asked for.
_KEYS = "keys_that_are_asked_for"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a queryset of `values` asks. Whatever it was given stands in `params` for good."""

    model: type[Model]
    sql: str
    params: tuple[Any, ...]
    columns: tuple[tuple[str, Any, Sequence[Callable[..., Any]]], ...]

    @classmethod
    def of(cls, rows: QuerySet[Any, Any]) -> Statement:
        """The statement of `rows`; asks nothing."""
        compiler = rows.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        expressions = [expression for expression, *_ in compiler.select]
        made = compiler.get_converters(expressions)
        columns = tuple(
            (name, expression, made[place][0] if place in made else ())
            for place, (name, expression) in enumerate(
                zip(rows.query.annotation_select, expressions, strict=True)
            )
        )
        return cls(rows.model, sql, tuple(params), columns)

    def get(self) -> dict[str, Any]:
        """Its only row; DoesNotExist where there is none."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.params)
            row = cursor.fetchone()
        if row is None:
            raise self.model.DoesNotExist  # type: ignore[attr-defined]
        return {
            name: _converted(told, expression, converters)
            for (name, expression, converters), told in zip(self.columns, row, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Instances:
    """Rows of a queryset by their keys, with what it selects along, annotates and sorts by.

    `before` and `after` are the SQL around the keys, each with its own parameters.
    """

    compiler: SQLCompiler
    before: tuple[str, tuple[Any, ...]]
    after: tuple[str, tuple[Any, ...]]
    converters: tuple[tuple[int, Any, Sequence[Callable[..., Any]]], ...]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Instances:
        """The statement of `rows`, which give instances and have a BIGINT key; asks nothing."""
        asked = Func(
            F("pk"),
            RawSQL(_KEYS, ()),  # noqa: S611 (a word of ours)
            template="%(expressions)s",
            arg_joiner=" = ANY ",
            output_field=BooleanField(),
        )
        compiler = rows.filter(asked).query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        before, _, after = sql.partition(_KEYS)
        count = before.count("%s")
        made = compiler.get_converters([expression for expression, *_ in compiler.select])
        found = tuple((place, one, converters) for place, (converters, one) in made.items())
        first, last = tuple(params[:count]), tuple(params[count:])
        return cls(compiler, (before, first), (after, last), found)

    def get(self, keys: Sequence[int]) -> list[Any]:
        """The rows with these keys, in the queryset's order; one statement, none without a key."""
        return self._asked("%s", [list(keys)]) if keys else []

    def among(self, found: QuerySet[Any, Any]) -> list[Any]:
        """The rows whose keys `found` gives, its only column, in the order of the queryset that
        the statement was made of; one statement, which looks for the keys first."""
        try:
            sql, params = found.query.sql_with_params()
        except EmptyResultSet:
            return []
        return self._asked(f"ARRAY({sql})", params)

    def _asked(self, keys: str, params: Sequence[Any]) -> list[Any]:
        (before, first), (after, last) = self.before, self.after
        with connection.cursor() as cursor:
            cursor.execute(f"{before}{keys}{after}", [*first, *params, *last])
            rows = [list(row) for row in cursor.fetchall()]
        for place, expression, converters in self.converters:
            for row in rows:
                row[place] = _converted(row[place], expression, converters)
        return list(instances(self.compiler, rows))


def instances(compiler: SQLCompiler, rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """What a queryset makes of the rows of the statement that its compiler made."""
    klass: dict[str, Any] = compiler.klass_info
    first, last = klass["select_fields"][0], klass["select_fields"][-1] + 1
    names = [one.target.attname for one, *_ in compiler.select[first:last]]
    # The stubs are of a later Django.
    others = get_related_populators(klass, compiler.select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
    annotated = (compiler.annotation_col_map or {}).items()
    for row in rows:
        found = klass["model"].from_db(DEFAULT_DB_ALIAS, names, row[first:last])
        for other in others:
            other.populate(row, found)
        for name, place in annotated:
            setattr(found, name, row[place])
        yield found


def _converted(value: Any, expression: Any, converters: Sequence[Callable[..., Any]]) -> Any:
    for convert in converters:
        value = convert(value, expression, connection)
    return value
