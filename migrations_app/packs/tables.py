"""The tables of a pack: which rows each holds, a page at a time.

A page begins after the cursor of the one before, in an order that does not change, and costs as
many statements for a thousand rows as for one. What ends and what approves is taken from the
ledger, so that no row can stand here whose entry is not in the pack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inventory.models import LedgerName
from inventory.pack.layout import pseudonym
from migrations_app import exports, told
from migrations_app.packs import journal, record, standing
from migrations_app.packs.scope import Scope

Cursor = Any
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order; `after` is where the next page begins, None after the last one."""

    rows: Sequence[Row]
    after: Cursor
    # How many rows of the source were looked at, for the progress.
    seen: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `choice` is what a person ticks for it, "" if it is always there."""

    key: str
    label: str
    choice: str
    fields: tuple[str, ...]
    count: Callable[[Scope], int]
    read: Callable[[Scope, Cursor, int], tuple[Sequence[Row], Cursor, int]]
    at_once: int
    csv: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """What it is written to."""
        return (f"{self.key}.csv", f"{self.key}.jsonl") if self.csv else (f"{self.key}.jsonl",)

    def page(self, scope: Scope, after: Cursor) -> Page:
        """The rows after that cursor (None: from the first), without names if it hides them."""
        rows, following, seen = self.read(scope, after, self.at_once)
        if self.csv:
            rows = [scope.names.hidden_row(row) for row in rows]
        return Page(rows, following if seen == self.at_once else None, seen)


# What a person reads beside the box, the box, and the columns.
VERDICTS = ("Verdicts with evidence", "users", exports.USER_FIELDS)
DELETIONS = ("Deletion log", "deletions", record.DELETION_FIELDS)
APPROVALS = ("Approvals, four eyes", "approvals", record.APPROVAL_FIELDS)
CALLS = ("AWS calls with request IDs", "calls", journal.CALL_FIELDS)
MESSAGES = ("Messages, who opened them", "messages", told.FIELDS)
POLICY = ("Policy in force", "policy", standing.POLICY_FIELDS)


def people_count(scope: Scope) -> int:
    return LedgerName.objects.count()


def people(scope: Scope, after: Cursor, most: int) -> tuple[Sequence[Row], Cursor, int]:
    """Everybody who ever did something here, as the ledger calls them."""
    found = LedgerName.objects.filter(hash__gt=after or "").select_related("person")
    rows = list(found.order_by("hash")[:most])
    told_names = {row.hash: row.name for row in rows}
    return (
        [
            {
                "person": pseudonym(row.hash),
                "hash": row.hash,
                "name": scope.names.of_hash(row.hash, told_names) if scope.names.shown else "",
                "roles": sorted(row.person.roles) if row.person else [],
            }
            for row in rows
        ],
        rows[-1].hash if rows else None,
        len(rows),
    )


_PEOPLE = ("person", "hash", "name", "roles")
TABLES: tuple[Table, ...] = (
    Table("people", "People", "", _PEOPLE, people_count, people, 2000),
    Table("users", *VERDICTS, standing.users_count, standing.users, 500),
    Table("deletions", *DELETIONS, record.deletions_count, record.deletions, 500),
    Table("approvals", *APPROVALS, record.approvals_count, record.approvals, 500),
    Table("calls", *CALLS, journal.calls_count, journal.calls, 1000),
    Table("messages", *MESSAGES, journal.messages_count, journal.messages, 300),
    Table("policy", *POLICY, standing.policies_count, standing.policies, 50),
    Table("ledger", "Ledger", "", (), record.entries_count, record.entries, 1000, csv=False),
)
CHOICES = tuple((table.choice, table.label) for table in TABLES if table.choice)


def chosen(contents: Sequence[str]) -> list[Table]:
    """The tables of a pack with these contents, in their order."""
    return [table for table in TABLES if not table.choice or table.choice in contents]


def by_key(key: str) -> Table:
    """The table of that name; KeyError."""
    return {table.key: table for table in TABLES}[key]
