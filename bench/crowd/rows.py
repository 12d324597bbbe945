"""How rows of a crowd are made: by INSERT … SELECT, with draws that are the same in every run.

A draw is a hash of a row's number and of what is drawn, so that no order of execution changes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.core.management.color import no_style
from django.db import connection, models
from psycopg import sql


def insert(model: type[models.Model], source: str, /, **columns: str) -> int:
    """INSERT INTO `model` SELECT … FROM `source`; how many rows.

    `columns` are SQL expressions by column; every other column gets the default of its field.
    """
    chosen = dict(columns)
    for field in model._meta.concrete_fields:
        name = str(field.column)
        if name in chosen or (field.primary_key and isinstance(field, models.AutoField)):
            continue
        value = field.get_db_prep_save(field.get_default(), connection)
        chosen[name] = sql.Literal(value).as_string(None)
    named = ", ".join(f'"{name}"' for name in chosen)
    return run(
        f'INSERT INTO "{model._meta.db_table}" ({named})'
        f" SELECT {', '.join(chosen.values())} FROM {source}"
    )


def run(statement: str) -> int:
    """Execute a statement as it stands; how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def go_on_after(*of: type[models.Model]) -> None:
    """Rows with numbers of their own were written: the next one goes on after them."""
    for statement in connection.ops.sequence_reset_sql(no_style(), list(of)):
        run(statement)


def draw(number: str, what: int) -> str:
    """SQL: from 0 up to 1, by the SQL expression `number` and by `what` is drawn."""
    return f"((hashint8extended(({number})::bigint, {what}) & 1048575) / 1048576.0)"


def text(value: str) -> str:
    """`value` as an SQL literal."""
    return sql.Literal(value).as_string(None)


def as_json(value: object) -> str:
    """`value` as an SQL literal of type jsonb."""
    return f"{text(json.dumps(value))}::jsonb"


def moment(at: datetime) -> str:
    """`at` (aware) as an SQL literal."""
    return f"{text(at.isoformat())}::timestamptz"


def one_of(number: str, what: int, values: Sequence[str]) -> str:
    """SQL: one of `values`, each as likely as another."""
    listed = ", ".join(text(value) for value in values)
    return f"(ARRAY[{listed}])[1 + floor({draw(number, what)} * {len(values)})::int]"


def weighted(number: str, what: int, shares: Sequence[tuple[str, float]]) -> str:
    """SQL: one of the values by their shares, which add up to 1; the last takes what is left."""
    drawn, reached, cases = draw(number, what), 0.0, []
    for value, share in shares[:-1]:
        reached += share
        cases.append(f"WHEN {drawn} < {reached:.6f} THEN {text(value)}")
    return f"(CASE {' '.join(cases)} ELSE {text(shares[-1][0])} END)"
