"""What changed in AWS between two looks: a pure comparison, and its sentences.

What is known of a user falls into parts that are read apart: a part that was not read is not
compared, because a read that failed is never a change. Parts hold JSON-able values, so that they
can be kept and compared with what the next sync reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Part = Mapping[str, Any]

LISTING, DETAILS, CREDENTIALS, SERVICES = "listing", "details", "credentials", "services"
PARTS = (LISTING, DETAILS, CREDENTIALS, SERVICES)
_LEVELS = ("", "read", "write", "admin")
_LONGEST = 200


class Kind(StrEnum):
    """What can be seen to have changed, the most telling first."""

    ROOT_KEY_MADE = "root-key-made"
    ROOT_MFA_REMOVED = "root-mfa-removed"
    NAMESAKE = "namesake"
    KEY_ACTIVE = "key-active"
    PRIVILEGE_ROSE = "privilege-rose"
    APPEARED = "appeared"
    KEY_MADE = "key-made"
    CREDENTIAL_ACTIVE = "credential-active"
    CREDENTIAL_MADE = "credential-made"
    PASSWORD_SET = "password-set"  # noqa: S105 - the name of a kind
    POLICY_ATTACHED = "policy-attached"
    INLINE_PUT = "inline-put"
    INLINE_CHANGED = "inline-changed"
    GROUP_JOINED = "group-joined"
    BOUNDARY_REMOVED = "boundary-removed"
    BOUNDARY_CHANGED = "boundary-changed"
    MFA_REMOVED = "mfa-removed"
    RENAMED = "renamed"
    PATH_CHANGED = "path-changed"
    GONE = "gone"
    POLICY_DETACHED = "policy-detached"
    INLINE_DELETED = "inline-deleted"
    GROUP_LEFT = "group-left"
    BOUNDARY_SET = "boundary-set"
    MFA_ADDED = "mfa-added"
    KEY_INACTIVE = "key-inactive"
    KEY_GONE = "key-gone"
    CREDENTIAL_INACTIVE = "credential-inactive"
    CREDENTIAL_GONE = "credential-gone"
    PASSWORD_REMOVED = "password-removed"  # noqa: S105 - the name of a kind
    TAGS_CHANGED = "tags-changed"
    ROOT_KEY_GONE = "root-key-gone"
    ROOT_MFA_ADDED = "root-mfa-added"
    FIRST_LOOK = "first-look"

    @property
    def rank(self) -> int:
        """Its place in a list that begins with what is most worth reading."""
        return list(Kind).index(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """One change. `what` tells it from others of its kind; `aws_at` only where AWS gives a time."""

    kind: Kind
    what: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    aws_at: datetime | None = None


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

_LABELS = {
    "ssh-key": "SSH public key",
    "signing-certificate": "signing certificate",
    "service-specific": "service-specific credential",
    "virtual": "app",
    "hardware": "token",
    "fido": "security key",
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


def compare(part: str, before: Part, after: Part) -> Iterator[Seen]:
    """What became different in one part of one user between two looks that both read it."""
    if before != after:
        yield from _COMPARED[part](before, after)


def compare_root(before: Part, after: Part) -> Iterator[Seen]:
    """What became different about the root user: `{"keys": int, "mfa": bool}`."""
    had, has = before.get("keys"), after.get("keys")
    if had is not None and has is not None and had != has:
        yield Seen(Kind.ROOT_KEY_MADE if has > had else Kind.ROOT_KEY_GONE)
    if None not in (before.get("mfa"), after.get("mfa")) and before["mfa"] != after["mfa"]:
        yield Seen(Kind.ROOT_MFA_ADDED if after["mfa"] else Kind.ROOT_MFA_REMOVED)


def earlier_names(known: list[str], old: str, new: str) -> list[str]:
    """The names a user bore before, once it is renamed from `old` to `new`; each once.

    IAM names differ by more than case, so another spelling of a name is no other name.
    """
    kept = {name.lower(): name for name in [*known, old]}
    kept.pop(new.lower(), None)
    return list(kept.values())


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


def _listing(before: Part, after: Part) -> Iterator[Seen]:
    if before["name"] != after["name"]:
        yield Seen(Kind.RENAMED, "", {"was": before["name"], "now": after["name"]})
    if before["path"] != after["path"]:
        yield Seen(Kind.PATH_CHANGED, "", {"was": before["path"], "now": after["path"]})


def _details(before: Part, after: Part) -> Iterator[Seen]:
    for arn in sorted(set(after["policies"]) - set(before["policies"])):
        yield Seen(Kind.POLICY_ATTACHED, arn, {"name": _name(arn)})
    for arn in sorted(set(before["policies"]) - set(after["policies"])):
        yield Seen(Kind.POLICY_DETACHED, arn, {"name": _name(arn)})
    for name in sorted({*before["inline"], *after["inline"]}):
        old, new = before["inline"].get(name), after["inline"].get(name)
        if old != new:
            changed = Kind.INLINE_CHANGED if old else Kind.INLINE_PUT
            yield Seen(changed if new else Kind.INLINE_DELETED, name)
    for group in sorted(set(after["groups"]) - set(before["groups"])):
        yield Seen(Kind.GROUP_JOINED, group)
    for group in sorted(set(before["groups"]) - set(after["groups"])):
        yield Seen(Kind.GROUP_LEFT, group)
    yield from _boundary(before["boundary"], after["boundary"])
    yield from _tags(before["tags"], after["tags"])
    yield from _rights(before["privilege"], after["privilege"])


def _boundary(old: str, new: str) -> Iterator[Seen]:
    if old == new:
        return
    kind = Kind.BOUNDARY_CHANGED if old else Kind.BOUNDARY_SET
    params = {"was": _name(old), "now": _name(new)}
    yield Seen(kind if new else Kind.BOUNDARY_REMOVED, new or old, params)


def _tags(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Seen]:
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if keys:
        # Values may name people; which tags they were is enough to look.
        yield Seen(Kind.TAGS_CHANGED, "", {"keys": keys})


def _rights(old: str, new: str) -> Iterator[Seen]:
    if old in _LEVELS and new in _LEVELS and _LEVELS.index(new) > _LEVELS.index(old):
        yield Seen(Kind.PRIVILEGE_ROSE, "", {"was": old or "nothing", "now": new})


def _credentials(before: Part, after: Part) -> Iterator[Seen]:
    if before["password"] != after["password"]:
        yield Seen(Kind.PASSWORD_SET if after["password"] else Kind.PASSWORD_REMOVED)
    for serial in sorted(set(after["mfa"]) - set(before["mfa"])):
        yield Seen(Kind.MFA_ADDED, serial, _labelled(after["mfa"][serial]))
    for serial in sorted(set(before["mfa"]) - set(after["mfa"])):
        yield Seen(Kind.MFA_REMOVED, serial, _labelled(before["mfa"][serial]))
    yield from _keys(before, after)


def _keys(before: Part, after: Part) -> Iterator[Seen]:
    for each in sorted({*before["keys"], *after["keys"]}):
        old, new = before["keys"].get(each), after["keys"].get(each)
        kind = str((new or old)["kind"])
        made, on, off, gone = _OF_ACCESS_KEYS if kind == "access-key" else _OF_OTHERS
        params = _labelled(kind)
        if new is None:
            yield Seen(gone, each, params)
        elif old is None:
            status = "" if new["status"] == "Active" else f", {new['status'].lower()}"
            made_at = datetime.fromisoformat(new["at"]) if new.get("at") else None
            yield Seen(made, each, {**params, "status": status}, made_at)
        elif old["status"] != new["status"]:
            how = "expire" if new["status"] == "Expired" else "made inactive"
            yield Seen(on if new["status"] == "Active" else off, each, {**params, "how": how})


def _labelled(kind: str) -> dict[str, Any]:
    return {"label": _LABELS.get(kind, kind)}


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


_OF_ACCESS_KEYS = (Kind.KEY_MADE, Kind.KEY_ACTIVE, Kind.KEY_INACTIVE, Kind.KEY_GONE)
_OF_OTHERS = (
    Kind.CREDENTIAL_MADE,
    Kind.CREDENTIAL_ACTIVE,
    Kind.CREDENTIAL_INACTIVE,
    Kind.CREDENTIAL_GONE,
)
_COMPARED: Mapping[str, Callable[[Part, Part], Iterator[Seen]]] = {
    LISTING: _listing,
    DETAILS: _details,
    CREDENTIALS: _credentials,
    SERVICES: _keys,
}
