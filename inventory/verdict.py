"""Whether an IAM user is in use, from dated evidence. Pure: no I/O, `now` is an argument.

Unknown is never unused: whatever could not be read keeps the verdict from "dormant". Use is any
authenticated use of any credential, denied or not; a failed sign-in is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inventory.evidence import (
    EVENT_HISTORY,
    ArchiveLook,
    CredentialFact,
    Evidence,
    Happening,
    Reason,
    RegionLook,
    ServiceUse,
    Use,
    named,
    uses_of,
)
from inventory.reasons import identity_only, reasons
from inventory.rhythm import GRACE, Rhythm, rhythm_of
from inventory.sentences import days

__all__ = [
    "EVENT_HISTORY",
    "ArchiveLook",
    "Coverage",
    "CredentialFact",
    "Evidence",
    "Happening",
    "Reason",
    "RegionLook",
    "ServiceUse",
    "Verdict",
    "VerdictValue",
    "verdict",
]

# How old a look into a Region may be and still speak for now.
_LOOK_AGE = timedelta(hours=24)


class VerdictValue(StrEnum):
    """What the evidence says, with its label, colour token and icon."""

    label: str
    colour: str
    icon: str

    def __new__(cls, value: str, label: str, colour: str, icon: str) -> VerdictValue:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.colour, member.icon = label, colour, icon
        return member

    ACTIVE = ("active", "In use", "ink", "activity")
    DORMANT = ("dormant", "Dormant", "ink", "zzz")
    NEVER_USED = ("never-used", "Never used", "ink", "circle-off")
    UNKNOWN = ("unknown", "Cannot tell", "attention", "help-circle")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at. `whole`: everything that the verdict needs; else `missing` says what.

    `regions_read` of `regions` answered, back to `days` days; `sources` that answered, by name.
    """

    whole: bool
    missing: tuple[str, ...]
    blind: tuple[str, ...]
    regions_read: int = 0
    regions: int = 0
    days: int = 0
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A value with its reasons. `confidence`: high | medium | low, and why it is not higher."""

    value: VerdictValue
    reasons: tuple[Reason, ...]
    confidence: str
    coverage: Coverage
    blockers: tuple[str, ...]
    last_activity_at: datetime | None
    last_activity_source: str
    rhythm: str
    next_expected_at: datetime | None
    confidence_reason: str = ""
    # False where one run only makes a rhythm likely.
    rhythm_proven: bool = False


def verdict(facts: Evidence, dormant_after: timedelta, now: datetime) -> Verdict:
    """What `facts` say at `now`, for a policy that calls a user dormant after `dormant_after`."""
    uses = uses_of(facts, now)
    latest = max(uses, key=lambda use: use.at, default=None)
    coverage = _coverage(facts, latest, dormant_after, now)
    rhythm = rhythm_of({use.at.date() for use in uses if use.source != "Restore"}, now)
    blockers = _blockers(facts, dormant_after, now)
    value = _value(latest, coverage, blockers, rhythm, dormant_after=dormant_after, now=now)
    confidence, why = _confidence(facts, coverage, value, latest, rhythm)
    return Verdict(
        value=value,
        reasons=reasons(
            facts,
            uses,
            coverage.missing,
            in_use=value is VerdictValue.ACTIVE,
            blockers=blockers,
            rhythm=rhythm,
            now=now,
        ),
        confidence=confidence,
        confidence_reason=why,
        coverage=coverage,
        blockers=blockers,
        last_activity_at=latest.at if latest else None,
        last_activity_source=latest.source if latest else "",
        rhythm=rhythm.name,
        next_expected_at=rhythm.next_at,
        rhythm_proven=rhythm.proven,
    )


def _value(
    latest: Use | None,
    coverage: Coverage,
    blockers: tuple[str, ...],
    rhythm: Rhythm,
    *,
    dormant_after: timedelta,
    now: datetime,
) -> VerdictValue:
    if latest and latest.at > now - dormant_after:
        return VerdictValue.ACTIVE
    if rhythm.rare and rhythm.proven and rhythm.next_at and now <= rhythm.next_at + GRACE:
        return VerdictValue.ACTIVE
    if not coverage.whole or blockers:
        return VerdictValue.UNKNOWN
    return VerdictValue.DORMANT if latest else VerdictValue.NEVER_USED


def _coverage(
    facts: Evidence, latest: Use | None, dormant_after: timedelta, now: datetime
) -> Coverage:
    """Whole if every source answered and every Region was read back to the window's start.

    For a user seen in use, a Region counts as read if it was looked at: what is further back
    changes nothing.
    """
    missing = list(facts.missing)
    if facts.credentials_read_at is None and not facts.missing:
        missing.append("Credentials were not read yet.")
    start = now - min(dormant_after, EVENT_HISTORY)
    in_use = latest is not None and latest.at > now - dormant_after
    looks = {look.region: look for look in facts.looks}
    if not facts.regions:
        missing.append("CloudTrail: no Region could be looked at.")
    for region in facts.regions:
        gap = _region_gap(looks.get(region), start, now, in_use=in_use)
        if gap:
            missing.append(f"CloudTrail in {region}: {gap}")
    untraced = [one for one in facts.credentials if one.active and not one.traced]
    if untraced and facts.services is None and not in_use:
        missing.append("Access Advisor: AWS records the use of its credentials nowhere else.")
    blind = ["Object-level calls, such as S3 GetObject, are not in event history."]
    if dormant_after > EVENT_HISTORY or facts.archive:
        missing += _archive_gaps(facts, now - dormant_after, now, in_use=in_use)
        blind += _beyond_history(facts, now)
    if facts.regions_left_out:
        names = ", ".join(facts.regions_left_out)
        blind.append(f"Not looked at, because the declaration leaves them out: {names}.")
    gaps = {one.region: _region_gap(one, start, now, in_use=in_use) for one in facts.looks}
    read = [looks[region] for region in facts.regions if gaps.get(region) == ""]
    ends = [look.read_from for look in read if look.read_from]
    return Coverage(
        whole=not missing,
        missing=tuple(missing),
        blind=tuple(blind),
        regions_read=len(read),
        regions=len(facts.regions),
        days=(now - max(ends)).days if ends and len(read) == len(facts.regions) else 0,
        sources=_sources(facts, read),
    )


def _sources(facts: Evidence, read: list[RegionLook]) -> tuple[str, ...]:
    answered = {
        "Credentials": facts.credentials_read_at is not None,
        "CloudTrail": bool(read),
        "Access Advisor": facts.services is not None,
    }
    return tuple(name for name, told in answered.items() if told)


def _archive_gaps(facts: Evidence, start: datetime, now: datetime, *, in_use: bool) -> list[str]:
    """What of a window longer than event history should have been read, and could not be."""
    if in_use:
        return []
    found = []
    for look in facts.archive:
        lost = [day for day in look.gaps if start.date() <= day < (now - EVENT_HISTORY).date()]
        if look.error and start < now - EVENT_HISTORY:
            found.append(f"{look.source}, {look.region}: {look.error}")
        elif lost:
            span = days(timedelta(days=len(lost)))
            found.append(f"{look.source}, {look.region}: {span} could not be read whole.")
    return found


def _beyond_history(facts: Evidence, now: datetime) -> list[str]:
    """How far back calls are known at all, Regions taken together."""
    alone = "before that, last-used dates speak alone."
    if not facts.archive:
        return [f"Event history keeps 90 days; {alone}"]
    source, edge = facts.archive[0].source, (now - EVENT_HISTORY).date()
    # Only what was read up to event history prolongs it.
    joined = [one for one in facts.archive if one.read_from and one.read_to and one.read_to >= edge]
    begins = [one.read_from for one in joined if one.read_from]
    told = [f"{source}: read back to {max(begins):%d %b %Y}; {alone}"] if begins else []
    others = [one for one in facts.archive if one not in joined]
    told += [f"{source}, {one.region}: {one.error}" for one in facts.archive if one.error]
    silent = [one.region for one in others if not one.error]
    if silent:
        told.append(f"{source}: nothing beyond event history in {', '.join(silent)}.")
    return told


def _region_gap(look: RegionLook | None, start: datetime, now: datetime, *, in_use: bool) -> str:
    if look is None:
        return "not looked at."
    if look.error:
        return look.error
    if look.read_from is None or look.read_to is None:
        return "not looked at."
    if look.read_to < now - _LOOK_AGE:
        return f"not looked at since {look.read_to:%d %b %H:%M}."
    # An hour of slack: the window moves on while many users are read.
    if not in_use and look.read_from > start + timedelta(hours=1):
        return f"read back to {look.read_from:%d %b} only."
    return ""


def _blockers(facts: Evidence, dormant_after: timedelta, now: datetime) -> tuple[str, ...]:
    """Too young to judge: the user itself, or a credential that nobody had time to use.

    A password that was set anew, or a key made since, says that somebody meant to use it.
    """
    if facts.created_at > now - dormant_after:
        return (f"Created {days(now - facts.created_at)} ago, too young to judge.",)
    return tuple(
        f"{named(one)} was {_made(one)} {days(now - one.created_at)} ago, too young to judge."
        for one in facts.credentials
        if one.active
        and one.created_at is not None
        and one.created_at > now - dormant_after
        and (one.last_used_at is None or one.last_used_at < one.created_at)
    )


def _made(credential: CredentialFact) -> str:
    return "set" if credential.kind == "console-password" else "made"


def _confidence(
    facts: Evidence,
    coverage: Coverage,
    value: VerdictValue,
    latest: Use | None,
    rhythm: Rhythm,
) -> tuple[str, str]:
    """high | medium | low, and for the lower two what keeps it there."""
    if value is VerdictValue.UNKNOWN:
        return "low", _unread(facts, coverage)
    doubts: tuple[tuple[bool, str], ...]
    if value is VerdictValue.ACTIVE:
        doubts = (
            (not coverage.whole, "Not every source could be read."),
            (rhythm.rare, "It runs so seldom that few runs speak for it."),
            (
                latest is not None and latest.source == "Access Advisor",
                "Only service last accessed shows use; it tells neither key nor address.",
            ),
            (
                latest is not None and latest.source == "Restore",
                "Only that somebody restored it speaks for use.",
            ),
            (identity_only(facts), "Its only call is GetCallerIdentity."),
        )
    else:
        untraced = any(one.active and not one.traced for one in facts.credentials)
        doubts = (
            (bool(facts.regions_left_out), "Some enabled Regions are left out."),
            (facts.services is None, "Service last accessed was not asked: 90 days speak alone."),
            (untraced, "It holds a credential whose use only service last accessed shows."),
        )
    why = next((text for holds, text in doubts if holds), "")
    return ("medium" if why else "high"), why


def _unread(facts: Evidence, coverage: Coverage) -> str:
    """Why it cannot be told, the widest gap first."""
    if coverage.regions and coverage.regions_read < coverage.regions:
        starts = [one.read_from for one in facts.looks if one.read_from and not one.error]
        ends = [one.read_to for one in facts.looks if one.read_to and not one.error]
        if len(starts) == coverage.regions:
            span = (max(ends) - max(starts)).days
            if span < EVENT_HISTORY.days:
                return f"CloudTrail covers only {span} of {EVENT_HISTORY.days} days."
            return coverage.missing[0]
        return f"CloudTrail covers only {coverage.regions_read} of {coverage.regions} Regions."
    return coverage.missing[0] if coverage.missing else "It is too young to judge."
