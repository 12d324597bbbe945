"""Everything that the page of one IAM user shows beside its row, asked in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, QuerySet

from inventory import at_once
from inventory.models import (
    ArchiveCoverage,
    Credential,
    LedgerEntry,
    Observation,
    Organization,
    Person,
    ReadPass,
    Team,
    TrailCoverage,
)
from inventory.reads import Reads, reads_in
from migrations_app import told
from migrations_app.models import Call, Change, Departure, Hit, PlanAccess
from migrations_app.user_page import profile, profile_activity, profile_permissions


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers. `ours`: whether a call of ours ever wrote to it."""

    organization: Organization
    reads: Reads
    credentials: list[Credential]
    archive: list[ArchiveCoverage]
    done: list[dict[str, Any]]
    used: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    access: list[PlanAccess]
    entries: list[LedgerEntry]
    observations: list[Observation]
    hits: list[Hit]
    open_change: Change | None
    moved: list[dict[str, Any]]
    teams: list[Team]
    ours: bool
    messages: tuple[list[told.Told], bool]

    @property
    def batches(self) -> dict[str, str]:
        """Per move that was done last, in which batch."""
        return {row["move"]: f"batch #{row['batch__number']}" for row in self.moved}

    def calls_since(self, day: date) -> int:
        """How often it was called after that day."""
        return sum(row["calls"] for row in self.done if row["day"] > day)


def ask(row: Departure, person: Person, limit: int, now: datetime) -> Asked:
    """Ask for the page of `row` as `person` sees it, with so many lines of history."""
    user = row.user
    found = at_once.ask(
        Person.objects.filter(pk=person.pk),
        {
            "organization": Organization.objects.filter(pk=1).only("policy"),
            "passes": ReadPass.objects.filter(account=user.account_id),
            "credentials": user.credentials.filter(gone_at=None),
            "coverage": TrailCoverage.objects.filter(user=user),
            "archive": _archive(row),
            "done": profile_activity.done(user, now),
            "used": profile_permissions.done(user),
            "calls": profile_activity.calls(user),
            "access": profile_activity.new_access(user, now),
            "entries": profile.entries_of(user, limit),
            "observations": profile.changes_of(user, limit),
            "hits": row.hits.filter(kind=Hit.Kind.HIT, closed=""),
            "open_change": _open_change(row),
            "moved": _moved(row),
            "teams": Team.objects.filter(active=True),
            "ours": Exists(Call.objects.filter(change__departure=row, kind=Call.Kind.WRITE)),
            **told.about(row, person),
        },
    )
    at_once.put_beside(user, "trail_coverage", found["coverage"])
    return Asked(
        organization=next(iter(found["organization"]), Organization()),
        reads=reads_in(found["passes"]),
        open_change=next(iter(found["open_change"]), None),
        messages=told.lines_about(found, person),
        **{name: found[name] for name in _AS_THEY_CAME},
    )


_AS_THEY_CAME = (
    *("credentials", "archive", "done", "used", "calls", "access"),
    *("entries", "observations", "hits"),
    *("teams", "ours", "moved"),
)


def _archive(row: Departure) -> QuerySet[ArchiveCoverage]:
    """How far a declared longer history was read."""
    if not row.user.account.trail_archive:
        return ArchiveCoverage.objects.none()
    return ArchiveCoverage.objects.filter(account=row.user.account_id)


def _moved(row: Departure) -> QuerySet[Any]:
    """What was done to it in batches, the last of each kind last."""
    done = row.changes.filter(status=Change.Status.DONE, batch__isnull=False)
    return done.order_by("pk").values("move", "batch__number")


def _open_change(row: Departure) -> QuerySet[Change]:
    waiting = row.changes.filter(status__in=[*Change.OPEN, Change.Status.DRAFT])
    wide = ("facts", "judged", "blockers", "warnings", "proof")
    return waiting.select_related("batch").defer(*wide).order_by("-pk")[:1]
