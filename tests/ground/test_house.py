"""docs/house.md names every room there is, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "house.md"
# What Django wants to find under these names.
BY_DJANGO = {"management", "migrations", "templatetags"}


@pytest.mark.parametrize("house", ["inventory", "migrations_app"])
def test_the_page_names_the_rooms_there_are(house: str) -> None:
    text = PAGE.read_text().partition(f"## {house}:")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)
    found = {path.parent.name for path in (ROOT / house).glob("*/__init__.py")} - BY_DJANGO
    assert named == sorted(found)


def test_the_files_it_names_are_there() -> None:
    for house, text in re.findall(r"## (\w+):(.*?)(?=\n## )", PAGE.read_text(), re.DOTALL):
        for name in re.findall(r"`(\w+\.py)`", text):
            assert list((ROOT / house).rglob(name)), name
