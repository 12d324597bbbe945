"""What changed in AWS between two looks: a pure comparison.

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

from inventory.rights.privilege import LEVELS, NONE

Part = Mapping[str, Any]

LISTING, DETAILS, CREDENTIALS, SERVICES = "listing", "details", "credentials", "services"
PARTS = (LISTING, DETAILS, CREDENTIALS, SERVICES)


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


_LABELS = {
    "ssh-key": "SSH public key",
    "signing-certificate": "signing certificate",
    "service-specific": "service-specific credential",
    "virtual": "app",
    "hardware": "token",
    "fido": "security key",
}


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
    # Rights that nobody could read are no level to rise from, or to.
    if old in LEVELS and new in LEVELS and LEVELS.index(new) > LEVELS.index(old):
        yield Seen(Kind.PRIVILEGE_ROSE, "", {"was": _level(old), "now": _level(new)})


def _level(level: str) -> str:
    return "nothing" if level == NONE else level.replace("-", " ")


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
