"""Terraform as text that says exactly what it was given and that `terraform fmt` leaves as it is.

Terraform reads `${` and `%{` in strings as templates, and IAM policies are full of `${aws:…}`, so
every text is escaped here (HCL native syntax, "Template Expressions"). Nothing that AWS or a person
named can end a string, a comment or a block, or become an expression. `=` signs of lines that
follow each other stand below each other, unless a value has more than one line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TEMPLATE = re.compile(r"([$%]+)\{")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNSAFE = re.compile(r"[^a-z0-9]+")
_MARKED = re.compile(r"_[0-9a-f]{6}$")
_LONGEST_NAME = 48
_FIRST_COMBINING = 0x300


@dataclass(frozen=True, slots=True)
class Expression:
    """Terraform's own code, such as `aws_iam_role.this.arn`: never a text from elsewhere."""

    code: str


@dataclass(frozen=True, slots=True)
class Json:
    """A document as a heredoc of JSON; JSON has no line that could end it."""

    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comment:
    """A line for the reader, at its place in a block or between blocks."""

    words: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`: a text, number, truth, Expression or Json, or a list or mapping of such."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Block:
    """`kind "label" { … }`. `kind` and `labels` are ours or made by `name_of`."""

    kind: str
    labels: tuple[str, ...] = ()
    items: tuple[Attribute | Block | Comment, ...] = field(default=())


Item = Attribute | Block | Comment
_Run = list[tuple[str, list[str]]]


def attributes(**values: Any) -> tuple[Attribute, ...]:
    """The given values as attributes, without those that are None."""
    return tuple(Attribute(name, value) for name, value in values.items() if value is not None)


def resource(kind: str, name: str, *items: Item) -> Block:
    """`resource "kind" "name" { … }`."""
    return Block("resource", (kind, name), items)


def document(items: Iterable[Item], header: Iterable[str] = ()) -> str:
    """A whole file: comments for its head, then blocks with an empty line between them.

    A comment among the items stands right above the block that follows it.
    """
    lines = [comment(words) for words in header]
    before: Item | None = None
    for item in items:
        if lines and not isinstance(before, Comment):
            lines.append("")
        lines += _item(item)
        before = item
    return "\n".join(lines) + "\n"


def text(value: str) -> str:
    """A value as a quoted HCL string that means exactly `value`."""
    return f'"{_neutral("".join(_character(one) for one in value))}"'


def comment(words: str) -> str:
    """One line that cannot end, turn round or hide anything."""
    shown = "".join(one if one.isprintable() else " " for one in words)
    return f"# {' '.join(shown.split())}".rstrip()


def name_of(*words: str) -> str:
    """An identifier for a resource, from any text: the same for the same, another for another.

    Letters that an identifier or a file cannot have become `_`; a name that loses something by
    that ends with a mark of what it was, so that `a.b` and `a-b` do not meet.
    """
    given = "_".join(words)
    kept = _UNSAFE.sub("_", given.lower()).strip("_")[:_LONGEST_NAME].strip("_")
    if not kept or not kept[0].isalpha():
        kept = f"user_{kept}".strip("_")
    if kept == given and not _MARKED.search(kept):
        return kept
    mark = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{kept}_{mark}"


def body(items: Sequence[Item]) -> list[str]:
    """The lines inside a block, not indented."""
    lines: list[str] = []
    run: _Run = []
    before: Item | None = None
    for item in items:
        if _apart(before, item):
            lines += [*_aligned(run), ""]
            run = []
        if isinstance(item, Attribute):
            run = _put(lines, run, item.name, item.value)
        else:
            lines += [*_aligned(run), *_item(item)]
            run = []
        before = item
    return lines + _aligned(run)


def _put(lines: list[str], run: _Run, name: str, value: Any) -> _Run:
    """Add `name = value` to the run of aligned lines, or end the run and write it out."""
    held = _value(value)
    if len(held) == 1 or isinstance(value, Json):
        return [*run, (name, held)]
    lines += [*_aligned(run), f"{name} = {held[0]}", *held[1:]]
    return []


def _apart(before: Item | None, item: Item) -> bool:
    if before is None or isinstance(before, Comment):
        return False
    return isinstance(item, Block | Comment) or isinstance(before, Block)


def _item(item: Item) -> list[str]:
    if isinstance(item, Comment):
        return [comment(item.words)]
    if isinstance(item, Attribute):
        return body([item])
    head = " ".join([item.kind, *(f'"{label}"' for label in item.labels)])
    inside = body(item.items)
    return [f"{head} {{", *_indented(inside), "}"] if inside else [f"{head} {{}}"]


def _value(value: Any) -> list[str]:
    """A value as one or more lines; the first follows `=`."""
    if isinstance(value, Expression):
        return [value.code]
    if isinstance(value, str):
        return [text(value)]
    if isinstance(value, bool | int):
        return [str(value).lower()]
    if isinstance(value, Json):
        lines = _neutral(json.dumps(value.value, indent=2)).split("\n")
        return ["<<-POLICY", *lines, "POLICY"]
    if isinstance(value, Mapping):
        return _mapping(value)
    return _listed([_value(one) for one in value])


def _listed(values: list[list[str]]) -> list[str]:
    if len(values) < 2 and all(len(one) == 1 for one in values):
        return [f"[{', '.join(one[0] for one in values)}]"]
    lines = [line for one in values for line in [*one[:-1], f"{one[-1]},"]]
    return ["[", *_indented(lines), "]"]


def _mapping(value: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    run: _Run = []
    for key, held in value.items():
        run = _put(lines, run, _key(key), held)
    inside = [*lines, *_aligned(run)]
    return ["{", *_indented(inside), "}"] if inside else ["{}"]


def _aligned(run: _Run) -> list[str]:
    """Lines with their `=` below each other."""
    width = max((len(name) for name, _ in run), default=0)
    return [line for name, value in run for line in (f"{name:<{width}} = {value[0]}", *value[1:])]


def _key(value: str) -> str:
    """A quoted key. The formatter counts what the eye sees, so only plain letters stay as such."""
    return "".join(one if ord(one) < _FIRST_COMBINING else _number(one) for one in text(value))


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _character(one: str) -> str:
    # Also what turns the direction of writing round: a reviewer must see what is there.
    return _ESCAPES.get(one) or (one if one.isprintable() else _number(one))


def _number(one: str) -> str:
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _neutral(value: str) -> str:
    """Without templates: `${` is written `$${`; more signs before it by their number."""

    def escaped(found: re.Match[str]) -> str:
        before, last = found[1][:-1], found[1][-1]
        return "".join(f"\\u{ord(one):04x}" for one in before) + f"{last}{last}{{"

    return _TEMPLATE.sub(escaped, value)
