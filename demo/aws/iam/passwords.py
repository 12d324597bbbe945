"""Login profiles, i.e. console passwords. There is no inactive state, only gone."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import exists, no_such_entity
from demo.aws.state import LoginProfile, User


def _login(user: User) -> LoginProfile:
    if user.login is None:
        raise no_such_entity(f"Login Profile for User {user.name} cannot be found.")
    return user.login


def _shown(user: User, login: LoginProfile) -> dict[str, Any]:
    return {
        "LoginProfile": {
            "UserName": user.name,
            "CreateDate": login.created_at,
            "PasswordResetRequired": login.reset_required,
        }
    }


@operation("iam", "CreateLoginProfile", writes=True)
def create_login_profile(context: Context) -> dict[str, Any]:
    """EntityAlreadyExists where there is one. The password itself is not kept."""
    user = context.user()
    if user.login is not None:
        raise exists(f"Login Profile for user {user.name} already exists.")
    reset = bool(context.params.get("PasswordResetRequired", False))
    user.login = LoginProfile(context.now, reset)
    user.password_changed_at = context.now
    return _shown(user, user.login)


@operation("iam", "GetLoginProfile")
def get_login_profile(context: Context) -> dict[str, Any]:
    user = context.user()
    return _shown(user, _login(user))


@operation("iam", "UpdateLoginProfile", writes=True)
def update_login_profile(context: Context) -> None:
    user = context.user()
    login = _login(user)
    if "PasswordResetRequired" in context.params:
        login.reset_required = bool(context.params["PasswordResetRequired"])
    if "Password" in context.params:
        user.password_changed_at = context.now


@operation("iam", "DeleteLoginProfile", writes=True)
def delete_login_profile(context: Context) -> None:
    """`PasswordLastUsed` of the user stays (AWS_FACTS.md 1.16)."""
    user = context.user()
    _login(user)
    user.login = None
