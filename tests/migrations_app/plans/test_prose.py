"""Words around a plan's files hold whatever anything is called."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from migrations_app.plans.prose import code, fenced, header, one_line, page, plain, word
from tests.migrations_app.plans import parsing
from tests.migrations_app.plans.example import FACTS

ANY = parsing.NAMES | st.text(st.sampled_from("`*_[]()<>#!&\\|~ \n"), max_size=20)


def inline(text: str) -> list[tuple[str, str]]:
    """What a Markdown reader makes of a line: kinds and contents."""
    (block,) = MarkdownIt().parseInline(text)
    return [(one.type, one.content) for one in block.children or ()]


@pytest.mark.parametrize(
    "text", ["plain", "it's", "a\\b", "x\u202ey", "\x1b[2J", "a\nb", "\U000e0041", "", "$(id)`id`"]
)
def test_a_shell_takes_a_word_for_exactly_what_it_was(text: str) -> None:
    shown = word(text)
    assert shown.isprintable()
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    told = subprocess.run(
        ["bash", "-c", f"printf '%s' {shown}"], env=environment, capture_output=True, check=True
    )
    assert told.stdout.decode() == text


@given(ANY)
def test_a_name_in_code_is_one_span_that_shows_it(name: str) -> None:
    ((kind, content),) = inline(code(name))
    shown = one_line(name)
    assert (kind, content) == (("code_inline", shown) if shown else ("text", "(empty)"))


@given(ANY)
def test_a_name_in_plain_words_is_text_and_nothing_else(name: str) -> None:
    found = inline(f"x{plain(name)}x")
    assert {kind for kind, _ in found} <= {"text", "text_special"}
    assert "".join(content for _, content in found) == f"x{one_line(name)}x"


@given(st.lists(ANY, max_size=4))
def test_a_block_of_code_cannot_be_ended_by_what_is_in_it(lines: list[str]) -> None:
    tokens = MarkdownIt().parse(fenced(lines))
    assert [one.type for one in tokens] == ["fence"]


def test_the_head_of_a_file_says_whom_it_replaces_and_what_it_rests_on() -> None:
    whom, what = header(FACTS)
    assert whom == (
        "Replaces the IAM user deploy-prod (AIDAEXAMPLEDEPLOY0001) of account 123456789012."
    )
    assert what == (
        "Generated on 6 Mar 2025 from 90 days of CloudTrail to 6 Mar 2025."
        " Read it before you apply it."
    )
    shorter = replace(FACTS, evidence_from=FACTS.evidence_to - timedelta(days=12))
    assert "from 12 days" in header(shorter)[1]


def test_a_page_leaves_out_what_is_empty() -> None:
    assert page("x.md", "A *b*", "one", "", "two").text == "# A \\*b\\*\n\none\n\ntwo\n"
