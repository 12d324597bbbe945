"""The ledger: append-only, hash-chained under one lock, verified by one command.

Each entry holds the SHA-256 of the one before and of its own canonical JSON. The database refuses
UPDATE, DELETE and TRUNCATE by trigger (schema migration `0002_ledger_is_append_only`). People stand
in it as hashes; the names stand apart in `LedgerName`, where they can be erased.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from inventory import clock
from inventory.hashing import GENESIS, HASHED, canonical, digest, entry_digest, entry_stamp
from inventory.models import IamUser, LedgerEntry, LedgerName, Person

__all__ = [
    "GENESIS",
    "Line",
    "Verification",
    "append",
    "append_all",
    "canonical",
    "digest",
    "entry_hash",
    "is_last",
    "person_hash",
    "verify",
]

# Any constant does, as long as everybody who appends takes the same one.
_CHAIN_LOCK = 0x1A3C_1ED6
# Two statements, so that the second sees what was committed while the first waited; one way to the
# database and back, because everybody else who appends waits meanwhile.
_LOCKED_TAIL = """
SELECT pg_advisory_xact_lock(%s);
SELECT seq, hash FROM inventory_ledgerentry ORDER BY seq DESC LIMIT 1
"""


def person_hash(person: Person) -> str:
    """The pseudonym of a person in the ledger; keyed, so that a list of people does not undo it."""
    return hmac.new(
        settings.IAMCLEANUP_LEDGER_KEY.encode(), f"person:{person.pk}".encode(), hashlib.sha256
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Line:
    """What one entry will say. `data` must be JSON-able and hold no secret."""

    kind: str
    user: IamUser | None = None
    account_id: str = ""
    batch: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def append(
    kind: str,
    /,
    *,
    actor: Person | None = None,
    user: IamUser | None = None,
    account_id: str = "",
    batch: int | None = None,
    **data: Any,
) -> LedgerEntry:
    """Append one entry in the caller's transaction; see `append_all`."""
    (entry,) = append_all([Line(kind, user, account_id, batch, data)], actor=actor)
    return entry


def append_all(lines: Iterable[Line], *, actor: Person | None = None) -> list[LedgerEntry]:
    """Append entries, in order, in the caller's transaction; they are there exactly if it commits.

    As few statements for five thousand as for one. Append last in a transaction: the chain lock is
    held until its end. Errors of the database are the caller's to let through: a change that
    cannot be recorded must not happen.
    """
    by = person_hash(actor) if actor else ""
    # Whoever called it has a transaction that is broken by any error here, so no savepoint.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        named = actor is None or _is_named(by, actor)
        cursor.execute(_LOCKED_TAIL, [_CHAIN_LOCK])
        cursor.nextset()
        seq, previous = cursor.fetchone() or (0, GENESIS)
        now = clock.now()
        entries = []
        for line in lines:
            seq += 1
            entry = LedgerEntry(
                seq=seq,
                at=now,
                kind=line.kind,
                actor=by,
                account_id=line.user.account.account_id if line.user else line.account_id,
                user_id=line.user.user_id if line.user else "",
                batch=line.batch,
                data=json.loads(canonical(line.data)),
                previous_hash=previous,
            )
            entry.hash = previous = entry_hash(entry)
            entries.append(entry)
        LedgerEntry.objects.bulk_create(entries, batch_size=1000)
        if actor and not named:
            LedgerName.objects.bulk_create(
                [LedgerName(hash=by, person=actor, name=str(actor))],
                update_conflicts=True,
                unique_fields=["hash"],
                update_fields=["person", "name"],
            )
    return entries


def is_last(kind: str, *, actor: Person, user: IamUser, **data: Any) -> bool:
    """Whether the last that was recorded of `user` is this very thing, by this very person."""
    rows = LedgerEntry.objects.filter(account_id=user.account.account_id, user_id=user.user_id)
    last = rows.order_by("-seq").first()
    told = (kind, person_hash(actor), json.loads(canonical(data)))
    return last is not None and (last.kind, last.actor, last.data) == told


def _is_named(by: str, person: Person) -> bool:
    """Whether that name stands there already; asked before the lock, and nearly always yes."""
    return LedgerName.objects.filter(hash=by, person=person, name=str(person)).exists()


def entry_hash(entry: LedgerEntry) -> str:
    """The hash that `entry` must bear: over everything in it but the hash itself."""
    columns = {name: getattr(entry, name) for name in HASHED}
    return entry_digest(columns | {"at": entry_stamp(entry.at)})


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at the whole chain found."""

    entries: int
    head: str
    broken_at: int | None
    reason: str

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def verify(expected_head: tuple[int, str] | None = None) -> Verification:
    """Walk the chain from its first entry; the first broken one is named.

    `expected_head` is (number, hash) as sent out on an earlier day: without it a tail that was cut
    off cleanly cannot be seen.
    """
    previous, count = GENESIS, 0
    seen_head = expected_head is None
    for entry in _entries():
        count += 1
        if entry.seq != count:
            return Verification(count, previous, entry.seq, f"Entry {count} is missing.")
        if entry.previous_hash != previous:
            reason = f"Entry {entry.seq} does not follow the one before it."
            return Verification(count, previous, entry.seq, reason)
        if entry.hash != entry_hash(entry):
            reason = f"Entry {entry.seq} was changed after it was written."
            return Verification(count, previous, entry.seq, reason)
        previous = entry.hash
        if expected_head and entry.seq == expected_head[0]:
            if entry.hash != expected_head[1]:
                reason = f"Entry {entry.seq} is not the one that was announced."
                return Verification(count, previous, entry.seq, reason)
            seen_head = True
    if not seen_head and expected_head:
        reason = f"The ledger ends at {count}, but entry {expected_head[0]} was announced."
        return Verification(count, previous, count, reason)
    return Verification(count, previous, None, "")


def _entries() -> Iterator[LedgerEntry]:
    return LedgerEntry.objects.order_by("seq").iterator(chunk_size=2000)
