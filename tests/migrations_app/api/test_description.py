"""The description is valid OpenAPI, names every code that can refuse, and has a page of its own."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import validate

from inventory.models import Scope
from migrations_app.api.rules import RULES
from tests import cast
from tests.ground.test_static import EVALUATED, FOREIGN, HANDLER, INLINE_SCRIPT, INLINE_STYLE
from tests.migrations_app.browsing import browser, text_of

ROOT = Path(__file__).resolve().parents[3]
# The checks of plans are shown, and refuse nothing.
SOURCES = [
    *(one for one in (ROOT / "migrations_app").rglob("*.py") if one.parent.name != "plans"),
    *(ROOT / "inventory").glob("*.py"),
]
# Whoever makes one of these gives its code first, or by name.
MAKES_A_CODE = {"Blocker", "Check"}


def described() -> dict[str, Any]:
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = json.loads(answer.content)
    return document


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, one)
        for path, methods in described()["paths"].items()
        for method, one in methods.items()
    ]


def test_it_is_valid() -> None:
    document = described()
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_operation_asks_for_a_token_with_a_scope() -> None:
    for method, path, one in operations():
        asked = [scope for way in one["security"] for scope in way["PersonalToken"]]
        assert asked, path
        assert set(asked) <= set(Scope), path
        assert (asked == ["read"]) is (method == "get"), path


def test_every_post_needs_a_key_and_every_get_none() -> None:
    for method, path, one in operations():
        keys = [two for two in one["parameters"] if two["name"] == "Idempotency-Key"]
        assert [two["required"] for two in keys] == ([True] if method == "post" else []), path


def test_every_refusal_is_a_problem() -> None:
    for _, path, one in operations():
        refusals = {status: told for status, told in one["responses"].items() if status >= "400"}
        assert {"401", "403", "404", "422", "429"} <= set(refusals), path
        assert all(
            list(told["content"]) == ["application/problem+json"] for told in refusals.values()
        )


def codes() -> set[str]:
    """Every code that the sources give to a blocker, a check or a refusal."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            given = [one.value for one in node.keywords if one.arg == "rule"]
            if name in MAKES_A_CODE and node.args:
                given.append(node.args[0])
            found |= {text for one in given for text in _texts(one) if text}
    return found


def _texts(node: ast.AST) -> set[str]:
    """What an expression may be, as far as it says so itself."""
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_every_code_that_can_refuse_is_explained() -> None:
    assert {"protected", "lock-out", "four-eyes", "scope"} <= codes()
    assert codes() - set(RULES) == set()


def test_every_rule_number_is_one_of_the_twenty() -> None:
    assert {rule.number for rule in RULES.values() if rule.number} <= set(range(1, 21))


# ── The page ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def page() -> str:
    return text_of(Client().get("/api/docs"))


@pytest.mark.django_db
def test_the_page_tells_every_address_and_every_code(page: str) -> None:
    for _, path, one in operations():
        assert path in page
        assert f'id="{one["operationId"]}"' in page
    for code in RULES:
        assert f'id="rule-{code}"' in page


@pytest.mark.django_db
def test_every_link_inside_the_page_leads_somewhere(page: str) -> None:
    targets = re.findall(r'\sid="([^"]+)"', page)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r'href="#([^"]+)"', page)) - set(targets) == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "pattern", [INLINE_STYLE, INLINE_SCRIPT, HANDLER, EVALUATED, FOREIGN], ids=str
)
def test_the_page_needs_nothing_but_our_own_files(page: str, pattern: re.Pattern[str]) -> None:
    assert pattern.findall(page) == []


@pytest.mark.django_db
def test_the_page_stands_in_the_house_for_whoever_is_signed_in(page: str) -> None:
    inside = text_of(browser(cast.cast().vera).get("/api/docs"))
    assert "/settings/tokens/" in inside
    assert 'id="sidebar"' in inside
    assert 'id="sidebar"' not in page
