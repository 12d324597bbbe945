"""Rows that leave the house as CSV or JSON, with CSV made harmless for spreadsheets.

Names, tags and user agents come from AWS and are written by strangers (rule 17): a spreadsheet runs
a cell that begins with `=` as a formula. Such a cell gets an apostrophe in front; JSON stays as it
is, because nothing runs it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from inventory.models import LedgerEntry, LedgerName

Format = Literal["csv", "json"]
Row = Mapping[str, Any]

LEDGER_FIELDS = (
    "seq",
    "at",
    "kind",
    "actor",
    "actor_name",
    "account_id",
    "user_id",
    "batch",
    "data",
    "previous_hash",
    "hash",
)
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
# What Excel, LibreOffice and Sheets take for the beginning of a formula, full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def defused(text: str) -> str:
    """`text` so that no spreadsheet runs it; blanks in front do not hide a formula."""
    if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA):
        return f"'{text}"
    return text


def cell(value: Any) -> str:
    """A value as the text of one CSV cell. Times are ISO 8601 in UTC, lists are parted by “; ”."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return defused(_text(value))


class Described(dict[str, Any]):
    """A value with parts in JSON; a CSV cell holds the sentences that say the same."""

    def __init__(self, parts: Mapping[str, Any], sentences: Iterable[str]) -> None:
        super().__init__(parts)
        self.sentences = tuple(sentences)


def stamp(at: datetime) -> str:
    """A moment as ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    if isinstance(value, Described):
        return _text(value.sentences)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_text)
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_text, value))
    return str(value)


def as_csv(fields: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    """CSV, line by line, with a header; every text cell defused."""
    names = list(fields)
    line = io.StringIO()
    writer = csv.writer(line)
    for values in _with_header(names, rows):
        writer.writerow(values)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _with_header(names: list[str], rows: Iterable[Row]) -> Iterator[list[str]]:
    yield names
    for row in rows:
        yield [cell(row[name]) for name in names]


def as_json(fields: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON array, row by row."""
    names = list(fields)
    before = "[\n"
    for row in rows:
        chosen = {name: row[name] for name in names}
        yield before + json.dumps(chosen, ensure_ascii=False, default=_text)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def as_json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object a line."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, default=_text) + "\n"


def written(form: Format, fields: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    """The rows in that form, piece by piece, so that a long export needs no memory."""
    return as_csv(fields, rows) if form == "csv" else as_json(fields, rows)


def ledger_rows(entries: Iterable[LedgerEntry] | None = None) -> Iterator[dict[str, Any]]:
    """The ledger from its first entry, or the given entries; names where they are still known."""
    names = dict(LedgerName.objects.values_list("hash", "name"))
    if entries is None:
        entries = LedgerEntry.objects.order_by("seq").iterator(chunk_size=2000)
    for entry in entries:
        row = {name: getattr(entry, name) for name in LEDGER_FIELDS if name != "actor_name"}
        yield {**row, "actor_name": names.get(entry.actor, "")}
