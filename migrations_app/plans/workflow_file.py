"""A workflow file as YAML nodes that know their lines, and as lines that can be changed. Pure.

A file is changed by its lines: ruamel.yaml says where everything stands, and only the lines that
must change do. Writing the whole document anew would also touch lists such as `[ main ]`, lines
that were folded by hand, and whatever was aligned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

# Where Python and YAML would count lines differently.
_ODD = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029\ufeff]|\r(?!\n)")
_TOO_LONG = 512 * 1024


class LeftAlone(Exception):
    """The file cannot be changed safely. Its text is the reason, for a person to read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: ScalarNode
    value: Node

    @property
    def name(self) -> str:
        return str(self.key.value)

    @property
    def line(self) -> int:
        return int(self.key.start_mark.line)

    @property
    def column(self) -> int:
        return int(self.key.start_mark.column)

    @property
    def text(self) -> str:
        """The value as written, "" unless it is a scalar."""
        return str(self.value.value) if isinstance(self.value, ScalarNode) else ""

    @property
    def one_line(self) -> bool:
        """Whether key and value are a scalar on a single line."""
        same = self.value.end_mark.line == self.line
        return isinstance(self.value, ScalarNode) and same


def read(text: str) -> MappingNode:
    """The document's root. Raises LeftAlone where it is not one plain mapping."""
    if len(text) > _TOO_LONG:
        raise LeftAlone("It is larger than half a megabyte.")
    if _ODD.search(text):
        raise LeftAlone("It holds line breaks or signs that do not belong into a text file.")
    try:
        if any(getattr(event, "anchor", None) for event in YAML(pure=True).parse(text)):
            raise LeftAlone("It uses YAML anchors, so that one change would reach several places.")
        YAML(typ="safe", pure=True).load(text)  # also refuses a key that is there twice
        root = YAML(pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise LeftAlone(f"It is not YAML that can be read{where}.") from error
    if not isinstance(root, MappingNode) or root.flow_style:
        raise LeftAlone("It is not a workflow: a mapping was expected.")
    return root


def nodes(node: Node) -> Iterator[Node]:
    """The node and everything in it, keys included."""
    yield node
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from nodes(key)
            yield from nodes(value)
    elif isinstance(node, SequenceNode):
        for one in node.value:
            yield from nodes(one)


def entries(node: Node | None) -> list[Entry]:
    """The entries of a mapping; none of anything else."""
    if not isinstance(node, MappingNode):
        return []
    return [Entry(key, value) for key, value in node.value if isinstance(key, ScalarNode)]


def entry(node: Node | None, name: str) -> Entry | None:
    return next((one for one in entries(node) if one.name == name), None)


def value(node: Node | None, name: str) -> Node | None:
    found = entry(node, name)
    return None if found is None else found.value


def items(node: Node | None) -> list[Node]:
    return list(node.value) if isinstance(node, SequenceNode) else []


def plain(node: Node | None) -> Any:
    """Mappings, lists and the scalars' own texts."""
    if isinstance(node, MappingNode):
        return {one.name: plain(one.value) for one in entries(node)}
    if isinstance(node, SequenceNode):
        return [plain(one) for one in node.value]
    return None if node is None else str(node.value)


@dataclass
class Lines:
    """A text by its lines, and the changes asked for, told by the numbers of the old lines."""

    text: str
    _lines: list[str] = field(init=False)
    _instead: dict[int, list[str]] = field(default_factory=dict)
    _before: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lines = self.text.splitlines(keepends=True)

    def __getitem__(self, number: int) -> str:
        """A line without its end, as it will be."""
        told = self._instead.get(number, [self._lines[number].rstrip("\r\n")])
        return told[0] if told else ""

    def old(self, number: int) -> str:
        """A line as it was, without its end."""
        return self._lines[number].rstrip("\r\n")

    def __len__(self) -> int:
        return len(self._lines)

    def replace(self, number: int, *lines: str) -> None:
        """Put these lines in the place of one; none removes it."""
        self._instead[number] = list(lines)

    def insert(self, number: int, *lines: str) -> None:
        """Put these lines before one; `number` may be one past the last."""
        self._before.setdefault(number, []).extend(lines)

    def above_comments(self, number: int) -> int:
        """The first of the comment lines that stand directly above a line, or the line."""
        while number > 0 and self._lines[number - 1].lstrip().startswith("#"):
            number -= 1
        return number

    def blank(self, number: int) -> bool:
        return 0 <= number < len(self._lines) and not self._lines[number].strip()

    def changed(self) -> str:
        """The text with all the changes; line ends as the file has them."""
        end = "\r\n" if "\r\n" in self.text else "\n"
        found: list[str] = []
        for number, old in enumerate(self._lines):
            found += [f"{line}{end}" for line in self._before.get(number, [])]
            if number in self._instead:
                last = old[len(old.rstrip("\r\n")) :]
                found += [f"{line}{last or end}" for line in self._instead[number]]
            else:
                found.append(old)
        extra = self._before.get(len(self._lines), [])
        if extra and found and not found[-1].endswith("\n"):
            found[-1] += end
        return "".join([*found, *(f"{line}{end}" for line in extra)])
