"""Owners from a spreadsheet: read it, show what it would change, then follow it by the verbs."""

from migrations_app.owner_import.applying import confirm, go_on, kept, running, show
from migrations_app.owner_import.matching import CHANGES, LEFT_OUT, Match, Outcome, counts, preview
from migrations_app.owner_import.reading import MOST_BYTES, MOST_ROWS, Line, Sheet, read

__all__ = [
    "CHANGES",
    "LEFT_OUT",
    "MOST_BYTES",
    "MOST_ROWS",
    "Line",
    "Match",
    "Outcome",
    "Sheet",
    "confirm",
    "counts",
    "go_on",
    "kept",
    "preview",
    "read",
    "running",
    "show",
]
