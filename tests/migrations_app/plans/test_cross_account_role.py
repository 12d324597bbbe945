"""A vendor assumes a role with its external ID, or is asked what is missing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from migrations_app.plans.cross_account_role import Choices, draft
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import ACCOUNT, FACTS, POLICY, named

KNOWN = Choices("Fivetran", "834469178297", "", "8f1c0f6e-5b1c-4c64-9a0e-6f4f2b0f5a11")


def test_the_vendors_account_is_let_in_with_its_external_id_only() -> None:
    told = draft(FACTS, POLICY, KNOWN)
    parsing.check(told.files)
    (statement,) = json.loads(parsing.file(told, "trust-policy.json"))["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::834469178297:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": KNOWN.external_id}},
    }
    message = parsing.file(told, "TO-THE-VENDOR.md")
    assert KNOWN.external_id in message
    assert f"arn:aws:iam::{ACCOUNT}:role/vendor-deploy-prod" in message
    assert "is refused" in parsing.file(told, "HOW-TO-TEST.md")


def test_a_named_role_of_the_vendor_is_let_in_alone() -> None:
    narrow = replace(KNOWN, vendor_role="readers/fivetran")
    told = draft(FACTS, POLICY, narrow)
    (statement,) = json.loads(parsing.file(told, "trust-policy.json"))["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::834469178297:role/readers/fivetran"}
    assert not any("Everybody" in note for note in told.notes)
    assert any("Everybody" in note for note in draft(FACTS, POLICY, KNOWN).notes)


@pytest.mark.parametrize(
    ("choices", "missing"),
    [
        (Choices(), "no external ID"),
        (replace(KNOWN, external_id=""), "no external ID"),
        (replace(KNOWN, external_id="x"), "no external ID"),
        (replace(KNOWN, vendor_account="12"), "account is not known"),
        (replace(KNOWN, vendor_account=ACCOUNT), "this very account"),
        (replace(KNOWN, vendor_role="*/x\n"), "does not take"),
        (replace(KNOWN, session_seconds=60), "15 minutes"),
    ],
)
def test_without_an_answer_there_are_questions_and_no_role(choices: Choices, missing: str) -> None:
    told = draft(FACTS, POLICY, choices)
    assert [one.path for one in told.files] == ["QUESTIONS-TO-THE-VENDOR.md"]
    assert any(missing in one for one in told.warnings)


@settings(max_examples=20)
@given(parsing.NAMES)
def test_whatever_anybody_is_called_every_file_can_be_read(name: str) -> None:
    told = draft(named(name), POLICY, replace(KNOWN, vendor=name))
    parsing.check(tuple(one for one in told.files if one.language != "hcl"))
    assert parsing.hcl(parsing.file(told, "main.tf"))
    assert told == draft(named(name), POLICY, replace(KNOWN, vendor=name))
    asked = draft(named(name), POLICY, Choices(name, name, name, name))
    parsing.check(asked.files)
