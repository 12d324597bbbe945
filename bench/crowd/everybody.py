"""The IAM users of a crowd, what they hold, what they did, and how far that was read.

Everybody is drawn once into a temporary table `crowd`, from which all other rows are made.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bench.crowd.people import REGIONS, TEAMS
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
from inventory.models import Activity, Credential, IamUser, Observation, ReadPass, TrailCoverage
from inventory.referrers.references import ROLE_TRUST, Reference
from inventory.rights import privilege

_VERDICTS = (("active", 0.42), ("dormant", 0.36), ("never-used", 0.15), ("unknown", 0.07))
_CATEGORIES = (
    ("human-console", 0.40),
    ("human-programmatic", 0.16),
    ("ci-cd", 0.22),
    ("third-party", 0.14),
    ("mystery", 0.08),
)
_STATES = (
    ("discovered", 0.34),
    ("owner-assigned", 0.32),
    ("disabled", 0.025),
    ("soaking", 0.04),
    ("deleted", 0.275),
)
_LEVELS = (
    ("read", 0.45),
    ("write", 0.40),
    ("admin", 0.05),
    ("can-become-admin", 0.04),
    ("none", 0.06),
)
_HEAVY = 0.0005
_AGENTS = ("aws-cli/2.31", "Boto3/1.40 md/Botocore", "terraform/1.9", "console.amazonaws.com")
_ACTIONS = ("ListBuckets", "GetCallerIdentity", "DescribeInstances", "AssumeRole", "PutMetricData")
_ALLOWS = {
    "admin": "*",
    "can-become-admin": "iam:AttachUserPolicy",
    "write": ["s3:PutObject", "sqs:SendMessage"],
    "read": ["s3:GetObject", "ec2:DescribeInstances"],
}


def draw_all(users: int, accounts: int, now: datetime) -> None:
    """The table `crowd`: who is where, in which state, since when, with which evidence."""
    n = "n"
    states = weighted(n, 4, _STATES)
    run(f"""
        CREATE TEMPORARY TABLE crowd AS
        SELECT drawn.*,
            CASE state
                WHEN 'disabled' THEN {_days_ago(now, draw(n, 11), 7)}
                WHEN 'soaking' THEN {_days_ago(now, draw(n, 11), 17, plus=7)}
                WHEN 'deleted' THEN {_days_ago(now, draw(n, 11), 380, plus=24)}
            END AS fenced_at,
            CASE verdict
                WHEN 'active' THEN {_days_ago(now, draw(n, 12), 60)}
                WHEN 'dormant' THEN {_days_ago(now, draw(n, 12), 700, plus=95)}
            END AS used_at
        FROM (
            SELECT n,
                1 + floor(power({draw(n, 1)}, 1.6) * {accounts})::int AS account,
                1 + floor({draw(n, 2)} * {TEAMS})::int AS team,
                {weighted(n, 3, _CATEGORIES)} AS category,
                CASE WHEN n = 1 THEN 'owner-assigned' ELSE {states} END AS state,
                CASE WHEN n = 1 THEN 'break-glass'
                     WHEN {states} IN ('deleted', 'disabled', 'soaking') THEN ''
                     WHEN {draw(n, 5)} < 0.004 THEN 'exempt'
                     WHEN {draw(n, 5)} < 0.005 THEN 'self'
                     ELSE '' END AS protection,
                CASE WHEN {states} IN ('disabled', 'soaking', 'deleted') AND {draw(n, 6)} < 0.42
                     THEN 'dormant' ELSE {weighted(n, 6, _VERDICTS)} END AS verdict,
                {weighted(n, 7, _LEVELS)} AS privilege,
                {draw(n, 8)} < 0.45 AS password,
                {draw(n, 9)} < 0.6 AS mfa,
                floor({draw(n, 10)} * 2.4)::int AS keys,
                {_days_ago(now, draw(n, 13), 2900, plus=100)} AS created_at
            FROM generate_series(1, {users}) AS n
        ) AS drawn
    """)
    run("UPDATE crowd SET account = 1, mfa = true WHERE n = 1")
    run("CREATE INDEX ON crowd (n)")
    run("ANALYZE crowd")


def write(now: datetime) -> None:
    """The users of `crowd` with their credentials, activity, coverage and what changed."""
    _users(now)
    _credentials(now)
    _activity(now)
    _coverage(now)
    # How many syncs ago it was seen.
    since = f"floor({draw('n * 3 + i', 22)} * 20)::int"
    insert(
        Observation,
        f"crowd, generate_series(0, 2) AS i WHERE {draw('n * 3 + i', 20)} < 0.4",
        account_id="account",
        user_id="n",
        sync_id=f"account * 20 - {since}",
        kind=one_of("n + i", 21, ("key-made", "policy-attached", "group-joined", "key-inactive")),
        params=as_json({"what": "AKIAIOSFODNN7EXAMPLE"}),
        key="n || '-' || i",
        seen_at=f"{moment(now)} - {since} * interval '6 hours' - interval '1 hour'",
        since_at=f"{moment(now)} - {since} * interval '6 hours' - interval '7 hours'",
    )
    go_on_after(IamUser)


def _users(now: datetime) -> None:
    prefix = "split_part(category, '-', 1)"
    name = (
        "CASE WHEN n = 1 THEN 'break-glass'"
        f" ELSE {prefix} || {one_of('n', 30, ('-deploy-', '.', '_sync_', '-', '-old-'))}"
        " || lpad(n::text, 6, '0') END"
    )
    arn = f"'arn:aws:iam::' || a.account_id || ':user/' || {name}"
    reason = {"text": "Last use of any credential", "source": "Credentials", "at": now.isoformat()}
    insert(
        IamUser,
        "crowd JOIN inventory_account AS a ON a.id = crowd.account ORDER BY n",
        id="n",
        account_id="account",
        user_id="'AIDA' || upper(lpad(to_hex(n * 7919), 17, 'Q'))",
        user_name=name,
        arn=arn,
        created_at="created_at",
        first_seen_at=f"greatest(created_at, {moment(now)} - interval '430 days')",
        last_seen_at=moment(now),
        gone_at="CASE state WHEN 'deleted' THEN fenced_at + interval '22 days' END",
        tags="jsonb_build_object('team', 'team-' || lpad(team::text, 3, '0'), 'stage', 'prod')",
        groups=as_json(["developers", "ops"]),
        attached_policies=as_json(["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]),
        mfa=f"CASE WHEN mfa THEN jsonb_build_array(jsonb_build_object('kind', 'virtual',"
        f" 'serial', {arn.replace(':user/', ':mfa/')})) ELSE '[]' END",
        has_console_password="password",
        password_created_at="CASE WHEN password THEN created_at END",
        password_last_changed_at="CASE WHEN password THEN created_at END",
        password_last_used_at="CASE WHEN password THEN used_at END",
        privilege="privilege",
        privilege_facts=_facts_by_level(),
        references=f"CASE WHEN {draw('n', 31)} < 0.03 THEN {as_json([_reference()])} ELSE '[]' END",
        category="category",
        category_confidence=weighted("n", 32, (("high", 0.6), ("medium", 0.25), ("low", 0.15))),
        category_reasons=as_json([{"text": "Its name and its calls say so.", "for": True}]),
        verdict="verdict",
        verdict_confidence="CASE verdict WHEN 'unknown' THEN 'low' ELSE 'high' END",
        verdict_reasons=as_json([reason, {**reason, "source": "CloudTrail"}]),
        coverage=as_json(_read(now)),
        coverage_whole="verdict <> 'unknown'",
        rhythm=f"CASE WHEN verdict = 'active' AND {draw('n', 33)} < 0.3 THEN 'nightly' ELSE '' END",
        judged_at=moment(now),
        evidence_at=moment(now),
        last_activity_at="used_at",
        last_activity_source="CASE WHEN used_at IS NULL THEN '' ELSE 'CloudTrail' END",
        suggested_team_id=f"CASE WHEN {draw('n', 34)} < 0.7 THEN team END",
        suggestion_percent=f"CASE WHEN {draw('n', 34)} < 0.7 THEN 70 END",
        suggestion_reasons=as_json([{"text": "The tag team names it."}]),
    )


def _credentials(now: datetime) -> None:
    insert(
        Credential,
        "crowd, generate_series(1, keys) AS i",
        user_id="n",
        kind="'access-key'",
        credential_id="'AKIA' || upper(lpad(to_hex(n::bigint * 10 + i), 16, 'R'))",
        status=f"CASE WHEN {draw('n * 2 + i', 40)} < 0.8 AND state NOT IN ('soaking', 'deleted')"
        " THEN 'Active' ELSE 'Inactive' END",
        created_at=f"created_at + {draw('n * 2 + i', 41)} * ({moment(now)} - created_at)",
        last_used_at="used_at",
        last_used_service="CASE WHEN used_at IS NULL THEN '' ELSE 's3' END",
        gone_at="CASE state WHEN 'deleted' THEN fenced_at + interval '22 days' END",
    )
    insert(
        Credential,
        f"crowd WHERE {draw('n', 42)} < 0.05 AND state <> 'deleted'",
        user_id="n",
        kind="'ssh-key'",
        credential_id="'APKA' || upper(lpad(to_hex(n), 16, 'S'))",
        status="'Active'",
        created_at="created_at",
    )


def _activity(now: datetime) -> None:
    """A dozen days of most who are in use, every day and dozens of actions of a few."""
    days = (
        f"CASE WHEN verdict = 'dormant' THEN 1 WHEN {draw('n', 50)} < {_HEAVY} THEN 2999"
        f" ELSE floor({draw('n', 51)} * 24)::int END"
    )
    insert(
        Activity,
        f"crowd, generate_series(0, {days}) AS i WHERE used_at IS NOT NULL",
        user_id="n",
        day="(used_at - mod(i, 90) * interval '1 day')::date",
        region=one_of("n", 52, REGIONS),
        service=one_of("n + i", 53, ("s3", "ec2", "sts", "sqs")),
        action=f"CASE WHEN i < 90 THEN {one_of('n', 54, _ACTIONS)} ELSE 'Action' || i / 90 END",
        access_key_id="CASE WHEN keys > 0"
        " THEN 'AKIA' || upper(lpad(to_hex(n::bigint * 10 + 1), 16, 'R')) ELSE '' END",
        source_address="'203.0.' || mod(n, 200) || '.' || mod(n + mod(i, 3), 250)",
        user_agent=one_of("n", 55, _AGENTS),
        outcome=f"CASE WHEN {draw('n + i', 56)} < 0.03 THEN 'denied' ELSE 'ok' END",
        count=f"1 + floor({draw('n + i', 57)} * 40)::int",
        first_at="used_at - mod(i, 90) * interval '1 day' - interval '1 minute'",
        last_at="used_at - mod(i, 90) * interval '1 day'",
    )


def _coverage(now: datetime) -> None:
    regions = ", ".join(f"({text(region)})" for region in REGIONS)
    insert(
        TrailCoverage,
        f"crowd, (VALUES {regions}) AS regions (region) WHERE state <> 'deleted'",
        user_id="n",
        region="region",
        read_from=f"{moment(now)} - interval '90 days'",
        read_to=moment(now),
        error="CASE WHEN verdict = 'unknown' AND region = 'eu-central-1'"
        " THEN 'LookupEvents: AccessDenied' ELSE '' END",
        looked_at=moment(now),
    )
    parts = ", ".join(f"({text(part)})" for part in ReadPass.Part.values)
    insert(
        ReadPass,
        f"(SELECT account, max(n) AS last FROM crowd GROUP BY account) AS of,"
        f" (VALUES {parts}) AS parts (part)",
        account_id="account",
        part="part",
        marks=f"jsonb_build_array(jsonb_build_array(last, {text(now.isoformat())}))",
    )


def _read(now: datetime) -> dict[str, object]:
    services = [{"service": name, "at": now.isoformat()} for name in ("s3", "ec2", "sqs")]
    return {
        "report": True,
        "days": 90,
        "sources": ["Credentials", "CloudTrail", "Access Advisor"],
        "missing": [],
        "blind": ["Object-level calls, such as S3 GetObject, are not in event history."],
        "blockers": [],
        "regions": [{"region": region, "error": ""} for region in REGIONS],
        "services": services,
        "services_at": now.isoformat(),
        "services_from": (now - timedelta(days=400)).isoformat(),
        "services_granted": 12,
    }


def _facts_by_level() -> str:
    cases = []
    for level, _ in _LEVELS:
        action = _ALLOWS.get(level)
        statement = {
            "Effect": "Allow",
            "Action": action or "sts:GetCallerIdentity",
            "Resource": "*",
        }
        held = privilege.held("legacy", "inline", {"Statement": statement if action else []})
        told = privilege.privilege([held], (), "arn:aws:iam::1:user/x").facts
        cases.append(f"WHEN {text(level)} THEN {as_json(told)}")
    return f"CASE privilege {' '.join(cases)} END"


def _reference() -> dict[str, object]:
    return Reference(kind=ROLE_TRUST, name="deploy", region="", text="x", blocks=True).row()


def _days_ago(now: datetime, drawn: str, days: int, *, plus: int = 0) -> str:
    return f"{moment(now)} - ({plus} + {drawn} * {days}) * interval '1 day'"
