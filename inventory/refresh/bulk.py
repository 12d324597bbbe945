"""Many rows written by one statement, and only those whose values changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from django.db import connection
from django.db.models import JSONField, Model

_AT_ONCE = 500


class Before:
    """What rows were when they were loaded: a digest of these columns for each, not the values."""

    def __init__(self, rows: Iterable[Model], columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._were = {row.pk: self._digest(row) for row in rows}

    def changed(self, rows: Iterable[Model]) -> list[Any]:
        """Of `rows` those that are not what they were."""
        return [row for row in rows if self._were.get(row.pk) != self._digest(row)]

    def _digest(self, row: Model) -> bytes:
        values = [getattr(row, column) for column in self._columns]
        text = json.dumps(values, sort_keys=True, default=str)
        return blake2b(text.encode(), digest_size=16).digest()


def update(rows: Sequence[Model], columns: Sequence[str]) -> int:
    """Set these columns of saved rows of one model to what they are here; how many rows.

    `columns` are names of fields, a foreign key's with its "_id". One statement for 500 rows that
    does not grow with the columns, as a CASE for each row and column would.
    """
    for start in range(0, len(rows), _AT_ONCE):
        _update(rows[start : start + _AT_ONCE], columns)
    return len(rows)


def _update(rows: Sequence[Model], columns: Sequence[str]) -> None:
    meta, quote = rows[0]._meta, connection.ops.quote_name
    values: list[list[Any]] = [[row.pk for row in rows]]
    kinds: list[str] = ["bigint"]
    sets: list[str] = []
    for name in columns:
        # By its name a field is found, a foreign key by that of its column too.
        found: Any = meta.get_field(name)
        is_json = isinstance(found, JSONField)
        told = [getattr(row, name) for row in rows]
        values.append([json.dumps(one) for one in told] if is_json else told)
        kinds.append("text" if is_json else _kind(found))
        value = f"v.c{len(sets)}" + ("::jsonb" if is_json else "")
        sets.append(f"{quote(found.column)} = {value}")
    names = ", ".join(["pk", *(f"c{number}" for number in range(len(sets)))])
    arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
    table = quote(meta.db_table)
    key = quote(str(meta.pk.column))
    statement = (
        f"UPDATE {table} SET {', '.join(sets)} FROM unnest({arrays}) AS v({names})"  # noqa: S608
        f" WHERE {table}.{key} = v.pk"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _kind(column: Any) -> str:
    kind = str(column.rel_db_type(connection) if column.is_relation else column.db_type(connection))
    # A length is the column's own affair: too long a value is to fail there, not to be cut here.
    return "text" if kind.startswith("varchar") else kind
