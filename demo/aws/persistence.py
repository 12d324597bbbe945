"""The log that makes a restart find the same account: what was done, when, and the ids it gave.

One JSON line for each call that changed something, each call by an IAM user (it moved a last-used
date) and each act of a foreign hand. The first line says how the account was drawn. A line that a
kill cut in half is dropped on the next start: its answer was never given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Log:
    """The append-only file; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.replaying = False

    def lines(self) -> Iterator[Line]:
        """All whole lines, oldest first. ValueError for a broken line that is not the last."""
        if self._path is None or not self._path.exists():
            return
        raw = self._path.read_bytes()
        whole, _, cut = raw.rpartition(b"\n")
        if cut:
            self._path.write_bytes(whole + b"\n" if whole else b"")
        for line in whole.splitlines():
            yield json.loads(line)

    def empty(self) -> None:
        """Forget everything that was kept."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def append(self, line: Line) -> None:
        """Write one line before the answer goes out."""
        if self._path is None or self.replaying:
            return
        with self._path.open("ab") as file:
            file.write(json.dumps(line, default=_written).encode() + b"\n")


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not belong in the log.")
