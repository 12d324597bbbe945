"""What changed in AWS in sentences: of one user, under a heading, and counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inventory.observations import Kind

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Words:
    """`one` and `many` follow a number; `told` ends a sentence: "A sync saw …".

    `brief` stands under a heading that names the kind already, after the user's name.
    """

    one: str
    many: str
    told: str
    brief: str = ""


WORDS: Mapping[Kind, Words] = {
    Kind.ROOT_KEY_MADE: Words("new root access key", "new root access keys", "a new root key"),
    Kind.ROOT_KEY_GONE: Words("root access key gone", "root access keys gone", "a root key gone"),
    Kind.ROOT_MFA_ADDED: Words(
        "root user with MFA now", "root users with MFA now", "MFA of root turned on"
    ),
    Kind.ROOT_MFA_REMOVED: Words(
        "root user without MFA now", "root users without MFA now", "MFA of root turned off"
    ),
    Kind.NAMESAKE: Words(
        "namesake with a new ID",
        "namesakes with a new ID",
        "that it bears the name of another user, {other}",
        "before {other}",
    ),
    Kind.KEY_ACTIVE: Words(
        "key turned active again",
        "keys turned active again",
        "access key {what} turned active again",
        "{what}",
    ),
    Kind.PRIVILEGE_ROSE: Words(
        "user may do more",
        "users may do more",
        "its rights rise from {was} to {now}",
        "{was} to {now}",
    ),
    Kind.APPEARED: Words("new user", "new users", "it for the first time{rights}", "{rights}"),
    Kind.KEY_MADE: Words(
        "new access key", "new access keys", "a new access key {what}{status}", "{what}{status}"
    ),
    Kind.CREDENTIAL_ACTIVE: Words(
        "other credential turned active again",
        "other credentials turned active again",
        "its {label} {what} turned active again",
        "{label} {what}",
    ),
    Kind.CREDENTIAL_MADE: Words(
        "other new credential",
        "other new credentials",
        "a new {label} {what}{status}",
        "{label} {what}{status}",
    ),
    Kind.PASSWORD_SET: Words(
        "console password set", "console passwords set", "a console password set"
    ),
    Kind.POLICY_ATTACHED: Words(
        "policy attached", "policies attached", "policy {name} attached", "{name}"
    ),
    Kind.INLINE_PUT: Words(
        "new inline policy", "new inline policies", "a new inline policy {what}", "{what}"
    ),
    Kind.INLINE_CHANGED: Words(
        "inline policy changed", "inline policies changed", "inline policy {what} changed", "{what}"
    ),
    Kind.GROUP_JOINED: Words("group joined", "groups joined", "it join group {what}", "{what}"),
    Kind.BOUNDARY_REMOVED: Words(
        "boundary removed", "boundaries removed", "its permissions boundary {was} removed", "{was}"
    ),
    Kind.BOUNDARY_CHANGED: Words(
        "boundary changed",
        "boundaries changed",
        "its permissions boundary changed from {was} to {now}",
        "{was} to {now}",
    ),
    Kind.MFA_REMOVED: Words(
        "MFA device removed", "MFA devices removed", "MFA {label} removed", "{label}"
    ),
    Kind.RENAMED: Words(
        "user renamed", "users renamed", "it renamed from {was} to {now}", "was {was}"
    ),
    Kind.PATH_CHANGED: Words(
        "path changed", "paths changed", "its path change from {was} to {now}", "{was} to {now}"
    ),
    Kind.GONE: Words("user gone", "users gone", "it gone from AWS"),
    Kind.POLICY_DETACHED: Words(
        "policy detached", "policies detached", "policy {name} detached", "{name}"
    ),
    Kind.INLINE_DELETED: Words(
        "inline policy deleted", "inline policies deleted", "inline policy {what} deleted", "{what}"
    ),
    Kind.GROUP_LEFT: Words("group left", "groups left", "it leave group {what}", "{what}"),
    Kind.BOUNDARY_SET: Words(
        "boundary set", "boundaries set", "permissions boundary {now} set", "{now}"
    ),
    Kind.MFA_ADDED: Words("MFA device added", "MFA devices added", "MFA {label} added", "{label}"),
    Kind.KEY_INACTIVE: Words(
        "key made inactive", "keys made inactive", "access key {what} made inactive", "{what}"
    ),
    Kind.KEY_GONE: Words("access key gone", "access keys gone", "access key {what} gone", "{what}"),
    Kind.CREDENTIAL_INACTIVE: Words(
        "other credential inactive now",
        "other credentials inactive now",
        "its {label} {what} {how}",
        "{label} {what}",
    ),
    Kind.CREDENTIAL_GONE: Words(
        "other credential gone",
        "other credentials gone",
        "its {label} {what} gone",
        "{label} {what}",
    ),
    Kind.PASSWORD_REMOVED: Words(
        "console password removed", "console passwords removed", "its console password removed"
    ),
    Kind.TAGS_CHANGED: Words(
        "user with other tags", "users with other tags", "its tags change: {keys}", "{keys}"
    ),
    Kind.FIRST_LOOK: Words(
        "first look", "first looks", "{count} users found; from here on, what changes is told"
    ),
}


def told(kind: str, params: Mapping[str, Any]) -> str:
    """One change as the end of "A sync saw …"; `params` are those of its `Seen`.

    They hold text from AWS, shortened here and nowhere escaped: that is the template's.
    """
    return WORDS[Kind(kind)].told.format_map(_Shown(params))


def brief(kind: str, params: Mapping[str, Any]) -> str:
    """What remains to be said of one change under a heading that names its kind; may be ""."""
    return WORDS[Kind(kind)].brief.format_map(_Shown(params)).removeprefix(", ")


def counted(kind: str, number: int) -> str:
    """ "3 new users"."""
    words = WORDS[Kind(kind)]
    return f"{number:,} {words.one if number == 1 else words.many}"


class _Shown(dict[str, Any]):
    """The parameters of a sentence, shortened; one that is missing is "?", never an error."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__({"rights": "", "status": ""})
        self.update({key: _short(value) for key, value in params.items()})

    def __missing__(self, key: str) -> str:
        return "?"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
