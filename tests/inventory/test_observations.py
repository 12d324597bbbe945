"""The pure comparison of two looks at a user, and the sentences it ends in."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.observation_words import WORDS, brief, counted, told
from inventory.observations import (
    CREDENTIALS,
    DETAILS,
    LISTING,
    SERVICES,
    Kind,
    compare,
    compare_root,
    earlier_names,
)

QUIET: dict[str, Any] = {
    "policies": [],
    "inline": {},
    "groups": [],
    "boundary": "",
    "tags": {},
    "privilege": "none",
}


def kinds(part: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [seen.kind.value for seen in compare(part, before, after)]


def test_every_kind_has_its_words() -> None:
    assert set(WORDS) == set(Kind)
    assert all(told(kind, {}) and counted(kind, 2).startswith("2 ") for kind in Kind)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("", "a", "boundary-set"),
        ("a", "b", "boundary-changed"),
        ("a", "", "boundary-removed"),
    ],
)
def test_a_boundary_comes_changes_and_goes(old: str, new: str, kind: str) -> None:
    assert kinds(DETAILS, {**QUIET, "boundary": old}, {**QUIET, "boundary": new}) == [kind]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("write", "admin", ["privilege-rose"]),
        ("none", "read", ["privilege-rose"]),
        ("", "read", []),
        ("admin", "write", []),
        ("read", "a level of some later version", []),
    ],
)
def test_rights_are_told_when_they_rise(old: str, new: str, expected: list[str]) -> None:
    assert kinds(DETAILS, {**QUIET, "privilege": old}, {**QUIET, "privilege": new}) == expected


def test_tags_are_told_by_their_keys_and_never_by_their_values() -> None:
    before = {**QUIET, "tags": {"owner": "mail-of-a-person", "kept": "1"}}
    (seen,) = compare(DETAILS, before, {**QUIET, "tags": {"owner": "another", "kept": "1"}})
    assert seen.params == {"keys": ["owner"]}


def test_a_policy_put_again_with_another_document_is_a_change_of_it() -> None:
    before = {**QUIET, "inline": {"kept": "1", "changed": "2", "old": "3"}}
    after = {**QUIET, "inline": {"kept": "1", "changed": "9", "new": "3"}}
    found = [(seen.kind.value, seen.what) for seen in compare(DETAILS, before, after)]
    assert found == [
        ("inline-changed", "changed"),
        ("inline-put", "new"),
        ("inline-deleted", "old"),
    ]


def test_an_expired_credential_was_not_made_inactive_by_anybody() -> None:
    key = {"kind": "service-specific", "status": "Active", "at": ""}
    (seen,) = compare(
        SERVICES, {"keys": {"ACCA1": key}}, {"keys": {"ACCA1": key | {"status": "Expired"}}}
    )
    assert told(seen.kind, {"what": seen.what, **seen.params}) == (
        "its service-specific credential ACCA1 expire"
    )


def test_a_new_key_that_is_inactive_already_says_so() -> None:
    nothing = {"password": False, "mfa": {}, "keys": {}}
    key = {"kind": "access-key", "status": "Inactive", "at": "2026-03-06T08:00:00+00:00"}
    (seen,) = compare(CREDENTIALS, nothing, {**nothing, "keys": {"AKIA1": key}})
    assert told(seen.kind, {"what": seen.what, **seen.params}) == (
        "a new access key AKIA1, inactive"
    )
    assert seen.aws_at is not None


def test_nothing_is_told_of_equal_looks() -> None:
    assert kinds(DETAILS, QUIET, dict(QUIET)) == []
    assert kinds(LISTING, {"name": "a", "path": "/"}, {"name": "a", "path": "/"}) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"keys": 0, "mfa": True}, {"keys": 1, "mfa": True}, ["root-key-made"]),
        (
            {"keys": 1, "mfa": True},
            {"keys": 0, "mfa": False},
            ["root-key-gone", "root-mfa-removed"],
        ),
        ({"keys": 0, "mfa": False}, {"keys": 0, "mfa": True}, ["root-mfa-added"]),
        ({"keys": 0, "mfa": True}, {}, []),
        ({}, {"keys": 2, "mfa": False}, []),
    ],
)
def test_root_is_compared_only_where_both_looks_read_it(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    assert [seen.kind.value for seen in compare_root(before, after)] == expected


@pytest.mark.parametrize(
    ("known", "old", "new", "expected"),
    [
        ([], "ci", "ci-old", ["ci"]),
        (["ci"], "ci-old", "ci-older", ["ci", "ci-old"]),
        # Another spelling is the same name to IAM.
        ([], "CI", "ci", []),
        (["ci"], "CI-old", "ci-OLD", ["ci"]),
        # Renamed back: today's name is no earlier one.
        (["ci"], "ci-old", "ci", ["ci-old"]),
    ],
)
def test_earlier_names_are_kept_once_and_without_spellings(
    known: list[str], old: str, new: str, expected: list[str]
) -> None:
    assert earlier_names(known, old, new) == expected


def test_long_text_from_aws_is_shortened_and_never_formatted_again() -> None:
    assert told("group-joined", {"what": "{was}"}) == "it join group {was}"
    assert len(told("group-joined", {"what": "x" * 5_000})) < 250
    assert told("renamed", {}) == "it renamed from ? to ?"
    assert brief("appeared", {"rights": ", with admin rights"}) == "with admin rights"


def test_counts_are_said_in_words() -> None:
    assert counted(Kind.APPEARED, 1) == "1 new user"
    assert counted(Kind.KEY_ACTIVE, 2) == "2 keys turned active again"
