"""The ways out of a crowd: departures, batches with their changes and journals, hits, plans."""

from __future__ import annotations

from datetime import datetime

from bench.crowd.rows import (
    as_json,
    draw,
    go_on_after,
    insert,
    moment,
    one_of,
    run,
    text,
    weighted,
)
from migrations_app.models import (
    Batch,
    Call,
    Change,
    Departure,
    GivenAnswer,
    Hit,
    HitCaller,
    Holdings,
    Plan,
    PlanAccess,
    Viewed,
)

_JONAS, _MEI = "1", "2"
_DIGEST = "repeat(md5(n::text), 2)"
# (move, step, kind, operation): the journal of a change; `keys` of a user are 0 to 2.
_JOURNAL = (
    ("disable", 1, "look", "GetUser"),
    ("disable", 2, "write", "AttachUserPolicy"),
    ("disable", 3, "read-back", "ListAttachedUserPolicies"),
    ("soak", 1, "look", "GetUser"),
    ("soak", 2, "write", "UpdateAccessKey"),
    ("soak", 3, "write", "DeleteLoginProfile"),
    ("soak", 4, "read-back", "ListAccessKeys"),
    ("delete", 1, "look", "GetUser"),
    ("delete", 2, "write", "DeleteAccessKey"),
    ("delete", 3, "write", "RemoveUserFromGroup"),
    ("delete", 4, "write", "DetachUserPolicy"),
    ("delete", 5, "write", "DeleteUser"),
    ("delete", 6, "read-back", "GetUser"),
)
_TARGETS = ("identity-center", "github-oidc", "eks", "instance-profile", "cross-account-role")


def write(now: datetime) -> None:
    """Everybody's departure, and all work done and open; a user's draws stand in `crowd`."""
    _group()
    _departures(now)
    _batches(now)
    _changes(now)
    _calls()
    _holdings()
    _hits(now)
    _plans(now)
    go_on_after(Departure, Batch, Change, Hit, Plan)


def _group() -> None:
    """`ways`: whom which batch fenced, twenty at a time; `open_ways`: one open batch an account."""
    run("""
        CREATE TEMPORARY TABLE ways AS
        SELECT n, account, state, keys, team, place, batch,
            min(fenced_at) OVER (PARTITION BY batch) + place * interval '6 seconds' AS fenced_at
        FROM (
            SELECT *, dense_rank() OVER (ORDER BY account, state, (place - 1) / 20) AS batch
            FROM (
                SELECT *, row_number() OVER (
                    PARTITION BY account, state ORDER BY fenced_at, n
                ) AS place
                FROM crowd WHERE fenced_at IS NOT NULL
            ) AS placed
        ) AS batched
    """)
    run("UPDATE crowd SET fenced_at = ways.fenced_at FROM ways WHERE ways.n = crowd.n")
    run("""
        CREATE TEMPORARY TABLE open_ways AS
        SELECT n, account, team, place, 100000 + account AS batch,
            (ARRAY['running', 'draft', 'asked', 'approved', 'paused'])[1 + mod(account - 1, 5)]
                AS status
        FROM (
            SELECT *, row_number() OVER (PARTITION BY account ORDER BY n) AS place
            FROM crowd
            WHERE state = 'owner-assigned' AND protection = '' AND verdict <> 'active'
        ) AS placed
        WHERE place <= 20
    """)
    # One batch runs; the others of its kind are over or wait.
    run("UPDATE open_ways SET status = 'asked' WHERE status = 'running' AND account > 1")


