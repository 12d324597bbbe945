"""What the cells came to, for `docs/proof.md`: written as JSON where IAMCLEANUP_PROOF_DIR says.

Each test leaves a part of its own, so that several test processes and several runs add up; a test
that runs again replaces its part. `cells.json` is made of all parts each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.proof.kept import commit, now

TITLE = "Crash and fault cells"
ENDS = ("done", "loud", "refused")


@dataclass
class Count:
    """The cells of one test: how each ended, and which did not end as they must."""

    rows: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(ENDS, 0))
    )
    broken: list[str] = field(default_factory=list)

    def ended(self, what: str, end: str = "done") -> None:
        """One cell of the row `what` ended in one of the three ways that are allowed."""
        self.rows[what][end] += 1

    @contextmanager
    def cell(self, name: str) -> Iterator[None]:
        """A cell whose failed assertion is kept, so that the others are looked at as well."""
        try:
            yield
        except AssertionError as wrong:
            self.broken.append(f"{name}: {wrong}")

    def see(self) -> None:
        """Fail with every cell that is broken."""
        assert not self.broken, "\n".join([f"{len(self.broken)} cells:", *self.broken])


@contextmanager
def counted(test: str) -> Iterator[Count]:
    """Count the cells of one test and leave them where they are asked for."""
    count, began = Count(), time.monotonic()
    yield count
    home = os.environ.get("IAMCLEANUP_PROOF_DIR")
    if home and count.rows:
        _leave(Path(home), test, count, time.monotonic() - began)
    count.see()


def _leave(home: Path, test: str, count: Count, seconds: float) -> None:
    parts = home / "cells"
    parts.mkdir(parents=True, exist_ok=True)
    name = f"{hashlib.sha256(test.encode()).hexdigest()[:16]}.json"
    when = {"measured_at": now(), "commit": commit()}
    _replace(parts / name, {"rows": count.rows, "seconds": seconds, **when})
    total: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ENDS, 0))
    seconds, times, commits = 0.0, set[str](), set[str]()
    for part in sorted(parts.glob("*.json")):
        told = json.loads(part.read_text())
        seconds += told["seconds"]
        times.add(told.get("measured_at", "?"))
        commits.add(told.get("commit", "?"))
        for what, ends in told["rows"].items():
            for end, number in ends.items():
                total[what][end] += number
    rows = [
        {"what": what, "cells": sum(ends.values()), **ends} for what, ends in sorted(total.items())
    ]
    whole = {
        "title": TITLE,
        "rows": rows,
        "seconds": round(seconds, 1),
        # Of the oldest part, and of all: a part may have been kept from another day.
        "measured_at": min(times),
        "commit": " ".join(sorted(commits)),
    }
    _replace(home / "cells.json", whole)


def _replace(file: Path, document: object) -> None:
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(document, indent=1))
    os.replace(new, file)
