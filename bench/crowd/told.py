"""What a crowd was asked and told: syncs, daily figures, campaigns, messages, alerts."""

from __future__ import annotations

from datetime import datetime

from bench.crowd.people import TEAMS
from bench.crowd.rows import as_json, draw, go_on_after, insert, moment, one_of, text
from inventory.models import Alert, PostureDay, Sync
from inventory.posture import BENCHMARK, RULES
from migrations_app.models import (
    Ask,
    Campaign,
    Delivery,
    EmergencyStop,
    Notice,
    Opening,
)

_SYNCS, _DAYS, _CAMPAIGNS = 20, 180, 12


def syncs(now: datetime) -> None:
    """Twenty readings of each account, every six hours; of one account in ten the last failed."""
    steps = [{"key": "users", "label": "Users", "status": "done", "done": 1, "total": 1}]
    late = f"{moment(now)} - interval '10 minutes' - ({_SYNCS} - i) * interval '6 hours'"
    insert(
        Sync,
        f"inventory_account AS a, generate_series(1, {_SYNCS}) AS i",
        id=f"a.id * {_SYNCS} - {_SYNCS} + i",
        account_id="a.id",
        asked_at=late,
        started_at=late,
        finished_at=f"{late} + interval '5 minutes'",
        status=f"CASE WHEN i = {_SYNCS} AND mod(a.id, 10) = 0 THEN 'failed' ELSE 'whole' END",
        error=f"CASE WHEN i = {_SYNCS} AND mod(a.id, 10) = 0 THEN 'AccessDenied' ELSE '' END",
        steps=as_json(steps),
        users_seen="2000",
    )
    go_on_after(Sync)


def write(now: datetime) -> None:
    """Everything that is told of `crowd`, its batches and its hits."""
    _days(now)
    _campaigns(now)
    _notices(now)
    _alerts(now)
    insert(
        EmergencyStop,
        "generate_series(1, 20) AS i",
        pulled_by_id="1",
        pulled_at=f"{moment(now)} - i * interval '9 days'",
        reason="'A drill'",
        lifted_by_id="2",
        lifted_at=f"{moment(now)} - i * interval '9 days' + interval '1 hour'",
    )


def _days(now: datetime) -> None:
    items = [
        {
            "key": rule.key,
            "number": rule.number,
            "status": "failed",
            "count": 12,
            "total": 2000,
            "unread": 0,
            "protected": 1,
            "users": [],
            "why": "",
        }
        for rule in RULES
    ]
    insert(
        PostureDay,
        f"inventory_account AS a, generate_series(0, {_DAYS}) AS i",
        account_id="a.id",
        day=f"({moment(now)})::date - i",
        first=f"i = {_DAYS}",
        at=f"{moment(now)} - i * interval '1 day'",
        benchmark=text(BENCHMARK),
        items=as_json(items),
    )


def _campaigns(now: datetime) -> None:
    """A campaign a month that asks every team; the last one is open and names users."""
    insert(
        Campaign,
        f"generate_series(1, {_CAMPAIGNS}) AS i",
        id="i",
        number="i",
        asked_by_id="1",
        asked_at=f"{moment(now)} - ({_CAMPAIGNS} - i) * interval '30 days' - interval '3 days'",
        deadline_at=f"{moment(now)} - ({_CAMPAIGNS} - i) * interval '30 days' + interval '9 days'",
        closed_at=f"CASE WHEN i < {_CAMPAIGNS}"
        f" THEN {moment(now)} - ({_CAMPAIGNS} - i - 1) * interval '30 days' END",
    )
    insert(
        Ask,
        "migrations_app_campaign AS c, inventory_team AS t",
        id=f"(c.id - 1) * {TEAMS} + t.id",
        campaign_id="c.id",
        team_id="t.id",
        asked_at="c.asked_at",
        deadline_at="c.deadline_at",
        answered_at="CASE WHEN c.closed_at IS NOT NULL THEN c.asked_at + interval '2 days' END",
    )
    asked = Ask.departures.through
    insert(
        asked,
        "crowd WHERE state = 'discovered' OR (state = 'owner-assigned' AND mod(n, 2) = 0)",
        ask_id=f"({_CAMPAIGNS} - 1) * {TEAMS} + team",
        departure_id="n",
    )
    go_on_after(Campaign, Ask)


def _notices(now: datetime) -> None:
    """Four of each batch to the owners, one of each hit to Security, and where they went."""
    insert(
        Notice,
        "(SELECT batch, min(team) AS team, min(fenced_at) AS at FROM ways GROUP BY batch) AS of,"
        " (VALUES ('announce', 0), ('started', 1), ('finished', 2), ('shut-tomorrow', 3))"
        " AS kinds (kind, place)",
        id="batch * 4 + place",
        team_id="team",
        kind="kind",
        key="kind || ':' || batch",
        title="'Batch #' || batch || ': ' || kind",
        text="'20 IAM users of your team are disabled on Tuesday.'",
        url="'/batches/' || batch || '/'",
        batch_id="batch",
        thread="'batch-' || batch",
        at="at + place * interval '1 day' - interval '2 days'",
        reached_at="at - interval '1 day'",
    )
    insert(
        Notice,
        "migrations_app_hit AS h WHERE h.kind = 'hit'",
        id="10000000 + h.id",
        role="'engineer'",
        kind="'hit'",
        key="'hit:' || h.id",
        title="'A disabled user was tried'",
        url="'/hits/' || h.id || '/'",
        at="h.noticed_at",
    )
    insert(
        Delivery,
        "migrations_app_notice AS n, (VALUES ('slack'), ('email')) AS channels (channel)",
        notice_id="n.id",
        channel="channel",
        address="CASE channel WHEN 'slack' THEN '#team-' || coalesce(n.team_id, 0)"
        " ELSE 'lead' || coalesce(n.team_id, 0) || '@example.com' END",
        key="md5(n.id || channel)",
        thread="n.thread",
        status=f"CASE WHEN {draw('n.id', 90)} < 0.01 THEN 'parked' ELSE 'accepted' END",
        at="n.at",
        tries="1",
        accepted_at="n.at + interval '1 second'",
    )
    insert(
        Opening,
        f"migrations_app_notice AS n, (VALUES (1), (3)) AS people (person)"
        f" WHERE {draw('n.id', 91)} < 0.8",
        notice_id="n.id",
        person_id="person",
        at="n.at + interval '1 hour'",
    )
    go_on_after(Notice)


def _alerts(now: datetime) -> None:
    """A few open ones, and a year of those that somebody closed."""
    insert(
        Alert,
        "crowd WHERE mod(n, 97) = 3",
        key="'alert-' || n",
        kind=one_of("n", 92, ("protected-gone", "listing-short", "listening", "credential")),
        title="'Listening broke off'",
        text="'LookupEvents: ThrottlingException'",
        account_id="account",
        user_id="n",
        raised_at=f"{moment(now)} - {draw('n', 93)} * interval '300 days'",
        closed_at=f"CASE WHEN {draw('n', 94)} < 0.96 THEN {moment(now)} END",
        closed_by_id=f"CASE WHEN {draw('n', 94)} < 0.96 THEN 1 END",
    )