def _departures(now: datetime) -> None:
    owned = "CASE WHEN state <> 'discovered' THEN team END"
    shut = "fenced_at + interval '7 days'"
    outside = f"state = 'deleted' AND {draw('n', 60)} < 0.02"
    insert(
        Departure,
        "crowd ORDER BY n",
        id="n",
        user_id="n",
        state="state",
        state_since=f"CASE state WHEN 'disabled' THEN fenced_at WHEN 'soaking' THEN {shut}"
        " WHEN 'deleted' THEN fenced_at + interval '22 days'"
        f" ELSE {moment(now)} - {draw('n', 61)} * interval '200 days' END",
        owner_id=owned,
        owner_since=f"CASE WHEN state <> 'discovered' THEN {moment(now)} - interval '40 days' END",
        claim_pending_team_id=f"CASE WHEN state = 'discovered' AND {draw('n', 62)} < 0.01"
        " THEN team END",
        handed_to_id=f"CASE WHEN state = 'owner-assigned' AND {draw('n', 63)} < 0.005"
        " THEN 1 + mod(team, 200) END",
        answer=f"CASE WHEN state = 'discovered' THEN '' ELSE {_answers()} END",
        answered_at=f"CASE WHEN state <> 'discovered' THEN {moment(now)} - interval '39 days' END",
        protection="protection",
        protection_reason="CASE protection WHEN 'exempt' THEN 'A vendor needs it' ELSE '' END",
        protection_until=f"CASE protection WHEN 'exempt' THEN ({moment(now)})::date + 90 END",
        disputed_until=f"CASE WHEN state = 'owner-assigned' AND {draw('n', 65)} < 0.004"
        f" THEN ({moment(now)})::date + 5 END",
        fence="CASE WHEN fenced_at IS NULL THEN '' ELSE 'policy' END",
        fenced_at="fenced_at",
        clock_started_at=f"CASE state WHEN 'disabled' THEN fenced_at WHEN 'soaking' THEN {shut}"
        f" WHEN 'deleted' THEN {shut} END",
        watch="CASE WHEN fenced_at IS NOT NULL THEN interval '7 days' END",
        soak="CASE WHEN fenced_at IS NOT NULL THEN interval '14 days' END",
        not_before=f"CASE WHEN state = 'soaking' AND {draw('n', 66)} < 0.05"
        f" THEN {moment(now)} + interval '20 days' END",
        not_before_reason=f"CASE WHEN state = 'soaking' AND {draw('n', 66)} < 0.05"
        " THEN 'Extended: runs once a quarter' ELSE '' END",
        last_used_read_at=f"CASE WHEN fenced_at IS NOT NULL THEN {moment(now)} END",
        restored_at=f"CASE WHEN state = 'owner-assigned' AND {draw('n', 67)} < 0.01"
        f" THEN {moment(now)} - interval '10 days' END",
        deleted_at="CASE state WHEN 'deleted' THEN fenced_at + interval '22 days' END",
        deleted_outside=outside,
    )
    insert(
        GivenAnswer,
        f"crowd WHERE state <> 'discovered' AND {draw('n', 68)} < 0.6",
        departure_id="n",
        team_id="team",
        person_id="100 + team",
        at=f"{moment(now)} - interval '39 days'",
        said=one_of("n", 69, ("ours", "can-go", "needed")),
    )


def _batches(now: datetime) -> None:
    common = {
        "account_id": "account",
        "composed_by_id": _JONAS,
        "asked_by_id": _JONAS,
        "digest": "repeat(md5(batch::text), 2)",
        "approved_by_id": _MEI,
        "approved_digest": "repeat(md5(batch::text), 2)",
    }
    of = (
        "(SELECT batch AS n, batch, account, state, min(fenced_at) AS at"
        " FROM ways GROUP BY 1, 2, 3, 4)"
    )
    done = {
        **common,
        "status": "'done'",
        "composed_at": "at - interval '3 days'",
        "dry_run_at": "at - interval '3 days'",
        "asked_at": "at - interval '2 days'",
        "approved_at": "at - interval '1 day'",
        "started_at": "at",
        "finished_at": "at + interval '4 minutes'",
    }
    insert(Batch, f"{of} AS of", id="batch", number="batch", move="'disable'", **done)
    later = (
        "(SELECT batch AS n, batch, account, at + interval '22 days' AS at"
        f" FROM {of} AS of WHERE state = 'deleted')"
    )
    number = "50000 + batch"
    insert(Batch, f"{later} AS of", id=number, number=number, move="'delete'", **done)
    waits = "status IN ('draft', 'asked')"
    insert(
        Batch,
        "(SELECT DISTINCT batch, account, status FROM open_ways) AS of",
        **common
        | {
            "id": "batch",
            "number": "batch",
            "move": "'disable'",
            "status": "status",
            "composed_at": f"{moment(now)} - interval '1 day'",
            "dry_run_at": f"{moment(now)} - interval '1 hour'",
            "asked_by_id": f"CASE status WHEN 'draft' THEN NULL ELSE {_JONAS} END",
            "asked_at": "CASE status WHEN 'draft' THEN NULL"
            f" ELSE {moment(now)} - interval '1 hour' END",
            "approved_by_id": f"CASE WHEN {waits} THEN NULL ELSE {_MEI} END",
            "approved_digest": f"CASE WHEN {waits} THEN '' ELSE repeat(md5(batch::text), 2) END",
            "approved_at": f"CASE WHEN {waits} THEN NULL"
            f" ELSE {moment(now)} - interval '30 minutes' END",
            "started_at": "CASE WHEN status IN ('running', 'paused')"
            f" THEN {moment(now)} - interval '2 minutes' END",
            "pause_reason": "CASE status WHEN 'paused' THEN 'Paused by Jonas Weber' ELSE '' END",
        },
    )


