"""Rules 1 to 9 taken out: who may be written to, and what must be known before."""

from __future__ import annotations

from tests.proof.removal import APP, CHANGES, RULES, Cut, Removal, T, never, one, together

_LOOK = one(
    2,
    "The look again takes whoever bears the name",
    f"{CHANGES}/forward.py",
    "if live.user_id == user.user_id:",
    "if True:",
    f"{RULES}02_a_namesake_made_anew_is_not_touched",
)
_BEFORE_WRITE = Removal(
    2,
    "No look at the identity before a write",
    (f"{RULES}02_a_namesake_that_comes_between_look_and_write_is_not_touched",),
    (never(f"{APP}/aws.py", 'if call.operation == "DeleteUser" or self._identity_is_old():'),),
)
_GATE_PROTECTION = Removal(
    3,
    "The gate does not ask for the protection",
    (f"{RULES}03_protection_is_read_again_before_every_write",),
    (never(f"{CHANGES}/journal.py", "if protection:"),),
)
_GUARD_PROTECTION = Removal(
    3,
    "The guards let a protected user go",
    (f"{T}/test_guards.py::test_a_disable_is_blocked",),
    (never(f"{APP}/guards.py", "if MOVES[move].forward and s.protection:"),),
)
_CHECK_FOUR_EYES = one(
    4,
    "The check shown to the requester passes",
    f"{CHANGES}/checking.py",
    "own = person.pk in (batch.asked_by_id, batch.composed_by_id)",
    "own = False",
)
_APPROVE_FOUR_EYES = one(
    4,
    "The requester approves",
    f"{CHANGES}/approval.py",
    """nothing to approve")
        if person.pk in (row.asked_by_id, row.composed_by_id):""",
    """nothing to approve")
        if False:""",
    f"{RULES}04_who_asked_cannot_approve",
)
_ITEM_DIGEST = Removal(
    4,
    "What is stored is run, whatever was approved",
    (f"{RULES}04_facts_that_were_tampered_with_do_not_run",),
    (
        never(
            f"{CHANGES}/forward.py",
            "if not change.digest or ledger.digest(facts) != change.digest:",
        ),
    ),
)
_QUIET = Removal(
    6,
    "The guards let a user in use go",
    (f"{T}/test_guards.py::test_a_disable_is_blocked",),
    (never(f"{APP}/guards.py", "if s.verdict not in QUIET_VERDICTS:"),),
)
_LATER_USE = Removal(
    6,
    "Use after the look does not count",
    (),
    (never(f"{CHANGES}/forward.py", "if last > datetime.fromisoformat(looked):"),),
)

