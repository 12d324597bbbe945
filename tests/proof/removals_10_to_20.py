"""Rules 10 to 20 taken out: how a change runs, who is told, what is kept."""

from __future__ import annotations

from tests.proof.removal import APP, CHANGES, RULES, Cut, Removal, T, never, one

LAST: tuple[Removal, ...] = (
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
        "Neither a claim nor a lease believes its row count",
        (f"{RULES}11_a_second_worker_finds_nothing_to_do",),
        (
            Cut(
                f"{CHANGES}/running.py",
                "clock.now()),\n    )\n    return _loaded(change_pk) if taken == 1 else None",
                "clock.now()),\n    )\n    return _loaded(change_pk)",
            ),
            # A claim alone is made good by the lease, which is another worker's.
            never(f"{CHANGES}/journal.py", "if held != 1:"),
        ),
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
        (never(f"{CHANGES}/journal.py", "if stopped:"),),
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
        "        _in_its_window(change, organization)\n",
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
        'steering.pause_by_itself(change.batch, f"{departure.user} was called.")',
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
        f"{APP}/outgoing/notices.py",
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
        "    reader = shared_reader(change.departure.user.account)\n",
        """    reader = shared_reader(change.departure.user.account)
    import logging

    token = reader.client("iam")._request_signer._credentials.token
    logging.getLogger("migrations_app").info("The token is %s", token)
""",
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
        f"{CHANGES}/undo.py",
        'name = rebuild.one_line(change.facts["user_name"])',
        'name = change.facts["user_name"]',
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
    Removal(
        18,
        "A restore asked for an instant before loses",
        (f"{RULES}18_a_restore_asked_for_an_instant_before_wins",),
        (
            never(f"{CHANGES}/journal.py", "if stop_asked or restoring:"),
            never(f"{CHANGES}/journal.py", "if passed != 1:"),
            never(f"{CHANGES}/journal.py", "if held != 1:"),
        ),
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
