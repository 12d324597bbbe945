"""Many rows of one table at once: its indexes and foreign keys are made anew when all are there.

Everything that the schema refuses is still refused, only for all rows together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, models

from bench.crowd.rows import run


@contextmanager
def bulk(model: type[models.Model]) -> Iterator[None]:
    """Take the table's indexes and foreign keys off, and put them back on what was written."""
    table = model._meta.db_table
    constraints = _rows(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        f" WHERE conrelid = '{table}'::regclass AND contype IN ('f', 'u')"
    )
    indexes = _rows(
        f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{table}'"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint"
        f" WHERE conrelid = '{table}'::regclass)"
    )
    for name, _ in constraints:
        run(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name, _ in indexes:
        run(f'DROP INDEX "{name}"')
    yield
    for _, definition in indexes:
        run(definition)
    for name, definition in constraints:
        run(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def _rows(query: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [(str(name), str(definition)) for name, definition in cursor.fetchall()]
