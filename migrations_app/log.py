"""The questions of the log: entries of the ledger as sentences, deletions, restores, approvals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet, Value
from django.http import QueryDict

from inventory.models import IamUser, LedgerEntry, LedgerName, Person, Role, Team
from inventory.remembered import remembered
from migrations_app import exports, keyset
from migrations_app.keyset import Page, Part
from migrations_app.lifecycle import MOVES, MoveName, State
from migrations_app.models import Batch, Call, Change, Departure, EvidencePack, Notice, Plan

PAGE = 50
_KINDS_SECONDS, _COUNTS_SECONDS = 300, 30
# Whatever else an entry holds may name policies or addresses, which not everybody may see.
FOR_EVERYBODY = frozenset(
    {
        "source",
        "target",
        "owner",
        "from",
        "to",
        "note",
        "reason",
        "until",
        "changes",
        "loosens",
        "digest",
        "team",
        "answer",
        "move",
        "users",
        "name",
        "proof",
        "by",
        "asked_by",
        "request_ids",
        "overrides",
        "urgent",
        "done",
        "failed",
        "verdict",
        "pack",
        "period",
        "contents",
        "names_of_people",
        "bytes",
        "sums",
        "signed_by",
        "head",
        "fingerprint",
    }
)

PRODUCT = "IAM Cleanup"
NAMES_A_TEAM = ("owner", "team", "to", "teams")
# Where an entry says by key or fingerprint what has a name.
_CALLED = frozenset({*NAMES_A_TEAM, "source", "target", "asked_by"})
_WORDS = {state.value: str(state.label).lower() for state in State} | {
    target.value: str(target.label) for target in Plan.Target
}
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):[\d.]+\+00:00$")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the ledger, for a person to read."""

    entry: LedgerEntry
    actor: str
    what: str
    user: IamUser | None
    details: list[tuple[str, str]] = field(default_factory=list)


def entries(filters: Mapping[str, Any]) -> QuerySet[LedgerEntry]:
    """The ledger, latest first, narrowed by actor hash, kind, user, batch and day (UTC)."""
    rows = LedgerEntry.objects.order_by("-seq")
    if filters.get("actor"):
        rows = rows.filter(actor="" if filters["actor"] == "product" else filters["actor"])
    if filters.get("kind"):
        rows = rows.filter(kind=filters["kind"])
    if filters.get("batch"):
        rows = rows.filter(batch=filters["batch"])
    if filters.get("user"):
        wanted = filters["user"]
        rows = rows.filter(_about(wanted))
    if filters.get("day"):
        start = datetime.combine(filters["day"], time(), UTC)
        rows = rows.filter(at__gte=start, at__lt=start + timedelta(days=1))
    return rows


def _about(wanted: str) -> Q:
    """Entries about whoever has this name or id, in any account."""
    named = IamUser.objects.filter(Q(user_name__iexact=wanted) | Q(user_id=wanted))
    about = Q(pk__in=())
    # Account and user together stand in an index, and accounts are few.
    for account_id, user_id in named.values_list("account__account_id", "user_id"):
        about |= Q(account_id=account_id, user_id=user_id)
    return about


def lines(rows: Iterable[LedgerEntry], *, everything: bool) -> list[Line]:
    """Entries as lines; without `everything` only what every reader may see of their data."""
    rows = list(rows)
    people = {row.actor for row in rows} | {str(row.data.get("asked_by", "")) for row in rows}
    names = dict(LedgerName.objects.filter(hash__in=people).values_list("hash", "name"))
    known = {**_WORDS, **names, **team_names(rows)}
    users = {
        (user.account.account_id, user.user_id): user
        for user in IamUser.objects.filter(
            user_id__in={row.user_id for row in rows if row.user_id}
        ).select_related("account")
    }
    return [
        Line(
            entry=row,
            actor=PRODUCT if not row.actor or under_approval(row) else _name(row.actor, names),
            what=words_of(row.kind),
            user=users.get((row.account_id, row.user_id)),
            details=[
                *([("approved by", _name(row.actor, names))] if under_approval(row) else []),
                # Whom it is about stands beside it.
                *details_of({**row.data, "name": ""}, everything, known),
            ],
        )
        for row in rows
    ]


