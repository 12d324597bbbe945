"""A spreadsheet of owners as lines. Pure: bytes in, values out; every oddity of CSV is met here.

Spreadsheets save text in several encodings, with several separators, with headers in anybody's
words, and put escapes in front of what they would run as a formula. What cannot be read for certain
is refused with what to do about it; what is wrong in one line is kept with that line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inventory.category import CategoryName
from inventory.exports import defused
from inventory.refusals import Refused

MOST_BYTES = 5 * 1024 * 1024
MOST_ROWS = 20_000
NOTE_LENGTH = 500
CELL_LENGTH = 2_048
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "user_name", "username", "iam_user", "iam_user_name"),
    "arn": ("arn", "user_arn", "iam_arn"),
    "user_id": ("user_id", "userid", "iam_user_id"),
    "account": ("account", "account_id", "aws_account", "aws_account_id", "account_number"),
    "account_name": ("account_name",),
    "team": ("team", "owner", "team_key", "owner_team", "owning_team"),
    "category": ("category",),
    "note": ("note", "notes", "comment"),
}
_MEANING = {header: meaning for meaning, headers in _HEADERS.items() for header in headers}
_WHO = {"user", "arn", "user_id"}
_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):user/(?:.*/)?([^/]+)", re.IGNORECASE)
_USER_ID = re.compile(r"AIDA[A-Z0-9]{12,}")
_SHORTENED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
_QUOTED_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
# Of two-byte text without a mark, every other byte of what is plain English is zero.
_MANY_ZEROS = 0.3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. `problem` says why it cannot be used, and what to do."""

    number: int
    user: str = ""
    user_id: str = ""
    account: str = ""
    account_name: str = ""
    team: str = ""
    category: str = ""
    note: str = ""
    problem: str = ""

    @property
    def named(self) -> str:
        """The IAM user as the file names it."""
        return self.user or self.user_id


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it was read; `remarks` are what a person should know about how."""

    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()


def read(content: bytes) -> Sheet:
    """The lines of a CSV file. Refused, with what to do, where it cannot be read as a whole."""
    if len(content) > MOST_BYTES:
        raise Refused("The file is larger than 5 MB. Split it and import the parts.")
    text, remarks = _decoded(content)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    numbered = _numbered(rows)
    header: list[str] = []
    while not any(header) or _is_separator_line(header):
        number, header = next(numbered, (0, []))
        if not number:
            raise Refused("The file is empty. It needs a line of headers and one line per user.")
    meanings, unread = _meanings(header)
    if unread:
        remarks = [*remarks, f"Not read: {', '.join(unread)}."]
    lines: list[Line] = []
    for number, cells in numbered:
        if not any(cell.strip() for cell in cells):
            continue
        if len(lines) == MOST_ROWS:
            raise Refused(f"The file has more than {MOST_ROWS:,} lines. Split it.")
        lines.append(_line(number, cells, meanings))
    if not lines:
        raise Refused("The file has headers and nothing below them.")
    return Sheet(tuple(lines), tuple(remarks))


def _decoded(content: bytes) -> tuple[str, list[str]]:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Refused("This is a workbook. Save the sheet as “CSV UTF-8” and import that file.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _as(content, "utf-16"), []
    if content[:2_000].count(0) > len(content[:2_000]) * _MANY_ZEROS:
        return _as(content, "utf-16-le" if content[1:2] == b"\x00" else "utf-16-be"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        remark = "Not UTF-8, so it was read as Windows-1252: look at names with accents."
        return _as(content, "cp1252"), [remark]


def _as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(
            "The file is in no encoding that is known here. Save it as “CSV UTF-8”."
        ) from error


def _separator(text: str) -> str:
    """The separator under which most headers are known."""
    found = {}
    for separator in ",;\t":
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            heads = [next(lines, []), next(lines, [])]
        except csv.Error:
            continue
        found[separator] = max(sum(_key(cell) in _MEANING for cell in head) for head in heads)
    return max(found, key=lambda one: found[one], default=",")


def _numbered(rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of the line on which it begins."""
    number = 1
    try:
        for cells in rows:
            yield number, cells
            number = rows.line_num + 1  # type: ignore[attr-defined]  # a csv.reader has it
    except csv.Error as error:
        raise Refused(
            f"Line {number}: {error}. A quote that is opened must be closed, and one inside "
            "a cell is doubled."
        ) from error


