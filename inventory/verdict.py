"""Whether an IAM user is in use, from dated evidence. Pure: no I/O, `now` is an argument.

Unknown is never unused: whatever could not be read keeps the verdict from "dormant". Use is any
authenticated use of any credential, denied or not; a failed sign-in is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inventory.rhythm import Rhythm, rhythm_of

# Event history keeps management events this long, in each Region.
EVENT_HISTORY = timedelta(days=90)
_RARE_GRACE = timedelta(days=3)
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
class CredentialFact:
    """One credential. `kind` as in the Credential model, or "console-password"."""

    kind: str
    id: str
    active: bool
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_service: str = ""
    # Whether AWS records its last use at all; of SSH keys, certificates and service-specific
    # credentials it does not.
    traced: bool = True


@dataclass(frozen=True, slots=True)
class Happening:
    """Events of one kind on one day. `outcome`: ok | denied | failed-sign-in."""

    first_at: datetime
    last_at: datetime
    service: str
    action: str
    outcome: str
    count: int = 1
    region: str = ""
    access_key_id: str = ""
    source_address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class RegionLook:
    """How far event history was read in one Region; `error` is AWS's words of the last failure."""

    region: str
    read_from: datetime | None
    read_to: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """One service in service last accessed; `at` is None where AWS tracked no access."""

    service: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one user's use, and what is not.

    `missing` names in AWS's words what could not be read. `services` is None where service last
    accessed was not asked.
    """

    created_at: datetime
    regions: tuple[str, ...]
    credentials: tuple[CredentialFact, ...] = ()
    happenings: tuple[Happening, ...] = ()
    looks: tuple[RegionLook, ...] = ()
    services: tuple[ServiceUse, ...] | None = None
    credentials_read_at: datetime | None = None
    services_read_at: datetime | None = None
    missing: tuple[str, ...] = ()
    regions_left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence with its source and the time it speaks of."""

    text: str
    source: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at. `whole`: everything that the verdict needs; else `missing` says what."""

    whole: bool
    missing: tuple[str, ...]
    blind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A value with its reasons. `confidence`: high | medium | low."""

    value: VerdictValue
    reasons: tuple[Reason, ...]
    confidence: str
    coverage: Coverage
    blockers: tuple[str, ...]
    last_activity_at: datetime | None
    last_activity_source: str
    rhythm: str
    next_expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Use:
    at: datetime
    source: str
    text: str


def verdict(facts: Evidence, dormant_after: timedelta, now: datetime) -> Verdict:
    """What `facts` say at `now`, for a policy that calls a user dormant after `dormant_after`."""
    uses = _uses(facts)
    latest = max(uses, key=lambda use: use.at, default=None)
    coverage = _coverage(facts, latest, dormant_after, now)
    days = {happening.last_at.date() for happening in _used(facts)} | {
        use.at.date() for use in uses
    }
    rhythm = rhythm_of(days, now)
    blockers = _blockers(facts, dormant_after, now)
    value = _value(latest, coverage, blockers, rhythm, dormant_after=dormant_after, now=now)
    return Verdict(
        value=value,
        reasons=_reasons(facts, uses, coverage, value, blockers=blockers, rhythm=rhythm, now=now),
        confidence=_confidence(facts, coverage, value, latest, rhythm),
        coverage=coverage,
        blockers=blockers,
        last_activity_at=latest.at if latest else None,
        last_activity_source=latest.source if latest else "",
        rhythm=rhythm.name,
        next_expected_at=rhythm.next_at,
    )


def _value(
    latest: _Use | None,
    coverage: Coverage,
    blockers: tuple[str, ...],
    rhythm: Rhythm,
    *,
    dormant_after: timedelta,
    now: datetime,
) -> VerdictValue:
    if latest and latest.at > now - dormant_after:
        return VerdictValue.ACTIVE
    if rhythm.rare and rhythm.proven and rhythm.next_at and now <= rhythm.next_at + _RARE_GRACE:
        return VerdictValue.ACTIVE
    if not coverage.whole or blockers:
        return VerdictValue.UNKNOWN
    return VerdictValue.DORMANT if latest else VerdictValue.NEVER_USED


def _used(facts: Evidence) -> list[Happening]:
    """Authenticated use: a denied call is one, a failed sign-in is not."""
    return [one for one in facts.happenings if one.outcome != "failed-sign-in"]


def _uses(facts: Evidence) -> list[_Use]:
    uses = [
        _Use(
            one.last_at,
            "CloudTrail",
            f"Last call {one.service}:{one.action}"
            + (", denied" if one.outcome == "denied" else ""),
        )
        for one in _used(facts)
    ]
    for credential in facts.credentials:
        if credential.last_used_at is None:
            continue
        if credential.kind == "console-password":
            uses.append(_Use(credential.last_used_at, "Password last used", "Last console sign-in"))
            continue
        what = f" for {credential.last_used_service}" if credential.last_used_service else ""
        text = f"Access key {credential.id} last used{what}"
        uses.append(_Use(credential.last_used_at, "Access key last used", text))
    for service in facts.services or ():
        if service.at is not None:
            text = f"Last access to {service.service}"
            uses.append(_Use(service.at, "Access Advisor", text))
    return uses


