"""Terraform that says exactly what it was given, whatever it is called; read by python-hcl2."""

from __future__ import annotations

from typing import Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.plans import hcl
from migrations_app.plans.hcl import Attribute, Block, Comment, Expression, Json, resource
from tests.hcl_text import formatted, meant

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
TWISTED = st.text(st.sampled_from('$%{}"\\\n\r\t~#/*<-POLICY\u202e\u2028é=[]'), max_size=20)
# python-hcl2 takes an escaped template for one that begins; those are met one by one below.
ANY = (TEXT | TWISTED).filter(lambda text: "%{" not in text and "${" not in text)
NAME = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
VALUE = st.recursive(
    ANY | st.booleans() | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=6,
)
EXAMPLE: list[hcl.Item] = [
    Block("terraform", (), (Attribute("required_version", ">= 1.7"),)),
    Comment("Why it is here."),
    resource(
        "aws_iam_role",
        "deploy",
        Attribute("name", "deploy"),
        Attribute("max_session_duration", 3600),
        Attribute("managed_policy_arns", ["a", "b"]),
        Attribute("assume_role_policy", Expression("data.aws_iam_policy_document.trust.json")),
        Attribute("tags", {"é": "${x}", "longer": "y", "list": ["1", "2"], "deep": {"k": "v"}}),
        Comment("What it may do."),
        Block("inline_policy", (), (Attribute("name", "p"), Attribute("policy", Json({"a": 1})))),
        Block("empty"),
        Attribute("after", True),
        Attribute("none", []),
    ),
]


def value_of(read: Any) -> Any:
    """A value as Terraform would hold it, from what the parser gives."""
    if isinstance(read, str):
        return meant(read)
    if isinstance(read, list):
        return [value_of(one) for one in read]
    if isinstance(read, dict):
        return {meant(key): value_of(one) for key, one in read.items() if key[:1] == '"'}
    return read


def test_a_formatter_leaves_a_file_with_everything_in_it_as_it_is() -> None:
    text = hcl.document(EXAMPLE, header=["Read it before you apply it."])
    assert formatted(text) == text
    assert "# Why it is here.\nresource" in text
    assert text.startswith("# Read it before you apply it.\n\nterraform {")


@given(st.lists(st.tuples(NAME, VALUE), max_size=4, unique_by=lambda pair: pair[0]))
def test_any_value_comes_back_exactly(values: list[tuple[str, Any]]) -> None:
    text = hcl.document([resource("a", "b", *(Attribute(*pair) for pair in values))])
    read = hcl2.loads(text)["resource"][0]['"a"']['"b"']
    assert {name: value_of(read[name]) for name, _ in values} == dict(values)


@pytest.mark.parametrize(
    "value",
    [
        '${file("/etc/passwd")}',
        "$${already}",
        "$$$${many}",
        "\\${x}",
        "arn:aws:s3:::home/${aws:username}/*",
        'end" } resource "x" "y" {',
    ],
)
def test_what_looks_like_code_is_a_value(value: str) -> None:
    text = hcl.document([resource("a", "b", Attribute("c", {value: [value]}))])
    read = hcl2.loads(text)["resource"][0]['"a"']['"b"']["c"]
    assert value_of(read) == {value: [value]}
    assert formatted(text) == text


@pytest.mark.parametrize("value", ["${", "%{", "$${", "%{ for x in y }", "$%{", "\\%{"])
def test_what_begins_a_template_is_written_so_that_it_begins_none(value: str) -> None:
    written = hcl.text(value)
    assert meant(written) == value
    text = hcl.document([resource("a", "b", Attribute("c", value))])
    assert formatted(text) == text


@given(ANY, NAME)
def test_a_comment_is_one_line_and_nothing_else(words: str, name: str) -> None:
    text = hcl.document([Comment(words), resource("a", "b", Attribute(name, "x"))], [words])
    assert len(text.splitlines()) == 6
    assert hcl2.loads(text)["resource"][0]['"a"']['"b"'][name] == '"x"'
    assert all(one.isprintable() for line in text.splitlines() for one in line)


@given(st.lists(st.text(max_size=80), min_size=2, max_size=2, unique=True))
def test_a_name_is_an_identifier_and_no_two_meet(words: list[str]) -> None:
    names = [hcl.name_of(one) for one in words]
    assert all(name.isascii() and name.isidentifier() and len(name) <= 60 for name in names)
    assert names[0] != names[1]
    assert names == [hcl.name_of(one) for one in words]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("deploy", "deploy"),
        ("deploy_bot", "deploy_bot"),
        ("nina.haas", "nina_haas_"),
        ("9lives", "user_9lives_"),
        ("${x}", "x_"),
        ("", "user_"),
        ("--help", "help_"),
    ],
)
def test_a_name_can_still_be_read(given: str, name: str) -> None:
    assert hcl.name_of(given).startswith(name)


def test_nobody_can_take_the_name_of_another() -> None:
    taken = hcl.name_of("nina.haas")
    assert hcl.name_of(taken) != taken
