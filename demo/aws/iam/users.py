"""Users: create, look at, rename, tag, and delete as strictly as IAM does."""

from __future__ import annotations

import re
from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import conflict, exists, invalid, limit
from demo.aws.paging import page
from demo.aws.state import User

from .documents import shown_tags

NAME = re.compile(r"^[\w+=,.@-]{1,64}$", re.ASCII)
PATH = re.compile(r"^(/|/[!-~]+/)$")


def checked_name(name: Any) -> str:
    """A name within IAM's alphabet, 1 to 64 characters; ValidationError."""
    if not NAME.match(str(name)):
        raise invalid(
            "The specified value for userName is invalid. It must contain only alphanumeric "
            "characters and/or the following: +=,.@_-"
        )
    return str(name)


def shown_user(user: User, *, full: bool) -> dict[str, Any]:
    """A user as IAM shows it. `full` adds tags and boundary, which ListUsers leaves out."""
    shown: dict[str, Any] = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
    }
    if user.password_last_used is not None:
        shown["PasswordLastUsed"] = user.password_last_used
    if full and user.tags:
        shown["Tags"] = shown_tags(user.tags)
    if full and user.boundary is not None:
        shown["PermissionsBoundary"] = shown_boundary(user.boundary)
    return shown


def shown_boundary(arn: str) -> dict[str, str]:
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


@operation("iam", "CreateUser", writes=True)
def create_user(context: Context) -> dict[str, Any]:
    """EntityAlreadyExists for a name that differs only in case; LimitExceeded at 5,000."""
    account, params = context.account, context.params
    name, path = checked_name(params.get("UserName")), str(params.get("Path", "/"))
    if not PATH.match(path):
        raise invalid("The specified value for path is invalid.")
    if name.lower() in account.users:
        raise exists(f"User with name {name} already exists.")
    if len(account.users) >= 5000:
        raise limit("UsersPerAccount", 5000)
    boundary = params.get("PermissionsBoundary")
    user = User(
        name=name,
        id=context.new_id("AIDA"),
        path=path,
        arn=account.arn(f"user{path}{name}"),
        created_at=context.now,
        tags={tag["Key"]: tag["Value"] for tag in params.get("Tags", [])},
        boundary=account.policy(str(boundary)).arn if boundary else None,
    )
    account.add_user(user)
    return {"User": shown_user(user, full=True)}


@operation("iam", "GetUser")
def get_user(context: Context) -> dict[str, Any]:
    """With tags and boundary. NoSuchEntity."""
    return {"User": shown_user(context.user(), full=True)}


@operation("iam", "ListUsers")
def list_users(context: Context) -> dict[str, Any]:
    """By pages; without tags and boundary (AWS_FACTS.md 3.4)."""
    prefix = str(context.params.get("PathPrefix", "/"))
    rows = [user for user in context.account.users.values() if user.path.startswith(prefix)]
    return page(
        context, "Users", rows, lambda user: user.name, lambda user: shown_user(user, full=False)
    )


@operation("iam", "UpdateUser", writes=True)
def update_user(context: Context) -> None:
    """Renames or moves: the id stays, the ARN does not (AWS_FACTS.md 5.8)."""
    account, user = context.account, context.user()
    name = checked_name(context.params.get("NewUserName", user.name))
    if name.lower() != user.name.lower() and name.lower() in account.users:
        raise exists(f"User with name {name} already exists.")
    del account.users[user.name.lower()]
    user.name = name
    user.path = str(context.params.get("NewPath", user.path))
    user.arn = account.arn(f"user{user.path}{name}")
    account.add_user(user)


@operation("iam", "DeleteUser", writes=True)
def delete_user(context: Context) -> None:
    """DeleteConflict for every kind of leftover (AWS_FACTS.md 5.1); boundary and tags are none."""
    user = context.user()
    leftovers = [
        (user.inline, "must delete policies first."),
        (user.attached, "must detach all policies first."),
        (user.groups, "must remove user from groups first."),
        (user.keys, "must delete access keys first."),
        (user.login, "must delete login profile first."),
        (user.mfa, "must delete MFA device first."),
        (user.ssh_keys, "must delete SSH public keys first."),
        (user.certificates, "must delete signing certificates first."),
        (user.service_credentials, "must delete service specific credentials first."),
    ]
    for held, words in leftovers:
        if held:
            raise conflict(f"Cannot delete entity, {words}")
    del context.account.users[user.name.lower()]
    del context.account.by_user_id[user.id]


@operation("iam", "ListUserTags")
def list_user_tags(context: Context) -> dict[str, Any]:
    tags = shown_tags(context.user().tags)
    return page(context, "Tags", tags, lambda tag: tag["Key"], lambda tag: tag)


@operation("iam", "TagUser", writes=True)
def tag_user(context: Context) -> None:
    """LimitExceeded beyond 50 tags."""
    user = context.user()
    tags = user.tags | {tag["Key"]: tag["Value"] for tag in context.params["Tags"]}
    if len(tags) > 50:
        raise limit("TagsPerUser", 50)
    user.tags = tags


@operation("iam", "UntagUser", writes=True)
def untag_user(context: Context) -> None:
    user = context.user()
    user.tags = {k: v for k, v in user.tags.items() if k not in context.params["TagKeys"]}


@operation("iam", "PutUserPermissionsBoundary", writes=True)
def put_user_permissions_boundary(context: Context) -> None:
    """NoSuchEntity for a policy that does not exist. One slot: the old one is overwritten."""
    user = context.user()
    user.boundary = context.account.policy(str(context.params["PermissionsBoundary"])).arn


@operation("iam", "DeleteUserPermissionsBoundary", writes=True)
def delete_user_permissions_boundary(context: Context) -> None:
    """IAM does not mind when there is none."""
    context.user().boundary = None
