"""What real parsers make of generated files: Terraform, shell, JSON, YAML and Python."""

from __future__ import annotations

import json
import py_compile
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from migrations_app.plans.facts import Draft, GeneratedFile
from tests.hcl_text import meant

__all__ = [
    "NAMES",
    "TEMPLATES",
    "calls",
    "check",
    "file",
    "formatted",
    "hcl",
    "load_terraform",
    "meant",
    "policy",
]

_TERRAFORM = shutil.which("terraform")

# Names as bad as they come. python-hcl2 takes an escaped template for one that begins, so those
# are met one by one, by Terraform's own parser.
# \x01 ends a call in what `calls` notes.
NAMES = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\x01"), max_size=20)
    | st.sampled_from(["<script>alert(1)</script>", "](javascript:x)", "``` \n# x", "![x](y)"])
    | st.text(st.sampled_from("[]$%{}\"'\\\n`;#()*<>&|!: -\u202e\u2028"), max_size=20)
).filter(lambda text: "${" not in text and "%{" not in text)
TEMPLATES = ('${file("/etc/passwd")}', "%{ for x in y }", "$${already}", "\\${x}", "$%{")


def check(files: tuple[GeneratedFile, ...]) -> None:
    """Every file is what it says it is, and none is there twice."""
    assert len({one.path for one in files}) == len(files)
    for one in files:
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", one.path)
        assert ".." not in one.path
        assert one.text.endswith("\n")
        _CHECKS[one.language](one.text)


def file(draft: Draft, path: str) -> str:
    return next(one.text for one in draft.files if one.path == path)


def hcl(text: str) -> dict[str, dict[str, Any]]:
    """By `type.name` (or `data.type.name`), the attributes of each block, as python-hcl2 reads."""
    told = hcl2.loads(text)
    found: dict[str, dict[str, Any]] = {}
    for kind, prefix in (("resource", ""), ("data", "data.")):
        for block in told.get(kind, []):
            for type_, named in block.items():
                for name, body in named.items():
                    key = f"{prefix}{type_}.{name}".replace('"', "")
                    assert key not in found
                    found[key] = body
    return found


def policy(heredoc: str) -> Any:
    """The JSON document in a heredoc."""
    lines = heredoc.strip('"').split("\n")
    assert (lines[0], lines[-1].strip()) == ("<<-POLICY", "POLICY")
    inside = "\n".join(lines[1:-1])
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", inside)
    return json.loads(inside.replace("$${", "${").replace("%%{", "%{"))


def calls(script: str, answers: str = "") -> list[list[str]]:
    """The AWS commands that a script runs, by their words: bash runs it with an `aws` that notes.

    `answers`: what that `aws` prints.
    """
    noting = """aws() { printf '%s\\0' "$@" >&3; printf '\\1' >&3; printf '%s' "$ANSWERS"; }"""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "calls"
        (Path(folder) / "run.sh").write_text(f"{noting}\n{script}", encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", "exec 3>calls; . ./run.sh"],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "ANSWERS": answers},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # As bytes: a carriage return in a name is no end of a line.
        noted = told.read_bytes().decode()
    return [one.split("\0")[:-1] for one in noted.split("\1") if one]


def formatted(text: str) -> str:
    """As `terraform fmt` leaves it, where there is a binary."""
    if _TERRAFORM is None:
        return text
    done = subprocess.run(
        [_TERRAFORM, "fmt", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + text
    return done.stdout


def load_terraform(files: tuple[GeneratedFile, ...]) -> None:
    """Terraform itself loads the folder: references, blocks, and nothing is there twice."""
    if _TERRAFORM is None:
        pytest.skip("There is no terraform binary here.")
    with tempfile.TemporaryDirectory() as folder:
        for one in files:
            if one.language == "hcl":
                (Path(folder) / one.path).write_text(one.text, encoding="utf-8")
        done = subprocess.run(
            [_TERRAFORM, "providers", "-no-color"],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def _hcl(text: str) -> None:
    hcl(text)
    assert formatted(text) == text


def _shell(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _python(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "function.py"
        path.write_text(text, encoding="utf-8")
        py_compile.compile(str(path), str(path.with_suffix(".pyc")), doraise=True)


def _markdown(text: str) -> None:
    """No name became a link, an image or HTML, and none ended the code it stands in."""
    tokens = [one for block in MarkdownIt().parse(text) for one in (block, *(block.children or ()))]
    kinds = {one.type for one in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "blockquote_open"}
    assert sum(one.type == "heading_open" and one.tag == "h1" for one in tokens) == 1


_CHECKS: dict[str, Callable[[str], Any]] = {
    "hcl": _hcl,
    "shell": _shell,
    "json": json.loads,
    "yaml": lambda text: YAML(typ="safe", pure=True).load(text),
    "python": _python,
    "markdown": _markdown,
    "text": lambda text: None,
    "diff": lambda text: None,
}
