"""When and at which commit something was measured."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

from tests.proof.targets import ROOT


def now() -> str:
    """To the minute, in UTC."""
    return datetime.now(UTC).isoformat(timespec="minutes")


def commit() -> str:
    """The commit that stands while it is measured; "+" where Python files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.check_output([*git, "rev-parse", "--short=10", "HEAD"], text=True)
    changed = subprocess.check_output(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", "*.py"], text=True
    )
    return head.strip() + ("+" if changed.strip() else "")
