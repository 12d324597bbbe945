"""The IAM policies that an account's three roles need, generated from the tables of calls.

Reader, actor (fence, shut, restore) and deleter are apart, so that a stolen session of one cannot
do what the others do. None of them can create a key, a password or a policy, or rename a user. What
must never be touched is denied in every writing role: a deny on the user's ARN does not cover its
groups and MFA devices (Service Authorization Reference), so those paths are denied as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from django.db.models import Q

from inventory.aws import actions
from inventory.log_address import log_address
from inventory.models import Account
from migrations_app import aws
from migrations_app.plans.break_glass import TAG as NEVER

RoleName = Literal["reader", "actor", "deleter"]
ROLES: tuple[RoleName, ...] = ("reader", "actor", "deleter")
BREAK_GLASS_PATH = "breakglass"
_FENCED = frozenset(
    {
        "iam:AttachUserPolicy",
        "iam:DetachUserPolicy",
        "iam:PutUserPermissionsBoundary",
        "iam:DeleteUserPermissionsBoundary",
    }
)
_USE = ("iam:GenerateServiceLastAccessedDetails", "iam:GetAccessKeyLastUsed")
_HOLDINGS = tuple(action for action in actions.ON_USERS if action not in _USE)


def policy(
    role: RoleName,
    account_id: str = "*",
    partition: str = "aws",
    *,
    protected: Iterable[str] = (),
    archive: Mapping[str, str] | None = None,
    center: bool = False,
) -> dict[str, Any]:
    """The policy document of one role.

    `protected` names users it must never write to; `archive` is where the account declares its
    longer history, as in Account.trail_archive; `center` says that Identity Center is read in it.
    """
    prefix = f"arn:{partition}:iam::{account_id}"
    if role == "reader":
        reads = [*_reads(prefix), *_archive_reads(archive or {}, account_id, partition)]
        return _document([*reads, *(_center_reads(partition) if center else [])])
    steps = aws.DELETE if role == "deleter" else (*aws.FENCE, *aws.SHUT, *aws.RESTORE)
    wanted = sorted({action for step in steps for action in step.actions})
    statements = [*_look_again(role, prefix), *_writes(wanted, role, prefix, partition)]
    if role == "deleter":
        # "Not there" about a virtual device is believed only when the listing agrees.
        statements.append(_allow("SeeDevicesGone", ["iam:ListVirtualMFADevices"], "*"))
    return _document([*statements, *_denies(prefix, tuple(protected))])


def protected_names(account: Account) -> list[str]:
    """The users declared as protected: as they were declared, and as AWS writes their names.

    An ARN in a policy matches to the letter. A bound entry means its user, also renamed.
    """
    names = set()
    for entry in account.protected_entries.all():
        bearer = Q(user_name__iexact=entry.user_name)
        if entry.bound_user_id:
            bearer |= Q(user_id=entry.bound_user_id)
        users = account.users.present().filter(bearer)
        names |= {entry.user_name, *users.values_list("user_name", flat=True)}
    return sorted(names)


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, action: Iterable[str], resource: object, **more: Any) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(action),
        "Resource": resource,
        **more,
    }


def _reads(prefix: str) -> list[dict[str, Any]]:
    return [
        _allow("ReadTheAccount", actions.ACCOUNT_WIDE, "*"),
        # Of use in the management account only; leave it out elsewhere.
        _allow("ListTheOrganization", actions.ON_THE_ORGANIZATION, "*"),
        # ListServiceSpecificCredentials with AllUsers names no user.
        _allow("SweepServiceCredentials", ["iam:ListServiceSpecificCredentials"], "*"),
        _allow("ReadUsers", actions.ON_USERS, f"{prefix}:user/*"),
    ]


def _center_reads(partition: str) -> list[dict[str, Any]]:
    """People, groups and permission sets of the organization, and what AWS's own policies allow."""
    policies = f"arn:{partition}:iam::aws:policy/*"
    return [
        _allow("ReadIdentityCenter", actions.ON_IDENTITY_CENTER, "*"),
        _allow("ReadPoliciesOfAws", actions.ON_POLICIES_OF_AWS, policies),
        *_center_keys(partition),
    ]


def _center_keys(partition: str) -> Iterable[dict[str, Any]]:
    """A key of the organization's own, through Identity Center and for its data alone.

    Identity Center user guide, "Baseline KMS key and IAM policy statements": sets and assignments
    are bound to the instance, people and groups to the identity store.
    """
    instances, stores = "sso:::instance/*", "identitystore::*:identitystore/*"
    for sid, service, bound, arn in (
        ("DecryptIdentityCenter", "sso", "aws:sso:instance-arn", instances),
        ("DecryptIdentityStore", "identitystore", "aws:identitystore:identitystore-arn", stores),
    ):
        condition = {
            "StringLike": {"kms:ViaService": f"{service}.*.amazonaws.com"},
            "ArnLike": {f"kms:EncryptionContext:{bound}": f"arn:{partition}:{arn}"},
        }
        yield _allow(sid, actions.ON_IDENTITY_CENTER_KEY, "*", Condition=condition)


