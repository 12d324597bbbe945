"""What one role of an account says of itself: whom it trusts, and its policies as they stand.

Read with what the reader may do anyway, so that a change role can be looked at without using it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inventory.aws.paging import pages
from inventory.aws.session import AwsSession


@dataclass(frozen=True, slots=True)
class RoleDocuments:
    """Trust and identity policies of a role; `boundary` is the ARN of its permissions boundary.

    `unread` names managed policies whose document AWS did not give.
    """

    arn: str
    trust: dict[str, Any]
    policies: tuple[dict[str, Any], ...]
    boundary: str = ""
    unread: tuple[str, ...] = ()


def read(session: AwsSession, arns: frozenset[str]) -> dict[str, RoleDocuments]:
    """Those of the roles `arns` that are there, by ARN. Raises AwsFailure."""
    raw: dict[str, dict[str, Any]] = {}
    managed: dict[str, Any] = {}
    for page in pages(
        session.client("iam").get_account_authorization_details,
        "GetAccountAuthorizationDetails",
        Filter=["Role", "LocalManagedPolicy", "AWSManagedPolicy"],
    ):
        raw |= {role["Arn"]: role for role in page.get("RoleDetailList", ()) if role["Arn"] in arns}
        for policy in page.get("Policies", ()):
            managed[policy["Arn"]] = _in_force(policy)
    return {arn: _documents(role, managed) for arn, role in raw.items()}


def _documents(role: dict[str, Any], managed: dict[str, Any]) -> RoleDocuments:
    attached = [str(one["PolicyArn"]) for one in role.get("AttachedManagedPolicies", ())]
    found = [one.get("PolicyDocument") for one in role.get("RolePolicyList", ())]
    found += [managed.get(arn) for arn in attached]
    boundary = role.get("PermissionsBoundary") or {}
    trust = role.get("AssumeRolePolicyDocument")
    return RoleDocuments(
        arn=role["Arn"],
        trust=trust if isinstance(trust, dict) else {},
        policies=tuple(one for one in found if isinstance(one, dict)),
        boundary=str(boundary.get("PermissionsBoundaryArn") or ""),
        unread=tuple(arn for arn in attached if not isinstance(managed.get(arn), dict)),
    )


def _in_force(policy: dict[str, Any]) -> Any:
    """The document of its default version."""
    versions = policy.get("PolicyVersionList", ())
    return next((one.get("Document") for one in versions if one.get("IsDefaultVersion")), None)
