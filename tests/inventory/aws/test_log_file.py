"""A log file gives the same records however its bytes arrive, and never half of one as a whole."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.aws.log_file import LONGEST_RECORD, UnreadableLog, parsed, records

TEXT = st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=8)


def chunks(body: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(body) + 1) for cut in cuts})
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]


@given(told=RECORDS, cuts=st.lists(st.integers(0, 10**6), max_size=40), ascii_only=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_cutting_of_the_bytes_gives_the_same_records(
    told: list[dict[str, Any]], cuts: list[int], ascii_only: bool
) -> None:
    text = json.dumps({"Records": told}, ensure_ascii=ascii_only)
    body = gzip.compress(text.encode("utf-8", "surrogatepass"))
    if not ascii_only and any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    assert list(records(chunks(body, cuts))) == told


@given(told=RECORDS, cuts=st.lists(st.integers(0, 10**6), max_size=40), spaces=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_cutting_of_the_text_gives_the_same_records(
    told: list[dict[str, Any]], cuts: list[int], spaces: int
) -> None:
    text = json.dumps({"Records": told}, indent=spaces or None)
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert list(parsed(pieces)) == told


@given(told=RECORDS.filter(bool), cut=st.integers(1, 10**6))
@settings(max_examples=200, deadline=None)
def test_a_file_cut_off_anywhere_is_never_taken_for_whole(
    told: list[dict[str, Any]], cut: int
) -> None:
    body = gzip.compress(json.dumps({"Records": told}).encode())
    found: list[dict[str, Any]] = []
    with pytest.raises(UnreadableLog):
        found.extend(records([body[: cut % len(body)]]))
    assert found == told[: len(found)]


def test_several_gzip_members_are_one_file() -> None:
    text = json.dumps({"Records": [{"a": 1}, {"b": 2}]}).encode()
    body = gzip.compress(text[:9]) + gzip.compress(text[9:])
    assert list(records([body])) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends in the middle"),
        ('{"Records": [', "ends in the middle"),
        ('{"Records": [{"a": 1}', "ends in the middle"),
        ('{"Records": [{"a": 1} oops]}', "no record"),
        ('{"Records": [1, 2]}', "no record"),
        ('{"Records": []} {"Records": []}', "goes on behind its end"),
        ('{"digestStartTime": "2026"}' + " " * 2000, "does not begin like a CloudTrail log"),
        ('{"Records": [{"a": ' + "x" * (LONGEST_RECORD + 200_000) + "}]}", "cannot be read"),
        ('{"Records": [' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "]}", "nested too deep"),
    ],
)
def test_what_is_no_log_file_is_said(text: str, says: str) -> None:
    with pytest.raises(UnreadableLog, match=says):
        list(records([gzip.compress(text.encode())]))


def test_bytes_that_are_no_gzip_or_no_text_are_said() -> None:
    with pytest.raises(UnreadableLog, match="no whole gzip"):
        list(records([b"plain text"]))
    with pytest.raises(UnreadableLog, match="no UTF-8"):
        list(records([gzip.compress(b'{"Records": [{"a": "\xff"}]}')]))


def test_a_giant_file_is_read_in_little_memory() -> None:
    record = json.dumps({"eventID": "x" * 36, "userAgent": "y" * 900})

    def pieces() -> Iterator[str]:
        yield '{"Records": ['
        yield record
        for _ in range(40_000):
            yield ","
            yield record
        yield "]}"

    tracemalloc.start()
    assert sum(1 for _ in parsed(pieces())) == 40_001
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_few_bytes_that_unpack_to_very_many_stay_few_in_memory() -> None:
    body = gzip.compress(b'{"Records": [' + b" " * 80_000_000)
    tracemalloc.start()
    with pytest.raises(UnreadableLog):
        list(records([body]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
