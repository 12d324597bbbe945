"""What the session of one change is narrowed to, statement by statement, and when it is widened."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from inventory.aws.holdings import MfaDevice
from migrations_app import aws
from migrations_app.aws import DELETE, FENCE, RESTORE, SHUT
from tests.migrations_app.test_aws_plan import ACCOUNT, ADA, AT, BARE, DENY, VIRTUAL

LOOKS = {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"}


def allowed(action: object, resource: object, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def only(action: str, key: str, value: str, test: str = "StringEquals") -> dict[str, Any]:
    return allowed(f"iam:{action}", ADA.arn, Condition={test: {f"iam:{key}": value}})


ATTACH = only("AttachUserPolicy", "PolicyARN", DENY, "ArnEquals")
DETACH = only("DetachUserPolicy", "PolicyARN", DENY, "ArnEquals")
BOUNDARY = "PermissionsBoundary"


@pytest.mark.parametrize("boundary", ["", "arn:aaa"])
def test_the_session_of_a_fence_whole(boundary: str) -> None:
    assert aws.session_policy((*FENCE, *SHUT), replace(ADA, boundary=boundary)) == {
        "Version": "2012-10-17",
        "Statement": [
            LOOKS,
            allowed(
                [
                    "iam:DeleteLoginProfile",
                    "iam:UpdateAccessKey",
                    "iam:UpdateSSHPublicKey",
                    "iam:UpdateServiceSpecificCredential",
                    "iam:UpdateSigningCertificate",
                ],
                ADA.arn,
            ),
            ATTACH,
            only("PutUserPermissionsBoundary", BOUNDARY, DENY),
        ],
    }


def test_the_session_of_a_fence_alone_changes_nothing_else() -> None:
    put = only("PutUserPermissionsBoundary", BOUNDARY, DENY)
    assert aws.session_policy(FENCE, ADA)["Statement"] == [LOOKS, ATTACH, put]


@pytest.mark.parametrize("boundary", ["", "arn:old"])
def test_the_session_of_a_restore_whole(boundary: str) -> None:
    put = only("PutUserPermissionsBoundary", BOUNDARY, boundary)
    assert aws.session_policy(RESTORE, replace(ADA, boundary=boundary))["Statement"] == [
        LOOKS,
        allowed(
            [
                "iam:UpdateAccessKey",
                "iam:UpdateSSHPublicKey",
                "iam:UpdateServiceSpecificCredential",
                "iam:UpdateSigningCertificate",
            ],
            ADA.arn,
        ),
        only("DeleteUserPermissionsBoundary", BOUNDARY, DENY),
        DETACH,
        # Without an old boundary there is none that could be put.
        *([put] if boundary else []),
    ]


def test_the_session_of_a_deletion_whole() -> None:
    groups = [
        f"{ACCOUNT}:group/developers",
        f"{ACCOUNT}:group/*/developers",
        f"{ACCOUNT}:group/ops",
        f"{ACCOUNT}:group/*/ops",
    ]
    assert aws.session_policy(DELETE, ADA)["Statement"] == [
        LOOKS,
        allowed(
            [
                "iam:DeactivateMFADevice",
                "iam:DeleteAccessKey",
                "iam:DeleteLoginProfile",
                "iam:DeleteSSHPublicKey",
                "iam:DeleteServiceSpecificCredential",
                "iam:DeleteSigningCertificate",
                "iam:DeleteUser",
                "iam:DeleteUserPolicy",
                "iam:DetachUserPolicy",
            ],
            ADA.arn,
        ),
        allowed("iam:RemoveUserFromGroup", groups),
        allowed("iam:DeleteVirtualMFADevice", [VIRTUAL]),
    ]


def test_a_session_names_no_group_and_no_device_where_there_is_none() -> None:
    bare = aws.session_policy(DELETE, BARE)["Statement"]
    assert len(bare) == 2
    shut = aws.session_policy(SHUT, ADA)["Statement"]
    assert len(shut) == 2


def resources(policy: dict[str, Any]) -> list[Any]:
    return [one["Resource"] for one in policy["Statement"][1:]]


@pytest.mark.parametrize(
    ("path", "groups", "device", "widened"),
    [
        (1, 1, 1, ("user", "groups", "device")),
        (1, 10, 1, ("user", "any group", "device")),
        (1000, 10, 512, ("user", "any group", "any device")),
        (1500, 10, 512, ("any path", "any group", "any device")),
    ],
)
def test_a_session_is_widened_in_order_and_no_further_than_it_must(
    path: int, groups: int, device: int, widened: tuple[str, str, str]
) -> None:
    serial = f"{ACCOUNT}:mfa/{'d' * device}"
    one = replace(
        ADA,
        arn=f"{ACCOUNT}:user/{'p' * path}/ada",
        groups=tuple(f"{number}{'g' * 110}" for number in range(groups)),
        mfa=(MfaDevice(serial, "virtual", AT),),
    )
    policy = aws.session_policy(DELETE, one)
    user, of_groups, of_devices = resources(policy)
    assert user == {"user": one.arn, "any path": f"{ACCOUNT}:user/*/ada"}[widened[0]]
    assert (of_groups == [f"{ACCOUNT}:group/*"]) is (widened[1] == "any group")
    assert of_devices == {"device": [serial], "any device": [f"{ACCOUNT}:mfa/*"]}[widened[2]]
    assert len(json.dumps(policy, separators=(",", ":"))) <= 2048


def test_a_session_of_just_what_sts_takes_is_not_widened() -> None:
    def sized(path: int) -> tuple[int, str]:
        one = replace(BARE, arn=f"{ACCOUNT}:user/{'p' * path}/ada")
        policy = aws.session_policy(DELETE, one)
        return len(json.dumps(policy, separators=(",", ":"))), resources(policy)[0]

    size, _ = sized(100)
    exact = 100 + 2048 - size
    assert sized(exact) == (2048, f"{ACCOUNT}:user/{'p' * exact}/ada")
    assert sized(exact + 1)[1] == f"{ACCOUNT}:user/*/ada"
