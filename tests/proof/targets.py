"""Which modules are mutated, and which tests are asked about them first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "proof"
CHANGES = tuple(
    f"changes/{path.stem}"
    for path in sorted((ROOT / "migrations_app" / "changes").glob("*.py"))
    if path.stem != "__init__"
)


_MIRRORS = {
    "lifecycle": (
        "tests/migrations_app/test_lifecycle.py",
        "tests/migrations_app/test_lifecycle_words.py",
    ),
    "guards": (
        "tests/migrations_app/test_guards.py",
        "tests/migrations_app/test_guards_words.py",
    ),
    "aws": (
        "tests/migrations_app/test_aws_calls.py",
        "tests/migrations_app/test_aws_plan.py",
        "tests/migrations_app/test_aws_proof.py",
        "tests/migrations_app/test_aws_sessions.py",
        "tests/migrations_app/test_aws_writer.py",
    ),
    "verdict": (
        "tests/inventory/test_verdict.py",
        "tests/inventory/test_verdict_edges.py",
    ),
}


def _engine() -> tuple[str, ...]:
    """The tests of the change engine; pages are seen by tests of their own."""
    found = sorted((ROOT / "tests" / "migrations_app").glob("test_*.py"))
    return tuple(
        str(path.relative_to(ROOT)) for path in found if not path.stem.startswith("test_pages")
    )


@dataclass(frozen=True, slots=True)
class Target:
    """A module under mutation: its file, its import name, the test files that mirror it."""

    name: str

    @property
    def path(self) -> Path:
        app = "inventory" if self.name == "verdict" else "migrations_app"
        return ROOT / app / f"{self.name}.py"

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """Names the source that was measured."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    @property
    def tests(self) -> tuple[str, ...]:
        """The test files that may kill its mutants: what judges is held by its mirror alone."""
        return _MIRRORS.get(self.name, _engine())

    @property
    def results(self) -> Path:
        return RESULTS / "mutation" / f"{self.name.replace('/', '.')}.json"

    @property
    def part(self) -> str:
        """The one of the five that it counts for."""
        return self.name.partition("/")[0]


TARGETS = {name: Target(name) for name in ("lifecycle", "guards", "verdict", "aws", *CHANGES)}
