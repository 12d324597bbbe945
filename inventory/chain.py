"""Is the ledger whole, as of a few minutes ago: what every log page shows beside its title."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

from inventory import clock, ledger

_KEY = "ledger-checked"
# A walk over 100,000 entries takes seconds, so a page shows the last one, with its time.
_FRESH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """What a walk over the whole chain found, and when."""

    entries: int
    broken_at: int | None
    reason: str
    at: datetime


def checked() -> Checked:
    """The last walk over the chain, at most five minutes old."""
    found: Checked | None = cache.get(_KEY)
    if found is None:
        verified = ledger.verify()
        found = Checked(verified.entries, verified.broken_at, verified.reason, clock.now())
        cache.set(_KEY, found, _FRESH_SECONDS)
    return found