def _coverage(
    facts: Evidence, latest: _Use | None, dormant_after: timedelta, now: datetime
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
    if dormant_after > EVENT_HISTORY:
        blind.append("Event history keeps 90 days; before that, last-used dates speak alone.")
    if facts.regions_left_out:
        names = ", ".join(facts.regions_left_out)
        blind.append(f"Not looked at, because the declaration leaves them out: {names}.")
    return Coverage(not missing, tuple(missing), tuple(blind))


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
    """Too young to judge: the user itself, or a credential that nobody had time to use."""
    if facts.created_at > now - dormant_after:
        return (f"Created {_days(now - facts.created_at)} ago, too young to judge.",)
    return tuple(
        f"{_named(one)} was made {_days(now - one.created_at)} ago, too young to judge."
        for one in facts.credentials
        if one.active
        and one.traced
        and one.last_used_at is None
        and one.created_at is not None
        and one.created_at > now - dormant_after
    )


def _named(credential: CredentialFact) -> str:
    if credential.kind == "console-password":
        return "The console password"
    return f"Access key {credential.id}"


def _ago(since: timedelta) -> str:
    return f"{_days(since)} ago" if since.days else "less than a day ago"


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"


def _reasons(
    facts: Evidence,
    uses: list[_Use],
    coverage: Coverage,
    value: VerdictValue,
    *,
    blockers: tuple[str, ...],
    rhythm: Rhythm,
    now: datetime,
) -> tuple[Reason, ...]:
    found = [Reason(text, "Not looked at") for text in coverage.missing]
    if value is not VerdictValue.ACTIVE:
        found += [Reason(text, "IAM", facts.created_at) for text in blockers]
    latest_of: dict[str, _Use] = {}
    for use in uses:
        if use.source not in latest_of or use.at > latest_of[use.source].at:
            latest_of[use.source] = use
    found += [
        Reason(f"{use.text}, {_ago(now - use.at)}.", use.source, use.at)
        for use in sorted(latest_of.values(), key=lambda use: use.at, reverse=True)
    ]
    if rhythm.name:
        found.append(Reason(rhythm.sentence, "CloudTrail", rhythm.last_at))
    found += _silence(facts, latest_of)
    found += _failed_sign_ins(facts)
    return tuple(found)


def _silence(facts: Evidence, latest_of: dict[str, _Use]) -> list[Reason]:
    """What was looked at and found empty, or used where event history does not see it."""
    found = []
    read_to = [look.read_to for look in facts.looks if look.read_to and not look.error]
    if read_to and len(read_to) >= len(facts.regions) and "CloudTrail" not in latest_of:
        regions = "1 Region" if len(facts.regions) == 1 else f"{len(facts.regions)} Regions"
        if "Access key last used" in latest_of:
            text = f"No event in {regions}: what it did is data plane only."
        else:
            text = f"No event in event history, {regions}."
        found.append(Reason(text, "CloudTrail", min(read_to)))
    active = [one for one in facts.credentials if one.active]
    if facts.credentials_read_at and not active:
        found.append(Reason("It holds no active credential.", "IAM", facts.credentials_read_at))
    unused = [one for one in active if one.traced and one.last_used_at is None]
    found += [
        Reason(f"{_named(one)} was never used.", "IAM", facts.credentials_read_at) for one in unused
    ]
    if facts.services is not None and "Access Advisor" not in latest_of:
        text = "No access to any service in 400 days."
        found.append(Reason(text, "Access Advisor", facts.services_read_at))
    return found


def _failed_sign_ins(facts: Evidence) -> list[Reason]:
    failed = [one for one in facts.happenings if one.outcome == "failed-sign-in"]
    if not failed:
        return []
    count = sum(one.count for one in failed)
    times = "1 failed sign-in" if count == 1 else f"{count} failed sign-ins"
    text = f"{times}: not use, anybody who knows the name can cause that."
    return [Reason(text, "CloudTrail", max(one.last_at for one in failed))]


def _confidence(
    facts: Evidence,
    coverage: Coverage,
    value: VerdictValue,
    latest: _Use | None,
    rhythm: Rhythm,
) -> str:
    if value is VerdictValue.UNKNOWN:
        return "low"
    if value is VerdictValue.ACTIVE:
        only_old_service = latest is not None and latest.source == "Access Advisor"
        return "medium" if only_old_service or not coverage.whole or rhythm.rare else "high"
    return "high" if facts.services is not None and not facts.regions_left_out else "medium"


def sentences(
    value: str,
    now: datetime,
    last_activity_at: datetime | None,
    *,
    rhythm: str = "",
    next_expected_at: datetime | None = None,
    missing: tuple[str, ...] = (),
) -> tuple[str, str]:
    """The headline and the line below it on a user's page."""
    last = f"{last_activity_at:%d %b %Y}" if last_activity_at else ""
    if value == VerdictValue.DORMANT and last_activity_at:
        days = _days(now - last_activity_at)
        return "Dormant. Safe to disable now.", f"Nobody has signed in or used a key for {days}."
    if value == VerdictValue.NEVER_USED:
        line = "No credential was ever used, and no event names this user."
        return "Never used. Safe to disable now.", line
    if value == VerdictValue.ACTIVE:
        if rhythm in ("monthly", "quarterly", "yearly"):
            next_run = (
                f" Watch or soak must cover {next_expected_at:%d %b}." if next_expected_at else ""
            )
            each = {"monthly": "month", "quarterly": "quarter", "yearly": "year"}[rhythm]
            return f"Rare. Runs each {each}.", f"Last {last}.{next_run}"
        return "In use. Plan a replacement first.", f"Last use {last}." if last else ""
    line = missing[0] if missing else "What was read does not settle it. Ask the owner."
    return "Cannot tell.", line
