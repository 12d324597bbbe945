"""The twenty rules, each with the smallest ways to take it out, and the tests that must then fail.

A rule that is kept at several layers is taken out at each of them, and where one layer alone is
made good by the next, at all of them at once. A removal names a piece of text of one file, which
must be there exactly once: a removal that no longer applies is a failure, not a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

APP = "migrations_app"
CHANGES = "migrations_app/changes"
T = "tests/migrations_app"
RULES = f"{T}/test_rules.py::test_rule_"


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a file and what stands there without the rule."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Removal:
    """One way to take a rule out. `sql` is run in the test's database; `tests` must all fail.

    A test without brackets stands for all its cases; it fails when one of them does.
    """

    rule: int
    says: str
    tests: tuple[str, ...]
    cuts: tuple[Cut, ...] = ()
    sql: str = ""

    @property
    def key(self) -> str:
        return f"{self.rule}: {self.says}"


NAMES = {
    1: "One file writes",
    2: "Identity",
    3: "Protection",
    4: "Four eyes, frozen",
    5: "Unknown is never unused",
    6: "Who may be fenced",
    7: "Proof",
    8: "Holdings first",
    9: "Exact restore",
    10: "Journal",
    11: "Once",
    12: "Rails",
    13: "Told first",
    14: "Anybody who feels the pain can restore",
    15: "Ledger",
    16: "No secret",
    17: "Text from AWS is hostile",
    18: "Point of no return",
    19: "Nobody locks everybody out",
    20: "Play cannot reach production",
}


def one(rule: int, says: str, file: str, before: str, after: str, *tests: str) -> Removal:
    return Removal(rule, says, tests, (Cut(file, before, after),))


def together(says: str, *removals: Removal, tests: tuple[str, ...]) -> Removal:
    """Several layers of one rule at once."""
    cuts = tuple(cut for removal in removals for cut in removal.cuts)
    return replace(removals[0], says=says, cuts=cuts, tests=tests)


def never(file: str, condition: str) -> Cut:
    """A condition that is never met."""
    return Cut(file, condition, "if False:")


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
    f"{CHANGES}/approval.py",
    "own = person.pk in (batch.asked_by_id, batch.composed_by_id)",
    "own = False",
)
_APPROVE_FOUR_EYES = one(
    4,
    "The requester approves",
    f"{CHANGES}/approval.py",
    """nothing to approve.")
        if person.pk in (row.asked_by_id, row.composed_by_id):""",
    """nothing to approve.")
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