def _changes(now: datetime) -> None:
    looked = as_json({"looked_at": now.isoformat(), "verdict": "dormant"})
    common = {
        "departure_id": "n",
        "requested_by_id": _JONAS,
        "digest": _DIGEST,
        "judged": looked,
        "method": "'fence'",
    }
    fence, delete = _facts(("AttachUserPolicy", "UpdateAccessKey")), _facts(("DeleteUser",))
    moves = (
        ("disable", "0", "batch", "NULL", "true", fence, "interval '0'"),
        ("soak", "1", "batch", "n * 4", "state <> 'disabled'", as_json({}), "interval '7 days'"),
        ("delete", "2", "50000 + batch", "NULL", "state = 'deleted'", delete, "interval '22 days'"),
    )
    for move, place, batch, follows, where, facts, later in moves:
        insert(
            Change,
            f"ways JOIN inventory_iamuser AS u ON u.id = ways.n WHERE {where} ORDER BY n",
            **common,
            id=f"n * 4 + {place}",
            batch_id=batch,
            follows_id=follows,
            move=text(move),
            status="'done'",
            facts=facts,
            requested_at=f"fenced_at + {later} - interval '2 days'",
            started_at=f"fenced_at + {later}",
            finished_at=f"fenced_at + {later} + interval '5 seconds'",
            claimed_by="'worker-1'",
            attempts="1",
            proof=as_json({"get_user": "NoSuchEntity"} if move == "delete" else {}),
            irreversible_at=f"fenced_at + {later}" if move == "delete" else "NULL",
        )
    insert(
        Change,
        "open_ways JOIN inventory_iamuser AS u ON u.id = open_ways.n",
        **common,
        id="n * 4 + 3",
        batch_id="batch",
        move="'disable'",
        status="CASE WHEN status IN ('draft', 'asked') THEN status ELSE 'queued' END",
        facts=fence,
        requested_at=f"{moment(now)} - interval '1 hour'",
        blockers=as_json([]),
    )
    insert(
        Viewed,
        "open_ways WHERE status IN ('approved', 'paused', 'running')",
        change_id="n * 4 + 3",
        person_id=_MEI,
        digest=_DIGEST,
        at=f"{moment(now)} - interval '40 minutes'",
    )


def _calls() -> None:
    journal = ", ".join(
        f"({text(move)}, {seq}, {text(kind)}, {text(operation)})"
        for move, seq, kind, operation in _JOURNAL
    )
    insert(
        Call,
        "migrations_app_change AS c"
        f" JOIN (VALUES {journal}) AS j (move, seq, kind, operation) ON j.move = c.move"
        " JOIN inventory_iamuser AS u ON u.id = c.departure_id"
        " WHERE c.status = 'done' ORDER BY c.id, j.seq",
        change_id="c.id",
        seq="j.seq",
        kind="j.kind",
        operation="j.operation",
        target="u.arn",
        params="jsonb_build_object('UserName', u.user_name)",
        sent_at="c.started_at + j.seq * interval '300 milliseconds'",
        answered_at="c.started_at + j.seq * interval '300 milliseconds' + interval '80 ms'",
        outcome="'ok'",
        request_id="md5(c.id::text || j.seq)::uuid::text",
        http_status="200",
    )


def _holdings() -> None:
    insert(
        Holdings,
        "ways JOIN inventory_iamuser AS u ON u.id = ways.n"
        " JOIN inventory_account AS a ON a.id = ways.account",
        departure_id="n",
        change_id="n * 4",
        taken_at="fenced_at",
        document="jsonb_build_object('account_id', a.account_id, 'user_id', u.user_id,"
        " 'user_name', u.user_name, 'arn', u.arn, 'path', '/', 'created_at', u.created_at,"
        " 'password_last_used_at', NULL, 'tags', u.tags, 'boundary', '',"
        " 'access_keys', '[]'::jsonb, 'has_login_profile', u.has_console_password,"
        " 'service_credentials', '[]'::jsonb, 'ssh_keys', '[]'::jsonb,"
        " 'certificates', '[]'::jsonb, 'mfa', '[]'::jsonb, 'groups', u.groups,"
        " 'inline_policies', '{}'::jsonb, 'attached_policies', u.attached_policies)",
    )


