"""A cursor that nobody holds any more is closed whenever Python finds it, and holds up nobody."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from psycopg.adapt import Dumper


class Collecting:
    """A parameter of a statement during whose writing the collector comes by."""


class CollectingDumper(Dumper):
    """Text for `Collecting`, after a whole collection."""

    def dump(self, obj: Any) -> bytes:
        """Any text at all."""
        gc.collect()
        return b"collected"


@pytest.mark.django_db(transaction=True)
def test_an_iterator_collected_in_the_midst_of_a_statement_does_not_stop_the_thread() -> None:
    told: list[Any] = []

    def work() -> None:
        try:
            connection.ensure_connection()
            connection.connection.adapters.register_dumper(Collecting, CollectingDumper)
            with connection.cursor() as cursor:
                rows = ContentType.objects.order_by("pk").iterator(chunk_size=1)
                next(rows)
                # Nothing but the collector finds it.
                forgotten: list[Any] = [rows]
                forgotten.append(forgotten)
                del rows, forgotten
                parameter: Any = Collecting()
                cursor.execute("SELECT %s", [parameter])
                told.append(cursor.fetchone())
                cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE %s", ["_django%"])
                told.append(cursor.fetchone())
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)

    assert told == [("collected",), (0,)]
