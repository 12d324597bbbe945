"""What is exported of users, changes, hits and deletions: fields and rows (DESIGN.md section 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet

from inventory import coverage
from inventory.exports import Described, stamp
from inventory.models import ArchiveCoverage, Credential, IamUser
from inventory.reads import Reads, reads_of
from migrations_app.batch_plan import cut_keys
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Call, Change, Departure, Hit

USER_FIELDS = (
    "account_id",
    "user_name",
    "user_id",
    "arn",
    "path",
    "created_at",
    "category",
    "verdict",
    "reasons",
    "last_activity_at",
    "last_activity_source",
    "state",
    "owner",
    "protection",
    "has_console_password",
    "access_keys",
    "mfa",
    "coverage",
)
CHANGE_FIELDS = (
    "change",
    "batch",
    "account_id",
    "user_name",
    "user_id",
    "move",
    "method",
    "status",
    "requested_by",
    "approved_by",
    "requested_at",
    "approved_at",
    "started_at",
    "finished_at",
    "result",
    "error",
    "digest",
    "request_ids",
)
HIT_FIELDS = (
    "hit",
    "account_id",
    "user_name",
    "user_id",
    "kind",
    "source",
    "what",
    "count",
    "first_at",
    "last_at",
    "closed",
    "closed_at",
    "closed_by",
    "closed_reason",
    "details",
    "callers",
)
DELETION_FIELDS = (
    "user",
    "account_id",
    "user_id",
    "deleted_at",
    "requested_by",
    "approved_by",
    "change",
    "request_ids",
)


def user_rows(
    departures: QuerySet[Departure] | None = None, *, whole_ids: bool = True
) -> Iterator[dict[str, Any]]:
    """One row per IAM user, in the order of `departures` (default: all, by account and name).

    Without `whole_ids` access key ids are cut, for people who may not see what a user holds.
    """
    if departures is None:
        departures = Departure.objects.order_by("user__account__account_id", "user__user_name")
    keys = Credential.objects.filter(kind=Credential.Kind.ACCESS_KEY, gone_at=None)
    rows = departures.select_related("user__account", "owner").prefetch_related(
        Prefetch("user__credentials", queryset=keys, to_attr="keys"), "user__trail_coverage"
    )
    archive: defaultdict[int, list[ArchiveCoverage]] = defaultdict(list)
    for one in ArchiveCoverage.objects.defer("draft"):
        archive[one.account_id].append(one)
    reads: dict[int, Reads] = {}
    for departure in rows.iterator(chunk_size=500):
        account = departure.user.account_id
        if account not in reads:
            reads[account] = reads_of(account)
        yield _user_row(departure, whole_ids, reads[account], archive[account])


def _user_row(
    departure: Departure, whole_ids: bool, reads: Reads, archive: list[ArchiveCoverage]
) -> dict[str, Any]:
    user = departure.user
    keys: list[Credential] = user.keys  # type: ignore[attr-defined]  # to_attr above
    return {
        "account_id": user.account.account_id,
        "user_name": user.user_name,
        "user_id": user.user_id,
        "arn": user.arn,
        "path": user.path,
        "created_at": user.created_at,
        "category": user.shown_category,
        "verdict": user.verdict,
        "reasons": [_reason(reason, whole_ids) for reason in user.verdict_reasons],
        "last_activity_at": user.last_activity_at,
        "last_activity_source": user.last_activity_source,
        "state": departure.state,
        "owner": departure.owner.key if departure.owner else "",
        "protection": departure.protection,
        "has_console_password": user.has_console_password,
        "access_keys": [f"{_key_id(key.credential_id, whole_ids)} {key.status}" for key in keys],
        "mfa": [device.get("kind", "") for device in user.mfa],
        "coverage": coverage_of(user, reads, archive),
    }


def _reason(reason: Mapping[str, Any], whole_ids: bool) -> str:
    """A reason with its source and time, as on the user's page."""
    text = str(reason.get("text", ""))
    told = ", ".join(filter(None, (str(reason.get("source") or ""), str(reason.get("at") or ""))))
    return (text if whole_ids else cut_keys(text)) + (f" ({told})" if told else "")


def coverage_of(user: IamUser, reads: Reads, archive: Iterable[ArchiveCoverage] = ()) -> Described:
    """What of the user's evidence was read: per source, for CloudTrail per Region, and the gaps."""
    looks = coverage.sources(user, reads.told(user), archive)
    parts = {
        "whole": user.coverage_whole,
        "confidence": user.verdict_confidence,
        "why_not_higher": user.coverage.get("confidence_reason", ""),
        "judged_at": user.judged_at,
        "sources": [
            {
                "source": one.name,
                "read_at": one.at,
                "since": one.since,
                "not_read": list(one.missing),
                # Written out: seventeen Regions of each user are most of what a file takes.
                "regions": [
                    {
                        "region": region.region,
                        "since": region.since,
                        "until": region.until,
                        "error": region.error,
                    }
                    for region in one.regions
                ],
            }
            for one in looks
        ],
        "not_looked_at": list(user.coverage.get("missing", ())),
        "blind_spots": list(user.coverage.get("blind", ())),
    }
    whole = "Every source was read whole" if user.coverage_whole else "Not read whole"
    return Described(parts, (whole, *(line for one in looks for line in _look(one))))


