"""What Terraform reads in a file, and what its formatter makes of it, for tests of such files."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

ESCAPE = re.compile(r'\\(["\\nrt]|u[0-9a-f]{4}|U[0-9a-f]{8})|([$%])\2\{|([$%])\{')


def meant(literal: str) -> str:
    """What Terraform makes of a quoted literal (HCL native syntax); fails on a template in it."""

    def one(found: re.Match[str]) -> str:
        if found[3]:
            raise AssertionError(f"A template begins in {literal!r}")
        if found[2]:
            return f"{found[2]}{{"
        named = {"n": "\n", "r": "\r", "t": "\t"}
        return named.get(found[1]) or (
            found[1] if len(found[1]) == 1 else chr(int(found[1][1:], 16))
        )

    assert literal[0] == literal[-1] == '"'
    assert not re.search(r"(?<!\\)(\\\\)*[\n\r]", literal)
    return ESCAPE.sub(one, literal[1:-1])


def formatted(text: str) -> str:
    """The file as `terraform fmt` writes it; skips where there is no such binary."""
    binary = shutil.which("terraform")
    if binary is None:
        pytest.skip("There is no terraform binary here.")
    done = subprocess.run(
        [binary, "fmt", "-no-color", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
