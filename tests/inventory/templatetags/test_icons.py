"""Badges and labels: the right word, never colour alone, and hostile text as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.templatetags import icons

KNOWN_ICONS = set(
    (Path(__file__).parents[3] / "static" / "vendor" / "icons.txt").read_text().split()
)
LOOKS = {**icons.STATES, **icons.VERDICTS, **icons.CATEGORIES, **icons.PROTECTIONS}


@pytest.mark.parametrize("value", LOOKS)
def test_every_look_has_an_icon_that_can_be_drawn(value: str) -> None:
    assert LOOKS[value].icon in KNOWN_ICONS


@pytest.mark.parametrize(
    "state", ["discovered", "owner-assigned", "disabled", "soaking", "deleted", "protected"]
)
def test_a_state_is_named_and_drawn_beside_its_colour(state: str) -> None:
    badge = icons.state_badge(state)
    assert icons.STATES[state].label in badge
    assert f"#icon-{icons.STATES[state].icon}" in badge


def test_a_value_without_a_look_shows_its_own_words() -> None:
    assert "Half done" in icons.state_badge("half-done")


def test_a_label_from_aws_stays_text() -> None:
    assert "<script>" not in icons.state_badge("disabled", label="<script>")


@pytest.mark.parametrize(
    ("verdict", "rhythm", "words"),
    [
        ("active", "", "In use"),
        ("active", "nightly", "In use, nightly"),
        ("active", "rare: quarterly", "Rare: quarterly"),
        ("dormant", "", "Dormant"),
        ("never-used", "", "Never used"),
        ("unknown", "", "Cannot tell"),
    ],
)
def test_a_verdict_is_said_in_the_words_of_the_screens(
    verdict: str, rhythm: str, words: str
) -> None:
    assert f">{words}</span>" in icons.verdict_label(verdict, rhythm=rhythm).replace("</svg>", ">")


@pytest.mark.parametrize(
    ("verdict", "rhythm", "tinted"),
    [
        ("active", "", False),
        ("dormant", "", False),
        ("unknown", "", True),
        ("active", "rare", True),
    ],
)
def test_only_what_needs_care_is_tinted(verdict: str, rhythm: str, tinted: bool) -> None:
    assert ("tone-attention" in icons.verdict_label(verdict, rhythm=rhythm)) is tinted


def test_an_unprotected_user_has_no_protection_badge() -> None:
    assert icons.protection_badge("") == ""


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Jonas Weber", "JW"), ("a.novak", "AN"), ("Platform", "P"), ("", "")],
)
def test_a_person_is_shown_by_two_letters(name: str, letters: str) -> None:
    assert icons.initials(name) == letters


def test_an_icon_is_silent_unless_it_says_something() -> None:
    assert 'aria-hidden="true"' in icons.icon("ban")
    assert 'aria-label="Disabled"' in icons.icon("ban", label="Disabled")
