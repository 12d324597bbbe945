"""The verbs of change: request, approve, apply, sweep; the only writer of state.

Every verb a person calls takes that person, asks `inventory.permissions` again, raises `Refused`
with reasons, is one transaction, and enqueues on commit.
"""

from migrations_app.changes.acknowledging import approve_by_digest, to_acknowledge
from migrations_app.changes.answering import Answered, answer, answer_many
from migrations_app.changes.approval import approve, send_back, take_over, withdraw
from migrations_app.changes.attribution import explain
from migrations_app.changes.batches import (
    add_users,
    ask,
    ask_dry_run,
    comment,
    compose,
    discard,
    dry_run,
    eligible,
    made_by,
    remove_user,
    set_method,
    wait_for_other_composings,
    words_for,
)
from migrations_app.changes.campaigns import Started
from migrations_app.changes.campaigns import close as close_campaign
from migrations_app.changes.campaigns import start as start_campaign
from migrations_app.changes.checking import Check, Loaded, checks, seen_by, view
from migrations_app.changes.clean import stay_clean
from migrations_app.changes.contests import settle
from migrations_app.changes.drift import accept as accept_drift
from migrations_app.changes.drift import hold_plans
from migrations_app.changes.drift import watch as watch_groups
from migrations_app.changes.enrolling import (
    came_back,
    draft_plans,
    enroll,
    namesakes,
    prove_missing,
    still_alive,
)
from migrations_app.changes.forward import vanish
from migrations_app.changes.half_done import finish_deleting, stop_and_rebuild
from migrations_app.changes.handing_over import (
    accept_hand_over,
    comes_back_at,
    decline_hand_over,
    hand_over,
)
from migrations_app.changes.hits import caller_fixed, dismiss, extend
from migrations_app.changes.ownership import (
    adopt,
    assign,
    claim,
    confirm_claim,
    confirm_plan,
    decline_claim,
    dispute,
    end_dispute,
    not_ours,
    overrule,
    release,
    undo_answer,
)
from migrations_app.changes.protecting import (
    bind_entry,
    bind_protection,
    end_exemptions,
    protect,
    unprotect,
)
from migrations_app.changes.restoring import (
    RestorePreview,
    may_be_restored,
    restore,
    restore_preview,
    saved_before,
)
from migrations_app.changes.situation import account_blockers, blockers_for, lock_out
from migrations_app.changes.steering import (
    abort,
    pause,
    restore_batch,
    resume,
    retry,
    skip,
    taken_by,
)
from migrations_app.changes.stop import current, halted, lift, pull
from migrations_app.changes.sweep import shut_waits_for, sweep, waits_for

__all__ = [
    "Answered",
    "Check",
    "Loaded",
    "RestorePreview",
    "Started",
    "abort",
    "accept_drift",
    "accept_hand_over",
    "account_blockers",
    "add_users",
    "adopt",
    "answer",
    "answer_many",
    "approve",
    "approve_by_digest",
    "ask",
    "ask_dry_run",
    "assign",
    "bind_entry",
    "bind_protection",
    "blockers_for",
    "caller_fixed",
    "came_back",
    "checks",
    "claim",
    "close_campaign",
    "comes_back_at",
    "comment",
    "compose",
    "confirm_claim",
    "confirm_plan",
    "current",
    "decline_claim",
    "decline_hand_over",
    "discard",
    "dismiss",
    "dispute",
    "draft_plans",
    "dry_run",
    "eligible",
    "end_dispute",
    "end_exemptions",
    "enroll",
    "explain",
    "extend",
    "finish_deleting",
    "halted",
    "hand_over",
    "hold_plans",
    "lift",
    "lock_out",
    "made_by",
    "may_be_restored",
    "namesakes",
    "not_ours",
    "overrule",
    "pause",
    "protect",
    "prove_missing",
    "pull",
    "release",
    "remove_user",
    "restore",
    "restore_batch",
    "restore_preview",
    "resume",
    "retry",
    "saved_before",
    "seen_by",
    "send_back",
    "set_method",
    "settle",
    "shut_waits_for",
    "skip",
    "start_campaign",
    "stay_clean",
    "still_alive",
    "stop_and_rebuild",
    "sweep",
    "take_over",
    "taken_by",
    "to_acknowledge",
    "undo_answer",
    "unprotect",
    "vanish",
    "view",
    "wait_for_other_composings",
    "waits_for",
    "watch_groups",
    "withdraw",
    "words_for",
]
