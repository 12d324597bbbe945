"""Canonical JSON and the hashes over it: equal values, equal bytes, equal hashes. Pure.

Whoever verifies a ledger that left the house (`inventory.pack`) has no database and no
settings, so this imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# What the first entry of a ledger follows.
GENESIS = "0" * 64
# What an entry's hash is over: everything in it but the hash itself.
HASHED = ("seq", "at", "kind", "actor", "account_id", "user_id", "batch", "data", "previous_hash")


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    ).encode()


def digest(value: object) -> str:
    """SHA-256, in hex, of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value)).hexdigest()


def entry_digest(entry: Mapping[str, Any]) -> str:
    """The hash a ledger entry must bear; `at` as `entry_stamp` writes it. KeyError: no entry."""
    return digest({name: entry[name] for name in HASHED})


def entry_stamp(at: datetime) -> str:
    """The time of a ledger entry as it is hashed: ISO 8601, UTC, always with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
