"""The points at which a worker may die, and the keys by which it is told and tells."""

from __future__ import annotations

ARMED, PASSED, TOLD = "cells:armed", "cells:passed", "cells:told"
WRITES = (
    "before the journal line",
    "journalled, not sent",
    "applied, answer lost",
    "answered, not journalled",
    "journalled, not closed",
)
COMMITS = ("before a commit", "after a commit")
ENQUEUES = ("committed, not enqueued", "enqueued")
POINTS = (*WRITES, *COMMITS, *ENQUEUES)
