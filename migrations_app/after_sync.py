"""What a sync means for departures; `inventory` tells by signal, because it knows nothing of us."""

from __future__ import annotations

from typing import Any

from inventory.models import Sync
from inventory.signals import account_synced


def connect() -> None:
    """Listen to `inventory.signals.account_synced`."""
    account_synced.connect(after_sync, dispatch_uid="migrations_app.after_sync")


def after_sync(sender: type[Sync], *, sync: Sync, missing: list[int], **kwargs: Any) -> None:
    """Enrol who is new, bind protection, prove who is missing, draft plans, see who came back."""
    # Deferred, because apps are still loading when the signal is connected.
    from migrations_app import changes  # noqa: PLC0415

    account = sync.account
    changes.enroll(account)
    changes.bind_protection(account)
    changes.prove_missing(account, missing)
    changes.draft_plans(account)
    changes.came_back(account)
