"""Atlassian Document Format, as far as we may use it; the rest is refused as Jira refuses it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


class Refused(Exception):
    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}


CHILDREN = {"doc": {"paragraph", "bulletList"}, "bulletList": {"listItem"}}
CHILDREN |= {"listItem": {"paragraph", "bulletList"}, "paragraph": {"text"}}


def check_document(document: Any, name: str) -> None:
    if not isinstance(document, dict) or document.get("type") != "doc":
        raise Refused(400, **{name: "Operation value must be an Atlassian Document"})
    if document.get("version") != 1 or set(document) != {"type", "version", "content"}:
        raise Refused(400, "INVALID_INPUT")
    if len(json.dumps(document, ensure_ascii=False)) > 32_767:
        raise Refused(400, **{name: "CONTENT_LIMIT_EXCEEDED"})
    check_node({key: value for key, value in document.items() if key != "version"})


def check_node(node: Any) -> None:
    kind = node.get("type")
    if kind == "text":
        check_text(node)
        return
    if kind not in CHILDREN or set(node) != {"type", "content"}:
        raise Refused(400, "INVALID_INPUT")
    if kind in {"bulletList", "listItem"} and not node["content"]:
        raise Refused(400, "INVALID_INPUT")
    for child in node["content"]:
        if child.get("type") not in CHILDREN[kind]:
            raise Refused(400, "INVALID_INPUT")
        check_node(child)


def check_text(node: Any) -> None:
    text = node.get("text")
    if set(node) - {"type", "text", "marks"} or not isinstance(text, str) or not text:
        raise Refused(400, "INVALID_INPUT")
    kinds = [mark["type"] for mark in node.get("marks", [])]
    if len(kinds) != len(set(kinds)) or not set(kinds) <= {"strong", "code", "link"}:
        raise Refused(400, "INVALID_INPUT")
    # A code mark goes with a link and with nothing else.
    if {"code", "strong"} <= set(kinds):
        raise Refused(400, "INVALID_INPUT")
    for mark in node.get("marks", []):
        if mark["type"] == "link" and not re.match(r"https?://", mark["attrs"]["href"]):
            raise Refused(400, "INVALID_INPUT")


def texts(node: Any) -> Iterator[str]:
    """The text nodes of a document."""
    if node["type"] == "text":
        yield node["text"]
    for child in node.get("content", []):
        yield from texts(child)
