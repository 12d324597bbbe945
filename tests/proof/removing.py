"""Take a rule out in a child process and see its tests fail; whole again, see them pass."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.proof.kept import commit, now
from tests.proof.rules import REMOVALS, Removal
from tests.proof.swap import become_source
from tests.proof.targets import RESULTS, ROOT
from tests.proof.warm import Warm

KEPT = RESULTS / "rules.json"
# Test files that need no database.
PURE = {"tests/migrations_app/test_guards.py", "tests/inventory/test_verdict.py"}


class DoesNotApply(AssertionError):
    """The code has moved on, and what the removal takes out is not there exactly once."""


def without(removal: Removal) -> dict[Path, str]:
    """The files of a removal as they are without the rule. Raises DoesNotApply."""
    sources: dict[Path, str] = {}
    for cut in removal.cuts:
        path = ROOT / cut.file
        source = sources.get(path) or path.read_text(encoding="utf-8")
        if source.count(cut.before) != 1:
            raise DoesNotApply(
                f"Rule {removal.key}: {cut.file} holds this {source.count(cut.before)} times,"
                f" not once:\n{cut.before}"
            )
        sources[path] = source.replace(cut.before, cut.after)
    return sources


def remove(removal: Removal) -> None:
    """Make this process one without the rule; there is no way back."""
    sources = without(removal)
    really = Path.read_text

    def read_text(path: Path, *how: Any, **more: Any) -> str:
        # Tests that read the source see it without the rule too.
        return sources.get(path.resolve()) or really(path, *how, **more)

    setattr(Path, "read_text", read_text)  # noqa: B010
    for path, source in sources.items():
        become_source(".".join(path.relative_to(ROOT).with_suffix("").parts), source)
    if removal.sql:
        # Past the plugin that keeps tests without a database from it; it is committed.
        named = connection.settings_dict
        with psycopg.connect(
            dbname=named["NAME"], user=named["USER"], host=named["HOST"], port=named["PORT"]
        ) as database:
            database.execute(removal.sql)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a removal came to: for each of its tests the case that failed, "" where none did.

    `whole` says what failed without any removal: nothing may.
    """

    removal: Removal
    red: dict[str, str]
    whole: str

    @property
    def green(self) -> bool:
        return not self.whole

    @property
    def bites(self) -> bool:
        return self.green and bool(self.red) and all(self.red.values())


def cases(warm: Warm, test: str) -> list[str]:
    """The collected cases of a test; DoesNotApply when it is gone."""
    found = [name for name in warm.items if name == test or name.startswith(f"{test}[")]
    if not found:
        raise DoesNotApply(f"There is no test {test}.")
    return found


def see(warm: Warm, removal: Removal) -> Seen:
    """Run the tests of a removal whole and without the rule, each in a fork."""
    red: dict[str, str] = {}
    told: list[str] = []
    for test in removal.tests:
        named = cases(warm, test)
        whole = warm.try_out(lambda: None, named)
        if whole.outcome != "survived":
            told.append(f"whole: {whole.outcome} {whole.by}")
        trial = warm.try_out(lambda: remove(removal), named)
        red[test] = trial.by if trial.outcome == "killed" else ""
        if removal.sql:
            warm.renew()
    return Seen(removal, red, "; ".join(told))


class Removing:
    """One run over some removals; results are kept as they come.

    `quick` keeps nothing.
    """

    def __init__(self, removals: Iterable[Removal], until: float, *, quick: bool = False) -> None:
        self.removals, self.until, self.quick = list(removals), until, quick
        self.seen: list[Seen] = []

    def __call__(self, warm: Warm) -> None:
        for removal in self.removals:
            if time.monotonic() > self.until:
                return
            seen = see(warm, removal)
            self.seen.append(seen)
            if not self.quick:
                _keep(seen)
            if not seen.bites:
                print(f"Rule {removal.key}: {seen.red} {seen.whole}")


def kept() -> dict[str, Any]:
    """What was seen before, by removal."""
    try:
        found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _keep(seen: Seen) -> None:
    results = kept()
    known = {removal.key for removal in REMOVALS}
    results = {key: value for key, value in results.items() if key in known}
    results[seen.removal.key] = {
        "green": seen.green,
        "red": seen.red,
        "measured_at": now(),
        "commit": commit(),
    }
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True)
    KEPT.write_text(f"{text}\n", encoding="utf-8")


def take_out(*, minutes: float, again: bool, quick: bool = False) -> int:
    """See every removal that was not seen yet; 0 when all bite, 1 when one does not, 75: go on.

    `quick`: only those whose tests need no database.
    """
    seen = {} if again or quick else kept()
    left = [one for one in REMOVALS if not _bit(seen.get(one.key), one)]
    if quick:
        left = [one for one in left if {test.partition("::")[0] for test in one.tests} <= PURE]
    work = Removing(left, time.monotonic() + minutes * 60, quick=quick)
    files = sorted({test.partition("::")[0] for one in left for test in one.tests})
    if left:
        warm = Warm(work, database=not quick)
        pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *files], plugins=[warm])
        if warm.fault:
            raise warm.fault
    if any(not one.bites for one in work.seen):
        return 1
    return 0 if len(work.seen) == len(left) else 75


def _bit(result: dict[str, Any] | None, removal: Removal) -> bool:
    if result is None or not result["green"] or set(result["red"]) != set(removal.tests):
        return False
    return all(result["red"].values())