def _hits(now: datetime) -> None:
    """One open hit on some, closed ones on more, knocks; two callers each."""
    for place, (where, kind, closed) in enumerate(
        (
            (f"state IN ('disabled', 'soaking') AND {draw('n', 70)} < 0.08", "hit", ""),
            (f"{draw('n', 71)} < 0.08", "hit", "dismissed"),
            (f"{draw('n', 72)} < 0.2", "knock", ""),
        )
    ):
        insert(
            Hit,
            f"ways WHERE {where}",
            id=f"n * 3 + {place}",
            departure_id="n",
            kind=text(kind),
            source="'trail'",
            what="'s3:ListBuckets was denied'",
            first_at="fenced_at + interval '30 minutes'",
            last_at="fenced_at + interval '40 minutes'",
            noticed_at="fenced_at + interval '45 minutes'",
            count="3",
            details=as_json(
                {"where": "198.51.100.24", "region": "eu-west-1", "with": "aws-cli/2.31"}
            ),
            closed=text(closed),
            closed_at="fenced_at + interval '2 hours'" if closed else "NULL",
            closed_by_id=_JONAS if closed else "NULL",
            closed_reason=text("A scanner" if closed else ""),
        )
    insert(
        HitCaller,
        "migrations_app_hit AS h, generate_series(1, 2) AS i",
        hit_id="h.id",
        caller="md5(h.id || '-' || i)",
        source="'trail'",
        what="h.what",
        key="'AKIAIOSFODNN7OTHER'",
        details="h.details",
        first_at="h.first_at",
        last_at="h.last_at",
    )


def _plans(now: datetime) -> None:
    status = weighted("n", 80, (("draft", 0.6), ("tested", 0.2), ("confirmed", 0.2)))
    insert(
        Plan,
        f"crowd WHERE state = 'owner-assigned' AND verdict = 'active' AND {draw('n', 81)} < 0.7",
        id="n",
        departure_id="n",
        target=one_of("n", 82, _TARGETS),
        reason="'It is what its calls need'",
        status=status,
        drafted_at=f"{moment(now)} - interval '20 days'",
        figures=as_json({"used": 5, "granted": 41, "name": "iamcleanup-deploy"}),
        figures_at=f"{moment(now)} - interval '1 day'",
        tested_at=f"CASE WHEN {status} <> 'draft' THEN {moment(now)} - interval '9 days' END",
        confirmed_at=f"CASE WHEN {status} = 'confirmed' THEN {moment(now)} - interval '5 days' END",
        confirmed_by_id=f"CASE WHEN {status} = 'confirmed' THEN 100 + team END",
    )
    insert(
        PlanAccess,
        "migrations_app_plan AS p, generate_series(0, 8) AS i WHERE p.tested_at IS NOT NULL",
        plan_id="p.id",
        day="(p.tested_at + i * interval '1 day')::date",
        count="7",
        first_at="p.tested_at + i * interval '1 day'",
        last_at="p.tested_at + i * interval '1 day'",
    )


def _facts(operations: tuple[str, ...]) -> str:
    """The frozen facts of a change of the user `u`, as its pages read them."""
    calls = ", ".join(
        f"jsonb_build_object('step', {place}, 'operation', {text(operation)}, 'target', u.arn,"
        " 'params', jsonb_build_object('UserName', u.user_name), 'undo', 'DetachUserPolicy',"
        f" 'loses', '', 'final', {str(operation == 'DeleteUser').lower()}, 'when',"
        f" {text('shut' if operation == 'UpdateAccessKey' else 'now')})"
        for place, operation in enumerate(operations)
    )
    return (
        "jsonb_build_object('user_name', u.user_name, 'user_id', u.user_id, 'path', '/',"
        " 'watch', 604800, 'soak', 1209600, 'protection', '', 'holdings', '{}'::jsonb,"
        f" 'calls', jsonb_build_array({calls}))"
    )


def _answers() -> str:
    return weighted("n", 64, (("needed", 0.3), ("can-go", 0.4), ("unsure", 0.1), ("", 0.2)))
