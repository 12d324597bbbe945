"""The fault table of docs/channels.md: the tests of each channel count, and compare with it.

So the page says what was measured, and a channel that does better or worse makes a test fail.
"""

from __future__ import annotations

from pathlib import Path

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "channels.md"
_TITLE = "\n## How many arrive, whatever breaks\n"

# What the tests call a fault, and how its line in the table begins.
LINES = {
    "none": "Nothing",
    "429": "Busy",
    "429 date": "Busy",
    "500": "Broken before",
    "503": "Broken before",
    "408": "Broken before",
    "closed before": "Connection closed before",
    "500 after": "Taken, then answered 500",
    "closed after": "Taken, then the connection closed",
    "half": "Taken, then half an answer",
    "slow": "Taken, then answered too late",
    "killed": "Worker killed",
}


def said(fault: str, channel: str) -> int | None:
    """How many the page says are there in the end; None where it says that this cannot happen."""
    section = _PAGE.read_text(encoding="utf-8").partition(_TITLE)[2].partition("\n## ")[0]
    rows = [
        [cell.strip(" *") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    column = rows[0].index(channel)
    (row,) = (row for row in rows[2:] if row[0].startswith(LINES[fault]))
    return None if row[column] == "–" else int(row[column])
