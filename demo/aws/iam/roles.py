"""Roles, as far as the account's own life and foreign hands need them."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import conflict, exists
from demo.aws.paging import page
from demo.aws.state import Role

from .documents import read_document, shown_document, shown_tags
from .users import shown_boundary


def shown_role(role: Role) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": shown_document(role.trust),
        "MaxSessionDuration": role.max_session_seconds,
    }
    if role.tags:
        shown["Tags"] = shown_tags(role.tags)
    if role.boundary is not None:
        shown["PermissionsBoundary"] = shown_boundary(role.boundary)
    if role.last_used is not None:
        used = {"LastUsedDate": role.last_used.at, "Region": role.last_used.region}
        shown["RoleLastUsed"] = used
    return shown


@operation("iam", "CreateRole", writes=True)
def create_role(context: Context) -> dict[str, Any]:
    name, path = str(context.params["RoleName"]), str(context.params.get("Path", "/"))
    if name.lower() in context.account.roles:
        raise exists(f"Role with name {name} already exists.")
    role = Role(
        name=name,
        id=context.new_id("AROA"),
        path=path,
        arn=context.account.arn(f"role{path}{name}"),
        created_at=context.now,
        trust=read_document(context.params["AssumeRolePolicyDocument"]),
    )
    context.account.roles[name.lower()] = role
    return {"Role": shown_role(role)}


@operation("iam", "GetRole")
def get_role(context: Context) -> dict[str, Any]:
    return {"Role": shown_role(context.account.role(str(context.params["RoleName"])))}


@operation("iam", "ListRoles")
def list_roles(context: Context) -> dict[str, Any]:
    """Without tags, boundary and last use."""

    def shown(role: Role) -> dict[str, Any]:
        left_out = ("Tags", "PermissionsBoundary", "RoleLastUsed")
        return {key: value for key, value in shown_role(role).items() if key not in left_out}

    return page(context, "Roles", context.account.roles.values(), lambda role: role.name, shown)


@operation("iam", "UpdateAssumeRolePolicy", writes=True)
def update_assume_role_policy(context: Context) -> None:
    role = context.account.role(str(context.params["RoleName"]))
    role.trust = read_document(context.params["PolicyDocument"])


@operation("iam", "DeleteRole", writes=True)
def delete_role(context: Context) -> None:
    role = context.account.role(str(context.params["RoleName"]))
    if role.inline or role.attached:
        raise conflict("Cannot delete entity, must detach all policies first.")
    del context.account.roles[role.name.lower()]
