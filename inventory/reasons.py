"""A verdict's reasons: one sentence each, with its source and the time it speaks of. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from inventory.evidence import Evidence, Reason, ServiceUse, Use, named, used
from inventory.rhythm import Rhythm
from inventory.rights.called import policy_prefix
from inventory.sentences import ago

# What a key that only asks who it is shows: somebody checks whether it works.
_IDENTITY_CALL = ("sts", "GetCallerIdentity")
# How far back Access Advisor tells.
_TRACKED = timedelta(days=400)


def reasons(
    facts: Evidence,
    uses: list[Use],
    missing: tuple[str, ...],
    *,
    in_use: bool,
    blockers: tuple[str, ...],
    rhythm: Rhythm,
    now: datetime,
) -> tuple[Reason, ...]:
    """What was not looked at first, then what blocks, then use and silence, the latest first."""
    found = [Reason(text, "Not looked at") for text in missing]
    if not in_use:
        found += [Reason(text, "IAM", facts.created_at, blocks=True) for text in blockers]
    latest_of: dict[str, Use] = {}
    for use in uses:
        if use.source not in latest_of or use.at > latest_of[use.source].at:
            latest_of[use.source] = use
    found += [
        Reason(f"{use.text}, {ago(now - use.at)}.", use.source, use.at)
        for use in sorted(latest_of.values(), key=lambda use: use.at, reverse=True)
    ]
    if rhythm.sentence:
        found.append(Reason(rhythm.sentence, "All sources", rhythm.last_at))
    found += _data_plane(facts, latest_of)
    found += _only_identity(facts)
    found += _silence(facts, latest_of)
    found += _failed_sign_ins(facts)
    return tuple(found)


def _data_plane(facts: Evidence, latest_of: dict[str, Use]) -> list[Reason]:
    """A key used where event history, read beyond that moment, shows no call: object-level use."""
    key, event = latest_of.get("Access key last used"), latest_of.get("CloudTrail")
    read_from, read_to = _read(facts)
    if key is None or read_from is None or read_to is None or not read_from < key.at < read_to:
        return []
    if event is None:
        text = f"No event in {_regions(facts)}: what it did is data plane only."
        return [Reason(text, "CloudTrail", read_to)]
    # Last-used dates move in steps of a quarter of an hour, and events are late by as much.
    if key.at - event.at > timedelta(days=1):
        text = f"No event since {event.at:%d %b}: what it did after that is data plane only."
        return [Reason(text, "CloudTrail", read_to)]
    return []


def _read(facts: Evidence) -> tuple[datetime | None, datetime | None]:
    """Between which times every Region answered; None where one did not."""
    looks = {one.region: one for one in facts.looks if not one.error}
    read = [looks[region] for region in facts.regions if region in looks]
    starts = [one.read_from for one in read if one.read_from]
    ends = [one.read_to for one in read if one.read_to]
    if not facts.regions or len(starts) < len(facts.regions) or len(ends) < len(facts.regions):
        return None, None
    return max(starts), min(ends)


def _regions(facts: Evidence) -> str:
    return "1 Region" if len(facts.regions) == 1 else f"{len(facts.regions)} Regions"


def identity_only(facts: Evidence) -> bool:
    """Whether all it was seen to call is GetCallerIdentity."""
    calls = used(facts)
    return bool(calls) and all((one.service, one.action) == _IDENTITY_CALL for one in calls)


def _only_identity(facts: Evidence) -> list[Reason]:
    if not identity_only(facts):
        return []
    text = "Its only call is GetCallerIdentity: somebody checks whether its key works."
    return [Reason(text, "CloudTrail", max(one.last_at for one in used(facts)))]


def _silence(facts: Evidence, latest_of: dict[str, Use]) -> list[Reason]:
    """What was looked at and found empty, and what AWS keeps no record of."""
    found = []
    _, read_to = _read(facts)
    if read_to and "CloudTrail" not in latest_of and not _data_plane(facts, latest_of):
        found.append(
            Reason(f"No event in event history, {_regions(facts)}.", "CloudTrail", read_to)
        )
    active = [one for one in facts.credentials if one.active]
    if facts.credentials_read_at and not active:
        found.append(Reason("It holds no active credential.", "IAM", facts.credentials_read_at))
    for one in active:
        if one.traced and one.last_used_at is None:
            text = f"{named(one)} was never used."
        elif not one.traced:
            text = f"{named(one)}: AWS does not record when it is used."
        else:
            continue
        found.append(Reason(text, "IAM", facts.credentials_read_at))
    if facts.services is not None and "Access Advisor" not in latest_of:
        text = _no_access(facts, facts.services, latest_of)
        found.append(Reason(text, "Access Advisor", facts.services_read_at))
    return found


def _no_access(facts: Evidence, services: tuple[ServiceUse, ...], latest_of: dict[str, Use]) -> str:
    """That Access Advisor saw nothing, and of use that others saw, why that is no contradiction.

    It tracks services that the user's policies allow; signing in and asking who one is need none.
    """
    read_at = facts.services_read_at
    since = read_at - _TRACKED if read_at else facts.created_at
    sources = {use.source for use in latest_of.values() if use.at > since} - {"Restore"}
    if not sources:
        return "No access to any service in 400 days."
    called = {policy_prefix(one.service) for one in used(facts) if one.last_at > since}
    called -= {one.service for one in services}
    others = ", ".join(sorted(called - {"signin"}))
    not_counted = [f"calls to {others}"] if others else []
    if "signin" in called or "Password last used" in sources:
        not_counted.append("sign-ins")
    nothing = "No access in 400 days to any service that Access Advisor tracks"
    if not_counted:
        return f"{nothing}; it does not count {' or '.join(not_counted)}."
    return f"{nothing}; use that others show is later than its answer, or not counted by it."


def _failed_sign_ins(facts: Evidence) -> list[Reason]:
    failed = [one for one in facts.happenings if one.outcome == "failed-sign-in"]
    if not failed:
        return []
    count = sum(one.count for one in failed)
    times = "1 failed sign-in" if count == 1 else f"{count} failed sign-ins"
    text = f"{times}: not use, anybody who knows the name can cause that."
    return [Reason(text, "CloudTrail", max(one.last_at for one in failed))]
