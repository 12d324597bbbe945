"""The twenty rules, each with the smallest ways to take it out, and the tests that must then fail.

A rule that is kept at several layers is taken out at each of them, and where one layer alone is
made good by the next, at all of them at once. A removal names a piece of text of one file, which
must be there exactly once: a removal that no longer applies is a failure, not a pass.
"""

from __future__ import annotations

from tests.proof.removal import NAMES, Removal
from tests.proof.removals_1_to_9 import FIRST
from tests.proof.removals_10_to_20 import LAST

__all__ = ["NAMES", "REMOVALS", "Removal"]

REMOVALS: tuple[Removal, ...] = (*FIRST, *LAST)