REMOVALS: tuple[Removal, ...] = (
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
        "by_id = users.filter(user_id=entry.bound_user_id) if entry.bound_user_id else users.none()",
        "by_id = users.none()",
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
        "if name is MoveName.DISABLE and not urgent and not evidence.look(departure, reader, live):",
        "if name is MoveName.DISABLE and not urgent and evidence.look(departure, reader, live) is None:",
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
    # ── 10
    one(
        10,
        "Calls are sent without a line before them",
        f"{APP}/aws.py",
        "line = self.journal.before(call, attempt)",
        "line = 0",
        f"{RULES}10_a_journal_that_cannot_be_written_sends_nothing",
    ),
    # ── 11
    Removal(
        11,
        "A claim does not believe its row count",
        (f"{RULES}11_a_second_worker_finds_nothing_to_do",),
        (never(f"{CHANGES}/running.py", "if taken != 1:"),),
    ),
    Removal(
        11,
        "A lost lease does not matter",
        (f"{RULES}11_a_worker_that_lost_its_lease_writes_nothing_more",),
        (never(f"{CHANGES}/journal.py", "if held != 1:"),),
    ),
    Removal(
        11,
        "The gate does not ask for the emergency stop",
        (f"{RULES}11_the_emergency_stop_halts_between_two_calls",),
        (
            never(
                f"{CHANGES}/journal.py", "if EmergencyStop.objects.filter(lifted_at=None).exists():"
            ),
        ),
    ),
    # ── 12
    Removal(
        12,
        "A batch takes any number",
        (f"{RULES}12_a_batch_holds_no_more_than_the_policy_says",),
        (never(f"{CHANGES}/batches.py", "if len(known) + len(new) > limit:"),),
    ),
    one(
        12,
        "The next batch does not wait until the last has settled",
        f"{CHANGES}/sweep.py",
        "reasons += _settling(batch, policy.settle)",
        "pass",
        f"{RULES}12_the_next_disable_batch_waits_until_the_last_has_settled",
    ),
    Removal(
        12,
        "An open hit does not hold the next batch",
        (f"{RULES}12_the_next_disable_batch_waits_for_an_open_hit",),
        (
            never(
                f"{APP}/guards.py",
                "if move is MoveName.DISABLE and not urgent and account.open_hits:",
            ),
        ),
    ),
    Removal(
        12,
        "A run goes on when its window closes",
        (f"{RULES}12_a_run_pauses_when_its_window_closes",),
        (
            never(
                f"{CHANGES}/running.py",
                "if not is_open(window, policy.freezes, batch.account.time_zone, clock.now()):",
            ),
        ),
    ),
    Removal(
        12,
        "A batch starts outside its window",
        (f"{RULES}12_a_batch_starts_in_its_window_only",),
        (
            never(
                f"{CHANGES}/sweep.py",
                "if not is_open(window, policy.freezes, account.time_zone, now):",
            ),
        ),
    ),
    one(
        12,
        "Whatever begins outside a run knows no window",
        f"{CHANGES}/forward.py",
        "        _in_its_window(change)\n",
        "        pass\n",
        f"{RULES}12_an_automatic_shut_keeps_to_the_window_also_once_queued",
        f"{RULES}12_a_retry_keeps_to_the_window",
    ),
    one(
        12,
        "A refusal for want of rights pauses nothing",
        f"{CHANGES}/running.py",
        "if refused.denied or refused.code in _PAUSE_AT_ONCE or failed >= 2:",
        "if failed >= 2:",
        f"{RULES}12_a_refusal_for_want_of_rights_pauses_at_once",
    ),
    one(
        12,
        "Failures pause nothing",
        f"{CHANGES}/running.py",
        "if refused.denied or refused.code in _PAUSE_AT_ONCE or failed >= 2:",
        "if refused.denied or refused.code in _PAUSE_AT_ONCE:",
        f"{RULES}12_the_second_failure_of_another_kind_pauses",
    ),
    one(
        12,
        "A hit pauses nothing",
        f"{CHANGES}/hits.py",
        'approval.pause_by_itself(change.batch, f"{departure.user} was called.")',
        "pass",
        f"{RULES}12_a_hit_on_one_of_its_users_pauses_the_run",
    ),
    # ── 13
    one(
        13,
        "A message that nobody opened has reached its team",
        f"{CHANGES}/sweep.py",
        "unreached = notices.unreached(batch)",
        "unreached = []",
        f"{RULES}13_a_message_that_nobody_opened_reaches_nobody",
    ),
    one(
        13,
        "Anybody's look counts",
        f"{APP}/notices.py",
        "if notice.team and person.leads_team(notice.team):",
        "if notice.team:",
        f"{RULES}13_somebody_elses_look_does_not_count",
    ),
    Removal(
        13,
        "A late opening moves nothing",
        (f"{RULES}13_a_late_opening_moves_the_date",),
        (never(f"{CHANGES}/sweep.py", "if over and now < over:"),),
    ),
    one(
        13,
        "A team that cannot be told is no blocker",
        f"{APP}/guards.py",
        "elif not s.owner_can_be_reached:",
        "elif False:",
        f"{RULES}13_a_team_that_nobody_leads_is_a_blocker",
    ),
    # ── 14
    one(
        14,
        "Anybody restores",
        f"{CHANGES}/restoring.py",
        "require(person, Action.RESTORE, row.owner)",
        "pass",
        f"{RULES}14_others_are_refused",
    ),
    one(
        14,
        "Without a broker there is no restore",
        f"{CHANGES}/nudge.py",
        "except OperationalError as error:",
        "except ZeroDivisionError as error:",
        f"{RULES}14_a_broker_that_is_down_does_not_undo_the_request",
    ),
    one(
        14,
        "Without Redis there is no restore",
        "inventory/aws/limiter.py",
        "except redis.RedisError as error:",
        "except ZeroDivisionError as error:",
        f"{RULES}14_the_command_restores_without_redis_and_workers",
    ),
    # ── 15
    Removal(
        15,
        "The database lets the ledger be changed",
        ("tests/inventory/test_ledger.py::test_the_database_refuses_to_change_the_ledger",),
        sql="DROP TRIGGER ledger_rows_stay ON inventory_ledgerentry",
    ),
    Removal(
        15,
        "An entry's hash is not looked at",
        (
            f"{RULES}15_a_change_of_an_entry_is_found_and_named",
            "tests/inventory/test_ledger.py::test_a_changed_entry_is_named",
        ),
        (never("inventory/ledger.py", "if entry.hash != entry_hash(entry):"),),
    ),
    Removal(
        15,
        "A cut tail is not looked for",
        ("tests/inventory/test_ledger.py::test_a_cut_tail_is_seen_beside_an_announced_head",),
        (never("inventory/ledger.py", "if not seen_head and expected_head:"),),
    ),
    # ── 16
    one(
        16,
        "AWS's words are kept as they came",
        "inventory/aws/failure.py",
        r'return _SECRET.sub(r"\1\2(not shown)", text.replace("\x00", ""))',
        "return text",
        "tests/inventory/test_secrets.py::test_secrets_are_cut_in_every_spelling",
        "tests/inventory/test_secrets.py::test_a_sync_leaves_no_secret_anywhere",
    ),
    one(
        16,
        "Sessions are logged with their token",
        f"{CHANGES}/forward.py",
        '    reader = open_session(departure.user.account, "reader")',
        """    reader = open_session(departure.user.account, "reader")
    import logging

    token = reader.client("iam")._request_signer._credentials.token
    logging.getLogger("migrations_app").info("The token is %s", token)""",
        f"{RULES}16_no_secret_of_aws_is_stored_or_logged",
    ),
    # ── 17
    one(
        17,
        "A name stands in the undo script as it is",
        f"{APP}/aws.py",
        'name = shlex.quote(params.get("UserName", ""))\n    if operation == "AttachUserPolicy":\n'
        '        return [f"aws iam detach-user-policy --user-name={name}',
        'name = params.get("UserName", "")\n    if operation == "AttachUserPolicy":\n'
        '        return [f"aws iam detach-user-policy --user-name {name}',
        f"{RULES}17_the_undo_script_quotes_what_aws_calls_its_users",
    ),
    one(
        17,
        "A line break in a name stays",
        f"{CHANGES}/batches.py",
        'name = " ".join(facts["user_name"].split())',
        'name = facts["user_name"]',
        f"{RULES}17_a_line_break_in_a_name_begins_no_new_line",
    ),
    Removal(
        17,
        "A formula goes into a spreadsheet",
        ("tests/inventory/test_exports.py::test_a_formula_is_defused",),
        (
            never(
                "inventory/exports.py",
                "if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA):",
            ),
        ),
    ),
    # ── 18
    one(
        18,
        "The point of no return is not noted",
        f"{CHANGES}/journal.py",
        "                self._no_return()\n",
        "                pass\n",
        f"{RULES}18_the_point_of_no_return_is_committed_before_the_first_final_call",
    ),
    Removal(
        18,
        "A restore is taken past it",
        (f"{RULES}18_past_it_a_restore_is_refused",),
        (
            Cut(
                f"{CHANGES}/restoring.py",
                "    if row.irreversible_at:\n        raise Refused(",
                "    if False:\n        raise Refused(",
            ),
        ),
    ),
    one(
        18,
        "A restore asked for an instant before loses",
        f"{CHANGES}/journal.py",
        "pk=self.change.pk, stop_asked=False, claimed_by=self.worker\n        )"
        ".update(irreversible_at=now)",
        "pk=self.change.pk, claimed_by=self.worker\n        ).update(irreversible_at=now)",
        f"{RULES}18_a_restore_asked_for_an_instant_before_wins",
    ),
    # ── 19
    one(
        19,
        "Nobody counts who is left",
        f"{APP}/guards.py",
        "if not any(way.seen_at and now - way.seen_at <= ADMIN_SEEN_WITHIN for way in ways_left):",
        "if False:",
        f"{RULES}19_the_last_admin_is_not_approved_away_without_a_reason",
        f"{T}/test_guards.py::test_somebody_with_admin_rights_and_a_way_in_remains",
    ),
    one(
        19,
        "An override needs no reason",
        f"{CHANGES}/approval.py",
        "for code, why in (overrides or {}).items() if why.strip()}",
        "for code, why in (overrides or {}).items()}",
        f"{RULES}19_the_last_admin_is_not_approved_away_without_a_reason",
    ),
    one(
        19,
        "Every check can be overridden",
        f"{CHANGES}/approval.py",
        "if not one.ok and not (one.overridable and one.code in overrides)",
        "if not one.ok and one.code not in overrides",
        f"{RULES}19_no_other_check_can_be_overridden",
    ),
    # ── 20
    one(
        20,
        "What became real stays a sandbox",
        f"{CHANGES}/situation.py",
        "hold_reason=account.hold_reason or _refused_sandbox(account),",
        "hold_reason=account.hold_reason,",
        f"{RULES}20_a_real_account_that_says_sandbox_takes_no_write",
    ),
    one(
        20,
        "A batch in earnest is forgotten",
        f"{CHANGES}/approval.py",
        "Account.objects.filter(pk=row.account_id).update(batched_for_real=True)",
        "pass",
        f"{RULES}20_an_approval_outside_a_sandbox_is_remembered_for_good",
    ),
    one(
        20,
        "A sandbox needs no typed words",
        f"{CHANGES}/approval.py",
        "if row.move == MoveName.DELETE and words.strip() != words_for(row):",
        "if row.move == MoveName.DELETE and not row.sandbox and words.strip() != words_for(row):",
        f"{RULES}20_a_sandbox_keeps_four_eyes_size_and_typed_words",
    ),
)
