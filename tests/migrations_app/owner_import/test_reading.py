"""A spreadsheet, however it was saved, is read as what was meant, or refused with a way out."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.exports import as_csv
from inventory.refusals import Refused
from migrations_app.owner_import import MOST_BYTES, MOST_ROWS, Line, read

PLAIN = "user,account,team,category,note\npay-deploy,123456789012,payments,ci-cd,Jenkins\n"
READ = Line(2, "pay-deploy", "", "123456789012", "", "payments", "ci-cd", "Jenkins")
ARN = "arn:aws:iam::123456789012:user/ci/pay-deploy"


def lines(text: str) -> tuple[Line, ...]:
    return read(text.encode()).lines


def refused(content: bytes) -> str:
    with pytest.raises(Refused) as refusal:
        read(content)
    return " ".join(refusal.value.reasons)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_that_a_spreadsheet_saves_is_recognised(encoding: str) -> None:
    sheet = read(PLAIN.replace("Jenkins", "Zürich").encode(encoding))
    assert sheet.lines[0].note == "Zürich"
    assert not sheet.remarks


def test_what_is_not_utf_8_is_read_as_windows_1252_and_says_so() -> None:
    sheet = read(PLAIN.replace("Jenkins", "Zürich – “old”").encode("cp1252"))
    assert sheet.lines[0].note == "Zürich – “old”"
    assert "read as Windows-1252" in sheet.remarks[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04rest", "Save the sheet as"),
        (b"\xd0\xcf\x11\xe0rest", "Save the sheet as"),
        (b"user,team\nx\x81,payments\n", "no encoding that is known"),
        (b"", "The file is empty"),
        (b"\n\n\n", "The file is empty"),
        (b"user,team\n\n", "nothing below them"),
        (b"person,team\nx,y\n", "No column names the IAM user. "),
        (b"user,note\nx,y\n", "No column says the team or the category"),
        (b"user,user name,team\nx,y,z\n", "say the same: user and user name"),
        (b'user,team\nx,"open\n', "Line 2: "),
        (b'user,team\nx,"a"b\n', "Line 2: "),
        (b"x" * (MOST_BYTES + 1), "larger than 5 MB"),
        (b"user,team\n" + b"x,y\n" * (MOST_ROWS + 1), "more than 20,000 lines"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(content: bytes, said: str) -> None:
    assert said in refused(content)


def test_a_file_of_exactly_the_most_rows_is_read() -> None:
    assert len(read(b"user,team\n" + b"x,y\n" * MOST_ROWS).lines) == MOST_ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_and_the_ends_of_lines_are_found(separator: str, end: str) -> None:
    assert lines(PLAIN.replace(",", separator).replace("\n", end)) == (READ,)


def test_the_separator_line_of_excel_is_no_header() -> None:
    assert lines("sep=;\r\n" + PLAIN.replace(",", ";"))[0].user == "pay-deploy"


@pytest.mark.parametrize("user", ["user", "User_Name", "IAM user", "ARN", "user_id", "USER-NAME"])
@pytest.mark.parametrize("team", ["Team", "OWNER"])
def test_headers_are_known_in_any_case_and_order(user: str, team: str) -> None:
    given = {"ARN": ARN, "user_id": "AIDA0000000000000001"}.get(user, "pay-deploy")
    (line,) = lines(f"note,{team},{user}\nx,payments,{given}\n")
    assert line.team == "payments"
    expected = ("", given) if user == "user_id" else ("pay-deploy", "")
    assert (line.user, line.user_id) == expected
    assert not line.problem


def test_columns_that_are_not_read_are_named() -> None:
    assert read(b"user,team,colour\nx,y,red\n").remarks == ("Not read: colour.",)


def test_an_arn_says_the_account_too_and_an_id_is_an_id_in_whatever_column() -> None:
    of_arn, of_id = lines(f"user,team\n{ARN},payments\nAIDA0000000000000001,payments\n")
    assert (of_arn.user, of_arn.account) == ("pay-deploy", "123456789012")
    assert (of_id.user, of_id.user_id) == ("", "AIDA0000000000000001")


@pytest.mark.parametrize(
    ("cell", "account"),
    [
        ("12345678901", "012345678901"),
        ("1234-5678-9012", "123456789012"),
        ("'012345678901", "012345678901"),
        ('"=""012345678901"""', "012345678901"),
        ("Production", "Production"),
    ],
)
def test_an_account_number_is_what_it_was_before_a_spreadsheet_took_its_zeros(
    cell: str, account: str
) -> None:
    assert lines(f"user,account,team\nx,{cell},payments\n")[0].account == account


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",1,payments,,", "names no IAM user"),
        ("x,,,,", "neither a team nor a category"),
        ("x,,payments,robot,", "no category “robot”"),
        ("x,1.23457E+11,payments,,", "Format that column as text"),
        ("x,,payments,,a,b", "more cells than there are headers"),
        (f"x,,payments,,{'n' * 501}", "longer than 500"),
        (f"x,,payments,,{'n' * 3000}", "far too much"),
        ("x\x00y,,payments,,", "no text"),
    ],
)
def test_what_is_wrong_in_one_line_is_kept_with_its_number(row: str, problem: str) -> None:
    found = lines(f"{PLAIN}{row}\n{PLAIN.splitlines()[1]}\n")
    assert [line.number for line in found] == [2, 3, 4]
    assert problem in found[1].problem
    assert not found[0].problem
    assert not found[2].problem


def test_a_line_counts_from_where_it_begins_also_below_a_note_of_many_lines() -> None:
    found = lines('user,team,note\na,payments,"one\ntwo\nthree"\n\nb,payments,\n')
    assert [(line.user, line.number) for line in found] == [("a", 2), ("b", 6)]
    assert found[0].note == "one\ntwo\nthree"


@pytest.mark.parametrize("label", ["CI/CD", "ci-cd", "Ci-Cd"])
def test_a_category_goes_by_its_label_too(label: str) -> None:
    assert lines(f"user,category\nx,{label}\n")[0].category == "ci-cd"


NAMES = st.text("abcXYZ019+=,.@_-", min_size=1, max_size=64)
NOTES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00'"), max_size=80
).map(str.strip)


@given(st.lists(st.tuples(NAMES, NOTES), min_size=1, max_size=5))
def test_our_own_exports_are_read_back_as_they_were(rows: list[tuple[str, str]]) -> None:
    sent = [{"user_name": name, "owner": "payments", "note": note} for name, note in rows]
    text = "".join(as_csv(["user_name", "owner", "note"], sent))
    found = [(line.user, line.note) for line in lines(text)]
    assert found == rows


@given(st.binary(max_size=400))
def test_no_file_breaks_the_reader(content: bytes) -> None:
    for start in (b"", b"user,team\n", "user;team\n".encode("utf-16")):
        try:
            sheet = read(start + content)
        except Refused:
            continue
        assert sheet.lines


def test_quoting_keeps_a_separator_inside_a_cell() -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["user", "team", "note"], ["x", "payments", 'say "hi", then go']])
    assert lines(out.getvalue())[0].note == 'say "hi", then go'
