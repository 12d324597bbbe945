"""Every call of every table, whole: step, operation, parameters, target, undo, what it loses.

The tables are written out by hand, so that a slip in one of them shows; so are the rights beside
them.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from inventory.aws.holdings import (
    AccessKey,
    Certificate,
    MfaDevice,
    ServiceCredential,
    SshKey,
    UserHoldings,
)
from migrations_app import aws
from migrations_app.aws import DELETE, FENCE, RESTORE, SHUT, Made, PlannedCall, plan
from tests.migrations_app.test_aws_plan import ACCOUNT, ADA, AT, BARE, DENY, VIRTUAL, fenced

SERVICE_CREDENTIALS = "service-specific credentials"
FINAL: dict[str, Any] = {"undo": "never", "final": True}


def call(step: str, operation: str, target: str, more: dict[str, str], **how: Any) -> PlannedCall:
    return PlannedCall(step, operation, {"UserName": "ada", **more}, target, **how)


def switched(step: str, operation: str, parameter: str, id_: str, to: str) -> PlannedCall:
    back = {"Inactive": "Status=Active", "Active": "Status=Inactive"}[to]
    return call(step, operation, id_, {parameter: id_, "Status": to}, undo=back)


PASSWORD = call("console password", "DeleteLoginProfile", "console password", {})
LOST = "the old password does not come back"


# ── Fence and shut ───────────────────────────────────────────────────────────────────────────────


def test_the_fence_whole() -> None:
    attach = {"PolicyArn": DENY}
    assert plan(FENCE, ADA) == [
        call("fence", "AttachUserPolicy", "AWSDenyAll", attach, undo="DetachUserPolicy")
    ]


@pytest.mark.parametrize(
    ("held", "operation"),
    [(9, "AttachUserPolicy"), (10, "PutUserPermissionsBoundary")],
)
def test_the_tenth_policy_leaves_no_room_for_the_fence(held: int, operation: str) -> None:
    full = replace(ADA, attached_policies=tuple(f"arn:{n}" for n in range(held)))
    assert [one.operation for one in plan(FENCE, full)] == [operation]


def test_the_fence_as_a_boundary_whole() -> None:
    full = replace(ADA, attached_policies=tuple(f"arn:{n}" for n in range(10)))
    assert plan(FENCE, full) == [
        call(
            "fence",
            "PutUserPermissionsBoundary",
            "AWSDenyAll as permissions boundary",
            {"PermissionsBoundary": DENY},
            undo="DeleteUserPermissionsBoundary",
        )
    ]


@pytest.mark.parametrize(
    ("holdings", "by"),
    [
        (ADA, ""),
        (fenced(ADA), "policy"),
        (replace(ADA, boundary=DENY), "boundary"),
        (replace(ADA, boundary="arn:x"), ""),
        (replace(fenced(ADA), boundary=DENY), "policy"),
    ],
)
def test_how_a_user_is_fenced(holdings: UserHoldings, by: str) -> None:
    assert aws.fenced(holdings) == by


def test_a_shut_whole() -> None:
    off = "Inactive"
    service = ("UpdateServiceSpecificCredential", "ServiceSpecificCredentialId")
    assert plan(SHUT, ADA) == [
        switched("access keys", "UpdateAccessKey", "AccessKeyId", "AKIA1", off),
        replace(PASSWORD, undo="an IAM administrator sets a new password", loses=LOST),
        switched(SERVICE_CREDENTIALS, *service, "ACCA1", off),
        switched(SERVICE_CREDENTIALS, *service, "ACCA2", off),
        switched("SSH public keys", "UpdateSSHPublicKey", "SSHPublicKeyId", "APKA1", off),
        switched("signing certificates", "UpdateSigningCertificate", "CertificateId", "CERT1", off),
    ]


def test_who_holds_nothing_is_shut_already() -> None:
    assert plan(SHUT, BARE) == []


# ── Restore ──────────────────────────────────────────────────────────────────────────────────────

OFF = replace(
    fenced(ADA),
    access_keys=(AccessKey("AKIA1", "Inactive", AT), AccessKey("AKIA2", "Inactive", AT)),
    service_credentials=(
        ServiceCredential("ACCA1", "codecommit.amazonaws.com", "Inactive", AT, None),
    ),
    ssh_keys=(SshKey("APKA1", "Inactive", "ssh-rsa AAAA", AT),),
    certificates=(Certificate("CERT1", "Inactive", "-----BEGIN", AT),),
)
OURS = Made(
    access_keys=frozenset({"AKIA1"}),
    ssh_keys=frozenset({"APKA1"}),
    service_credentials=frozenset({"ACCA1"}),
    certificates=frozenset({"CERT1"}),
    policy_fence=True,
)


def test_a_restore_whole() -> None:
    on = "Active"
    service = ("UpdateServiceSpecificCredential", "ServiceSpecificCredentialId")
    assert plan(RESTORE, OFF, OURS) == [
        call("fence", "DetachUserPolicy", "AWSDenyAll", {"PolicyArn": DENY}),
        switched("access keys", "UpdateAccessKey", "AccessKeyId", "AKIA1", on),
        switched(SERVICE_CREDENTIALS, *service, "ACCA1", on),
        switched("SSH public keys", "UpdateSSHPublicKey", "SSHPublicKeyId", "APKA1", on),
        switched("signing certificates", "UpdateSigningCertificate", "CertificateId", "CERT1", on),
    ]


@pytest.mark.parametrize(
    "kind", ["access_keys", "ssh_keys", "service_credentials", "certificates", "policy_fence"]
)
def test_what_is_not_ours_stays_as_it_is_kind_by_kind(kind: str) -> None:
    theirs = replace(OURS, **{kind: getattr(Made(), kind)})
    assert len(plan(RESTORE, OFF, theirs)) == len(plan(RESTORE, OFF, OURS)) - 1


def test_what_is_active_again_needs_no_call() -> None:
    assert plan(RESTORE, ADA, OURS) == []


def test_a_fence_that_is_gone_is_not_taken_off() -> None:
    made = Made(policy_fence=True, boundary_fence=True)
    assert plan(RESTORE, ADA, made) == []


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", call("fence", "DeleteUserPermissionsBoundary", "AWSDenyAll", {})),
        (
            "arn:old",
            call(
                "fence", "PutUserPermissionsBoundary", "arn:old", {"PermissionsBoundary": "arn:old"}
            ),
        ),
    ],
)
def test_a_boundary_of_ours_makes_room_for_the_one_before(
    before: str, expected: PlannedCall
) -> None:
    bounded = replace(BARE, boundary=DENY)
    made = Made(boundary_fence=True, boundary_before=before)
    assert plan(RESTORE, bounded, made) == [expected]
    assert plan(RESTORE, bounded, replace(made, boundary_fence=False)) == []


def test_nothing_made_is_nothing_to_undo() -> None:
    assert not any(astuple(Made()))
    assert plan(RESTORE, OFF) == []
    assert plan(RESTORE, replace(OFF, boundary=DENY)) == []


# ── Delete ───────────────────────────────────────────────────────────────────────────────────────


def removed(step: str, operation: str, parameter: str, value: str) -> PlannedCall:
    return call(step, operation, value, {parameter: value}, **FINAL)


def test_a_deletion_whole() -> None:
    service = ("DeleteServiceSpecificCredential", "ServiceSpecificCredentialId")
    mfa = ("MFA devices", "DeactivateMFADevice", "SerialNumber")
    detach = ("managed policies", "DetachUserPolicy", "PolicyArn")
    assert plan(DELETE, fenced(ADA)) == [
        removed("access keys", "DeleteAccessKey", "AccessKeyId", "AKIA1"),
        removed("access keys", "DeleteAccessKey", "AccessKeyId", "AKIA2"),
        replace(PASSWORD, loses=LOST, **FINAL),
        removed(SERVICE_CREDENTIALS, *service, "ACCA1"),
        removed(SERVICE_CREDENTIALS, *service, "ACCA2"),
        removed("SSH public keys", "DeleteSSHPublicKey", "SSHPublicKeyId", "APKA1"),
        removed("signing certificates", "DeleteSigningCertificate", "CertificateId", "CERT1"),
        removed(*mfa, VIRTUAL),
        removed(*mfa, f"{ACCOUNT}:u2f/user/ada/key-1"),
        removed(*mfa, "GAHT12345678"),
        PlannedCall(
            "MFA devices", "DeleteVirtualMFADevice", {"SerialNumber": VIRTUAL}, VIRTUAL, **FINAL
        ),
        removed("groups", "RemoveUserFromGroup", "GroupName", "developers"),
        removed("groups", "RemoveUserFromGroup", "GroupName", "ops"),
        removed("inline policies", "DeleteUserPolicy", "PolicyName", "a"),
        removed("inline policies", "DeleteUserPolicy", "PolicyName", "b"),
        removed(*detach, f"{ACCOUNT}:policy/z"),
        removed(*detach, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        removed(*detach, DENY),
        call("user", "DeleteUser", f"{ACCOUNT}:user/ada", {}, **FINAL),
    ]


def test_the_fence_goes_last_also_among_policies_that_sort_behind_it() -> None:
    held = replace(ADA, attached_policies=("arn:zzz", DENY, "arn:aws:iam::aws:policy/Zebra"))
    detached = [one.target for one in plan(DELETE, held) if one.operation == "DetachUserPolicy"]
    assert detached == ["arn:aws:iam::aws:policy/Zebra", "arn:zzz", DENY]


# ── What a deletion must remove ──────────────────────────────────────────────────────────────────


def test_what_is_listed_now_counts_before_what_was_saved() -> None:
    saved = replace(
        ADA,
        inline_policies={"a": {"saved": 1}, "old": {}},
        access_keys=(AccessKey("AKIA1", "Inactive", AT), AccessKey("AKIAOLD", "Active", AT)),
        service_credentials=(ServiceCredential("ACCAOLD", "x", "Active", AT, None),),
        ssh_keys=(SshKey("APKAOLD", "Active", "", AT),),
        certificates=(Certificate("CERTOLD", "Active", "", AT),),
        mfa=(MfaDevice("GAHTOLD", "hardware", AT), *ADA.mfa),
        groups=("old", "ops"),
        attached_policies=("arn:old",),
    )
    both = aws.union(replace(ADA, inline_policies={"a": {"live": 1}}), saved)
    assert [(key.id, key.status) for key in both.access_keys] == [
        ("AKIA1", "Active"),
        ("AKIA2", "Inactive"),
        ("AKIAOLD", "Active"),
    ]
    assert [one.id for one in both.service_credentials] == ["ACCA1", "ACCA2", "ACCAOLD"]
    assert [one.id for one in both.ssh_keys] == ["APKA1", "APKAOLD"]
    assert [one.id for one in both.certificates] == ["CERT1", "CERTOLD"]
    assert [one.serial for one in both.mfa] == [*(one.serial for one in ADA.mfa), "GAHTOLD"]
    assert both.groups == ("developers", "old", "ops")
    assert both.inline_policies == {"a": {"live": 1}, "old": {}}
    assert both.attached_policies == tuple(sorted((*ADA.attached_policies, "arn:old")))


# ── Rights beside the steps ──────────────────────────────────────────────────────────────────────


def test_the_rights_of_every_step_and_no_others() -> None:
    def rights(steps: tuple[aws.Step, ...]) -> list[tuple[str, ...]]:
        return [step.actions for step in steps]

    assert rights(FENCE) == [("iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary")]
    assert rights(SHUT) == [
        ("iam:UpdateAccessKey",),
        ("iam:DeleteLoginProfile",),
        ("iam:UpdateServiceSpecificCredential",),
        ("iam:UpdateSSHPublicKey",),
        ("iam:UpdateSigningCertificate",),
    ]
    assert rights(RESTORE) == [
        (
            "iam:DetachUserPolicy",
            "iam:PutUserPermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
        ),
        (
            "iam:UpdateAccessKey",
            "iam:UpdateServiceSpecificCredential",
            "iam:UpdateSSHPublicKey",
            "iam:UpdateSigningCertificate",
        ),
    ]
    assert rights(DELETE) == [
        ("iam:DeleteAccessKey",),
        ("iam:DeleteLoginProfile",),
        ("iam:DeleteServiceSpecificCredential",),
        ("iam:DeleteSSHPublicKey",),
        ("iam:DeleteSigningCertificate",),
        ("iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice"),
        ("iam:RemoveUserFromGroup",),
        ("iam:DeleteUserPolicy",),
        ("iam:DetachUserPolicy",),
        ("iam:DeleteUser",),
    ]


def test_steps_bear_the_name_that_their_calls_bear() -> None:
    for steps in (FENCE, SHUT, DELETE):
        for step in steps:
            full = replace(ADA, boundary="")
            assert {one.step for one in step.plan(full, Made())} == {step.name}
    assert [step.name for step in RESTORE] == ["fence", "credentials"]


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("operation", "more", "boundary", "line"),
    [
        (
            "AttachUserPolicy",
            {"PolicyArn": DENY},
            "",
            f"aws iam detach-user-policy --user-name=ada --policy-arn={DENY}",
        ),
        (
            "PutUserPermissionsBoundary",
            {"PermissionsBoundary": DENY},
            "arn:old",
            "aws iam put-user-permissions-boundary --user-name=ada --permissions-boundary=arn:old",
        ),
        (
            "PutUserPermissionsBoundary",
            {"PermissionsBoundary": DENY},
            "",
            "aws iam delete-user-permissions-boundary --user-name=ada",
        ),
        (
            "DeleteLoginProfile",
            {},
            "",
            "# The old password does not come back: aws iam create-login-profile --user-name=ada"
            " --password-reset-required --password='<a temporary password>'",
        ),
        (
            "UpdateAccessKey",
            {"AccessKeyId": "AKIA1", "Status": "Inactive"},
            "",
            "aws iam update-access-key --user-name=ada --access-key-id=AKIA1 --status=Active",
        ),
        (
            "UpdateSSHPublicKey",
            {"SSHPublicKeyId": "APKA1", "Status": "Inactive"},
            "",
            "aws iam update-ssh-public-key --user-name=ada --ssh-public-key-id=APKA1"
            " --status=Active",
        ),
    ],
)
def test_a_call_is_taken_back_by_one_line(
    operation: str, more: dict[str, str], boundary: str, line: str
) -> None:
    params = {"UserName": "ada", **more}
    assert aws.undo_lines(operation, params, boundary=boundary) == [line]


@pytest.mark.parametrize("operation", ["DeleteUser", "DetachUserPolicy", "DeleteVirtualMFADevice"])
def test_what_nothing_takes_back_has_no_line(operation: str) -> None:
    assert aws.undo_lines(operation, {"SerialNumber": "x"}, boundary="") == []


def test_the_policies_by_which_aws_marks_leaked_keys_are_known_by_their_beginning() -> None:
    for version in ("", "V2", "V3"):
        assert f"AWSCompromisedKeyQuarantine{version}".startswith(aws.QUARANTINE)
