"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import conflict, exists, limit
from demo.aws.paging import page
from demo.aws.state import Group

from .users import checked_name, shown_user


def shown_group(group: Group) -> dict[str, Any]:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created_at,
    }


@operation("iam", "CreateGroup", writes=True)
def create_group(context: Context) -> dict[str, Any]:
    name, path = checked_name(context.params["GroupName"]), str(context.params.get("Path", "/"))
    if name.lower() in context.account.groups:
        raise exists(f"Group with name {name} already exists.")
    arn = context.account.arn(f"group{path}{name}")
    group = Group(name, context.new_id("AGPA"), path, arn, context.now)
    context.account.groups[name.lower()] = group
    return {"Group": shown_group(group)}


@operation("iam", "DeleteGroup", writes=True)
def delete_group(context: Context) -> None:
    group = context.account.group(str(context.params["GroupName"]))
    if any(group.name.lower() in user.groups for user in context.account.users.values()):
        raise conflict("Cannot delete entity, must remove users from group first.")
    if group.inline or group.attached:
        raise conflict("Cannot delete entity, must delete policies first.")
    del context.account.groups[group.name.lower()]


@operation("iam", "GetGroup")
def get_group(context: Context) -> dict[str, Any]:
    """The group and its users, by pages."""
    group = context.account.group(str(context.params["GroupName"]))
    members = [u for u in context.account.users.values() if group.name.lower() in u.groups]
    answer = page(context, "Users", members, lambda u: u.name, lambda u: shown_user(u, full=False))
    return {"Group": shown_group(group)} | answer


@operation("iam", "ListGroups")
def list_groups(context: Context) -> dict[str, Any]:
    rows = context.account.groups.values()
    return page(context, "Groups", rows, lambda group: group.name, shown_group)


@operation("iam", "ListGroupsForUser")
def list_groups_for_user(context: Context) -> dict[str, Any]:
    rows = [context.account.groups[name] for name in context.user().groups]
    return page(context, "Groups", rows, lambda group: group.name, shown_group)


@operation("iam", "AddUserToGroup", writes=True)
def add_user_to_group(context: Context) -> None:
    """LimitExceeded at ten groups; adding twice is no error."""
    user = context.user()
    name = context.account.group(str(context.params["GroupName"])).name.lower()
    if name in user.groups:
        return
    if len(user.groups) >= 10:
        raise limit("GroupsPerUser", 10)
    user.groups.append(name)


@operation("iam", "RemoveUserFromGroup", writes=True)
def remove_user_from_group(context: Context) -> None:
    """NoSuchEntity for an unknown group or user; not being a member is no error."""
    user = context.user()
    name = context.account.group(str(context.params["GroupName"])).name.lower()
    if name in user.groups:
        user.groups.remove(name)
