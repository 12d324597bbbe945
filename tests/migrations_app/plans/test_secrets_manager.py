"""A key that stays has a reason, an end, a second person, and changes by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings

from migrations_app.plans.rotation_source import FILE_NAME, HANDLER
from migrations_app.plans.secrets_manager import Choices, draft, requirements, secret_name
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import ACCOUNT, DOCUMENT, FACTS, POLICY, named

AGREED = Choices("The mainframe cannot assume roles.", date(2025, 12, 31), "priya", "mei")


def lacking(choices: Choices) -> list[str]:
    return [one.key for one in requirements(FACTS, choices) if not one.met]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (AGREED, []),
        (Choices(), ["reason", "until", "second-person"]),
        (replace(AGREED, reason="  "), ["reason"]),
        (replace(AGREED, until=FACTS.generated_at.date()), ["until"]),
        (replace(AGREED, approved_by="Priya "), ["second-person"]),
        (replace(AGREED, asked_by=""), ["second-person"]),
    ],
)
def test_it_needs_a_reason_an_end_and_a_second_person(
    choices: Choices, expected: list[str]
) -> None:
    assert lacking(choices) == expected
    assert len(draft(FACTS, POLICY, choices).warnings) == len(expected) + len(POLICY.warnings)


def test_the_function_may_touch_one_users_keys_and_one_secret() -> None:
    told = draft(FACTS, POLICY, AGREED)
    parsing.check(told.files)
    found = parsing.hcl(parsing.file(told, "main.tf"))
    (policy,) = (one for name, one in found.items() if "policy_document" in name)
    allowed = {parsing.meant(one["sid"]): one for one in policy["statement"]}
    assert parsing.meant(allowed["OneUsersKeys"]["resources"][0]) == FACTS.arn
    secret = parsing.meant(allowed["OneSecret"]["resources"][0])
    assert secret.endswith(f":secret:{secret_name(FACTS)}-??????")
    assert not any("*" in action for one in allowed.values() for action in one["actions"])
    assert json.loads(parsing.file(told, "policy.json")) == DOCUMENT


def test_rotation_function_rhythm_retirement_and_alarm_belong_together() -> None:
    told = draft(FACTS, POLICY, replace(AGREED, every_days=45, overlap_hours=48))
    found: dict[str, Any] = parsing.hcl(parsing.file(told, "main.tf"))
    rotation = found["aws_secretsmanager_secret_rotation.key"]
    assert rotation["rotation_rules"][0]["automatically_after_days"] == 45
    function = found["aws_lambda_function.rotate"]
    assert parsing.meant(function["handler"]) == HANDLER
    variables = function["environment"][0]["variables"]
    assert parsing.meant(variables['"OVERLAP_HOURS"']) == "48"
    assert parsing.meant(variables['"USER_ID"']) == FACTS.user_id
    assert FILE_NAME in found["data.archive_file.rotate"]["source_file"]
    event = parsing.meant(found["aws_cloudwatch_event_target.retire"]["input"])
    assert json.loads(event) == {"Retire": True}
    alarm = found["aws_cloudwatch_metric_alarm.rotate"]
    assert alarm["dimensions"]['"FunctionName"'] == function["function_name"]
    callers = {parsing.meant(one["principal"]) for n, one in found.items() if "permission" in n}
    assert callers == {"secretsmanager.amazonaws.com", "events.amazonaws.com"}


def test_an_overlap_that_outlasts_the_rhythm_is_said() -> None:
    told = draft(FACTS, POLICY, replace(AGREED, every_days=1, overlap_hours=24))
    assert any("overlap" in one for one in told.warnings)


def test_the_account_and_the_exception_are_named() -> None:
    told = draft(FACTS, POLICY, AGREED)
    assert "It ends: 31 Dec 2025." in parsing.file(told, "PULL-REQUEST.md")
    assert ACCOUNT in parsing.file(told, "WHO-READS-IT.md")
    assert any("rotate-deploy-prod" in note for note in told.notes)


@settings(max_examples=20)
@given(parsing.NAMES)
def test_whatever_anybody_is_called_every_file_can_be_read(name: str) -> None:
    choices = replace(AGREED, reason=name, asked_by=name, approved_by=f"{name}x")
    told = draft(named(name), POLICY, choices)
    parsing.check(tuple(one for one in told.files if one.language != "hcl"))
    assert parsing.hcl(parsing.file(told, "main.tf"))
    assert told == draft(named(name), POLICY, choices)
