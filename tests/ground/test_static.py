"""What the browser gets: files of our own and vendored ones, under a policy without exceptions."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
MANIFEST: list[dict[str, Any]] = json.loads((VENDOR / "manifest.json").read_text())
OURS = {
    *("icons.txt", "manifest.json", "scripts.json", "package.json", "package-lock.json"),
    *("minify.py", "slim.py", "vendor.py"),
}
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

DJANGO_TAG = re.compile(r"{%.*?%}|{#.*?#}", re.DOTALL)
INLINE_STYLE = re.compile(r"<[^>]*\sstyle\s*=|<style\b", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<script\b(?![^>]*\ssrc=)", re.IGNORECASE)
HANDLER = re.compile(r"<[^>]*\s(?:on[a-z]+|hx-on[\w:-]*)\s*=", re.IGNORECASE)
EVALUATED = re.compile(
    r"""=\s*["'](?:js|javascript):|hx-trigger\s*=\s*["'][^"']*\[""", re.IGNORECASE
)
ICON = re.compile(r"""{%\s*icon\s+["']([a-z0-9-]+)["']|icon_name=["']([a-z0-9-]+)["']""")
STATIC = re.compile(r"""{%\s*static\s+["']([^"']+)["']""")
FOREIGN = re.compile(r"""(?:src|href|action|url)\s*[=(]\s*["']?(?:https?:)?//""", re.IGNORECASE)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def found(pattern: re.Pattern[str]) -> list[str]:
    """Templates in whose HTML a pattern stands, with what was found."""
    return [
        f"{relative(path)}: {match.group(0)[:80]}"
        for path in TEMPLATES
        for match in pattern.finditer(DJANGO_TAG.sub("", path.read_text()))
    ]


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: str(entry["file"]))
def test_a_vendored_file_is_the_one_that_was_reviewed(entry: dict[str, Any]) -> None:
    content = (ROOT / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


def test_no_file_lies_among_the_vendored_ones_without_an_origin() -> None:
    known = {entry["file"] for entry in MANIFEST}
    folders = [VENDOR, ROOT / "tests" / "vendor"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    strangers = {relative(path) for path in files if path.name not in OURS} - known
    assert {path for path in strangers if "__pycache__" not in path} == set()


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: str(entry["file"]))
def test_every_vendored_file_has_its_licence_beside_it(entry: dict[str, Any]) -> None:
    licence = (ROOT / entry["licence_file"]).read_text()
    words = {
        "MIT": "MIT License",
        "0BSD": "Zero-Clause BSD",
        "OFL-1.1": "SIL OPEN FONT LICENSE",
        "MPL-2.0": "Mozilla Public License",
    }
    assert words[entry["licence"]].lower() in licence.lower()


def test_the_versions_are_those_of_the_lock() -> None:
    locked = json.loads((VENDOR / "package-lock.json").read_text())["packages"]
    versions = {entry["package"]: entry["version"] for entry in MANIFEST}
    assert versions == {name: locked[f"node_modules/{name}"]["version"] for name in versions}


def test_the_lock_names_no_host_to_fetch_from() -> None:
    assert '"resolved"' not in (VENDOR / "package-lock.json").read_text()


def test_no_vendored_file_points_to_a_source_map_that_is_not_there() -> None:
    texts = [path for path in VENDOR.rglob("*") if path.suffix in {".css", ".js"}]
    assert [relative(path) for path in texts if "sourceMappingURL" in path.read_text()] == []


def test_no_stylesheet_fetches_from_another_host() -> None:
    sheets = (ROOT / "static").rglob("*.css")
    fetch = re.compile(r"""url\(\s*["']?(?:https?:)?//[^)]{0,60}|@import[^;]{0,60}""")
    assert [match for sheet in sheets for match in fetch.findall(sheet.read_text())] == []


def parts_of(css: str) -> set[str]:
    """Every selector and every variable of a style sheet."""
    heads = re.findall(r"([^{};]+)\{", css)
    return {part for head in heads for part in head.split(",")} | {
        *re.findall(r"[{;](--[\w-]+):", css)
    }


def test_the_slim_style_sheet_holds_all_that_pages_use_of_the_whole_one() -> None:
    slim = runpy.run_path(str(VENDOR / "slim.py"))
    wanted = parts_of(slim["slim"](slim["WHOLE"].read_text()))
    missing = wanted - parts_of(slim["SLIM"].read_text())
    assert not missing, f"Run static/vendor/vendor.py or slim.py: {sorted(missing)[:20]}"


def test_a_rule_stays_if_a_page_can_match_it_and_goes_if_none_can() -> None:
    slim = runpy.run_path(str(VENDOR / "slim.py"))
    css = (
        "a{color:red}.card,.gone{--x:1;--y:2;top:var(--x)}.gone .card{top:0}"
        ".card:not(.gone){top:1px}@media print{.gone{top:0}.card{top:2px}}"
        '@media screen{.gone{top:0}}.card::after{content:"}.gone{"}'
    )
    kept = slim["without_variables"](slim["rules"](css, frozenset({"card"})), [])
    assert kept == (
        "a{color:red}.card{--x:1;top:var(--x)}.card:not(.gone){top:1px}"
        '@media print{.card{top:2px}}.card::after{content:"}.gone{"}'
    )


def test_the_sprite_holds_every_icon_of_the_list() -> None:
    sprite = (VENDOR / "icons.svg").read_text()
    drawn = re.findall(r'<symbol id="icon-([a-z0-9-]+)"', sprite)
    assert drawn == (VENDOR / "icons.txt").read_text().split()


def test_every_icon_a_template_names_can_be_drawn() -> None:
    known = set((VENDOR / "icons.txt").read_text().split())
    named = {
        (relative(path), match.group(1) or match.group(2))
        for path in TEMPLATES
        for match in ICON.finditer(path.read_text())
    }
    assert {(path, name) for path, name in named if name not in known} == set()


def test_every_file_a_template_links_is_there() -> None:
    linked = {name for path in TEMPLATES for name in STATIC.findall(path.read_text())}
    assert {name for name in linked if not (ROOT / "static" / name).is_file()} == set()


@pytest.mark.parametrize(
    "pattern",
    [INLINE_STYLE, INLINE_SCRIPT, HANDLER, EVALUATED, FOREIGN],
    ids=["inline style", "inline script", "event handler", "evaluated text", "foreign host"],
)
def test_no_template_needs_more_than_the_policy_allows(pattern: re.Pattern[str]) -> None:
    # No pages of ours: a mail and the report of a pack stand alone, so their style is inside.
    alone = ("templates/announce/", "templates/packs/")
    exempt: tuple[str, ...] = alone if pattern is INLINE_STYLE else ()
    if pattern is FOREIGN:
        # A link that a person follows to AWS's own console; nothing is loaded from there.
        exempt = ("templates/migrations_app/connect_account.html: href=",)
    assert [line for line in found(pattern) if not line.startswith(exempt)] == []


def test_the_scripts_are_made_of_the_ones_that_people_read() -> None:
    known = runpy.run_path(str(VENDOR / "minify.py"))
    told = json.loads(known["RECORD"].read_text())
    now = {
        source.name: {
            "source": known["digest"](source),
            "made": known["digest"](known["MADE"] / source.name),
        }
        for source in known["SOURCE"].glob("*.js")
    }
    changed = sorted(name for name in {*now, *told} if now.get(name) != told.get(name))
    assert not changed, f"Run static/vendor/minify.py: {changed}"


def test_our_scripts_stay_small() -> None:
    scripts = (ROOT / "static" / "js").glob("*.js")
    # Before anything compresses them.
    assert sum(len(script.read_bytes()) for script in scripts) < 10_000
