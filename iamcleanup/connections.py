"""What each new connection to the database is given."""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def forgive_forgotten_cursors(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Let the thread that runs a statement close the cursor of an iterator nobody holds any more.

    `QuerySet.iterator` closes its server-side cursor when it is collected, which may be at any
    allocation: also while this very thread sends its next statement and holds the connection's
    lock. psycopg's own cannot be taken twice, and such a thread would wait for itself for good
    (https://github.com/psycopg/psycopg/issues/1120). Closing looks first whether the connection
    has time for it, so a lock that lets its own thread in is enough.
    """
    connection.connection.lock = threading.RLock()
