"""The verbs of knowing: values from AWS become rows, and rows become verdicts."""

from inventory.refresh.center_looks import ask_look, declared_center, run_look, unheld_looks
from inventory.refresh.center_looks import enqueue as enqueue_look
from inventory.refresh.correcting import clear_category, override_category
from inventory.refresh.gaps import reaching_back
from inventory.refresh.judging import Bench, bench_for, judge
from inventory.refresh.listening import hear, listen_user, listen_users, listened_to
from inventory.refresh.listing import accept_listing
from inventory.refresh.looking import LOOK_SERVES, look_at_user, read_last_used
from inventory.refresh.references import looked_for
from inventory.refresh.removed_from_code import record_removed_from_code
from inventory.refresh.syncing import ask_sync, due_syncs, enqueue, run_sync, taken_up
from inventory.refresh.unseen import watch_accounts

__all__ = [
    "LOOK_SERVES",
    "Bench",
    "accept_listing",
    "ask_look",
    "ask_sync",
    "bench_for",
    "clear_category",
    "declared_center",
    "due_syncs",
    "enqueue",
    "enqueue_look",
    "hear",
    "judge",
    "listen_user",
    "listen_users",
    "listened_to",
    "look_at_user",
    "looked_for",
    "override_category",
    "reaching_back",
    "read_last_used",
    "record_removed_from_code",
    "run_look",
    "run_sync",
    "taken_up",
    "unheld_looks",
    "watch_accounts",
]
