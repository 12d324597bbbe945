"""What the pages for readers name exists: commands, make targets, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TEXT = "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"manage\.py (\w+)", TEXT))))
def test_every_command_that_is_named_exists(command: str) -> None:
    # `demo` is answered by manage.py itself.
    assert command in {*get_commands(), "demo"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z-]+)`", TEXT))))
def test_every_make_target_that_is_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "target",
    ["setup", "demo", "demo-reset", "test", "test-all", "lint", "bench", "help"],
)
def test_every_promised_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
