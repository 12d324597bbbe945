"""docs/api.md is true: its commands are run in turn, its tables are held to the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from django.test import Client

from inventory.models import Scope
from migrations_app.api.problems import Problem
from migrations_app.changes import batches
from migrations_app.changes.sweep import start_if_due
from migrations_app.models import Batch
from tests.migrations_app.api.programs import program
from tests.migrations_app.stage import Stage

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
COMMANDS = re.findall(r"^curl .*?(?<!\\)$", PAGE, re.MULTILINE | re.DOTALL)


def run(command: str, known: dict[str, str]) -> tuple[int, dict[str, object]]:
    """Send what a curl command line would send; its status and its JSON."""
    for name, value in known.items():
        command = command.replace(name, value)
    words = shlex.split(command.replace("\\\n", " "))[1:]
    headers, body, address = {}, "", ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = words.pop(0)
        else:
            address = word
    kind = headers.pop("Content-Type", "")
    method = "POST" if body else "GET"
    answer = Client().generic(method, address, body, content_type=kind, headers=headers)
    return answer.status_code, json.loads(answer.content)


@pytest.mark.django_db
def test_the_commands_do_what_the_page_says(stage: Stage) -> None:
    row = stage.user("deploy-prod")
    known = {
        "$HOST": "",
        "$TOKEN": program(stage.people.jonas).secret,
        "$APPROVER": program(stage.people.mei).secret,
        "AIDAEXAMPLE00000001": row.user.user_id,
    }
    listed, composed, asked, approved, restored = COMMANDS
    assert run(listed, known)[0] == 200
    assert run(composed, known)[0] == 201
    batch = Batch.objects.get(number=1)
    batches.dry_run(batch.pk)
    batch.refresh_from_db()
    known["DIGEST"] = batch.digest
    assert run(asked, known)[1]["status"] == "asked"
    stage.open(Batch.objects.get(pk=batch.pk))
    status, told = run(approved, known)
    assert (status, told["status"]) == (200, "approved"), told
    batch.refresh_from_db()
    assert start_if_due(batch)
    stage.work(batch)
    status, told = run(restored, known)
    assert status == 202
    assert told["items"]


def test_every_scope_is_in_the_table() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [scope.value for scope in Scope]


def test_the_problem_shown_is_one() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    problem = Problem.model_validate_json(shown)
    assert set(json.loads(shown)) == set(Problem.model_fields)
    assert problem.rule == problem.items[0].blockers[0].code
