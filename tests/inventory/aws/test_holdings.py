"""What a user holds is read whole, or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from inventory.aws import holdings
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import UserHoldings
from inventory.aws.paging import listing
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}


@pytest.fixture
def session(iam: IAMClient, account: Account, monkeypatch: pytest.MonkeyPatch) -> AwsSession:
    """A reader's session; moto has no service-specific credentials, so there are none."""
    opened = open_session(account, "reader")
    monkeypatch.setattr(
        opened.client("iam"),
        "list_service_specific_credentials",
        lambda **_: {"ServiceSpecificCredentials": [], "IsTruncated": False},
    )
    return opened


def _user_with_everything(iam: IAMClient) -> None:
    iam.create_user(UserName="ci-deploy", Path="/ci/", Tags=[{"Key": "team", "Value": "pay"}])
    iam.create_access_key(UserName="ci-deploy")
    iam.create_login_profile(UserName="ci-deploy", Password="Not-a-secret-1")
    iam.create_group(GroupName="deployers")
    iam.add_user_to_group(GroupName="deployers", UserName="ci-deploy")
    iam.put_user_policy(UserName="ci-deploy", PolicyName="d", PolicyDocument=json.dumps(DENY))
    policy = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(DENY))["Policy"]
    iam.attach_user_policy(UserName="ci-deploy", PolicyArn=policy["Arn"])
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="ci-deploy")
    iam.enable_mfa_device(
        UserName="ci-deploy",
        SerialNumber=device["VirtualMFADevice"]["SerialNumber"],
        AuthenticationCode1="123456",
        AuthenticationCode2="654321",
    )
    iam.upload_ssh_public_key(UserName="ci-deploy", SSHPublicKeyBody="ssh-rsa AAAAB3Nza")


def test_every_part_is_read(iam: IAMClient, session: AwsSession) -> None:
    _user_with_everything(iam)
    held = holdings.read_user(session, "ci-deploy")
    assert held.path == "/ci/"
    assert held.tags == {"team": "pay"}
    assert held.has_login_profile
    assert [key.status for key in held.access_keys] == ["Active"]
    assert held.groups == ("deployers",)
    assert held.inline_policies == {"d": DENY}
    assert held.attached_policies == ("arn:aws:iam::123456789012:policy/p",)
    assert [device.kind for device in held.mfa] == ["virtual"]
    assert [key.body for key in held.ssh_keys] == ["ssh-rsa AAAAB3Nza"]


def test_a_document_gives_the_same_holdings_again(iam: IAMClient, session: AwsSession) -> None:
    _user_with_everything(iam)
    held = holdings.read_user(session, "ci-deploy")
    stored = json.loads(json.dumps(held.document()))
    assert UserHoldings.from_document(stored) == held


def test_no_secret_is_in_the_document(iam: IAMClient, session: AwsSession) -> None:
    _user_with_everything(iam)
    stored = json.dumps(holdings.read_user(session, "ci-deploy").document()).lower()
    assert "secret" not in stored
    assert "not-a-secret-1" not in stored


def test_a_name_that_nobody_bears_is_no_such_user(session: AwsSession) -> None:
    with pytest.raises(NoSuchUser) as refused:
        holdings.read_user(session, "nobody")
    assert refused.value.code == "NoSuchEntity"
    assert refused.value.request_id


@pytest.mark.parametrize("name", ["=cmd", "a+b,c.d@e-f_g", "x" * 64, "--help", ".."])
def test_names_at_the_edges_of_the_alphabet_are_read(
    iam: IAMClient, session: AwsSession, name: str
) -> None:
    iam.create_user(UserName=name)
    assert holdings.read_user(session, name).user_name == name


@pytest.mark.parametrize(
    ("serial", "kind"),
    [
        ("arn:aws:iam::123456789012:mfa/sara", "virtual"),
        ("arn:aws:iam::123456789012:u2f/user/sara/key-1", "fido"),
        ("GAHT12345678", "hardware"),
    ],
)
def test_the_kind_of_an_mfa_device_is_told_by_its_serial(serial: str, kind: str) -> None:
    assert holdings.mfa_kind(serial) == kind


def test_a_listing_follows_short_and_empty_pages_to_its_end() -> None:
    answers: list[dict[str, Any]] = [
        {"Users": [1], "IsTruncated": True, "Marker": "a"},
        {"Users": [], "IsTruncated": True, "Marker": "b"},
        {"Users": [2, 3], "IsTruncated": False},
    ]
    assert listing(lambda **_: answers.pop(0), "ListUsers", "Users") == [1, 2, 3]


def test_a_listing_that_breaks_in_the_middle_gives_nothing() -> None:
    def call(**arguments: Any) -> dict[str, Any]:
        if "Marker" in arguments:
            told = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}
            raise ClientError(told, "ListUsers")  # type: ignore[arg-type]
        return {"Users": [1], "IsTruncated": True, "Marker": "a"}

    with pytest.raises(AwsFailure, match="Rate exceeded") as refused:
        listing(call, "ListUsers", "Users")
    assert refused.value.throttled


def test_a_listing_that_turns_in_a_circle_is_half_read() -> None:
    page = {"Users": [1], "IsTruncated": True, "Marker": "a"}
    with pytest.raises(AwsFailure) as refused:
        listing(lambda **_: page, "ListUsers", "Users")
    assert refused.value.code == "HalfRead"
