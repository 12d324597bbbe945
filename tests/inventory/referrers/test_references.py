"""What blocks a deletion and what only warns, in words that a person can act on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory.referrers.principals import Directory, Known
from inventory.referrers.references import (
    AccessEntry,
    HeldPolicy,
    Reference,
    TrustedBy,
    arranged,
    of_access_entry,
    of_account,
    of_resource,
    sentence,
)

NOW = datetime(2025, 3, 6, tzinfo=UTC)
ARN, USER_ID = "arn:aws:iam::123456789012:user/ci", "AIDA1234567890123456"
DIRECTORY = Directory([Known(USER_ID, ARN, "ci", {"team": "payments"})])


def allow(principal: Any, action: str = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    one = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return {"Statement": [one]}


def trusted(document: dict[str, Any], used: timedelta | None) -> Reference:
    role = TrustedBy("deployer", document, NOW - used if used is not None else None)
    (found,) = of_account([role], [], DIRECTORY, NOW)[USER_ID]
    return found


@pytest.mark.parametrize("principal", [ARN, USER_ID, [ARN, "AIDALEFTLONGAGO00003"]])
def test_the_only_principal_of_a_role_in_use_blocks(principal: Any) -> None:
    found = trusted(allow({"AWS": principal}), timedelta(days=3))
    assert found.blocks
    assert found.text == "Role trust policy, its only principal, last assumed 03 Mar 2025"


def test_a_role_that_a_condition_keeps_for_one_user_blocks() -> None:
    only = {"ArnEquals": {"aws:PrincipalArn": ARN}}
    root = {"AWS": "arn:aws:iam::123456789012:root"}
    assert trusted(allow(root, Condition=only), timedelta(days=89)).blocks


@pytest.mark.parametrize(
    ("document", "used"),
    [
        (allow({"AWS": ARN, "Service": "ec2.amazonaws.com"}), timedelta(days=3)),
        (allow({"AWS": ARN}), timedelta(days=90)),
        (allow({"AWS": ARN}), None),
    ],
)
def test_other_trust_policies_only_warn(document: dict[str, Any], used: timedelta | None) -> None:
    assert not trusted(document, used).blocks


def test_a_role_that_matches_by_a_tag_is_not_one_that_trusts_this_user() -> None:
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "payments"}}
    found = trusted(allow("*", Condition=tagged), timedelta(days=1))
    assert (found.kind, found.blocks) == ("role-mention", False)
    assert "by its tag team=payments" in found.text


def test_a_role_that_denies_it_is_not_one_that_trusts_it() -> None:
    document = {"Statement": [{"Effect": "Deny", "Principal": {"AWS": ARN}, "Action": "*"}]}
    assert trusted(document, timedelta(days=1)).kind == "role-mention"


def test_an_identity_policy_that_names_it_as_a_resource_warns() -> None:
    deny = {"Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": ARN}]}
    found = of_account([], [HeldPolicy("ops/guard", deny)], DIRECTORY, NOW)[USER_ID]
    assert [(one.kind, one.name, one.blocks) for one in found] == [
        ("identity-policy", "ops/guard", False)
    ]


def test_what_a_user_says_of_itself_ends_with_it() -> None:
    own = {"Statement": [{"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": ARN}]}
    assert of_account([], [HeldPolicy("ci/self", own, USER_ID)], DIRECTORY, NOW) == {}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (allow({"AWS": ARN}), "Bucket policy, will hold a dead AIDA… ID"),
        (
            allow("*", Condition={"StringEquals": {"aws:userid": USER_ID}}),
            "Bucket policy, names it in a condition on aws:userid",
        ),
        (
            allow("*", Condition={"ArnEquals": {"aws:PrincipalArn": ARN}}),
            "Bucket policy, names it in a condition on aws:PrincipalArn; a new user of that name "
            "matches again",
        ),
        (
            {"Statement": [{"Effect": "Deny", "NotPrincipal": {"AWS": ARN}, "Action": "*"}]},
            "Bucket policy, keeps out everybody but it",
        ),
    ],
)
def test_a_resource_policy_warns(document: dict[str, Any], text: str) -> None:
    found = of_resource("bucket", "acme", "eu-west-1", document, DIRECTORY)[USER_ID]
    assert (found.text, found.blocks, found.region) == (text, False, "eu-west-1")


def test_only_a_key_can_lose_its_administrator() -> None:
    everything = allow({"AWS": ARN}, "*")
    blocks = {
        kind: of_resource(kind, "x", "eu-west-1", everything, DIRECTORY)[USER_ID].blocks
        for kind in ("bucket", "queue", "topic", "key", "secret")
    }
    assert blocks == {
        "bucket": False,
        "queue": False,
        "topic": False,
        "key": True,
        "secret": False,
    }


@pytest.mark.parametrize(
    ("policies", "groups", "blocks"),
    [
        (("AmazonEKSClusterAdminPolicy",), (), True),
        ((), ("system:masters",), True),
        (("AmazonEKSAdminPolicy",), (), False),
        (("AmazonEKSViewPolicy",), ("readers",), False),
        ((), (), False),
    ],
)
def test_a_cluster_admin_entry_blocks(
    policies: tuple[str, ...], groups: tuple[str, ...], blocks: bool
) -> None:
    entry = AccessEntry(ARN, policies, groups)
    assert of_access_entry("prod", "eu-west-1", entry).blocks is blocks


def test_hostile_text_is_cut_and_loses_its_nul_characters() -> None:
    row = Reference("bucket", "a\x00b" + "c" * 900, "x").row()
    assert row["name"].startswith("abccc")
    assert len(row["name"]) == 300


def test_what_blocks_stands_first_and_each_resource_once() -> None:
    rows = [
        Reference("bucket", "a", "old", region="eu-west-1").row(),
        Reference("queue", "q", "x", blocks=True).row(),
        Reference("bucket", "a", "new", region="eu-west-1").row(),
    ]
    assert [(one["name"], one["text"]) for one in arranged(rows)] == [("q", "x"), ("a", "new")]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("role-trust", "Role x trusts nobody but ci, and is in use."),
        ("key", "ci is the only administrator of KMS key x."),
        ("cluster", "ci is a cluster admin of x."),
        ("cloudformation", "ci is still declared in the CloudFormation stack x."),
        ("declared", "ci is still declared in x: the next apply makes it again."),
    ],
)
def test_what_blocks_says_so_in_a_sentence(kind: str, said: str) -> None:
    assert sentence({"kind": kind, "name": "x"}, "ci") == said