def _archive_reads(
    archive: Mapping[str, str], account_id: str, partition: str
) -> list[dict[str, Any]]:
    """CloudTrail logs of this account in that bucket, or queries of that event data store."""
    if lake := archive.get("lake"):
        return [_allow("QueryCloudTrailLake", actions.ON_EVENT_DATA_STORE, lake)]
    if not archive.get("s3"):
        return []
    declared = log_address(archive["s3"])
    logs = f"{declared.prefix}AWSLogs/"
    arn = f"arn:{partition}:s3:::{declared.bucket}"
    # An organization's trail puts its own id before the account's.
    files = [f"{arn}/{logs}{owner}{account_id}/CloudTrail/*" for owner in ("", "o-*/")]
    only_logs = {"StringLike": {"s3:prefix": f"{logs}*"}}
    # CloudTrail user guide: what the key encrypted for a trail, and nothing else of it.
    only_trails = {"Null": {"kms:EncryptionContext:aws:cloudtrail:arn": "false"}}
    return [
        _allow("ListTrailLogs", actions.ON_LOG_BUCKET, arn, Condition=only_logs),
        _allow("ReadTrailLogs", actions.ON_LOG_FILES, files),
        _allow("DecryptTrailLogs", actions.ON_LOG_KEY, "*", Condition=only_trails),
    ]


def _look_again(role: RoleName, prefix: str) -> list[dict[str, Any]]:
    """A writer looks who the user is before it writes; a restore also reads back what it holds.

    What only tells of use is the reader's, and so is the proof of a deletion.
    """
    looks = ["iam:GetUser"] if role == "deleter" else _HOLDINGS
    return [_allow("LookAgain", looks, f"{prefix}:user/*")]


def _writes(wanted: list[str], role: RoleName, prefix: str, partition: str) -> list[dict[str, Any]]:
    fence = f"arn:{partition}:iam::aws:policy/AWSDenyAll"
    users = f"{prefix}:user/*"
    elsewhere = {"iam:RemoveUserFromGroup": "group", "iam:DeleteVirtualMFADevice": "mfa"}
    conditioned = _FENCED if role == "actor" else frozenset[str]()
    plain = [action for action in wanted if action not in conditioned and action not in elsewhere]
    made = [_allow("ChangeUsers", plain, users)]
    attach = sorted({"iam:AttachUserPolicy", "iam:DetachUserPolicy"} & conditioned & set(wanted))
    if attach:
        only_fence = {"ArnEquals": {"iam:PolicyARN": fence}}
        made.append(_allow("OnlyTheFence", attach, users, Condition=only_fence))
    if "iam:DeleteUserPermissionsBoundary" in wanted:
        only_fence = {"StringEquals": {"iam:PermissionsBoundary": fence}}
        off = ["iam:DeleteUserPermissionsBoundary"]
        made.append(_allow("OnlyTheFenceAsBoundary", off, users, Condition=only_fence))
    if "iam:PutUserPermissionsBoundary" in wanted:
        # A restore puts the boundary back that the user had, which no condition can name ahead; the
        # session policy of each change narrows it to AWSDenyAll or that very boundary.
        made.append(_allow("BoundaryOnly", ["iam:PutUserPermissionsBoundary"], users))
    made += [
        _allow(f"Leave{kind.capitalize()}", [action], f"{prefix}:{kind}/*")
        for action, kind in elsewhere.items()
        if action in wanted
    ]
    return made


def _denies(prefix: str, protected: tuple[str, ...]) -> list[dict[str, Any]]:
    paths = [f"{prefix}:{kind}/{BREAK_GLASS_PATH}/*" for kind in ("user", "mfa", "group")]
    names = [f"{prefix}:user/{name}" for name in sorted(protected)]
    names += [f"{prefix}:user/*/{name}" for name in sorted(protected)]
    return [
        {
            "Sid": "NeverTouchBreakGlass",
            "Effect": "Deny",
            "NotAction": ["iam:Get*", "iam:List*"],
            "Resource": [*paths, *names],
        },
        {
            "Sid": "NeverTouchTagged",
            "Effect": "Deny",
            # Whatever it is called, Deactivate and the like included.
            "NotAction": ["iam:Get*", "iam:List*"],
            "Resource": f"{prefix}:user/*",
            "Condition": {"StringEquals": {f"aws:ResourceTag/{NEVER[0]}": NEVER[1]}},
        },
    ]
