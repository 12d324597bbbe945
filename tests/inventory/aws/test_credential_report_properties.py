"""Whatever bytes come as a credential report, it is read truly or refused in one way."""

from __future__ import annotations

import csv
import io
import string
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.aws.credential_report import ROOT, Report, parse
from inventory.aws.failure import AwsFailure

GENERATED = datetime(2025, 3, 6, 13, 55, tzinfo=UTC)
ACCOUNT = "123456789012"
COLUMNS = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used",
    "password_last_changed", "password_next_rotation", "mfa_active",
    "access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date",
    "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
    "access_key_2_last_used_region", "access_key_2_last_used_service",
    "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
    "additional_credentials_info",
)  # fmt: skip
NEEDED = ("user", "arn", "user_creation_time", "password_enabled")

times = st.integers(0, 630_000_000).map(
    lambda seconds: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
spelled = st.sampled_from(("+00:00", "Z"))
nothing = st.sampled_from(("N/A", "no_information", "not_supported", ""))
truths = st.sampled_from(("true", "false", "TRUE", "FALSE", "True", "False"))
names = st.text(string.ascii_letters + string.digits + "_+=,.@-", min_size=1, max_size=64)
paths = st.sampled_from(("/", "/ci/", "/people/emea/", "/a=b/:root/"))


@st.composite
def cells(draw: st.DrawFn, name: str | None = None) -> dict[str, str]:
    """One line as AWS may write it, by column."""
    name = draw(names) if name is None else name
    line = {}
    for column in COLUMNS:
        if column.endswith(("_active", "_enabled")):
            line[column] = draw(truths | st.sampled_from(("N/A", "not_supported")))
        elif column.endswith(("_time", "_rotated", "_changed", "_date", "last_used", "rotation")):
            at = draw(times).isoformat().replace("+00:00", draw(spelled))
            line[column] = at if draw(st.booleans()) else draw(nothing)
        else:
            line[column] = draw(st.sampled_from(("N/A", "us-east-1", "s3", "1")))
    line["user"] = name
    resource = "root" if name == ROOT else f"user{draw(paths)}{name}"
    return line | {"arn": f"arn:aws:iam::{ACCOUNT}:{resource}"}


def written(
    lines: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS, end: str = "\n"
) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator=end)
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().rstrip("\r\n").encode()


def read(content: bytes) -> Report | None:
    """The report, or None where it was refused; any other error is the test's failure."""
    try:
        return parse(content, GENERATED)
    except AwsFailure as refused:
        if refused.code != "MalformedReport":
            raise
        return None


def as_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text[:1].isdigit() else None


reports = st.lists(cells(), max_size=4, unique_by=lambda line: line["arn"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    found = read(content)
    assert found is None or not found.users


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_below_a_true_header_is_read_or_refused(text: str) -> None:
    read(f"{','.join(COLUMNS)}\n{text}".encode("utf-8", "replace"))


@settings(max_examples=150, deadline=None)
@given(reports, st.data())
def test_damaged_reports_are_read_or_refused(lines: list[dict[str, str]], data: Any) -> None:
    content = written(lines)
    at = data.draw(st.integers(0, len(content)))
    cut = data.draw(st.integers(0, 40))
    read(content[:at] + data.draw(st.binary(max_size=5)) + content[at + cut :])


@settings(max_examples=100, deadline=None)
@given(st.lists(cells(), min_size=1, max_size=3, unique_by=lambda line: line["arn"]), st.data())
def test_a_line_that_is_cut_off_is_never_taken_for_a_row(
    lines: list[dict[str, str]], data: Any
) -> None:
    content = written(lines)
    last = content.rindex(b"\n") + 1
    # Short of its last comma: at least one cell is missing.
    at = data.draw(st.integers(last + 1, content.rindex(b",") - 1))
    assert read(content[:at]) is None


@settings(max_examples=100, deadline=None)
@given(reports, st.permutations(COLUMNS))
def test_the_order_of_columns_means_nothing(lines: list[dict[str, str]], order: list[str]) -> None:
    assert read(written(lines, tuple(order))) == read(written(lines))


@settings(max_examples=100, deadline=None)
@given(reports, st.lists(st.sampled_from(("a_new_column", "zz", "Überblick", "9")), unique=True))
def test_unknown_columns_are_passed_over(lines: list[dict[str, str]], more: list[str]) -> None:
    wider = [line | dict.fromkeys(more, 'a "strange", cell') for line in lines]
    assert read(written(wider, (*more, *COLUMNS))) == read(written(lines))


@settings(max_examples=100, deadline=None)
@given(reports, st.sets(st.sampled_from([name for name in COLUMNS if name not in NEEDED])))
def test_missing_columns_leave_the_others_as_they_were(
    lines: list[dict[str, str]], missing: set[str]
) -> None:
    found = read(written(lines, tuple(name for name in COLUMNS if name not in missing)))
    whole = read(written(lines))
    assert found is not None
    assert whole is not None
    for arn, row in found.users.items():
        other = whole.users[arn]
        assert row.password_enabled == other.password_enabled
        assert row.mfa_active == (None if "mfa_active" in missing else other.mfa_active)


@settings(max_examples=150, deadline=None)
@given(reports, st.sampled_from(("\n", "\r\n")), st.sampled_from((b"", b"\xef\xbb\xbf")))
def test_what_was_written_is_what_is_read(
    lines: list[dict[str, str]], end: str, mark: bytes
) -> None:
    found = read(mark + written(lines, end=end))
    assert found is not None
    assert set(found.users) == {line["arn"] for line in lines}
    for line in lines:
        row = found.users[line["arn"]]
        assert row.user_name == line["user"]
        assert row.created_at == as_time(line["user_creation_time"])
        assert row.password_last_used_at == as_time(line["password_last_used"])
        told = {"true": True, "false": False}.get(line["mfa_active"].lower())
        assert row.mfa_active is told
        for place, key in enumerate(row.keys, 1):
            assert key.rotated_at == as_time(line[f"access_key_{place}_last_rotated"])
            assert key.last_used_at == as_time(line[f"access_key_{place}_last_used_date"])


@settings(max_examples=100, deadline=None)
@given(reports, cells(ROOT), st.integers(0, 4))
def test_root_is_never_among_the_users_wherever_its_line_stands(
    lines: list[dict[str, str]], root: dict[str, str], place: int
) -> None:
    found = read(written([*lines[:place], root, *lines[place:]]))
    assert found is not None
    assert found.root is not None
    assert len(found.users) == len(lines)
    assert all(":user/" in arn and row.user_name != ROOT for arn, row in found.users.items())
