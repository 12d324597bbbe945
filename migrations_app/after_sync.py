"""What a sync means for departures; `inventory` tells by signal, because it knows nothing of us."""

from __future__ import annotations


def connect() -> None:
    """Listen to `inventory.signals.account_synced`."""
