"""Where the credential report and live reads disagree, as sentences. Pure.

The report is a snapshot of up to four hours ago, so most differences are changes since then; the
others mean that one of the two is wrong, and a person should know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.aws.credential_report import Report, ReportRow
from inventory.aws.credentials import UserCredentials
from inventory.aws.holdings import AccessKey, ListedUser

_MOST_NOTES = 40


@dataclass(frozen=True, slots=True)
class Note:
    """One difference. `explained`: a change since the report accounts for it."""

    text: str
    explained: bool

    def document(self) -> dict[str, Any]:
        return {"text": self.text, "explained": self.explained}


def account_notes(report: Report, listed: Sequence[ListedUser]) -> list[Note]:
    """Users that only one of report and ListUsers knows, and names that changed hands."""
    at = _at(report.generated_at)
    found: list[Note] = []
    by_arn = {user.arn: user for user in listed}
    only_listed = [user for user in listed if user.arn not in report.users]
    only_reported = [row for arn, row in report.users.items() if arn not in by_arn]
    born = {row.created_at: row for row in only_reported if row.created_at}
    for user in only_listed:
        if user.created_at > report.generated_at:
            text = f"{user.user_name} was made after the credential report of {at}."
            found.append(Note(text, True))
        elif before := born.pop(user.created_at.replace(microsecond=0), None):
            only_reported.remove(before)
            text = f"{user.user_name} was {before.user_name} in the credential report of {at}."
            found.append(Note(text, True))
        else:
            text = f"{user.user_name} is older than the credential report of {at}, but not in it."
            found.append(Note(text, False))
    found += [
        Note(
            f"{row.user_name} is in the credential report of {at}, but AWS lists it no more:"
            " deleted or renamed since, or one of the two is wrong.",
            True,
        )
        for row in only_reported
    ]
    for arn, user in by_arn.items():
        if arn in report.users and report.of(arn, user.created_at) is None:
            text = f"{user.user_name} in the credential report of {at} is another user of that name"
            since = user.created_at > report.generated_at
            found.append(Note(f"{text}{', deleted since.' if since else '.'}", since))
    return _cut(found)


def cells(row: ReportRow) -> dict[str, Any]:
    """What the report says of one user's credentials, as it is kept with the user."""
    return {
        "password": row.password_enabled,
        "mfa": row.mfa_active,
        "keys": [
            {
                "active": key.active,
                "rotated_at": _iso(key.rotated_at),
                "last_used_at": _iso(key.last_used_at),
                "region": key.region,
                "service": key.service,
            }
            for key in row.keys
        ],
        "certificates": [one.active for one in row.certificates],
        "more": row.more,
    }


def later_use(kept: Mapping[str, Any], keys: Iterable[AccessKey]) -> dict[str, Mapping[str, Any]]:
    """By key id, the slot of the report that is surely about that key and tells of a use.

    Slots bear no ids: they join by the second in which the key was made, where that fits one key
    and one slot only.
    """
    made: dict[str, list[str]] = {}
    for key in keys:
        made.setdefault(_iso(key.created_at) or "", []).append(key.id)
    slots: dict[str, list[Mapping[str, Any]]] = {}
    for slot in kept.get("keys", ()):
        slots.setdefault(slot["rotated_at"] or "", []).append(slot)
    return {
        made[at][0]: slots[at][0]
        for at in made.keys() & slots.keys() - {""}
        if len(made[at]) == len(slots[at]) == 1 and slots[at][0]["last_used_at"]
    }


def user_notes(kept: Mapping[str, Any], reported_at: datetime, live: UserCredentials) -> list[Note]:
    """Where one user's live credentials are not what the report said, and its age is no answer."""
    at = _at(reported_at)
    found = [
        _password(kept, reported_at, live),
        _mfa(kept, reported_at, live),
        *_keys(kept, reported_at, live),
        _certificates(kept, reported_at, live),
    ]
    return [
        Note(f"{note.text.format(at=at)}", note.explained) for note in found if note is not None
    ]


def _password(kept: Mapping[str, Any], at: datetime, live: UserCredentials) -> Note | None:
    said, now = kept.get("password"), live.has_console_password
    if said is None or said == now:
        return None
    if said:
        text = "It had a console password in the credential report of {at}, and has none now."
        return Note(text, True)
    if live.password_created_at and live.password_created_at > at:
        return None
    return Note(
        "It has a console password older than the credential report of {at}, which shows none.",
        False,
    )


def _mfa(kept: Mapping[str, Any], at: datetime, live: UserCredentials) -> Note | None:
    said, now = kept.get("mfa"), bool(live.mfa)
    if said is None or said == now:
        return None
    if said:
        return Note("It had MFA in the credential report of {at}, and has none now.", True)
    if all(device.enabled_at and device.enabled_at > at for device in live.mfa):
        return None
    return Note("It has MFA older than the credential report of {at}, which shows none.", False)


def _keys(kept: Mapping[str, Any], at: datetime, live: UserCredentials) -> list[Note]:
    slots = {slot["rotated_at"]: slot for slot in kept.get("keys", ()) if slot["rotated_at"]}
    keys = [use.key for use in live.keys]
    older = [key for key in keys if key.created_at <= at]
    if (
        len(older) > 2
        or kept.get("more")
        or len({_iso(key.created_at) for key in keys}) < len(keys)
    ):
        # Two slots cannot speak of more keys, nor of keys that were made in the same second.
        return []
    found = []
    for key in older:
        slot = slots.pop(_iso(key.created_at), None)
        active = key.status == "Active"
        if slot is None:
            # Of an inactive key some reports keep no date: nothing to compare with.
            if active and kept.get("keys") and all(one["active"] is False for one in kept["keys"]):
                text = f"Access key {_cut_id(key.id)} is active and older than the credential"
                found.append(Note(f"{text} report of {{at}}, which shows no active key.", False))
        elif slot["active"] is not None and slot["active"] != active:
            before, since = ("active", "off") if slot["active"] else ("off", "active")
            text = f"Access key {_cut_id(key.id)} was {before} in the credential report of {{at}}"
            found.append(Note(f"{text} and is {since} now.", True))
    found += [
        Note("The credential report of {at} shows an active access key that is gone now.", True)
        for slot in slots.values()
        if slot["active"]
    ]
    return found


def _certificates(kept: Mapping[str, Any], at: datetime, live: UserCredentials) -> Note | None:
    slots = kept.get("certificates") or []
    if not slots or None in slots or kept.get("more"):
        return None
    said = sum(slots)
    active = [one for one in live.certificates if one.status == "Active"]
    now = sum(1 for one in active if one.created_at is None or one.created_at <= at)
    if said == now:
        return None
    return Note(
        f"The credential report of {{at}} shows {said} active signing certificate"
        f"{'' if said == 1 else 's'}; of that age there {'is' if now == 1 else 'are'} {now} now.",
        True,
    )


def _cut(notes: list[Note]) -> list[Note]:
    """Contradictions first, and no more than a page can bear."""
    ordered = sorted(notes, key=lambda note: note.explained)
    left = len(ordered) - _MOST_NOTES
    if left <= 0:
        return ordered
    return [*ordered[:_MOST_NOTES], Note(f"And {left} more.", True)]


def _cut_id(key_id: str) -> str:
    return f"{key_id[:4]}…{key_id[-4:]}"


def _at(at: datetime) -> str:
    return f"{at:%d %b %H:%M} UTC"


def _iso(at: datetime | None) -> str | None:
    return at.replace(microsecond=0).isoformat() if at else None
