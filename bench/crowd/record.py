"""The ledger of a crowd: what would have been written of everything in it, chained as ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

from inventory import ledger
from inventory.models import LedgerEntry, LedgerName, Person

_COLUMNS = (
    "seq",
    "at",
    "kind",
    "actor",
    "account_id",
    "user_id",
    "batch",
    "data",
    "previous_hash",
    "hash",
)
# As `inventory.ledger` would have been given it: time, kind, person, account, user, batch, data.
_HAPPENED = """
    SELECT u.first_seen_at, 'user.discovered', NULL::bigint, a.account_id, u.user_id, NULL::int,
           '{}'::jsonb
    FROM inventory_iamuser u JOIN inventory_account a ON a.id = u.account_id
    UNION ALL
    SELECT g.at, 'move.assign', g.person_id, a.account_id, u.user_id, NULL,
           jsonb_build_object('answer', g.said)
    FROM migrations_app_givenanswer g
    JOIN inventory_iamuser u ON u.id = g.departure_id
    JOIN inventory_account a ON a.id = u.account_id
    UNION ALL
    SELECT c.finished_at, 'move.' || c.move, 2, a.account_id, u.user_id, b.number,
           jsonb_build_object('digest', c.digest)
    FROM migrations_app_change c JOIN migrations_app_batch b ON b.id = c.batch_id
    JOIN inventory_iamuser u ON u.id = c.departure_id
    JOIN inventory_account a ON a.id = u.account_id
    WHERE c.status = 'done'
    UNION ALL
    SELECT b.approved_at, 'batch.approved', 2, a.account_id, '', b.number,
           jsonb_build_object('digest', b.digest)
    FROM migrations_app_batch b JOIN inventory_account a ON a.id = b.account_id
    WHERE b.approved_at IS NOT NULL
    ORDER BY 1, 2, 4, 5
"""


def write() -> int:
    """Chain and copy in every entry; how many there are."""
    people = {person.pk: person for person in Person.objects.all()}
    hashes = {pk: ledger.person_hash(person) for pk, person in people.items()}
    LedgerName.objects.bulk_create(
        LedgerName(hash=hashes[pk], person=person, name=str(person))
        for pk, person in people.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(_HAPPENED)
        rows = cursor.fetchall()
        table, columns = LedgerEntry._meta.db_table, ", ".join(_COLUMNS)
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for entry in _chained(rows, hashes):
                copy.write_row(_values(entry))
    return len(rows)


def _chained(rows: list[tuple[Any, ...]], hashes: dict[int, str]) -> Iterator[LedgerEntry]:
    previous = ledger.GENESIS
    for seq, (at, kind, person, account, user, batch, data) in enumerate(rows, start=1):
        entry = LedgerEntry(
            seq=seq,
            at=at,
            kind=kind,
            actor=hashes[person] if person else "",
            account_id=account,
            user_id=user,
            batch=batch,
            data=json.loads(data) if isinstance(data, str) else data,
            previous_hash=previous,
        )
        entry.hash = previous = ledger.entry_hash(entry)
        yield entry


def _values(entry: LedgerEntry) -> list[Any]:
    values = [getattr(entry, column) for column in _COLUMNS]
    return [json.dumps(one) if isinstance(one, dict) else one for one in values]
