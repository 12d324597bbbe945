"""A question that every page asks in the same words: its SQL is made once and asked often.

Django makes the SQL of a queryset anew each time that it is asked, which for a statement of many
parts takes longer than PostgreSQL takes to answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet


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
        found = {}
        for (name, expression, converters), told in zip(self.columns, row, strict=True):
            value = told
            for convert in converters:
                value = convert(value, expression, connection)
            found[name] = value
        return found