def _is_separator_line(cells: list[str]) -> bool:
    """Excel's `sep=;` above the headers; with the separator itself it is two cells."""
    return cells[0].strip().lower().startswith("sep=") and not any(cells[1:])


def _key(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", _plain(header).lower()).strip("_")


def _meanings(header: list[str]) -> tuple[list[str], list[str]]:
    """What each column means, "" for those that are not read, and the names of these."""
    meanings = [_MEANING.get(_key(cell), "") for cell in header]
    known = [meaning for meaning in meanings if meaning]
    twice = sorted({meaning for meaning in known if known.count(meaning) > 1})
    if twice:
        both = [cell.strip() for cell, one in zip(header, meanings, strict=True) if one == twice[0]]
        raise Refused(f"Two columns say the same: {' and '.join(both)}. Take one out.")
    if not _WHO & set(known):
        found = ", ".join(cell.strip() for cell in header if cell.strip())[:200]
        raise Refused(
            f"No column names the IAM user. Head one with user, arn or user_id. Found: {found}."
        )
    if not {"team", "category"} & set(known):
        raise Refused("No column says the team or the category. Head one with team or category.")
    unread = [cell.strip() for cell, one in zip(header, meanings, strict=True) if not one]
    return meanings, [name[:60] for name in unread if name]


def _line(number: int, cells: list[str], meanings: list[str]) -> Line:
    if any(cell.strip() for cell in cells[len(meanings) :]):
        more = "It has more cells than there are headers. Is a separator in it not quoted?"
        return Line(number, problem=more)
    if any("\x00" in cell or len(cell) > CELL_LENGTH for cell in cells):
        return Line(number, problem="A cell holds what is no text, or far too much of it.")
    values = dict.fromkeys(_HEADERS, "")
    for cell, meaning in zip(cells, meanings, strict=False):  # a short line ends early
        if meaning:
            values[meaning] = _plain(cell)
    who = _who(values)
    category = _category(values["category"])
    line = Line(
        number,
        user=who["user"],
        user_id=who["user_id"],
        account=_account(who["account"]),
        account_name=values["account_name"],
        team=values["team"],
        category=category or "",
        note=values["note"],
    )
    problem = _problem(line, values, category)
    return line if not problem else Line(number, line.user, line.user_id, problem=problem)


def _problem(line: Line, values: Mapping[str, str], category: str | None) -> str:
    if not line.named:
        return "It names no IAM user."
    if _SHORTENED.fullmatch(values["account"]):
        return "A spreadsheet shortened the account number. Format that column as text."
    if category is None:
        names = ", ".join(CategoryName)
        return f"There is no category “{values['category'][:60]}”. Choose one of {names}."
    if not line.team and not line.category:
        return "It says neither a team nor a category."
    if len(line.note) > NOTE_LENGTH:
        return f"The note is longer than {NOTE_LENGTH} characters."
    return ""


def _plain(cell: str) -> str:
    """What was meant: without the escapes that keep a spreadsheet from running a cell."""
    text = cell.strip()
    if quoted := _QUOTED_FORMULA.fullmatch(text):
        return quoted[1].strip()
    if text.startswith("'") and defused(text[1:]) != text[1:]:
        return text[1:].strip()
    return text


def _who(values: Mapping[str, str]) -> dict[str, str]:
    """Name, id and account, whichever of the columns they stand in. No name holds an apostrophe."""
    user, account = values["user"].strip("'"), values["account"]
    user_id = values["user_id"].strip("'").upper()
    for text in (values["arn"], user):
        if arn := _ARN.fullmatch(text.strip("'")):
            user, account = arn[2], arn[1]
            break
    if _USER_ID.fullmatch(user):
        user, user_id = "", user_id or user
    return {"user": user, "user_id": user_id, "account": account}


def _account(text: str) -> str:
    """An account's id as twelve digits, also where a spreadsheet took leading zeros; or a name."""
    digits = text.strip("'").replace("-", "").replace(" ", "")
    return digits.zfill(12) if digits.isdecimal() and len(digits) <= 12 else text


def _category(text: str) -> str | None:
    """The category by its value or label; "" for none, None for one that there is not."""
    wanted = text.casefold()
    known = {name.casefold(): one for one in CategoryName for name in (one.value, one.label)}
    return "" if not text else known[wanted].value if wanted in known else None
