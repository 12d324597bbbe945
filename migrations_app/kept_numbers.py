"""Once a day, what the database keeps counted is counted anew and put right where it differs.

Triggers keep these numbers as rows are written. Who loads rows with triggers switched off (a
restore of single tables, a replica) would leave them wrong for good.
"""

from __future__ import annotations

import logging

from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from inventory.remembered import remembered

log = logging.getLogger(__name__)

_A_DAY = 86_400
_LATER = 600
_PATIENCE = "2s"
_DONE = "kept-numbers-put-right"
# Nobody writes the rows while they are counted, so that nothing is counted twice or not at all.
# Who waits for that lock holds up every writer behind it, so that it waits a moment only.
_PUT_RIGHT = (
    """
    LOCK TABLE inventory_observation IN SHARE MODE;
    WITH anew AS (
        SELECT account_id, seen_at, kind, count(*) AS number FROM inventory_observation
        WHERE explained = '' GROUP BY account_id, seen_at, kind
    ), less AS (
        DELETE FROM inventory_observationcount AS kept WHERE NOT EXISTS (
            SELECT FROM anew WHERE (anew.account_id, anew.seen_at, anew.kind)
                = (kept.account_id, kept.seen_at, kept.kind)
        )
    )
    INSERT INTO inventory_observationcount AS kept (account_id, seen_at, kind, number)
    SELECT * FROM anew
    ON CONFLICT (account_id, seen_at, kind) DO UPDATE SET number = EXCLUDED.number
        WHERE kept.number <> EXCLUDED.number;
    """,
    """
    LOCK TABLE migrations_app_daycount IN SHARE MODE;
    WITH anew AS (
        SELECT day, sum("left") AS "left", sum(with_access) AS with_access
        FROM migrations_app_daycount GROUP BY day
    ), less AS (
        DELETE FROM migrations_app_daytotal WHERE day NOT IN (SELECT day FROM anew)
    )
    INSERT INTO migrations_app_daytotal AS kept (day, "left", with_access)
    SELECT * FROM anew
    ON CONFLICT (day) DO UPDATE
        SET "left" = EXCLUDED."left", with_access = EXCLUDED.with_access
        WHERE (kept."left", kept.with_access) <> (EXCLUDED."left", EXCLUDED.with_access);
    """,
)


def put_right() -> bool:
    """Count both anew, each in a transaction of its own; False where writers were not done soon."""
    done = True
    for statements in _PUT_RIGHT:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
                cursor.execute(statements)
        except OperationalError as busy:
            if not isinstance(busy.__cause__, LockNotAvailable):
                raise
            log.warning("Numbers were not counted anew: others write the rows.")
            done = False
    return done


def keep_up() -> None:
    """The sweep's part: once a day for all workers; while others write, again soon after."""
    remembered("kept-numbers-tried", _LATER, _once_a_day)


def _once_a_day() -> bool:
    if cache.get(_DONE) is None and put_right():
        cache.set(_DONE, True, _A_DAY)
    return True
