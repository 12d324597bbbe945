"""The beginning of a list that a page shows whole while it is short, and never longer than that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

SHOWN = 50


class Beginning:
    """The first rows of a query, or of those that were asked for already, one more than SHOWN.

    A query is one statement, which reads no further than it shows.
    """

    def __init__(self, rows: QuerySet[Any] | Sequence[Any]) -> None:
        found = list(rows[: SHOWN + 1])
        self.rows, self.more = found[:SHOWN], len(found) > SHOWN

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        """ "12", or "50+"."""
        return f"{len(self.rows)}+" if self.more else str(len(self.rows))
