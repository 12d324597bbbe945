"""What is exported is whole, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory import clock, ledger
from inventory.exports import as_csv, as_json, cell, defused
from inventory.models import ArchiveCoverage, TrailCoverage
from migrations_app import exports
from migrations_app.lifecycle import State
from migrations_app.models import Call
from tests import cast

HOSTILE = '=HYPERLINK("http://evil.example","click")'


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠x"],
)
def test_a_formula_is_defused(text: str) -> None:
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "deploy-prod", "a=b", "sara@acme.example", "1-2"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (datetime(2026, 3, 6, 14, 22, tzinfo=UTC), "2026-03-06T14:22:00Z"),
        (["a", "b"], "a; b"),
        (["=a"], "'=a"),
        ({"b": 1, "a": "x"}, '{"a": "x", "b": 1}'),
    ],
)
def test_values_become_cells(value: Any, text: str) -> None:
    assert cell(value) == text


def test_csv_keeps_quotes_commas_and_line_breaks_in_their_cell() -> None:
    value = 'a "quoted", and\nbroken'
    text = "".join(as_csv(["name"], [{"name": value}]))
    assert [*csv.reader(io.StringIO(text))] == [["name"], [value]]


def test_json_is_valid_with_no_row_one_row_and_many() -> None:
    for number in range(3):
        rows = [{"name": HOSTILE}] * number
        assert json.loads("".join(as_json(["name"], rows))) == rows


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export", *arguments, stdout=out)
    return out.getvalue()


def first_of_csv(table: str) -> dict[str, str]:
    return next(iter(csv.DictReader(io.StringIO(run(table)))))


@pytest.mark.django_db
def test_users_are_exported_with_every_promised_field() -> None:
    user = cast.iam_user("deploy-prod", verdict_reasons=[{"text": "No call in 90 days"}])
    cast.access_key(user, "AKIA0000000000000001")
    cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments"))
    row = json.loads(run("users", "--format", "json"))[0]
    assert list(row) == list(exports.USER_FIELDS)
    assert row["owner"] == "payments"
    assert row["state"] == "owner-assigned"
    assert row["reasons"] == ["No call in 90 days"]
    assert row["access_keys"] == ["AKIA0000000000000001 Active"]


READ = {
    "credentials_at": "2026-03-06T14:08:00+00:00",
    "services_at": "2026-03-06T06:00:00+00:00",
    "services_from": "2025-01-30T06:00:00+00:00",
    "missing": ["CloudTrail in eu-west-1: AccessDenied."],
    "blind": ["Object-level calls are not in event history."],
    "confidence_reason": "CloudTrail covers only 1 of 2 Regions.",
}
EVERY_FIELD = {
    "account_id": cast.ACCOUNT_ID,
    "user_name": "deploy-prod",
    "user_id": "AIDA0000000000DEPLOY",
    "arn": f"arn:aws:iam::{cast.ACCOUNT_ID}:user/ci/deploy-prod",
    "path": "/ci/",
    "created_at": "2022-02-03T09:00:00Z",
    "category": "third-party",
    "verdict": "unknown",
    "reasons": [
        "Access key AKIA0000000000000001 last used, 7 days ago. "
        "(Access key last used, 2026-02-27T15:51:00Z)"
    ],
    "last_activity_at": "2026-02-27T15:51:00Z",
    "last_activity_source": "Access key last used",
    "state": "owner-assigned",
    "owner": "payments",
    "protection": "exempt",
    "has_console_password": True,
    "access_keys": ["AKIA0000000000000001 Active", "AKIA0000000000000002 Inactive"],
    "mfa": ["virtual", "fido"],
}


def whole_user() -> None:
    """A user of whom every exported field says something."""
    used = datetime(2026, 2, 27, 15, 51, tzinfo=UTC)
    user = cast.iam_user(
        "deploy-prod",
        user_id="AIDA0000000000DEPLOY",
        arn=f"arn:aws:iam::{cast.ACCOUNT_ID}:user/ci/deploy-prod",
        path="/ci/",
        category="ci-cd",
        category_override="third-party",
        verdict="unknown",
        verdict_confidence="low",
        verdict_reasons=[
            {
                "text": "Access key AKIA0000000000000001 last used, 7 days ago.",
                "source": "Access key last used",
                "at": "2026-02-27T15:51:00Z",
            }
        ],
        last_activity_at=used,
        last_activity_source="Access key last used",
        has_console_password=True,
        mfa=[{"serial": "a", "kind": "virtual"}, {"serial": "b", "kind": "fido"}],
        coverage=READ,
        coverage_whole=False,
    )
    now = clock.now()
    TrailCoverage.objects.create(
        user=user,
        region="us-east-1",
        read_from=datetime(2025, 12, 6, 14, 2, tzinfo=UTC),
        read_to=datetime(2026, 3, 6, 14, 2, tzinfo=UTC),
        looked_at=now,
    )
    TrailCoverage.objects.create(user=user, region="eu-west-1", error="AccessDenied", looked_at=now)
    for number, status in (("1", "Active"), ("2", "Inactive")):
        cast.access_key(user, f"AKIA000000000000000{number}", status)
    cast.access_key(user, "AKIA0000000000000GONE", gone_at=used)
    cast.departure(user, State.OWNER_ASSIGNED, cast.team("payments"), protection="exempt")


@pytest.mark.django_db
@pytest.mark.parametrize("field", EVERY_FIELD)
def test_each_field_says_what_the_pages_say(field: str) -> None:
    whole_user()
    told = json.loads(run("users", "--format", "json"))[0][field]
    assert told == EVERY_FIELD[field]
    assert first_of_csv("users")[field] == cell(EVERY_FIELD[field])


@pytest.mark.django_db
def test_coverage_is_told_per_source_and_region_and_says_what_is_missing() -> None:
    whole_user()

    told = json.loads(run("users", "--format", "json"))[0]["coverage"]

    assert (told["whole"], told["confidence"]) == (False, "low")
    assert told["why_not_higher"] == "CloudTrail covers only 1 of 2 Regions."
    assert told["not_looked_at"] == ["CloudTrail in eu-west-1: AccessDenied."]
    assert told["blind_spots"] == ["Object-level calls are not in event history."]
    by_name = {one["source"]: one for one in told["sources"]}
    assert by_name["Credential report"]["read_at"] is None
    assert by_name["Credentials"]["read_at"] == "2026-03-06T14:08:00Z"
    assert by_name["Access Advisor"]["since"] == "2025-01-30T06:00:00Z"
    trail = by_name["CloudTrail event history"]
    assert trail["not_read"] == ["eu-west-1: AccessDenied."]
    assert trail["regions"] == [
        {
            "region": "us-east-1",
            "since": "2025-12-06T14:02:00Z",
            "until": "2026-03-06T14:02:00Z",
            "error": "",
        },
        {"region": "eu-west-1", "since": None, "until": None, "error": "AccessDenied"},
    ]


@pytest.mark.django_db
def test_a_spreadsheet_reads_the_coverage_as_sentences() -> None:
    whole_user()
    assert first_of_csv("users")["coverage"].split("; ") == [
        "Not read whole",
        "Credential report: not read",
        "Credentials: 2026-03-06T14:08:00Z",
        "Policies: not read",
        "CloudTrail event history: 2025-12-06T14:02:00Z to 2026-03-06T14:02:00Z",
        "CloudTrail event history, not read: eu-west-1: AccessDenied.",
        "CloudTrail event history, us-east-1: 2025-12-06T14:02:00Z to 2026-03-06T14:02:00Z",
        "Access Advisor: 2025-01-30T06:00:00Z to 2026-03-06T06:00:00Z",
    ]


@pytest.mark.django_db
def test_the_longer_history_of_an_account_is_a_source_of_its_users_only() -> None:
    other = cast.account("210987654321", "staging", trail_archive={"s3": "s3://logs"})
    ArchiveCoverage.objects.create(
        account=other, region="us-east-1", read_from=date(2025, 3, 1), read_to=date(2026, 3, 5)
    )
    cast.departure("a")
    cast.departure(cast.iam_user("b", other))

    rows = {
        row["user_name"]: row["coverage"] for row in json.loads(run("users", "--format", "json"))
    }

    sources = {name: [one["source"] for one in told["sources"]] for name, told in rows.items()}
    assert "CloudTrail logs in S3" not in sources["a"]
    assert "CloudTrail logs in S3" in sources["b"]


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["user_name", "path", "reasons", "mfa", "last_activity_source"])
def test_no_cell_of_a_hostile_user_is_run(field: str) -> None:
    evil: dict[str, Any] = {
        "user_name": "=1+1",
        "path": "=1+1",
        "verdict_reasons": [{"text": HOSTILE}],
        "mfa": [{"kind": HOSTILE}],
        "last_activity_source": "@SUM(A1)",
    }
    name = evil.pop("user_name")
    cast.departure(cast.iam_user(name, **evil))
    assert first_of_csv("users")[field].startswith("'")


@pytest.mark.django_db
def test_key_ids_in_reasons_are_cut_too() -> None:
    whole_user()
    (row,) = exports.user_rows(whole_ids=False)
    assert row["reasons"][0].startswith("Access key AKIA…0001 last used")


@pytest.mark.django_db
def test_a_hostile_user_name_is_defused_in_csv_and_whole_in_json() -> None:
    cast.departure("=cmd+x")
    assert first_of_csv("users")["user_name"] == "'=cmd+x"
    assert json.loads(run("users", "--format", "json"))[0]["user_name"] == "=cmd+x"


@pytest.mark.django_db
def test_key_ids_are_cut_for_those_who_may_not_see_holdings() -> None:
    user = cast.iam_user("deploy-prod")
    cast.access_key(user, "AKIA0000000000000001")
    cast.departure(user)
    assert next(exports.user_rows(whole_ids=False))["access_keys"] == ["AKIA…0001 Active"]


@pytest.mark.django_db
def test_the_deletion_log_says_who_asked_who_approved_and_by_which_requests() -> None:
    jonas, mei = cast.person("jonas", "Jonas Weber"), cast.person("mei", "Mei Tanaka")
    batch = cast.batch(
        cast.account(),
        jonas,
        "delete",
        asked_by=jonas,
        approved_by=mei,
        approved_digest="d" * 64,
        status="done",
    )
    gone = cast.departure("deploy-prod", State.DELETED)
    change = cast.change(gone, "delete", batch=batch, status="done")
    for seq, request_id in enumerate(["req-1", "", "req-2"]):
        Call.objects.create(
            change=change,
            seq=seq,
            kind="write",
            operation="DeleteUser",
            sent_at=change.requested_at,
            request_id=request_id,
        )
    row = json.loads(run("deletions", "--format", "json"))[0]
    assert list(row) == list(exports.DELETION_FIELDS)
    assert (row["requested_by"], row["approved_by"]) == ("Jonas Weber", "Mei Tanaka")
    assert row["request_ids"] == ["req-1", "req-2"]


@pytest.mark.django_db
def test_whoever_was_deleted_outside_is_in_the_deletion_log_too() -> None:
    cast.departure("deploy-prod", State.DELETED, deleted_outside=True)
    assert [row["requested_by"] for row in exports.deletion_rows()] == ["deleted outside"]


@pytest.mark.django_db
def test_a_failed_delete_is_not_in_the_deletion_log() -> None:
    cast.change(cast.departure("deploy-prod", State.SOAKING), "delete", status="failed")
    assert [*exports.deletion_rows()] == []


@pytest.mark.django_db
def test_changes_hits_and_ledger_are_exported() -> None:
    off = cast.departure("deploy-prod", State.DISABLED)
    cast.change(off, "disable", status="done")
    cast.hit(off, details={"user_agent": HOSTILE})
    ledger.append("test.entry", actor=cast.person("jonas", "Jonas Weber"), user=off.user)
    assert json.loads(run("changes", "--format", "json"))[0]["move"] == "disable"
    assert first_of_csv("hits")["closed"] == "open"
    entry = json.loads(run("ledger", "--format", "json"))[0]
    assert (entry["seq"], entry["actor_name"]) == (1, "Jonas Weber")


@pytest.mark.django_db
def test_an_export_can_be_written_to_a_file(tmp_path: Path) -> None:
    cast.departure("deploy-prod")
    run("users", "--output", str(tmp_path / "users.csv"))
    with (tmp_path / "users.csv").open(newline="") as file:
        assert [row["user_name"] for row in csv.DictReader(file)] == ["deploy-prod"]


@pytest.mark.django_db
def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Cannot write"):
        run("users", "--output", str(tmp_path / "missing" / "users.csv"))
