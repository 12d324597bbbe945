"""The ordered tables of calls, planned from what a user holds; nothing is sent here."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from demo.aws.evaluation import effect
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

AT = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
ACCOUNT = "arn:aws:iam::123456789012"
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"
VIRTUAL = f"{ACCOUNT}:mfa/ada"
ADA = UserHoldings(
    account_id="123456789012",
    user_id="AIDAADA",
    user_name="ada",
    arn=f"{ACCOUNT}:user/ada",
    path="/",
    created_at=AT,
    password_last_used_at=None,
    tags={},
    boundary="",
    access_keys=(AccessKey("AKIA1", "Active", AT), AccessKey("AKIA2", "Inactive", AT)),
    has_login_profile=True,
    service_credentials=(
        ServiceCredential("ACCA1", "codecommit.amazonaws.com", "Active", AT, None),
        ServiceCredential("ACCA2", "bedrock.amazonaws.com", "Active", AT, AT),
    ),
    ssh_keys=(SshKey("APKA1", "Active", "ssh-rsa AAAA", AT),),
    certificates=(Certificate("CERT1", "Active", "-----BEGIN", AT),),
    mfa=(
        MfaDevice(VIRTUAL, "virtual", AT),
        MfaDevice(f"{ACCOUNT}:u2f/user/ada/key-1", "fido", AT),
        MfaDevice("GAHT12345678", "hardware", AT),
    ),
    groups=("developers", "ops"),
    inline_policies={"b": {}, "a": {}},
    attached_policies=(f"{ACCOUNT}:policy/z", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
)
BARE = replace(
    ADA,
    access_keys=(),
    has_login_profile=False,
    service_credentials=(),
    ssh_keys=(),
    certificates=(),
    mfa=(),
    groups=(),
    inline_policies={},
    attached_policies=(),
)


def told(calls: list[PlannedCall]) -> list[tuple[str, str]]:
    return [(call.operation, call.target) for call in calls]


def fenced(holdings: UserHoldings) -> UserHoldings:
    return replace(holdings, attached_policies=(*holdings.attached_policies, DENY))


# ── Fence ────────────────────────────────────────────────────────────────────────────────────────


def test_the_fence_is_attached() -> None:
    (call,) = plan(FENCE, ADA)
    assert call.operation == "AttachUserPolicy"
    assert call.params == {"UserName": "ada", "PolicyArn": DENY}
    assert call.undo == "DetachUserPolicy"
    assert not call.final


@pytest.mark.parametrize("holdings", [fenced(ADA), replace(ADA, boundary=DENY)])
def test_who_is_fenced_is_not_fenced_again(holdings: UserHoldings) -> None:
    assert plan(FENCE, holdings) == []


@pytest.mark.parametrize(
    ("boundary", "undo"),
    [("", "DeleteUserPermissionsBoundary"), ("arn:x", "PutUserPermissionsBoundary")],
)
def test_at_ten_policies_the_fence_is_the_boundary(boundary: str, undo: str) -> None:
    full = replace(ADA, attached_policies=tuple(f"arn:{n}" for n in range(10)), boundary=boundary)
    (call,) = plan(FENCE, full)
    assert call.operation == "PutUserPermissionsBoundary"
    assert call.undo == undo


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_the_fence_is_that_of_the_users_partition(partition: str) -> None:
    there = replace(ADA, arn=ADA.arn.replace("arn:aws:", f"arn:{partition}:"))
    assert (
        plan(FENCE, there)[0].params["PolicyArn"] == f"arn:{partition}:iam::aws:policy/AWSDenyAll"
    )


# ── Shut ─────────────────────────────────────────────────────────────────────────────────────────


def test_shut_takes_only_what_is_active_in_the_order_of_the_design() -> None:
    assert told(plan(SHUT, ADA)) == [
        ("UpdateAccessKey", "AKIA1"),
        ("DeleteLoginProfile", "console password"),
        ("UpdateServiceSpecificCredential", "ACCA1"),
        ("UpdateServiceSpecificCredential", "ACCA2"),
        ("UpdateSSHPublicKey", "APKA1"),
        ("UpdateSigningCertificate", "CERT1"),
    ]


def test_only_the_password_is_lost_by_a_shut_and_it_says_so() -> None:
    losing = [call for call in plan(SHUT, ADA) if call.loses]
    assert [call.operation for call in losing] == ["DeleteLoginProfile"]
    assert "does not come back" in losing[0].loses
    assert not any(call.final for call in plan(SHUT, ADA))


# ── Restore ──────────────────────────────────────────────────────────────────────────────────────


def test_a_restore_without_anything_of_ours_does_nothing() -> None:
    assert plan(RESTORE, fenced(ADA), Made()) == []


def test_a_restore_takes_the_fence_off_first_and_then_what_we_made_inactive() -> None:
    made = Made(access_keys=frozenset({"AKIA2"}), policy_fence=True)
    shut = fenced(
        replace(ADA, access_keys=tuple(replace(key, status="Inactive") for key in ADA.access_keys))
    )
    assert told(plan(RESTORE, shut, made)) == [
        ("DetachUserPolicy", "AWSDenyAll"),
        ("UpdateAccessKey", "AKIA2"),
    ]


def test_a_restore_puts_the_old_boundary_back() -> None:
    made = Made(boundary_fence=True, boundary_before=f"{ACCOUNT}:policy/developer-boundary")
    (call,) = plan(RESTORE, replace(ADA, boundary=DENY), made)
    assert call.operation == "PutUserPermissionsBoundary"
    assert call.params["PermissionsBoundary"] == f"{ACCOUNT}:policy/developer-boundary"


def test_a_restore_leaves_a_boundary_that_somebody_else_put_there() -> None:
    made = Made(boundary_fence=True, boundary_before="arn:old")
    assert plan(RESTORE, replace(ADA, boundary="arn:somebody-else"), made) == []


# ── Delete ───────────────────────────────────────────────────────────────────────────────────────


def test_a_deletion_removes_everything_and_the_fence_last() -> None:
    assert told(plan(DELETE, fenced(ADA))) == [
        ("DeleteAccessKey", "AKIA1"),
        ("DeleteAccessKey", "AKIA2"),
        ("DeleteLoginProfile", "console password"),
        ("DeleteServiceSpecificCredential", "ACCA1"),
        ("DeleteServiceSpecificCredential", "ACCA2"),
        ("DeleteSSHPublicKey", "APKA1"),
        ("DeleteSigningCertificate", "CERT1"),
        ("DeactivateMFADevice", VIRTUAL),
        ("DeactivateMFADevice", f"{ACCOUNT}:u2f/user/ada/key-1"),
        ("DeactivateMFADevice", "GAHT12345678"),
        ("DeleteVirtualMFADevice", VIRTUAL),
        ("RemoveUserFromGroup", "developers"),
        ("RemoveUserFromGroup", "ops"),
        ("DeleteUserPolicy", "a"),
        ("DeleteUserPolicy", "b"),
        ("DetachUserPolicy", f"{ACCOUNT}:policy/z"),
        ("DetachUserPolicy", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("DetachUserPolicy", DENY),
        ("DeleteUser", f"{ACCOUNT}:user/ada"),
    ]


def test_every_call_of_a_deletion_is_final() -> None:
    assert all(call.final and call.undo == "never" for call in plan(DELETE, ADA))


def test_a_boundary_is_left_alone_by_a_deletion() -> None:
    bounded = replace(ADA, boundary="arn:x")
    assert not any("Boundary" in call.operation for call in plan(DELETE, bounded))


def test_a_bare_user_takes_one_call() -> None:
    assert told(plan(DELETE, BARE)) == [("DeleteUser", f"{ACCOUNT}:user/ada")]


def test_what_must_be_removed_is_listed_now_or_was_saved_before() -> None:
    both = aws.union(
        replace(BARE, access_keys=(AccessKey("AKIANEW", "Active", AT),), groups=("new",)), ADA
    )
    assert {key.id for key in both.access_keys} == {"AKIA1", "AKIA2", "AKIANEW"}
    assert both.groups == ("developers", "new", "ops")
    assert both.mfa == ADA.mfa
    assert set(both.inline_policies) == {"a", "b"}
    assert both.attached_policies == tuple(sorted(ADA.attached_policies))


# ── Rights ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", [FENCE, SHUT, RESTORE, DELETE])
def test_every_call_of_a_step_has_its_right_beside_it(steps: tuple[aws.Step, ...]) -> None:
    full = replace(fenced(ADA), boundary="")
    made = Made(
        access_keys=frozenset({"AKIA1", "AKIA2"}), policy_fence=True, boundary_before="arn:x"
    )
    for step in steps:
        for call in step.plan(full, made):
            assert f"iam:{call.operation}" in step.actions


def test_the_session_is_narrowed_to_the_user_its_groups_and_virtual_devices() -> None:
    policy = aws.session_policy(DELETE, ADA)
    resources = {
        action: statement["Resource"]
        for statement in policy["Statement"]
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert resources["iam:DeleteUser"] == ADA.arn
    assert resources["iam:DeleteVirtualMFADevice"] == [VIRTUAL]
    assert f"{ACCOUNT}:group/developers" in resources["iam:RemoveUserFromGroup"]


OLD = f"{ACCOUNT}:policy/developer-boundary"
ELSE = f"{ACCOUNT}:policy/anything-else"
POLICY, BOUND = "iam:policyarn", "iam:permissionsboundary"


@pytest.mark.parametrize(
    ("steps", "action", "keys", "allowed"),
    [
        (FENCE, "AttachUserPolicy", {POLICY: DENY, BOUND: OLD}, True),
        (FENCE, "AttachUserPolicy", {POLICY: ELSE}, False),
        (FENCE, "AttachUserPolicy", {BOUND: DENY}, False),
        (FENCE, "AttachUserPolicy", {}, False),
        (FENCE, "PutUserPermissionsBoundary", {BOUND: DENY}, True),
        # A fence never puts another boundary on, not even the one that the user has.
        (FENCE, "PutUserPermissionsBoundary", {BOUND: OLD}, False),
        (FENCE, "PutUserPermissionsBoundary", {}, False),
        (FENCE, "DetachUserPolicy", {POLICY: DENY}, False),
        (FENCE, "DeleteUserPermissionsBoundary", {BOUND: DENY}, False),
        (RESTORE, "DetachUserPolicy", {POLICY: DENY}, True),
        (RESTORE, "DetachUserPolicy", {POLICY: ELSE}, False),
        (RESTORE, "PutUserPermissionsBoundary", {BOUND: OLD}, True),
        (RESTORE, "PutUserPermissionsBoundary", {BOUND: DENY}, False),
        (RESTORE, "PutUserPermissionsBoundary", {BOUND: ELSE}, False),
        (RESTORE, "DeleteUserPermissionsBoundary", {BOUND: DENY}, True),
        (RESTORE, "DeleteUserPermissionsBoundary", {BOUND: OLD}, False),
        (RESTORE, "DeleteUserPermissionsBoundary", {}, False),
        (RESTORE, "AttachUserPolicy", {POLICY: DENY}, False),
        (DELETE, "DetachUserPolicy", {POLICY: ELSE}, True),
        (DELETE, "AttachUserPolicy", {POLICY: DENY}, False),
        (DELETE, "PutUserPermissionsBoundary", {BOUND: DENY}, False),
    ],
)
def test_a_session_allows_the_fence_and_the_saved_boundary_and_nothing_wider(
    steps: tuple[aws.Step, ...], action: str, keys: dict[str, str], allowed: bool
) -> None:
    policy = aws.session_policy(steps, replace(ADA, boundary=OLD))
    found = effect(policy, f"iam:{action}", ADA.arn, keys)
    assert found == ("Allow" if allowed else "")
    assert effect(policy, f"iam:{action}", f"{ACCOUNT}:user/somebody-else", keys) == ""


def test_a_restore_of_a_user_that_had_no_boundary_puts_none_on() -> None:
    policy = aws.session_policy(RESTORE, replace(ADA, boundary=""))
    for boundary in (DENY, OLD, ""):
        assert not effect(policy, "iam:PutUserPermissionsBoundary", ADA.arn, {BOUND: boundary})


def test_the_session_policy_fits_into_sts_for_the_most_a_user_can_hold() -> None:
    most = replace(
        ADA,
        arn=f"{ACCOUNT}:user/{'p' * 400}/{'n' * 64}",
        user_name="n" * 64,
        groups=tuple("g" * 120 + str(number) for number in range(10)),
        mfa=(MfaDevice(f"{ACCOUNT}:mfa/{'n' * 64}", "virtual", AT),),
    )
    assert len(json.dumps(aws.session_policy(DELETE, most), separators=(",", ":"))) <= 2048


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["--help", "$(reboot)", "a b", "it's", ";rm -rf /"])
def test_commands_quote_every_name(name: str) -> None:
    hostile = replace(ADA, user_name=name)
    for call in [*plan(FENCE, hostile), *plan(SHUT, hostile)]:
        for line in aws.undo_lines(call.operation, call.params, boundary=""):
            if not line.startswith("#"):
                assert f"--user-name={name}" in shlex.split(line)
    assert f"--user-name={name}" in shlex.split(aws.password_command(name))


def test_every_fence_and_shut_call_can_be_taken_back_by_hand() -> None:
    for call in [*plan(FENCE, ADA), *plan(SHUT, ADA)]:
        assert aws.undo_lines(call.operation, call.params, boundary="")


def test_the_old_boundary_is_put_back_by_hand() -> None:
    full = replace(ADA, attached_policies=tuple(f"arn:{n}" for n in range(10)), boundary="arn:old")
    (call,) = plan(FENCE, full)
    (line,) = aws.undo_lines(call.operation, call.params, boundary="arn:old")
    assert "put-user-permissions-boundary" in line
    assert "--permissions-boundary=arn:old" in line
