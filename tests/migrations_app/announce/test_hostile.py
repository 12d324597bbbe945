"""Text of strangers before any channel takes it: all of it can be seen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.names import BLANK, UNSEEN
from migrations_app.announce.hostile import one_line, plain

every_text = st.text(st.characters())


@given(every_text)
def test_nothing_that_cannot_be_seen_is_left(text: str) -> None:
    for char in plain(text).replace("\n", ""):
        assert unicodedata.category(char) not in UNSEEN
        assert char not in BLANK
    plain(text).encode()


@given(every_text)
def test_a_line_stays_one(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


@given(every_text, every_text)
def test_names_that_differ_in_what_cannot_be_seen_look_different(one: str, other: str) -> None:
    hidden = one + "\u200b" + other
    assert plain(hidden) != plain(one + other)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x85", "\u2028", "\u2029", "\v", "\f"])
def test_every_kind_of_line_end_is_a_line_end(end: str) -> None:
    assert plain(f"a{end}b") == "a\nb"
    assert one_line(f"a{end}b") == "a b"


@pytest.mark.parametrize(
    "text", ["svc-deploy+ci=prod,eu@corp.example", "Sara Lindqvist", "日本語", "🎉"]
)
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert plain(text) == one_line(text) == text
