"""The account as a whole: authorization details, summary, alias."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.paging import page
from demo.aws.state import Group, Policy, Role, User

from .documents import attached_policies, inline_policies, shown_document, shown_tags
from .roles import shown_role
from .users import shown_boundary

Entity = User | Group | Role | Policy
_LISTS = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}


def _kind(entity: Entity) -> str:
    if isinstance(entity, Policy):
        return "AWSManagedPolicy" if entity.aws_managed else "LocalManagedPolicy"
    return type(entity).__name__


def _policy_detail(policy: Policy) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.version,
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "PolicyVersionList": [
            {
                "Document": shown_document(policy.document),
                "VersionId": policy.version,
                "IsDefaultVersion": True,
                "CreateDate": policy.created_at,
            }
        ],
    }


def _detail(context: Context, entity: Entity) -> dict[str, Any]:
    if isinstance(entity, Policy):
        return _policy_detail(entity)
    inline, managed = inline_policies(entity), attached_policies(entity)
    if isinstance(entity, Role):
        role = shown_role(entity) | {"RolePolicyList": inline, "AttachedManagedPolicies": managed}
        role["InstanceProfileList"] = []
        return role
    detail: dict[str, Any] = {
        "Path": entity.path,
        "Arn": entity.arn,
        "CreateDate": entity.created_at,
        "AttachedManagedPolicies": managed,
    }
    if isinstance(entity, Group):
        names = {"GroupName": entity.name, "GroupId": entity.id, "GroupPolicyList": inline}
        return detail | names
    groups = [context.account.groups[name].name for name in entity.groups]
    detail |= {"UserName": entity.name, "UserId": entity.id, "GroupList": groups}
    if inline:
        detail["UserPolicyList"] = inline
    if entity.tags:
        detail["Tags"] = shown_tags(entity.tags)
    if entity.boundary is not None:
        detail["PermissionsBoundary"] = shown_boundary(entity.boundary)
    return detail


@operation("iam", "GetAccountAuthorizationDetails")
def get_account_authorization_details(context: Context) -> dict[str, Any]:
    """Users, groups, roles and policies through one marker; `Filter` takes the kinds."""
    account = context.account
    wanted = context.params.get("Filter") or list(_LISTS)
    held: list[Entity] = [*account.users.values(), *account.groups.values()]
    held += [*account.roles.values(), *account.policies.values()]
    order = list(_LISTS)
    answer = page(
        context,
        "All",
        [entity for entity in held if _kind(entity) in wanted],
        lambda entity: f"{order.index(_kind(entity))}/{entity.path}{entity.name}",
        lambda entity: entity,
    )
    for name in _LISTS.values():
        answer.setdefault(name, [])
    for entity in answer.pop("All"):
        answer[_LISTS[_kind(entity)]].append(_detail(context, entity))
    return answer


@operation("iam", "GetAccountSummary")
def get_account_summary(context: Context) -> dict[str, Any]:
    """Use and quotas."""
    account = context.account
    in_use = sum(1 for device in account.virtual_mfa.values() if device.user_id)
    return {
        "SummaryMap": {
            "Users": len(account.users),
            "UsersQuota": 5000,
            "Groups": len(account.groups),
            "GroupsQuota": 300,
            "Roles": len(account.roles),
            "RolesQuota": 1000,
            "Policies": sum(not policy.aws_managed for policy in account.policies.values()),
            "PoliciesQuota": 1500,
            "MFADevices": len(account.virtual_mfa),
            "MFADevicesInUse": in_use
            + sum(
                not device.virtual
                for user in account.users.values()
                for device in user.mfa.values()
            ),
            "AccessKeysPerUserQuota": 2,
            "SigningCertificatesPerUserQuota": 2,
            "GroupsPerUserQuota": 10,
            "AttachedPoliciesPerUserQuota": 10,
            "AccountMFAEnabled": int(account.root.mfa),
            "AccountAccessKeysPresent": int(bool(account.root.keys)),
            "AccountPasswordPresent": 1,
        }
    }


@operation("iam", "ListAccountAliases")
def list_account_aliases(context: Context) -> dict[str, Any]:
    return page(context, "AccountAliases", [context.account.alias], str, str)
