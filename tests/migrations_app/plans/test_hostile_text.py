"""Whatever a user, a tag or a person's words are made of, no generated file hides or runs them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from migrations_app.plans import break_glass_files, drafting, staying_clean
from migrations_app.plans.break_glass import BreakGlass
from migrations_app.plans.drafting import Wanted
from migrations_app.plans.facts import Draft
from migrations_app.plans.staying_clean import AccountCount, Exceptions
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import named
from tests.migrations_app.plans.people import deploy_bot

NOW = datetime(2025, 3, 6, 14, tzinfo=UTC)
# Turns the writing round, hides letters, ends lines, strings, comments, code spans and heredocs.
HOSTILE = (
    "evil\u202e\u2066txt.exe\u2069",
    "a\u200b\u2060\ufeffb\u00ad",
    "line\nPOLICY\n```\n# x = 1",
    "a\u2028b\u2029c\x85d",
    '"; rm -rf / #',
    "`id` $(id) ${id}",
    "' || true '",
    "*/ -->\n---\n- x: !!python/object",
    "\x1b[2J\x07\x7f",
)
TARGETS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("github-oidc", {"repository": "acme/shop", "branches": ["main"]}),
    ("github-oidc", {}),
    ("eks", {"cluster": "c", "namespace": "n", "service_account": "s"}),
    ("eks", {"cluster": "c", "namespace": "n", "service_account": "s", "irsa": True}),
    ("instance-profile", {"instances": ["i-0123456789abcdef0"]}),
    ("cross-account-role", {"vendor_account": "210987654321", "external_id": "x" * 32}),
    ("secrets-manager", {"until": "2025-12-31", "asked_by": "jonas", "approved_by": "mei"}),
    ("other", {}),
    ("identity-center", {}),
)


def hidden(text: str) -> set[str]:
    """The names of signs in it that are not seen, or that move what is."""
    kinds = {"Cc", "Cf", "Zl", "Zp", "Co", "Cn"}
    return {
        unicodedata.name(one, repr(one))
        for one in text
        if one not in "\n\t" and unicodedata.category(one) in kinds
    }


def drawn(target: str, choices: dict[str, Any], name: str) -> Draft:
    of = named(name)
    bot = deploy_bot()
    facts = replace(of, granted=bot.granted, used=bot.used, unlogged=bot.unlogged)
    told = dict(choices)
    if target == "secrets-manager":
        told["reason"] = name
    if target == "cross-account-role":
        told["vendor"] = name
    [draft] = drafting.drafts([Wanted(target, facts, told)])
    return draft


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("target", "choices"), TARGETS)
def test_a_plan_shows_what_it_holds(target: str, choices: dict[str, Any], name: str) -> None:
    draft = drawn(target, choices, name)
    if "${" not in name:
        # python-hcl2 takes an escaped template for one that begins.
        parsing.check(draft.files)
    for one in draft.files:
        assert not hidden(one.text), one.path


@pytest.mark.parametrize("name", HOSTILE)
def test_break_glass_and_the_deny_show_what_they_hold(name: str) -> None:
    facts = BreakGlass("123456789012", name, f"arn:aws:iam::123456789012:user/{name}", runbook=name)
    made = [
        *break_glass_files.files(facts, (f"{name}@x", "a@b.example"), NOW),
        *staying_clean.files(
            [AccountCount("123456789012", name, 9, 1)], Exceptions(facts.arn, (name,)), NOW
        ),
    ]
    for one in made:
        assert not hidden(one.text), one.path
