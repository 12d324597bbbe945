"""DeleteUser is as strict as AWS's: nothing may be left, and each leftover is named."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.aws.account import Simulator
from demo.aws.acts import act
from tests.demo.cast import client, code

HOLDER = "full.house"
PARTS = [
    "access keys",
    "login profile",
    "service-specific credentials",
    "SSH public keys",
    "signing certificates",
    "MFA devices",
    "groups",
    "inline policies",
    "managed policies",
]


def take_apart(iam: Any, user: str, left_out: str = "") -> None:
    """A plain deletion in the order of the design, without DeleteUser itself."""
    name = {"UserName": user}

    def each(part: str, operation: str, key: str) -> list[Any]:
        if part == left_out:
            return []
        return list(iam.get_paginator(operation).paginate(**name).search(key))

    for key in each("access keys", "list_access_keys", "AccessKeyMetadata"):
        iam.delete_access_key(**name, AccessKeyId=key["AccessKeyId"])
    if left_out != "login profile":
        iam.delete_login_profile(**name)
    if left_out != "service-specific credentials":
        given = iam.list_service_specific_credentials(**name)["ServiceSpecificCredentials"]
        for credential in given:
            iam.delete_service_specific_credential(
                **name, ServiceSpecificCredentialId=credential["ServiceSpecificCredentialId"]
            )
    for key in each("SSH public keys", "list_ssh_public_keys", "SSHPublicKeys"):
        iam.delete_ssh_public_key(**name, SSHPublicKeyId=key["SSHPublicKeyId"])
    for cert in each("signing certificates", "list_signing_certificates", "Certificates"):
        iam.delete_signing_certificate(**name, CertificateId=cert["CertificateId"])
    for device in each("MFA devices", "list_mfa_devices", "MFADevices"):
        iam.deactivate_mfa_device(**name, SerialNumber=device["SerialNumber"])
        if ":mfa/" in device["SerialNumber"]:
            iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
    for group in each("groups", "list_groups_for_user", "Groups"):
        iam.remove_user_from_group(**name, GroupName=group["GroupName"])
    for policy in each("inline policies", "list_user_policies", "PolicyNames"):
        iam.delete_user_policy(**name, PolicyName=policy)
    for policy in each("managed policies", "list_attached_user_policies", "AttachedPolicies"):
        iam.detach_user_policy(**name, PolicyArn=policy["PolicyArn"])


@pytest.fixture
def holder(simulator: Simulator) -> str:
    """A user that holds one of everything."""
    user = simulator.account.user(HOLDER)
    if not user.keys:
        client("iam").create_access_key(UserName=HOLDER)
    assert all([user.keys, user.login, user.service_credentials, user.ssh_keys, user.certificates])
    assert all([user.mfa, user.groups, user.inline, user.attached, user.boundary])
    return HOLDER


def test_a_user_taken_apart_in_order_is_deleted_and_gone(holder: str) -> None:
    iam = client("iam")
    take_apart(iam, holder)
    iam.delete_user(UserName=holder)
    with pytest.raises(ClientError) as refusal:
        iam.get_user(UserName=holder)
    assert code(refusal.value) == "NoSuchEntity"


@pytest.mark.parametrize("part", PARTS)
def test_each_part_left_out_is_a_delete_conflict(holder: str, part: str) -> None:
    iam = client("iam")
    take_apart(iam, holder, left_out=part)
    with pytest.raises(ClientError) as refusal:
        iam.delete_user(UserName=holder)
    assert code(refusal.value) == "DeleteConflict"
    assert iam.get_user(UserName=holder)["User"]["UserName"] == holder


def test_a_boundary_and_tags_do_not_stand_in_the_way(simulator: Simulator) -> None:
    iam = client("iam")
    iam.create_user(UserName="plain", Tags=[{"Key": "team", "Value": "data"}])
    iam.put_user_permissions_boundary(
        UserName="plain", PermissionsBoundary="arn:aws:iam::aws:policy/AWSDenyAll"
    )
    iam.delete_user(UserName="plain")
    assert "plain" not in simulator.account.users


def test_the_console_deletes_a_user_behind_one_click(holder: str, simulator: Simulator) -> None:
    done = act(simulator, {"act": "delete-in-console", "user": holder})
    assert done["calls"] > 20
    assert holder not in simulator.account.users


def test_a_role_session_has_to_name_the_user(simulator: Simulator) -> None:
    with pytest.raises(ClientError) as refusal:
        client("iam").get_user()
    assert code(refusal.value) == "ValidationError"


def test_a_virtual_device_in_use_cannot_be_deleted(simulator: Simulator) -> None:
    serial = next(s for s, d in simulator.account.virtual_mfa.items() if d.user_id)
    with pytest.raises(ClientError) as refusal:
        client("iam").delete_virtual_mfa_device(SerialNumber=serial)
    assert code(refusal.value) == "DeleteConflict"


def test_a_fido_device_is_no_virtual_device(simulator: Simulator) -> None:
    serial = next(iter(simulator.account.user("fay.passkey").mfa))
    with pytest.raises(ClientError) as refusal:
        client("iam").delete_virtual_mfa_device(SerialNumber=serial)
    assert code(refusal.value) == "NoSuchEntity"
