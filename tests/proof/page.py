"""`docs/proof.md`, made from the kept results and from nothing else.

What was not measured is said to be "not run". The page shows for each part when and at which commit
it was measured; it never looks at the code as it is now.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.proof.rules import NAMES, REMOVALS
from tests.proof.targets import RESULTS, ROOT, TARGETS

PAGE = ROOT / "docs" / "proof.md"
REASONS = Path(__file__).with_name("survivors.toml")
PARTS = ("lifecycle", "guards", "verdict", "changes", "aws")
WANTED = 90
COUNTED = ("killed", "time-out", "crashed")
# Written by the suites that kill and fault every call, and by the seeded worlds.
SUITES = (
    ("cells", "Kills and faults, cell by cell", "every call × every fault, every point × a kill"),
    ("worlds", "Seeded worlds", "people, clocks, faults and foreign hands at random"),
)
HEAD = """\
# Proof

Made by `make proof` from the results kept in `docs/proof/`; written by nobody. What was not
measured is said to be not run.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the mutants of one module."""

    name: str
    total: int
    tried: int
    killed: int
    seconds: float
    measured_at: str
    commit: str
    seed: int
    survivors: dict[str, str]

    @property
    def share(self) -> float:
        return self.killed / self.tried if self.tried else 0.0


def kept(name: str, home: Path = RESULTS) -> dict[str, Any] | None:
    """One kept result; None where there is none."""
    path = home / f"{name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def measured(name: str, home: Path = RESULTS) -> Measured | None:
    """The kept results of one module; None where there are none, or not of all that were picked."""
    result = kept(f"mutation/{name.replace('/', '.')}", home)
    if result is None:
        return None
    outcomes = result["mutants"]
    wanted = result["sample"] or result["total"]
    if len(outcomes) < wanted:
        return None
    return Measured(
        name,
        result["total"],
        len(outcomes),
        sum(one["outcome"] in COUNTED for one in outcomes.values()),
        result["seconds"],
        result["measured_at"],
        result["commit"],
        result["seed"],
        {key: one["outcome"] for key, one in outcomes.items() if one["outcome"] not in COUNTED},
    )


def reasons() -> dict[tuple[str, str], str]:
    """Why a survivor is left alive, by module and mutant."""
    declared = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    return {
        (module, one["mutant"]): one["reason"]
        for module, survivors in declared.items()
        for one in survivors
    }


def estimate(strata: Iterable[Measured]) -> tuple[float, float]:
    """The share killed over several modules, each weighing as many mutants as it has, and half the
    width of its 95 % interval; 0 where every mutant was tried."""
    rows = [one for one in strata if one.total]
    everything = sum(one.total for one in rows)
    share = sum(one.total * one.share for one in rows) / everything
    variance = sum(
        (one.total / everything) ** 2
        * (1 - one.tried / one.total)
        * one.share
        * (1 - one.share)
        / max(one.tried - 1, 1)
        for one in rows
    )
    return share, 1.96 * math.sqrt(variance)


def page(home: Path = RESULTS) -> str:
    """The whole page."""
    parts = [HEAD, *_mutation(home), *_rules(home)]
    for name, title, what in SUITES:
        parts += _suite(home, name, title, what)
    return "\n".join(parts).rstrip() + "\n"


def _mutation(home: Path) -> Iterator[str]:
    yield "## Mutants\n"
    yield (
        "One small wrong change at a time: a comparison, an operand, a constant, a word that code"
        " compares, a table's row, a state, a return, a statement, an argument of a query, a lock."
        " Text for people and log lines are left alone. Each mutant runs in a fork of its own,"
        " against the tests that run its line, until one fails. At least"
        f" {WANTED} % must be killed; survivors that change nothing count as survivors too.\n"
    )
    found = {name: measured(name, home) for name in TARGETS}
    yield "| part | mutants | tried | killed | share |\n|---|--:|--:|--:|--:|"
    for part in PARTS:
        yield _part(part, [one for name, one in found.items() if name.partition("/")[0] == part])
    yield "\n| module | mutants | tried | killed | seconds | seed | measured | commit |"
    yield "|---|--:|--:|--:|--:|--:|---|---|"
    for name, one in found.items():
        yield (
            f"| {name} | | | | | | not run | |"
            if one is None
            else f"| {name} | {one.total} | {one.tried} | {one.killed} | {one.seconds:.0f}"
            f" | {one.seed} | {one.measured_at} | {one.commit} |"
        )
    known = reasons()
    yield "\n### Survivors\n"
    for name, one in found.items():
        for key, outcome in (one.survivors if one else {}).items():
            why = known.get((name, key), "no reason: a test is missing")
            yield f"- **{name}**, {_code(key)}: {outcome}. {why}"
    yield ""


def _part(part: str, rows: list[Measured | None]) -> str:
    there = [one for one in rows if one is not None]
    if not there:
        return f"| {part} | | | | not run |"
    share, width = estimate(there)
    told = f"{share:.1%}" + (f" ± {width:.1%}" if width else "")
    if len(there) < len(rows):
        told += f"; {len(rows) - len(there)} of {len(rows)} files not run"
    sums = [sum(getattr(one, what) for one in there) for what in ("total", "tried", "killed")]
    return f"| {part} | {' | '.join(map(str, sums))} | {told} |"


def _rules(home: Path) -> Iterator[str]:
    yield "## The twenty rules, each taken out\n"
    yield (
        "Each line takes one rule out at one place, or at all its places at once, and names the"
        " test that turned red; whole again, the same tests are green.\n"
    )
    seen = kept("rules", home) or {}
    yield "| rule | taken out | red | measured | commit |\n|---|---|---|---|---|"
    for removal in REMOVALS:
        result = seen.get(removal.key)
        name = f"{removal.rule} {NAMES[removal.rule]}"
        if result is None:
            yield f"| {name} | {removal.says} | not run | | |"
            continue
        red = [_short(case) if case else f"**none of {_short(test)}**"
               for test, case in result["red"].items()]  # fmt: skip
        told = "; ".join(red) + ("" if result["green"] else "; **not green whole**")
        measured_at, commit = result["measured_at"], result["commit"]
        yield f"| {name} | {removal.says} | {told} | {measured_at} | {commit} |"
    yield ""


def _suite(home: Path, name: str, title: str, what: str) -> Iterator[str]:
    yield f"## {title}\n"
    result = kept(name, home)
    if result is None:
        yield f"Not run ({what}).\n"
        return
    yield f"{result.get('title', what)}\n"
    rows: list[dict[str, Any]] = result["rows"]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(str(row.get(column, '')) for column in columns)} |"
    facts = [f"{key} {result[key]}" for key in ("seconds", "seed", "seeds", "measured_at", "commit")
             if key in result]  # fmt: skip
    yield f"\n{', '.join(facts)}\n"


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"


def _short(test: str) -> str:
    # A case may have slashes in its name.
    file, colons, name = test.partition("::")
    return f"{file.rpartition('/')[2]}{colons}{name}".replace("|", "\\|")
