"""YAML with its lines: a declared document as sections that check what is asked of them.

Only YAML's node tree is built, never an object from a tag, so a hostile file can do no more than
be refused. Every mistake is collected with its line, so that a person mends the file once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from inventory.refusals import Refused

LONGEST_DOCUMENT = 2_000_000
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(
    _TAG + name for name in ("str", "timestamp", "map", "seq", "bool", "int", "null")
)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong in one line (counted from 1)."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.text}"


class BadDocument(Refused):
    """The document cannot be applied; `reasons` name every mistake with its line."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        super().__init__(*map(str, self.mistakes))


def root(text: str) -> Section:
    """The whole document as a section; BadDocument where it is no YAML mapping at all."""
    if len(text) > LONGEST_DOCUMENT:
        raise BadDocument([Mistake(1, "The file is longer than 2 MB.")])
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadDocument([Mistake(mark.line + 1 if mark else 1, f"{error.problem}.")]) from error
    except YAMLError as error:
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        raise BadDocument([Mistake(line, "The file holds a character YAML forbids.")]) from error
    except RecursionError as error:
        raise BadDocument([Mistake(1, "The file is nested too deep.")]) from error
    if not isinstance(node, MappingNode):
        raise BadDocument([Mistake(1, "The file must be a mapping that begins with accounts.")])
    return Section(node, "the file", [])


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _is(node: Node, *names: str) -> bool:
    return str(node.tag) in {_TAG + name for name in names}


class Section:
    """A mapping of the document. Asking for a key checks it; `close` refuses the unknown ones."""

    def __init__(self, node: MappingNode, name: str, mistakes: list[Mistake]) -> None:
        self.name, self.mistakes, self.line = name, mistakes, _line(node)
        self._asked: set[str] = set()
        self._values: dict[str, Node] = {}
        self._lines: dict[str, int] = {}
        for key, value in node.value:
            name_of_key = str(key.value) if isinstance(key, ScalarNode) else "a key"
            if name_of_key in self._values:
                first = self._lines[name_of_key]
                self.wrong(_line(key), f"“{name_of_key}” stands twice, first in line {first}.")
                continue
            self._lines[name_of_key] = _line(key)
            self._values[name_of_key] = value

    def wrong(self, line: int, text: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(line, text))

    def has(self, key: str) -> bool:
        """Whether the key stands here with a value."""
        return self._node(key) is not None

    def names(self) -> list[str]:
        """Every key of a section whose keys are free, like tag names."""
        self._asked |= set(self._values)
        return list(self._values)

    def line_of(self, key: str) -> int:
        """The line of a key, or of the section where the key is left out."""
        return self._lines.get(key, self.line)

    def close(self) -> None:
        """Refuse every key that was never asked for."""
        for key in self._values.keys() - self._asked:
            known = ", ".join(sorted(self._asked))
            self.wrong(self._lines[key], f"“{key}” is not known in {self.name}. Known are {known}.")

    def _node(self, key: str) -> Node | None:
        self._asked.add(key)
        node = self._values.get(key)
        if node is None or _is(node, "null"):
            return None
        if str(node.tag) not in _PLAIN and not _is(node, "float"):
            self.wrong(_line(node), f"“{key}” bears a tag; write a plain value.")
            return None
        return node

    def text(self, key: str, default: str = "", *, like: str = "", what: str = "") -> str:
        """A text, whole against the pattern `like`, which `what` says in words."""
        node = self._node(key)
        if node is None:
            return default
        return self._text_of(node, key, like, what) or default

    def _text_of(self, node: Node, key: str, like: str = "", what: str = "") -> str:
        if not isinstance(node, ScalarNode) or not _is(node, "str", "timestamp"):
            self.wrong(_line(node), f"“{key}” must be a text; put it in quotes.")
            return ""
        value = str(node.value)
        if like and not re.fullmatch(like, value, re.ASCII):
            self.wrong(_line(node), f"“{value}” is no {what or key}.")
            return ""
        return value

    def needed(self, key: str, *, like: str = "", what: str = "") -> str:
        """A text that has no default."""
        if not self.has(key):
            self.wrong(self.line_of(key), f"{self.name} needs “{key}”.")
            return ""
        return self.text(key, like=like, what=what)

    def parsed(self, key: str, parse: Callable[[str], Value]) -> Value | None:
        """A text as `parse` understands it; its ValueError becomes the mistake."""
        value = self.text(key)
        if not value:
            return None
        try:
            return parse(value)
        except ValueError as error:
            self.wrong(self.line_of(key), str(error))
            return None

    def date(self, key: str) -> date | None:
        """A day like 2027-06-30."""
        value = self.text(key)
        if not value:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.wrong(self.line_of(key), f"“{value}” is no date; write it like 2027-06-30.")
            return None

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        node = self._node(key)
        if node is None:
            return default
        value = str(node.value) if isinstance(node, ScalarNode) and _is(node, "int") else ""
        if not value.isdecimal() or not low <= int(value) <= high:
            self.wrong(_line(node), f"“{key}” must be a whole number from {low} to {high}.")
            return default
        return int(value)

    def flag(self, key: str) -> bool:
        """true or false; false where it is left out."""
        node = self._node(key)
        if node is None:
            return False
        if not isinstance(node, ScalarNode) or not _is(node, "bool"):
            self.wrong(_line(node), f"“{key}” must be true or false.")
            return False
        return str(node.value).lower() == "true"

    def section(self, key: str, name: str = "") -> Section | None:
        """A mapping under a key; None where it is left out."""
        node = self._node(key)
        if node is None:
            return None
        if not isinstance(node, MappingNode):
            self.wrong(_line(node), f"“{key}” must hold keys and values.")
            return None
        return Section(node, name or key, self.mistakes)

    def sections(self, key: str, name: str) -> Iterator[Section]:
        """The mappings of a list under a key."""
        for node in self._list(key):
            if isinstance(node, MappingNode):
                yield Section(node, name, self.mistakes)
            else:
                self.wrong(_line(node), f"Each of “{key}” must hold keys and values.")

    def texts(
        self, key: str, *, like: str = "", what: str = "", check: Callable[[str], str] | None = None
    ) -> tuple[str, ...]:
        """The texts of a list under a key; `check` returns what is wrong with one, or nothing."""
        found: list[str] = []
        for node in self._list(key):
            value = self._text_of(node, key, like, what)
            if value in found:
                self.wrong(_line(node), f"“{value}” stands twice in “{key}”.")
            elif value and check and (wrong := check(value)):
                self.wrong(_line(node), wrong)
            elif value:
                found.append(value)
        return tuple(found)

    def is_text(self, key: str, value: str) -> bool:
        """Whether the key holds exactly this text, as `regions: all` does."""
        node = self._node(key)
        return isinstance(node, ScalarNode) and node.value == value

    def _list(self, key: str) -> list[Node]:
        node = self._node(key)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.wrong(_line(node), f"“{key}” must be a list.")
            return []
        return list(node.value)
