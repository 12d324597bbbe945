"""A test of access as its pages show it: by role, with what is missing first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inventory.access.checks import CHANGE_ROLES, NOT_ASSUMED, Check, first_wrong, passed
from inventory.access.testing import as_tested, last_test
from inventory.models import AccessTest, Account

ROLES = ("reader", *CHANGE_ROLES)


@dataclass(frozen=True, slots=True)
class RoleResult:
    """One role of a test. `word` is what a list of accounts says of it."""

    role: str
    arn: str
    checks: tuple[Check, ...]
    passed: bool
    over: bool
    word: str

    @property
    def done(self) -> int:
        return sum(one["status"] != "waiting" for one in self.checks)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """What is to be looked at, that which is needed first."""
        found = [one for one in self.checks if one["status"] in ("failed", "attention")]
        return tuple(sorted(found, key=lambda one: one["status"] != "failed"))

    @property
    def shown(self) -> tuple[Check, ...]:
        """Every line but those that a session would have been needed for."""
        return tuple(one for one in self.checks if one["said"] != NOT_ASSUMED)

    @property
    def fine(self) -> int:
        return sum(one["status"] == "done" for one in self.checks)

    @property
    def untried(self) -> int:
        """Of the lines that are shown."""
        return sum(one["status"] == "untried" for one in self.shown)

    @property
    def not_tried(self) -> int:
        return len(self.checks) - len(self.shown)


def results(test: AccessTest | None) -> list[RoleResult]:
    """The roles of a test, in the order in which they are made."""
    if test is None:
        return []
    by_role = {role: tuple(one for one in test.checks if one["role"] == role) for role in ROLES}
    return [
        RoleResult(
            role=role,
            arn=test.roles.get(role, ""),
            checks=checks,
            passed=passed(checks, role),
            over=all(one["status"] != "waiting" for one in checks),
            word=_word(checks, role),
        )
        for role, checks in by_role.items()
        if checks
    ]


def shown(account: Account, *, may_test: bool) -> dict[str, Any]:
    """What `access.html` shows of the last test of the roles that are to be tested now."""
    test = last_test(as_tested(account))
    checks = test.checks if test else []
    return {
        "test": test,
        "testing": test is not None and test.status in AccessTest.OPEN,
        "results": results(test),
        "looked": sum(one["status"] != "waiting" for one in checks),
        "may_test": may_test,
    }


def _word(checks: tuple[Check, ...], role: str) -> str:
    """Works, or what AWS said of the first thing that is missing."""
    if any(one["status"] == "waiting" for one in checks):
        return "Being tested"
    wrong = first_wrong(checks, role)
    if wrong is None:
        return "Works"
    if wrong["status"] == "attention":
        return "Not known"
    # AwsFailure.words: "Operation: Code: message".
    parts = wrong["said"].split(": ")
    return parts[1] if len(parts) > 2 and parts[1].isalnum() else "Not right"
