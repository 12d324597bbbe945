"""What a rule taken out is made of: pieces of files, or SQL, and the tests that must then fail."""

from __future__ import annotations

from dataclasses import dataclass, replace

APP = "migrations_app"
CHANGES = "migrations_app/changes"
T = "tests/migrations_app"
RULES = f"{T}/test_rules.py::test_rule_"


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a file and what stands there without the rule."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Removal:
    """One way to take a rule out. `sql` is run in the test's database; `tests` must all fail.

    A test without brackets stands for all its cases; it fails when one of them does.
    """

    rule: int
    says: str
    tests: tuple[str, ...]
    cuts: tuple[Cut, ...] = ()
    sql: str = ""

    @property
    def key(self) -> str:
        return f"{self.rule}: {self.says}"


NAMES = {
    1: "One file writes",
    2: "Identity",
    3: "Protection",
    4: "Four eyes, frozen",
    5: "Unknown is never unused",
    6: "Who may be fenced",
    7: "Proof",
    8: "Holdings first",
    9: "Exact restore",
    10: "Journal",
    11: "Once",
    12: "Rails",
    13: "Told first",
    14: "Anybody who feels the pain can restore",
    15: "Ledger",
    16: "No secret",
    17: "Text from AWS is hostile",
    18: "Point of no return",
    19: "Nobody locks everybody out",
    20: "Play cannot reach production",
}


def one(rule: int, says: str, file: str, before: str, after: str, *tests: str) -> Removal:
    return Removal(rule, says, tests, (Cut(file, before, after),))


def together(says: str, *removals: Removal, tests: tuple[str, ...]) -> Removal:
    """Several layers of one rule at once."""
    cuts = tuple(cut for removal in removals for cut in removal.cuts)
    return replace(removals[0], says=says, cuts=cuts, tests=tests)


def never(file: str, condition: str) -> Cut:
    """A condition that is never met."""
    return Cut(file, condition, "if False:")
