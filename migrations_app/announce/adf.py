"""A message as documents of Jira: Atlassian Document Format, each below Jira's limit.

Foreign text goes into text nodes, where nothing is markup, a mention or a link. The only links are
our own pages and the declared dashboards. What does not fit into one document goes on in the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from migrations_app.announce.message import Line, Link, Message
from migrations_app.announce.plain import shortened, visible, web_address

Node = dict[str, Any]

# Jira's limit is in characters of a description or comment. Counting the JSON, escapes included,
# is more than it can count. The rest is room for the note that more follows.
LIMIT = 32_767
_ROOM = LIMIT - 500
# In JSON a character takes twelve at most, so a piece, and three parts of a line, fit anywhere.
_PIECE = 2_000
_PART = 700
_GOES_ON = "The list goes on in the comments."


def documents(message: Message) -> list[Node]:
    """The whole message, in one document or in as many as it takes."""
    documents: list[list[Node]] = [[]]
    size = 0
    for block in _blocks(message):
        weight = len(json.dumps(block)) + 60
        if documents[-1] and size + weight > _ROOM:
            documents.append([])
            size = 0
        documents[-1].append(block)
        size += weight
    return [_document(blocks) for blocks in documents]


def description(message: Message) -> Node:
    """The first document, which says so when there are more."""
    first, *more = documents(message)
    if more:
        first["content"].append(_paragraph([_text(_GOES_ON)]))
    return first


def as_text(document: Node) -> str:
    """A document as a person reads it."""
    lines = []
    for block in document["content"]:
        items = block["content"] if block["type"] == "bulletList" else [block]
        mark = "- " if block["type"] == "bulletList" else ""
        lines += [mark + "".join(_read(item)) for item in items]
    return "\n".join(lines)


def _read(node: Node) -> Iterator[str]:
    if node["type"] == "text":
        yield node["text"]
        for mark in node.get("marks", ()):
            if mark["type"] == "link":
                yield f" <{mark['attrs']['href']}>"
    for child in node.get("content", ()):
        yield from _read(child)


def _blocks(message: Message) -> Iterator[Node]:
    """Paragraphs and list items, in reading order."""
    for piece in _pieces(message.title or "IAM Cleanup"):
        yield _paragraph([_text(piece, {"type": "strong"})])
    for paragraph in message.paragraphs:
        # White space at the ends is dropped, so that every text node has something to show.
        for line in visible(paragraph, lines=True).split("\n"):
            for piece in _pieces(line):
                yield _paragraph([_text(piece)])
    if message.button:
        yield from _link(message.button)
    for user in message.users:
        yield {"type": "listItem", "content": [_paragraph(list(_line(user)))]}
    for link in message.links:
        yield from _link(link)


def _document(blocks: Iterable[Node]) -> Node:
    content: list[Node] = []
    for kind, group in groupby(blocks, key=lambda block: block["type"]):
        items = list(group)
        content += [{"type": "bulletList", "content": items}] if kind == "listItem" else items
    return {"type": "doc", "version": 1, "content": content}


def _line(user: Line) -> Iterator[Node]:
    yield _text(shortened(visible(user.name), _PART) or "?", {"type": "code"}, *_to(user.url))
    if user.account:
        yield _text(f" ({shortened(visible(user.account), _PART)})")
    if user.text:
        yield _text(f": {shortened(visible(user.text), _PART)}")


def _link(link: Link) -> Iterator[Node]:
    text = shortened(visible(link.text), _PIECE) or web_address(link.url)
    if text:
        yield _paragraph([_text(text, *_to(link.url))])


def _to(url: str) -> list[Node]:
    address = web_address(url)
    return [{"type": "link", "attrs": {"href": address}}] if address else []


def _pieces(text: str) -> Iterator[str]:
    """The text as one line, in pieces that fit anywhere."""
    line = visible(text)
    for start in range(0, len(line), _PIECE):
        yield line[start : start + _PIECE]


def _paragraph(content: list[Node]) -> Node:
    return {"type": "paragraph", "content": content}


def _text(text: str, *marks: Node) -> Node:
    node: Node = {"type": "text", "text": text}
    if marks:
        node["marks"] = list(marks)
    return node
