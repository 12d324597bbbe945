"""The verbs of knowing: values from AWS become rows, and rows become verdicts."""

from inventory.refresh.judging import judge
from inventory.refresh.listening import listen_user, listened_to
from inventory.refresh.listing import accept_listing
from inventory.refresh.looking import look_at_user, read_last_used
from inventory.refresh.syncing import ask_sync, due_syncs, run_sync

__all__ = [
    "accept_listing",
    "ask_sync",
    "due_syncs",
    "judge",
    "listen_user",
    "listened_to",
    "look_at_user",
    "read_last_used",
    "run_sync",
]