FIRST: tuple[Removal, ...] = (
    # ── 1
    one(
        1,
        "Another file calls AWS to change it",
        f"{CHANGES}/nudge.py",
        "def run_batch(batch_pk: int) -> None:",
        """def _planted(session) -> None:
    session.client("iam").delete_user(UserName="somebody")


def run_batch(batch_pk: int) -> None:""",
        "tests/ground/test_who_writes.py::test_only_one_file_changes_an_aws_account",
    ),
    Removal(
        1,
        "An account without an actor role is written to",
        (f"{RULES}01_an_account_without_an_actor_role_is_never_written_to",),
        (never(f"{APP}/guards.py", "if not account.has_role:"),),
    ),
    one(
        1,
        "The shipped policies do not deny what is protected",
        f"{APP}/iam_policies.py",
        '"Resource": [*paths, *names],',
        '"Resource": [],',
        f"{T}/test_iam_policies.py::"
        "test_every_writing_role_is_denied_the_break_glass_path_and_its_group_and_devices",
    ),
    one(
        1,
        "The web process may hold AWS credentials",
        "iamcleanup/play.py",
        "for name in WEB_CREDENTIALS\n            if environ.get(name)",
        "for name in WEB_CREDENTIALS\n            if False",
        "tests/iamcleanup/test_play.py::test_the_web_process_refuses_to_hold_aws_credentials",
    ),
    # ── 2
    _LOOK,
    _BEFORE_WRITE,
    Removal(
        2,
        "Another user under the name is taken for the same",
        (f"{RULES}02_a_namesake_that_comes_between_look_and_write_is_not_touched",),
        (never(f"{APP}/aws.py", "if user_id != self.user_id:"),),
    ),
    together(
        "At every layer",
        _LOOK,
        _BEFORE_WRITE,
        Removal(
            2,
            "",
            (),
            (
                Cut(
                    f"{CHANGES}/forward.py",
                    'if facts["user_id"] != live.user_id or facts["user_name"] != live.user_name:',
                    "if False:",
                ),
            ),
        ),
        tests=(f"{RULES}02_a_namesake_made_anew_is_not_touched",),
    ),
    # ── 3
    _GATE_PROTECTION,
    _GUARD_PROTECTION,
    one(
        3,
        "An entry that matches nobody holds nothing",
        f"{CHANGES}/protecting.py",
        "    _hold(account, problems)\n    return problems",
        "    return problems",
        f"{RULES}03_an_entry_that_matches_nobody_holds_the_account",
        f"{RULES}03_a_name_with_another_id_holds_the_account_until_an_engineer_binds_it",
    ),
    one(
        3,
        "An entry protects by name only",
        f"{CHANGES}/protecting.py",
        "if entry.bound_user_id else users.none()",
        "if False else users.none()",
        f"{RULES}03_an_entry_protects_by_name_in_any_case_and_by_id",
    ),
    Removal(
        3,
        "Nobody asks for the break-glass user",
        (f"{RULES}03_without_the_break_glass_user_seen_today_nothing_moves",),
        (never(f"{APP}/guards.py", "if seen is None or now - seen > BREAK_GLASS_SEEN_WITHIN:"),),
    ),
    Removal(
        3,
        "The database lets a protected user move",
        (f"{T}/test_lifecycle.py::test_a_protected_user_makes_no_forward_move",),
        sql="DROP TRIGGER departure_moves ON migrations_app_departure",
    ),
    # ── 4
    _APPROVE_FOUR_EYES,
    together(
        "The requester approves, and no check says a word",
        _APPROVE_FOUR_EYES,
        _CHECK_FOUR_EYES,
        tests=(f"{RULES}04_who_asked_cannot_approve",),
    ),
    Removal(
        4,
        "The database lets one person ask and approve",
        (f"{T}/test_lifecycle.py::test_who_asked_never_approves",),
        sql="ALTER TABLE migrations_app_batch DROP CONSTRAINT batch_four_eyes",
    ),
    Removal(
        4,
        "An approval binds to nothing",
        (f"{RULES}04_a_batch_that_changed_since_it_was_shown_is_not_approved",),
        (never(f"{CHANGES}/approval.py", "if not digest or digest != row.digest:"),),
    ),
    _ITEM_DIGEST,
    Removal(
        4,
        "Items are run whatever batch was approved",
        (f"{RULES}04_facts_tampered_with_together_with_their_digest_do_not_run",),
        (
            never(
                f"{CHANGES}/forward.py",
                "if batch_digest(batch, frozen_items(batch)) != batch.approved_digest:",
            ),
        ),
    ),
    Removal(
        4,
        "A new owner does not matter",
        (f"{RULES}04_a_changed_owner_leaves_that_user_out_and_no_other",),
        (
            never(
                f"{CHANGES}/forward.py",
                'if change.follows_id is None and facts["owner"] != owner:',
            ),
        ),
    ),
    one(
        4,
        "Changed holdings do not matter",
        f"{CHANGES}/forward.py",
        'changed = differences(facts["holdings"], now)',
        "changed = []",
        f"{RULES}04_changed_holdings_leave_that_user_out",
    ),
    Removal(
        4,
        "An approver without the role approves on",
        (f"{RULES}04_an_approver_who_lost_the_role_stops_the_run",),
        (never(f"{CHANGES}/running.py", "if not approval.approver_still_may(batch):"),),
    ),
    one(
        4,
        "An automatic shut needs nobody who may approve",
        f"{CHANGES}/sweep.py",
        "elif fence.batch is None or not approval.approver_still_may(fence.batch):",
        "elif fence.batch is None:",
        f"{RULES}04_an_automatic_shut_waits_for_another_approver",
    ),
    Removal(
        4,
        "An approval never lapses",
        (f"{RULES}04_an_approval_holds_seven_days",),
        (never(f"{CHANGES}/sweep.py", "if batch.window_to and now > batch.window_to:"),),
    ),
    Removal(
        4,
        "A run begins users after its approval lapsed",
        (f"{RULES}04_a_batch_paused_past_its_approval_begins_nobody_new",),
        (
            never(
                f"{CHANGES}/forward.py",
                "if change.follows_id is None and batch.window_to"
                " and clock.now() > batch.window_to:",
            ),
        ),
    ),
    # ── 5
    one(
        5,
        "A listing that lost many is believed",
        "inventory/refresh/listing.py",
        "if comparison.alarming and not accepted else",
        "if False else",
        f"{RULES}05_a_listing_that_lost_many_users_changes_nothing",
    ),
    one(
        5,
        "A source that could not be read leaves nobody out",
        f"{CHANGES}/forward.py",
        "and not evidence.look(departure, reader, live, bench)",
        "and evidence.look(departure, reader, live, bench) is None",
        f"{RULES}05_a_source_that_cannot_be_read_leaves_the_user_out",
    ),
    one(
        5,
        "What was not read counts as unused",
        "inventory/verdict.py",
        "if not coverage.whole or blockers:",
        "if blockers:",
        "tests/inventory/test_verdict.py::"
        "test_a_region_that_refused_leaves_it_unknown_with_the_words_of_aws",
    ),
    # ── 6
    _QUIET,
    together(
        "Neither the verdict nor later use counts",
        _QUIET,
        _LATER_USE,
        tests=(f"{RULES}06_use_after_the_approval_leaves_the_user_out",),
    ),
    one(
        6,
        "An engineer alone overrules a user in use",
        f"{APP}/guards.py",
        'return s.answer == "can-go"',
        "return True",
        f"{T}/test_guards.py::test_overruling_active_needs_the_owners_word",
    ),
    # ── 7
    one(
        7,
        "Deleted without GetUser having said so",
        f"{APP}/aws.py",
        "        if told:\n            if answered:",
        "        if True:\n            if answered:",
        f"{RULES}07_deleted_is_not_written_while_aws_still_shows_the_user",
    ),
    Removal(
        7,
        "A renamed user is taken for one that is gone",
        (f"{RULES}07_a_renamed_user_is_refused_by_its_new_name",),
        (never(f"{CHANGES}/forward.py", "if renamed:"),),
    ),
    one(
        7,
        "One look proves that a user vanished",
        f"{CHANGES}/enrolling.py",
        "if row.user.user_id not in listed\n            and gone_by_get_user(",
        "if gone_by_get_user(",
        f"{RULES}07_one_look_is_no_proof_that_a_user_vanished",
    ),
    # ── 8
    one(
        8,
        "A change begins without its holdings saved",
        f"{CHANGES}/forward.py",
        "saved = _save_holdings(change, live)",
        "saved = live",
        f"{RULES}08_nothing_is_written_when_the_holdings_cannot_be_saved",
    ),
    # ── 9
    one(
        9,
        "Whatever is inactive becomes active",
        f"{APP}/aws.py",
        'if part.id in ours and part.status == "Inactive"]',
        'if part.status == "Inactive"]',
        f"{RULES}09_only_what_was_active_becomes_active",
    ),
    one(
        9,
        "A fence of somebody else is taken off",
        f"{APP}/aws.py",
        "if made.policy_fence and deny_all(holdings) in holdings.attached_policies:",
        "if deny_all(holdings) in holdings.attached_policies:",
        f"{RULES}09_a_fence_that_somebody_else_put_on_stays",
    ),
)
