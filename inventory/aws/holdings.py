"""What an IAM user holds, read live: everything needed to undo a change or to re-create the user.

Every listing is read to its end. "Not there" about a part means that it went between two calls and
is left out; about the user itself it is `NoSuchUser`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.paging import ask, listing
from inventory.aws.session import AwsSession

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient

# IAM gives 100 at a time unless it is asked for more.
LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class AccessKey:
    id: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceCredential:
    id: str
    service: str
    status: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SshKey:
    id: str
    status: str
    body: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Certificate:
    id: str
    status: str
    body: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class MfaDevice:
    serial: str
    kind: str  # virtual | hardware | fido
    enabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyHoldings:
    """What gives a user its permissions, but for its boundary, which GetUser tells."""

    groups: tuple[str, ...]
    inline_policies: dict[str, dict[str, Any]]
    attached_policies: tuple[str, ...]


class Wide(Protocol):
    """A look at the whole account of which a part stands for calls about one user."""

    @property
    def policies(self) -> Mapping[str, PolicyHoldings]: ...
    @property
    def services(self) -> Mapping[str, tuple[ServiceCredential, ...]]: ...


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user as ListUsers shows it: without tags and boundary, which only GetUser has."""

    user_id: str
    user_name: str
    arn: str
    path: str
    created_at: datetime
    password_last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserHoldings:
    """One IAM user with all it holds. `boundary` is an ARN, or "" for none."""

    account_id: str
    user_id: str
    user_name: str
    arn: str
    path: str
    created_at: datetime
    password_last_used_at: datetime | None
    tags: dict[str, str]
    boundary: str
    access_keys: tuple[AccessKey, ...]
    has_login_profile: bool
    service_credentials: tuple[ServiceCredential, ...]
    ssh_keys: tuple[SshKey, ...]
    certificates: tuple[Certificate, ...]
    mfa: tuple[MfaDevice, ...]
    groups: tuple[str, ...]
    inline_policies: dict[str, dict[str, Any]]
    attached_policies: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON-able values; `from_document` makes the same holdings of it again."""
        made: dict[str, Any] = json.loads(json.dumps(asdict(self), default=datetime.isoformat))
        return made

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> UserHoldings:
        """The holdings of which `document` was made. KeyError where a field is missing."""
        return cls(
            account_id=document["account_id"],
            user_id=document["user_id"],
            user_name=document["user_name"],
            arn=document["arn"],
            path=document["path"],
            created_at=datetime.fromisoformat(document["created_at"]),
            password_last_used_at=_time(document["password_last_used_at"]),
            tags=dict(document["tags"]),
            boundary=document["boundary"],
            access_keys=tuple(AccessKey(**_timed(part)) for part in document["access_keys"]),
            has_login_profile=document["has_login_profile"],
            service_credentials=tuple(
                ServiceCredential(**_timed(part)) for part in document["service_credentials"]
            ),
            ssh_keys=tuple(SshKey(**_timed(part)) for part in document["ssh_keys"]),
            certificates=tuple(Certificate(**_timed(part)) for part in document["certificates"]),
            mfa=tuple(MfaDevice(**_timed(part)) for part in document["mfa"]),
            groups=tuple(document["groups"]),
            inline_policies=dict(document["inline_policies"]),
            attached_policies=tuple(document["attached_policies"]),
        )


def get_user(session: AwsSession, user_name: str) -> tuple[str, str, str]:
    """(user_id, arn, user_name) that bear this name now. Raises NoSuchUser, AwsFailure."""
    user = _user(session.client("iam"), user_name)
    return user["UserId"], user["Arn"], user["UserName"]


def list_users(session: AwsSession) -> list[ListedUser]:
    """Every user of the account; raises AwsFailure rather than giving a part of them."""
    iam = session.client("iam")
    return [
        ListedUser(
            user_id=user["UserId"],
            user_name=user["UserName"],
            arn=user["Arn"],
            path=user["Path"],
            created_at=user["CreateDate"],
            password_last_used_at=user.get("PasswordLastUsed"),
        )
        for user in listing(iam.list_users, "ListUsers", "Users", MaxItems=LARGEST_PAGE)
    ]


def read_user(session: AwsSession, user_name: str, wide: Wide | None = None) -> UserHoldings:
    """All that the user with this name holds now. Raises NoSuchUser, AwsFailure.

    `wide` is a look at the whole account not long ago: its policies, groups and service-specific
    credentials are taken from there. A user that it does not show is read by itself.
    """
    iam = session.client("iam")
    user = _user(iam, user_name)
    name = user["UserName"]
    shown = wide is not None and user["UserId"] in wide.policies
    held = wide.policies[user["UserId"]] if wide and shown else policy_holdings(iam, name)
    return UserHoldings(
        account_id=session.account_id,
        user_id=user["UserId"],
        user_name=name,
        arn=user["Arn"],
        path=user["Path"],
        created_at=user["CreateDate"],
        password_last_used_at=user.get("PasswordLastUsed"),
        tags={tag["Key"]: tag["Value"] for tag in user.get("Tags", ())},
        boundary=user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        access_keys=access_keys(iam, name),
        has_login_profile=has_login_profile(iam, name),
        service_credentials=wide.services.get(name, ())
        if wide and shown
        else service_credentials(iam, UserName=name),
        ssh_keys=_with_bodies(iam, name, ssh_keys(iam, name)),
        certificates=certificates(iam, name),
        mfa=mfa_devices(iam, name),
        groups=held.groups,
        inline_policies=held.inline_policies,
        attached_policies=held.attached_policies,
    )


def read_fence(session: AwsSession, before: UserHoldings) -> UserHoldings:
    """`before` with the policies attached and the boundary as they are now: two calls.

    Raises NoSuchUser, AwsFailure.
    """
    iam = session.client("iam")
    user = _user(iam, before.user_name)
    return replace(
        before,
        user_id=user["UserId"],
        boundary=user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        attached_policies=attached_policies(iam, before.user_name),
    )


def read_credentials(session: AwsSession, before: UserHoldings) -> UserHoldings:
    """`before` with every credential that can sign in or call as it is now: six calls.

    Raises NoSuchUser, AwsFailure.
    """
    iam = session.client("iam")
    user = _user(iam, before.user_name)
    name = before.user_name
    return replace(
        before,
        user_id=user["UserId"],
        access_keys=access_keys(iam, name),
        has_login_profile=has_login_profile(iam, name),
        service_credentials=service_credentials(iam, UserName=name),
        ssh_keys=ssh_keys(iam, name),
        certificates=certificates(iam, name),
    )


def policy_holdings(iam: IAMClient, user_name: str) -> PolicyHoldings:
    """Groups, inline policies with their documents, and attached policies of one user."""
    listed = listing(iam.list_groups_for_user, "ListGroupsForUser", "Groups", UserName=user_name)
    return PolicyHoldings(
        groups=tuple(sorted(group["GroupName"] for group in listed)),
        inline_policies=_inline_policies(iam, user_name),
        attached_policies=attached_policies(iam, user_name),
    )


def attached_policies(iam: IAMClient, user_name: str) -> tuple[str, ...]:
    """The ARNs of the managed policies attached to the user, sorted."""
    told = listing(
        iam.list_attached_user_policies,
        "ListAttachedUserPolicies",
        "AttachedPolicies",
        UserName=user_name,
    )
    return tuple(sorted(policy["PolicyArn"] for policy in told))


def access_keys(iam: IAMClient, user_name: str) -> tuple[AccessKey, ...]:
    """All access keys: there can be more than two."""
    keys = listing(iam.list_access_keys, "ListAccessKeys", "AccessKeyMetadata", UserName=user_name)
    return tuple(
        AccessKey(key["AccessKeyId"], key["Status"], key["CreateDate"])
        for key in sorted(keys, key=lambda key: str(key["AccessKeyId"]))
    )


def has_login_profile(iam: IAMClient, user_name: str) -> bool:
    """Whether the user has a console password. Raises AwsFailure."""
    return login_profile_created_at(iam, user_name) is not None


def login_profile_created_at(iam: IAMClient, user_name: str) -> datetime | None:
    """Since when the user has a console password, UTC; None for none. Raises AwsFailure."""
    try:
        told = ask(iam.get_login_profile, "GetLoginProfile", UserName=user_name)
    except AwsFailure as refused:
        # Only that is an answer; anything else is a gap.
        if refused.code != "NoSuchEntity":
            raise
        return None
    created_at: datetime = told["LoginProfile"]["CreateDate"]
    return created_at


def service_credentials(iam: IAMClient, **whose: Any) -> tuple[ServiceCredential, ...]:
    """Service-specific credentials of one user (UserName=…), of every service."""
    found = listing(
        iam.list_service_specific_credentials,
        "ListServiceSpecificCredentials",
        "ServiceSpecificCredentials",
        **whose,
    )
    return tuple(
        as_service_credential(one)
        for one in sorted(found, key=lambda one: str(one["ServiceSpecificCredentialId"]))
    )


def as_service_credential(told: Mapping[str, Any]) -> ServiceCredential:
    """One entry of ListServiceSpecificCredentials."""
    return ServiceCredential(
        told["ServiceSpecificCredentialId"],
        told["ServiceName"],
        told["Status"],
        told["CreateDate"],
        told.get("ExpirationDate"),
    )


def ssh_keys(iam: IAMClient, user_name: str) -> tuple[SshKey, ...]:
    """SSH public keys without their bodies, which cost a call each."""
    keys = listing(
        iam.list_ssh_public_keys, "ListSSHPublicKeys", "SSHPublicKeys", UserName=user_name
    )
    return tuple(
        SshKey(key["SSHPublicKeyId"], key["Status"], "", key.get("UploadDate"))
        for key in sorted(keys, key=lambda key: str(key["SSHPublicKeyId"]))
    )


def certificates(iam: IAMClient, user_name: str) -> tuple[Certificate, ...]:
    """Signing certificates with their bodies."""
    found = listing(
        iam.list_signing_certificates, "ListSigningCertificates", "Certificates", UserName=user_name
    )
    return tuple(
        Certificate(
            one["CertificateId"], one["Status"], one["CertificateBody"], one.get("UploadDate")
        )
        for one in sorted(found, key=lambda one: str(one["CertificateId"]))
    )


def mfa_devices(iam: IAMClient, user_name: str) -> tuple[MfaDevice, ...]:
    """MFA devices of every kind."""
    devices = listing(iam.list_mfa_devices, "ListMFADevices", "MFADevices", UserName=user_name)
    return tuple(
        MfaDevice(
            device["SerialNumber"], mfa_kind(device["SerialNumber"]), device.get("EnableDate")
        )
        for device in sorted(devices, key=lambda device: str(device["SerialNumber"]))
    )


def virtual_mfa_devices(session: AwsSession) -> frozenset[str]:
    """Serials of all virtual MFA devices of the account, assigned or not. Raises AwsFailure."""
    iam = session.client("iam")
    devices = listing(iam.list_virtual_mfa_devices, "ListVirtualMFADevices", "VirtualMFADevices")
    return frozenset(device["SerialNumber"] for device in devices)


def mfa_kind(serial: str) -> str:
    """virtual, fido or hardware: told by the serial, and not by whether it is an ARN."""
    if ":mfa/" in serial:
        return "virtual"
    return "fido" if ":u2f/" in serial else "hardware"


def _user(iam: IAMClient, user_name: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = ask(iam.get_user, "GetUser", UserName=user_name)["User"]
    except AwsFailure as refused:
        if refused.code != "NoSuchEntity":
            raise
        raise NoSuchUser(
            refused.code,
            refused.message,
            operation="GetUser",
            request_id=refused.request_id,
            http_status=refused.http_status,
        ) from refused
    return told


def _with_bodies(iam: IAMClient, user_name: str, keys: tuple[SshKey, ...]) -> tuple[SshKey, ...]:
    whole = []
    for key in keys:
        try:
            told = ask(
                iam.get_ssh_public_key,
                "GetSSHPublicKey",
                UserName=user_name,
                SSHPublicKeyId=key.id,
                Encoding="SSH",
            )["SSHPublicKey"]
        except AwsFailure as refused:
            if refused.code == "NoSuchEntity":
                continue
            raise
        whole.append(SshKey(key.id, told["Status"], told["SSHPublicKeyBody"], key.created_at))
    return tuple(whole)


def _inline_policies(iam: IAMClient, user_name: str) -> dict[str, dict[str, Any]]:
    documents: dict[str, dict[str, Any]] = {}
    for name in listing(
        iam.list_user_policies, "ListUserPolicies", "PolicyNames", UserName=user_name
    ):
        try:
            told = ask(iam.get_user_policy, "GetUserPolicy", UserName=user_name, PolicyName=name)
        except AwsFailure as refused:
            if refused.code == "NoSuchEntity":
                continue
            raise
        documents[name] = dict(told["PolicyDocument"])
    return documents


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _timed(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _time(value) if key.endswith("_at") else value for key, value in part.items()}
