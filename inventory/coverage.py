"""What of one IAM user's evidence was read: by source, back to when and until when. No I/O.

Pages and exports read `inventory.reads.Reads.told` through here: what stands beside the user, with
every time that holds for it. What could not be read is said in AWS's own words, never left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.utils.dateparse import parse_datetime

from inventory import reads
from inventory.models import Account, ArchiveCoverage, IamUser

CREDENTIALS = "Credentials"
REPORT = "Credential report"
TRAIL = "CloudTrail event history"
ADVISOR = "Access Advisor"
POLICIES = "Policies"
_NAMED = 4


@dataclass(frozen=True, slots=True)
class RegionRead:
    """How far one Region was read; `error` says why it was not, or not whole."""

    region: str
    since: datetime | None
    until: datetime | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One source of evidence.

    `at`: when it was last asked with success, None if never. `since`: how far back it speaks, None
    where it tells the state of that moment. `missing`: what could not be read, each a sentence.
    """

    name: str
    what: str
    at: datetime | None
    since: datetime | None = None
    missing: tuple[str, ...] = ()
    note: str = ""
    regions: tuple[RegionRead, ...] = ()

    @property
    def read(self) -> tuple[RegionRead, ...]:
        return tuple(one for one in self.regions if not one.error and one.until)

    @property
    def whole(self) -> bool:
        return self.at is not None and not self.missing


Told = Mapping[str, Any]


def services_at(user: IamUser) -> datetime | None:
    """When Access Advisor last answered about it; that is asked user by user."""
    return _time(user.coverage.get("services_at"))


def last_accessed(user: IamUser) -> dict[str, datetime]:
    """By service, as policies call it, when Access Advisor saw the last access; data plane too."""
    rows = user.coverage.get("services") or ()
    return {one["service"]: at for one in rows if (at := _time(one.get("at")))}


def tracked(user: IamUser) -> frozenset[str]:
    """The services, as policies call them, of which Access Advisor told, be it that nobody came."""
    return frozenset(one["service"] for one in user.coverage.get("services") or ())


def gap(told: Told, source: str) -> str:
    """Why the last sync could not read `credentials`, `policies` or `services`; "" if it could."""
    return str(told.get("gaps", {}).get(source, ""))


def trail_regions(told: Told) -> tuple[RegionRead, ...]:
    """Event history, Region by Region."""
    return tuple(
        RegionRead(
            str(one.get("region", "")),
            _time(one.get("from")),
            _time(one.get("to")),
            str(one.get("error", "")),
        )
        for one in told.get("regions", ())
    )


def sources(user: IamUser, told: Told, archive: Iterable[ArchiveCoverage] = ()) -> list[SourceRead]:
    """All sources, in the order in which a sync asks them; `told` by `Reads.told`."""
    services_gap = gap(told, "services") or str(told.get("services_note", ""))
    report_at = _time(told.get(reads.REPORT))
    return [
        SourceRead(
            REPORT,
            "passwords, MFA, keys and when each was last used",
            report_at,
            note="AWS makes it anew every four hours at most." if report_at else "",
        ),
        SourceRead(
            CREDENTIALS,
            "everything that it holds, live",
            _time(told.get(reads.CREDENTIALS)),
            missing=_said(gap(told, "credentials")),
        ),
        SourceRead(
            POLICIES,
            "policies, groups and the permissions boundary",
            _time(told.get(reads.DETAILS)),
            missing=_said(gap(told, "policies")),
        ),
        _trail(user.account, told),
        *_archive(user.account, list(archive)),
        SourceRead(
            ADVISOR,
            "the last access per service, calls to data included",
            _time(told.get("services_at")),
            since=_time(told.get("services_from")),
            missing=_said(services_gap),
        ),
    ]


def _trail(account: Account, told: Told) -> SourceRead:
    looks = trail_regions(told)
    read = [one for one in looks if not one.error and one.until and one.since]
    named = {one.region for one in looks}
    never = [region for region in _expected(account) if region not in named]
    return SourceRead(
        TRAIL,
        "management calls and sign-ins; AWS keeps 90 days",
        min((one.until for one in read if one.until), default=None),
        since=max((one.since for one in read if one.since), default=None),
        missing=by_reason(
            {one.region: one.error or "not looked at" for one in looks if one not in read}
            | dict.fromkeys(never, "not looked at")
        ),
        regions=(*looks, *(RegionRead(one, None, None, "not looked at") for one in never)),
    )


def _archive(account: Account, rows: list[ArchiveCoverage]) -> list[SourceRead]:
    """The declared longer history; nothing for an account that declares none."""
    if not account.trail_archive:
        return []
    looks = [
        RegionRead(row.region, _midnight(row.read_from), _midnight(row.read_to), row.error)
        for row in rows
    ]
    read = [one for one in looks if one.since and one.until]
    lost = sum(len(row.gaps) for row in rows)
    missing = by_reason({one.region: one.error for one in looks if one.error})
    if lost:
        missing += (f"{lost} {'day' if lost == 1 else 'days'} could not be read whole.",)
    return [
        SourceRead(
            "CloudTrail logs in S3" if account.trail_archive.get("s3") else "CloudTrail Lake",
            "management calls beyond event history",
            min((one.until for one in read if one.until), default=None),
            since=max((one.since for one in read if one.since), default=None),
            missing=missing,
            regions=tuple(looks),
        )
    ]


def by_reason(regions: Mapping[str, str]) -> tuple[str, ...]:
    """Regions that share a reason in one sentence; more than a few are counted, not named."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for region, why in sorted(regions.items()):
        groups[why.rstrip(".")].append(region)
    return tuple(f"{named_regions(of)}: {why}." for why, of in groups.items())


def named_regions(regions: list[str]) -> str:
    """ "us-east-1, eu-west-1", or how many there are."""
    if len(regions) <= _NAMED:
        return ", ".join(regions)
    return f"{len(regions)} Regions"


def _expected(account: Account) -> list[str]:
    """Regions that the declaration asks for, of those that are enabled."""
    if not account.regions:
        return list(account.enabled_regions)
    return [region for region in account.enabled_regions if region in account.regions]


def _said(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _time(text: object) -> datetime | None:
    """A kept time, or None where there is none or it is no time."""
    try:
        return parse_datetime(str(text)) if text else None
    except ValueError:
        return None