def _look(one: coverage.SourceRead) -> list[str]:
    if one.at is None:
        said = [f"{one.name}: not read"]
    elif one.since:
        said = [f"{one.name}: {stamp(one.since)} to {stamp(one.at)}"]
    else:
        said = [f"{one.name}: {stamp(one.at)}"]
    said += [f"{one.name}, not read: {text}" for text in one.missing]
    return said + [
        f"{one.name}, {region.region}: {stamp(region.since)} to {stamp(region.until)}"
        for region in one.read
        if region.since and region.until
    ]


def _key_id(key_id: str, whole: bool) -> str:
    return key_id if whole else f"{key_id[:4]}…{key_id[-4:]}"


def change_rows(changes: QuerySet[Change] | None = None) -> Iterator[dict[str, Any]]:
    """One row per change, oldest first, with the request ids of its AWS writes."""
    for change in _with_calls(Change.objects.order_by("pk") if changes is None else changes):
        user, batch = change.departure.user, change.batch
        yield {
            "change": change.pk,
            "batch": batch.number if batch else None,
            "account_id": user.account.account_id,
            "user_name": user.user_name,
            "user_id": user.user_id,
            "move": change.move,
            "method": change.method,
            "status": change.status,
            "requested_by": requested_by(change),
            "approved_by": approved_by(change),
            "requested_at": change.requested_at,
            "approved_at": batch.approved_at if batch else None,
            "started_at": change.started_at,
            "finished_at": change.finished_at,
            "result": change.result,
            "error": change.error,
            "digest": change.digest,
            "request_ids": request_ids(change),
        }


def deletions() -> QuerySet[Change]:
    """Every proven deletion of ours, the latest first, with all that a log of them shows."""
    return Change.objects.filter(
        move=MoveName.DELETE, status=Change.Status.DONE, departure__state=State.DELETED
    ).order_by("-finished_at", "-pk")


def deletion_rows() -> Iterator[dict[str, Any]]:
    """The deletion log: who asked, who approved, when, and AWS's own request ids.

    A user found deleted outside has a row too, with nobody who asked.
    """
    for change in _with_calls(deletions()):
        user = change.departure.user
        yield {
            "user": user.user_name,
            "account_id": user.account.account_id,
            "user_id": user.user_id,
            "deleted_at": change.departure.deleted_at,
            "requested_by": requested_by(change),
            "approved_by": approved_by(change),
            "change": change.pk,
            "request_ids": request_ids(change),
        }
    for departure in Departure.objects.filter(
        state=State.DELETED, deleted_outside=True
    ).select_related("user__account"):
        yield {
            "user": departure.user.user_name,
            "account_id": departure.user.account.account_id,
            "user_id": departure.user.user_id,
            "deleted_at": departure.deleted_at,
            "requested_by": "deleted outside",
            "approved_by": "",
            "change": None,
            "request_ids": [],
        }


def hit_rows(hits: QuerySet[Hit] | None = None) -> Iterator[dict[str, Any]]:
    """One row per hit and knock, oldest first."""
    rows = Hit.objects.order_by("first_at") if hits is None else hits
    rows = rows.prefetch_related("callers")
    for hit in rows.select_related("departure__user__account", "closed_by").iterator(1000):
        user = hit.departure.user
        yield {
            "hit": hit.pk,
            "account_id": user.account.account_id,
            "user_name": user.user_name,
            "user_id": user.user_id,
            "kind": hit.kind,
            "source": hit.source,
            "what": hit.what,
            "count": hit.count,
            "first_at": hit.first_at,
            "last_at": hit.last_at,
            "closed": hit.closed or "open",
            "closed_at": hit.closed_at,
            "closed_by": str(hit.closed_by or ""),
            "closed_reason": hit.closed_reason,
            "details": hit.details,
            "callers": [
                {
                    "source": caller.source,
                    "what": caller.what,
                    "count": caller.count,
                    "first_at": caller.first_at.isoformat(),
                    "last_at": caller.last_at.isoformat(),
                    "details": caller.details,
                }
                for caller in hit.callers.all()
            ],
        }


def requested_by(change: Change) -> str:
    """Who asked: the batch's requester, or whoever asked for this one change."""
    asked = change.batch.asked_by if change.batch else None
    return str(asked or change.requested_by or "")


def approved_by(change: Change) -> str:
    """Who approved; nobody approves a restore."""
    return str(change.batch.approved_by or "") if change.batch else ""


def request_ids(change: Change) -> list[str]:
    """AWS's request ids of this change's writes and of the look that proved them, in order."""
    return [call.request_id for call in change.calls.all() if call.request_id]


def _with_calls(changes: QuerySet[Change]) -> Iterator[Change]:
    rows = changes.select_related(
        "departure__user__account",
        "requested_by",
        "batch__asked_by",
        "batch__approved_by",
    ).prefetch_related(Prefetch("calls", queryset=Call.objects.order_by("seq")))
    return rows.iterator(chunk_size=500)
