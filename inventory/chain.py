"""Is the ledger whole, as of a while ago: what every log page shows beside its title.

A walk over 100,000 entries takes seconds. A short ledger is walked by the page that asks; a long
one by a worker (`keep_up`), and pages show what it found, with its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from inventory import clock, ledger
from inventory.models import LedgerEntry

# With this many entries a page can walk for itself.
SHORT = 2_000
_KEY = "ledger-checked"
_KEPT_SECONDS = 24 * 60 * 60
_FRESH, _FRESH_IF_LONG = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a walk over the whole chain found, and when."""

    entries: int
    broken_at: int | None
    reason: str
    at: datetime


def checked() -> Checked | None:
    """The last walk over the chain; None for a long ledger that no worker has walked yet."""
    found: Checked | None = cache.get(_KEY)
    if found is not None and _is_fresh(found, _FRESH):
        return found
    return found if _entries() > SHORT else _walk()


def keep_up() -> None:
    """The sweep's part: walk a long ledger once an hour."""
    if _entries() <= SHORT:
        return
    found: Checked | None = cache.get(_KEY)
    if found is None or not _is_fresh(found, _FRESH_IF_LONG):
        _walk()


def _walk() -> Checked:
    verified = ledger.verify()
    found = Checked(verified.entries, verified.broken_at, verified.reason, clock.now())
    cache.set(_KEY, found, _KEPT_SECONDS)
    return found


def _is_fresh(found: Checked, long: timedelta) -> bool:
    # The demo's clock may jump either way.
    return timedelta() <= clock.now() - found.at < long


def _entries() -> int:
    """How many entries there are, as their numbers say: they leave no gap."""
    return LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
