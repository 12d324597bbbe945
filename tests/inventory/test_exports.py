"""What is exported is whole, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory import ledger
from inventory.exports import as_csv, as_json, cell, defused
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
