"""Access keys and when they were last used."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import AwsError, limit, no_such_entity
from demo.aws.paging import page
from demo.aws.state import AccessKey, User


def _shown(user: User, key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": user.name,
        "AccessKeyId": key.id,
        "Status": key.status,
        "CreateDate": key.created_at,
    }


def _key(user: User, key_id: Any) -> AccessKey:
    if key_id not in user.keys:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return user.keys[key_id]


@operation("iam", "CreateAccessKey", writes=True)
def create_access_key(context: Context) -> dict[str, Any]:
    """LimitExceeded at two keys. The secret is made up and opens nothing."""
    user = context.user()
    if len(user.keys) >= 2:
        raise limit("AccessKeysPerUser", 2)
    key = AccessKey(context.new_id("AKIA", 16), context.now)
    user.keys[key.id] = key
    context.account.key_owner[key.id] = user.id
    return {"AccessKey": _shown(user, key) | {"SecretAccessKey": "simulated/" + "x" * 30}}


@operation("iam", "ListAccessKeys")
def list_access_keys(context: Context) -> dict[str, Any]:
    """All keys, which may be more than two (AWS_FACTS.md 1.17)."""
    user = context.user()
    return page(
        context,
        "AccessKeyMetadata",
        user.keys.values(),
        lambda key: key.id,
        lambda key: _shown(user, key),
    )


@operation("iam", "UpdateAccessKey", writes=True)
def update_access_key(context: Context) -> None:
    """Active or Inactive; `Expired` is a status that cannot be set."""
    key = _key(context.user(), context.params["AccessKeyId"])
    status = str(context.params["Status"])
    if status not in ("Active", "Inactive"):
        raise AwsError("ValidationError", f"Value '{status}' at 'status' is not allowed", 400)
    key.status = status


@operation("iam", "DeleteAccessKey", writes=True)
def delete_access_key(context: Context) -> None:
    """NoSuchEntity for a key that is gone or somebody else's."""
    user = context.user()
    key = _key(user, context.params["AccessKeyId"])
    del user.keys[key.id]
    del context.account.key_owner[key.id]


@operation("iam", "GetAccessKeyLastUsed")
def get_access_key_last_used(context: Context) -> dict[str, Any]:
    """`N/A` and no date for a key that was never used (AWS_FACTS.md 3.1)."""
    key_id = str(context.params["AccessKeyId"])
    user = context.account.owner_of_key(key_id)
    if user is None:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    used = user.keys[key_id].last_used
    shown: dict[str, Any] = {"ServiceName": "N/A", "Region": "N/A"}
    if used is not None:
        shown = {"LastUsedDate": used.at, "ServiceName": used.service, "Region": used.region}
    return {"UserName": user.name, "AccessKeyLastUsed": shown}
