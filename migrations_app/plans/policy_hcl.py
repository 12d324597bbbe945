"""A policy as Terraform's `aws_iam_policy_document`, with the reasons as comments. Pure.

JSON has no comments, so this is where a reviewer reads why a statement is there; it renders to the
same document as the JSON file beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from migrations_app.plans import hcl
from migrations_app.plans.hcl import Attribute, Block, Comment, Expression, Item
from migrations_app.plans.statements import Statement

KIND = "aws_iam_policy_document"


def block(name: str, statements: Iterable[Statement]) -> Block:
    """`data "aws_iam_policy_document" "name"`."""
    return Block("data", (KIND, name), tuple(_items(statements)))


def lines(statement: Statement) -> str:
    """One statement with its reasons, as it stands in a document of its own or of a target."""
    return "\n".join(f"  {one}" if one else "" for one in hcl.body(list(_items([statement]))))


def reference(name: str) -> Expression:
    """The document's JSON, for the resource that uses it."""
    return Expression(f"data.{KIND}.{name}.json")


def _items(statements: Iterable[Statement]) -> Iterator[Item]:
    for one in statements:
        yield from (Comment(why) for why in one.why)
        yield Block("statement", (), tuple(_statement(one)))


def _statement(one: Statement) -> Iterator[Item]:
    yield Attribute("sid", one.sid)
    yield Attribute("effect", one.effect)
    for name in ("actions", "not_actions", "resources", "not_resources"):
        if values := getattr(one, name):
            yield Attribute(name, list(values))
    for test in one.conditions:
        yield Block(
            "condition",
            (),
            (
                Attribute("test", test.operator),
                Attribute("variable", test.key),
                Attribute("values", list(test.values)),
            ),
        )


def why(statements: Iterable[Statement]) -> str:
    """The same reasons beside the JSON file, by the statements' ids; JSON takes no comments."""
    told = {one.sid: list(one.why) for one in statements if one.why}
    return json.dumps(told, indent=2, ensure_ascii=True) + "\n"
