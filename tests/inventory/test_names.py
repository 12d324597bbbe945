"""Names that people type and others read hold nothing that is not seen."""

from __future__ import annotations

import pytest

from inventory.names import without_unseen, wrong_name


@pytest.mark.parametrize(
    "name", ["Robots", "Zoë Öztürk-Łaski", "数据团队", "فريق البيانات", "R&D <ops> “2”", ""]
)
def test_a_name_in_any_writing_is_taken(name: str) -> None:
    assert wrong_name(name) == ""
    assert without_unseen(name) == name


@pytest.mark.parametrize(
    ("sign", "number"),
    [
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\u200f", "U+200F"),
        ("\u200b", "U+200B"),
        ("\u3164", "U+3164"),
        ("\u00a0", "U+00A0"),
        ("\u2028", "U+2028"),
        ("\n", "U+000A"),
        ("\ue000", "U+E000"),
    ],
)
def test_what_nobody_sees_is_refused_by_its_number(sign: str, number: str) -> None:
    told = wrong_name(f"Ro{sign}bots")
    assert f"({number})" in told
    assert told.endswith("Type the name anew without it.")
    assert without_unseen(f"Ro{sign}bots{sign}") == "Robots"