def under_approval(entry: LedgerEntry) -> bool:
    """Whether the worker did it in a batch: the actor is who approved that, and not who did it."""
    of_batch = entry.batch is not None and bool(entry.actor)
    return of_batch and entry.kind.startswith(("move.", "user."))


def team_names(entries: Iterable[LedgerEntry]) -> dict[str, str]:
    """What the teams are called that these entries name by key; nothing is asked if none does."""
    keys: set[str] = set()
    for entry in entries:
        for value in (entry.data.get(name) for name in NAMES_A_TEAM):
            keys.update(map(str, value) if isinstance(value, list) else [str(value or "")])
    keys -= {""}
    return dict(Team.objects.filter(key__in=keys).values_list("key", "name")) if keys else {}


def _name(actor: str, names: Mapping[str, str]) -> str:
    return names.get(actor, actor[:8])


def sees_everything(person: Person) -> bool:
    """Leads see details of their own team's users on the user's page; the log spans all teams."""
    return person.has_role(Role.ENGINEER, Role.APPROVER, Role.ADMIN)


def words_of(kind: str) -> str:
    """ "batch.sent-back" as "Batch sent back", "move.soak" as "Shut"."""
    move = kind.removeprefix("move.")
    if move != kind and move in set(MoveName):
        return MOVES[MoveName(move)].done.capitalize()
    return kind.replace(".", " ").replace("-", " ").replace("_", " ").capitalize()


def details_of(
    data: Mapping[str, Any], everything: bool, known: Mapping[str, str] | None = None
) -> Iterable[tuple[str, str]]:
    """What an entry holds, key by key, without what is empty and the hashes of everybody.

    `known`: by what stands in the ledger for teams, people and states how they are called; machines
    read what stands there.
    """
    for key, value in data.items():
        if (
            value in ("", None, [], {})
            or key == "people"
            or (not everything and key not in FOR_EVERYBODY)
        ):
            continue
        yield (
            key.replace("_", " "),
            one_line(_called(value, known) if known and key in _CALLED else value),
        )


def _called(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_called(one, known) for one in value]
    return known.get(value, value) if isinstance(value, str) else value


