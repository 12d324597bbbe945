"""A previewed sheet is followed: by the verbs that people use, each line ledgered as theirs.

Some lines to a transaction, with the position in it, so that a worker that dies or a message that
comes twice does nothing twice. The chain of the ledger is locked by each transaction that appends,
so they are kept short: a restore must never wait for a spreadsheet.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import PurePath

from django.db import transaction

from inventory import clock, ledger, refresh
from inventory.models import Person, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app import changes, turns
from migrations_app.changes import nudge
from migrations_app.models import Departure, OwnerImport
from migrations_app.owner_import.matching import CHANGES, Match, Outcome, counts, digest, preview
from migrations_app.owner_import.reading import read

AT_ONCE = 25
SHOWN_FOR = timedelta(hours=1)


def show(content: bytes, file_name: str, person: Person) -> OwnerImport:
    """Match the file and keep what it would change, for `person` to confirm within an hour.

    A file that says the same as one that waits to be confirmed is that one. Changes nothing else.
    Refused, with what to do, for a file that cannot be read.
    """
    require(person, Action.OPERATE)
    sheet = read(content)
    matches = preview(sheet)
    sha256 = hashlib.sha256(content).hexdigest()
    now = clock.now()
    with transaction.atomic():
        turns.take(person)
        shown = OwnerImport.objects.filter(status=OwnerImport.Status.SHOWN)
        shown.filter(expires_at__lt=now).delete()
        told = {
            "person": person,
            "file_name": _name(file_name),
            "sha256": sha256,
            "digest": digest(sha256, matches),
            "remarks": list(sheet.remarks),
            "matches": [match.kept() for match in matches],
            "counts": counts(matches),
        }
        return shown.filter(**told).first() or OwnerImport.objects.create(
            **told, shown_at=now, expires_at=now + SHOWN_FOR
        )


def kept(row: OwnerImport) -> list[Match]:
    """The matches of an import, in the order of the file."""
    return [Match.of(one) for one in row.matches]


def confirm(row: OwnerImport, person: Person, seen: str) -> None:
    """`person` saw the preview with the digest `seen` and wants it; a worker follows it.

    Stale for another preview, one that is too old, and one that was confirmed already.
    """
    require(person, Action.OPERATE)
    if row.person_id != person.pk or seen != row.digest:
        raise Stale("This is not the preview that you were shown. Upload the file again.")
    if not any(one.outcome in CHANGES for one in kept(row)):
        raise Refused("There is nothing to change.")
    with transaction.atomic():
        started = OwnerImport.objects.filter(
            pk=row.pk, status=OwnerImport.Status.SHOWN, expires_at__gte=clock.now()
        ).update(status=OwnerImport.Status.RUNNING, counts={**row.counts, **_nothing_yet()})
        if not started:
            raise Stale("This preview was confirmed already or is too old. Upload the file again.")
        nudge.import_owners(row.pk)


def running() -> list[int]:
    """Imports that are not at their end, for whoever picks up what was lost."""
    rows = OwnerImport.objects.filter(status=OwnerImport.Status.RUNNING)
    return list(rows.values_list("pk", flat=True))


def go_on(pk: int, transactions: int = 40) -> bool:
    """Follow some more lines of a confirmed import; whether any are left."""
    row = OwnerImport.objects.select_related("person").filter(pk=pk).first()
    if row is None:
        return False
    matches = [match for match in kept(row) if match.outcome in CHANGES]
    teams = {team.key: team for team in Team.objects.filter(active=True)}
    return all(_follow_some(row, matches, teams) for _ in range(transactions))


def _follow_some(row: OwnerImport, matches: list[Match], teams: dict[str, Team]) -> bool:
    """One transaction of it; whether any lines are left."""
    with transaction.atomic():
        # Whoever else works on it waits here, and then finds the position moved.
        now = (
            OwnerImport.objects.select_for_update(of=("self",))
            .only("status", "position", "counts", "left_out")
            .get(pk=row.pk)
        )
        if now.status != OwnerImport.Status.RUNNING:
            return False
        some = matches[now.position : now.position + AT_ONCE]
        departures = _departures(some)
        for match in some:
            try:
                with transaction.atomic():
                    _follow(row, match, departures.get(match.departure), teams)
            except Refused as refusal:
                why = " ".join(refusal.reasons)
                now.left_out.append({"number": match.number, "user": match.user, "why": why})
                now.counts["left_out"] += 1
            else:
                _count(now.counts, match)
        now.position += len(some)
        if now.position >= len(matches):
            _finish(row, now)
        now.save(update_fields=["status", "position", "counts", "left_out", "finished_at"])
        return now.status == OwnerImport.Status.RUNNING


def _departures(matches: list[Match]) -> dict[int, Departure]:
    rows = Departure.objects.select_related("user__account", "owner")
    return rows.in_bulk([match.departure for match in matches])


def _follow(
    row: OwnerImport, match: Match, departure: Departure | None, teams: dict[str, Team]
) -> None:
    """What the line says, if that is still what the person was shown."""
    if departure is None:
        raise Stale("It is not here any more.")
    owner = departure.owner.key if departure.owner else ""
    if owner != match.from_team:
        was = match.from_team or "nobody"
        raise Stale(f"Its owner changed meanwhile, from {was} to {owner or 'nobody'}.")
    note = match.note or f"From the spreadsheet {row.file_name}"
    if match.team:
        if match.team not in teams:
            raise Stale(f"There is no team {match.team} any more.")
        changes.assign(departure, teams[match.team], row.person, note)
    if match.category:
        seen = match.from_category
        refresh.override_category(departure.user, match.category, note, row.person, seen)


def _nothing_yet() -> dict[str, int]:
    return {"assigned": 0, "changed": 0, "categories": 0, "left_out": 0}


def _count(counted: dict[str, int], match: Match) -> None:
    if match.team:
        counted["changed" if match.outcome == Outcome.CHANGE else "assigned"] += 1
    if match.category:
        counted["categories"] += 1


def _finish(row: OwnerImport, now: OwnerImport) -> None:
    now.status, now.finished_at = OwnerImport.Status.DONE, clock.now()
    ledger.append(
        "owners.imported",
        actor=row.person,
        file=row.file_name,
        sha256=row.sha256,
        digest=row.digest,
        lines=len(row.matches),
        **now.counts,
    )


def _name(file_name: str) -> str:
    """The last part of a file's name, as far as it is text that may be shown and kept."""
    name = PurePath(file_name.replace("\\", "/")).name
    return "".join(sign for sign in name if sign.isprintable())[:120] or "owners.csv"
