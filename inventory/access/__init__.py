"""Whether an account's roles may do what they are for: tested without changing anything."""

from inventory.access.checks import CHANGE_ROLES, Check, first_wrong, passed
from inventory.access.testing import as_tested, ask_test, enqueue, last_test, lying_about, run_test
from inventory.access.words import RoleResult, results, shown

__all__ = [
    "CHANGE_ROLES",
    "Check",
    "RoleResult",
    "as_tested",
    "ask_test",
    "enqueue",
    "first_wrong",
    "last_test",
    "lying_about",
    "passed",
    "results",
    "run_test",
    "shown",
]