def one_line(value: Any) -> str:
    """A value on one line: lists by commas, mappings by pairs, yes or no, fingerprints cut."""
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(key)}: {one_line(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(one_line, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = _MOMENT.sub(r"\1 \2 UTC", str(value))
    print_of = re.fullmatch(r"((?:\d+:)?[0-9a-f]{8})[0-9a-f]{56}", text)
    return f"{print_of[1]}…" if print_of else text


def kinds() -> list[str]:
    """Every kind of entry there is, for the filter; a new one may take some minutes to show."""
    rows = LedgerEntry.objects.order_by("kind").values_list("kind", flat=True).distinct()
    return remembered("log-kinds", _KINDS_SECONDS, lambda: list(rows))


def actors() -> list[LedgerName]:
    """Everybody who ever did something."""
    return list(LedgerName.objects.order_by("name"))


def counts() -> dict[str, int]:
    """The quiet numbers of the tabs; two statements, or one while nothing happened."""
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", "hash").first() or (0, "")
    # Entries are numbered without a gap.
    return {
        "everything": newest[0],
        **remembered(f"log-counts:{newest[1]}", _COUNTS_SECONDS, _counts),
    }


def _counts() -> dict[str, int]:
    outside = Departure.objects.filter(deleted_outside=True)
    questions: dict[str, QuerySet[Any]] = {
        "deletions": exports.deletions(),
        "outside": outside,
        "restores": Change.objects.filter(move=MoveName.RESTORE),
        "approvals": _approved(),
        "messages": Notice.objects.all(),
        "packs": EvidencePack.objects.all(),
    }
    first, *rest = (
        rows.order_by().annotate(question=Value(name)).values_list("question").annotate(Count("pk"))
        for name, rows in questions.items()
    )
    told = dict.fromkeys(questions, 0) | dict(first.union(*rest, all=True))
    return {**told, "deletions": told["deletions"] + told["outside"]}


@dataclass(frozen=True, slots=True)
class Deletion:
    """One user that is gone: who asked, who approved, what was sent, what proves it."""

    change: Change | None
    departure: Departure
    asked: Person | None
    approved: Person | None
    soaked: timedelta | None
    calls: list[Call]
    proof: str
    entry_hash: str


def deletions(query: QueryDict, total: int) -> Page:
    """The page of the deletion log that `query` asks for, latest first, those deleted outside last.

    Its rows are `Deletion`s.
    """
    outside = Departure.objects.filter(deleted_outside=True).select_related("user__account")
    page = keyset.page_of(
        [
            Part(_with_calls(exports.deletions()), ("finished_at", "pk"), down=True),
            Part(outside.exclude(deleted_at=None), ("deleted_at", "pk"), down=True),
        ],
        query,
        total,
    )
    gone = [row if isinstance(row, Departure) else row.departure for row in page.rows]
    hashes = _hashes(gone)
    found = [
        replace(
            _outside(row) if isinstance(row, Departure) else _deletion(row),
            entry_hash=hashes.get(departure.user.user_id, ""),
        )
        for row, departure in zip(page.rows, gone, strict=True)
    ]
    return replace(page, rows=found)


def _with_calls(changes: QuerySet[Change]) -> QuerySet[Change]:
    return changes.select_related(
        "departure__user__account",
        "departure__owner",
        "requested_by",
        "batch__asked_by",
        "batch__approved_by",
    ).prefetch_related(Prefetch("calls", queryset=Call.objects.order_by("seq")))


def _deletion(change: Change) -> Deletion:
    departure, batch = change.departure, change.batch
    started = departure.clock_started_at
    ended = departure.deleted_at or change.finished_at
    return Deletion(
        change=change,
        departure=departure,
        asked=(batch.asked_by if batch else None) or change.requested_by,
        approved=batch.approved_by if batch else None,
        soaked=ended - started if ended and started else None,
        calls=[*change.calls.all()],
        proof="GetUser: NoSuchEntity",
        entry_hash="",
    )


def _outside(departure: Departure) -> Deletion:
    return Deletion(
        None, departure, None, None, None, [], "deleted outside, listing and GetUser", ""
    )


def _hashes(departures: list[Departure]) -> dict[str, str]:
    """The hash of the ledger entry that recorded each end, by user id."""
    ends = LedgerEntry.objects.filter(
        kind__in=[f"move.{MoveName.DELETE}", f"move.{MoveName.VANISH}"],
        account_id__in={departure.user.account.account_id for departure in departures},
        user_id__in=[departure.user.user_id for departure in departures],
    )
    return dict(ends.order_by("seq").values_list("user_id", "hash"))


def restores(query: QueryDict, total: int) -> Page:
    """A page of every restore that was asked for, the latest first."""
    rows = _with_calls(Change.objects.filter(move=MoveName.RESTORE))
    return keyset.page_of([Part(rows, ("requested_at", "pk"), down=True)], query, total)


def approvals(query: QueryDict, total: int) -> Page:
    """A page of every batch that somebody approved, the latest first."""
    rows = _approved().select_related("account", "asked_by", "approved_by")
    return keyset.page_of([Part(rows, ("approved_at", "pk"), down=True)], query, total)


def _approved() -> QuerySet[Batch]:
    return Batch.objects.exclude(approved_at=None)
