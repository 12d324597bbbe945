"""Documents stay within AWS's sizes, and lose nothing by being cut."""

from __future__ import annotations

import json
import re

from migrations_app.plans import statements
from migrations_app.plans.statements import INLINE, MANAGED, Statement


def sized(characters: int, sid: str = "A") -> Statement:
    """A statement whose document has exactly so many characters."""
    bare = Statement(sid, actions=("s3:GetObject",), resources=("",))
    return Statement(
        sid, actions=bare.actions, resources=("x" * (characters - statements.size((bare,))),)
    )


def test_a_size_is_what_aws_counts() -> None:
    one = Statement("A", actions=("s3:GetObject",), resources=("a b",))
    text = statements.written(statements.document([one]))
    assert statements.size((one,)) == len(re.sub(r"\s", "", text))


def test_a_document_at_the_limit_is_one_and_above_it_is_two() -> None:
    for limit in (MANAGED, INLINE):
        assert len(statements.split([sized(limit)], limit)) == 1
        small = Statement("B", actions=("a:B",), resources=("*",))
        rest = (
            limit - statements.size((small,)) - 1 + len('{"Version":"2012-10-17","Statement":[]}')
        )
        assert statements.size((sized(rest), small)) == limit
        assert len(statements.split([sized(rest), small], limit)) == 1
        assert len(statements.split([sized(rest + 1), small], limit)) == 2
    assert statements.split([], MANAGED) == ()


def test_a_statement_too_large_by_itself_is_cut_and_loses_nothing() -> None:
    actions = tuple(f"ec2:Action{number:04}" for number in range(900))
    parts = statements.split([Statement("A", actions=actions, resources=("*",))], MANAGED)
    assert len(parts) > 1
    assert all(statements.size(part) <= MANAGED for part in parts)
    assert tuple(action for part in parts for one in part for action in one.actions) == actions
    sids = [one.sid for part in parts for one in part]
    assert len(set(sids)) == len(sids)


def test_resources_are_cut_too() -> None:
    resources = tuple(f"arn:aws:s3:::bucket-{number:04}/*" for number in range(400))
    parts = statements.split([Statement("A", actions=("s3:x",), resources=resources)], MANAGED)
    assert all(statements.size(part) <= MANAGED for part in parts)
    assert tuple(each for part in parts for one in part for each in one.resources) == resources


def test_what_cannot_be_cut_stands_alone() -> None:
    large = Statement("A", "Deny", not_actions=("x" * MANAGED,), resources=("*",))
    small = Statement("B", actions=("a:b",), resources=("*",))
    assert statements.split([small, large, small], MANAGED) == ((small,), (large,), (small,))


def test_text_in_a_document_is_plain_ascii() -> None:
    one = Statement("A", actions=("a:b",), resources=("é\u202e",))
    text = statements.written(statements.document([one]))
    assert text.isascii()
    assert json.loads(text)["Statement"][0]["Resource"] == ["é\u202e"]
