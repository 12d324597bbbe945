"""When and at which commit something was measured."""

from __future__ import annotations

import subprocess

from tests.proof.targets import ROOT


def commit() -> str:
    """The commit that stands while it is measured; "+" where Python files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", "*.py"],
        capture_output=True,
        text=True,
    )
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
