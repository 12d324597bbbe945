"""The account's password policy: there is none until somebody sets one."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import no_such_entity

_DEFAULTS: dict[str, Any] = {
    "MinimumPasswordLength": 6,
    "RequireSymbols": False,
    "RequireNumbers": False,
    "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False,
    "AllowUsersToChangePassword": False,
    "HardExpiry": False,
}


@operation("iam", "GetAccountPasswordPolicy")
def get_account_password_policy(context: Context) -> dict[str, Any]:
    """NoSuchEntity where no policy was set: IAM's own default holds then."""
    policy = context.account.password_policy
    if policy is None:
        raise no_such_entity(
            f"The Password Policy with domain name {context.account.id} cannot be found."
        )
    return {"PasswordPolicy": {**policy, "ExpirePasswords": "MaxPasswordAge" in policy}}


@operation("iam", "UpdateAccountPasswordPolicy", writes=True)
def update_account_password_policy(context: Context) -> None:
    """Replaces the whole policy: what is not named falls back to its default."""
    context.account.password_policy = {**_DEFAULTS, **context.params}


@operation("iam", "DeleteAccountPasswordPolicy", writes=True)
def delete_account_password_policy(context: Context) -> None:
    if context.account.password_policy is None:
        raise no_such_entity("The account policy with name PasswordPolicy cannot be found.")
    context.account.password_policy = None
