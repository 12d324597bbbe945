"""What is different between two looks at Identity Center is said in sentences, with an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inventory.center_changes import MOST, Content, changes

PROD = "123456789012"


def group(key: str, name: str, *members: str, external: str = "00g") -> dict[str, Any]:
    return {"id": key, "name": name, "external_id": external, "members": list(members)}


def person(key: str, *, active: bool = True) -> dict[str, Any]:
    return {"id": key, "active": active}


def given(principal: str) -> dict[str, Any]:
    return {"set_arn": "arn:dev", "account_id": PROD, "principal_id": principal}


DEV = {"arn": "arn:dev", "name": "Dev", "inline": None}
BEFORE = Content(
    [person("n"), person("t")], [group("g1", "eng", "n", "t")], [DEV], [given("g1"), given("n")]
)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (BEFORE, []),
        (replace(BEFORE, groups=[group("g2", "Eng")]), ["Group Eng has another ID than before."]),
        (replace(BEFORE, groups=[]), ["Group eng is gone."]),
        (
            replace(BEFORE, groups=[*BEFORE.groups, group("g2", "ops")]),
            ["Group ops is new."],
        ),
        (
            replace(BEFORE, groups=[group("g1", "devs", "n", "x", external="00h")]),
            [
                "Group eng is called devs now.",
                "Group devs has another ID at the identity provider.",
                "Group devs: 1 joined, 1 left.",
            ],
        ),
        (
            replace(BEFORE, permission_sets=[DEV | {"inline": {}}]),
            ["Permission set Dev was changed."],
        ),
        (replace(BEFORE, permission_sets=[]), ["Permission set Dev is gone."]),
        (
            replace(BEFORE, assignments=[given("g3")]),
            [
                f"Dev in {PROD} was given once.",
                f"Dev in {PROD} was taken away 2 times.",
            ],
        ),
        (
            replace(BEFORE, people=[person("n", active=False), person("x")]),
            [
                "1 person came into the directory.",
                "1 person left the directory.",
                "1 person was disabled in the directory.",
            ],
        ),
    ],
)
def test_each_difference_is_a_sentence(after: Content, told: list[str]) -> None:
    assert changes(BEFORE, after) == told


def test_many_differences_are_counted() -> None:
    groups = [group(f"g{number}", f"team {number}") for number in range(2, MOST + 12)]
    told = changes(BEFORE, replace(BEFORE, groups=[*BEFORE.groups, *groups]))
    assert (len(told), told[-1]) == (MOST + 1, "10 more changes.")
