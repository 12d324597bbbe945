"""The step `archive`: history longer than 90 days, for accounts that declare where they keep it.

Logs of a whole account serve all its users at once, so they are read forward, Region by Region,
from the oldest wanted day. A sync gives it some minutes; what is left waits for the next, and until
then every user's coverage says how far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.aws.trail_archive import TrailLogs
from inventory.aws.trail_lake import LakeStore
from inventory.models import ArchiveCoverage, IamUser
from inventory.refresh.activity import regions_of
from inventory.refresh.archive_days import DEPTH
from inventory.refresh.archive_files import RegionReader
from inventory.refresh.archive_lake import read_lake
from inventory.refresh.run import Run

# Of real time: a large account's 400 days take many syncs, and verdicts must not wait for them.
BUDGET = timedelta(minutes=10)
# Reads one Region on, and whether it came to the end; AwsFailure.
_Read = Callable[[ArchiveCoverage], bool]


def read_archive(run: Run) -> bool:
    """The step `archive`; False when the slice ended before everything was read."""
    address = archive_of(run.account.trail_archive)
    if not address:
        run.finish("archive", "No longer history is declared")
        return True
    rows = _rows(run, address, regions_of(run.account))
    read = _reader(run, address)
    for row in _pending(run, rows):
        if _spent(run):
            break
        if not _read_region(run, row, read):
            return False
        run.advance("archive", sum(map(_is_read(run), rows)), len(rows), _so_far(rows))
    return _conclude(run, rows)


def archive_of(declared: dict[str, str]) -> str:
    """Where an account keeps its longer history: s3://…, arn:… of an event data store, or ""."""
    return declared.get("s3") or declared.get("lake") or ""


def _rows(run: Run, address: str, regions: Iterable[str]) -> list[ArchiveCoverage]:
    """One row for each Region; the archive's old one is forgotten when another is declared."""
    known = ArchiveCoverage.objects.filter(account=run.account)
    known.exclude(archive=address).delete()
    wanted = list(regions)
    ArchiveCoverage.objects.bulk_create(
        [ArchiveCoverage(account=run.account, region=one, archive=address) for one in wanted],
        ignore_conflicts=True,
    )
    return list(known.filter(region__in=wanted).order_by("region"))


def _is_read(run: Run) -> Callable[[ArchiveCoverage], bool]:
    began = run.sync.started_at

    def is_read(row: ArchiveCoverage) -> bool:
        return row.looked_at is not None and began is not None and row.looked_at >= began

    return is_read


def _pending(run: Run, rows: Iterable[ArchiveCoverage]) -> list[ArchiveCoverage]:
    """Regions that this sync did not read yet, the one that is furthest behind first."""
    is_read = _is_read(run)
    waiting = [row for row in rows if not is_read(row)]
    return sorted(waiting, key=lambda row: row.read_to.toordinal() if row.read_to else 0)


def _reader(run: Run, address: str) -> _Read:
    users = dict(IamUser.objects.filter(account=run.account).values_list("user_id", "pk"))
    beat = _beat(run)
    if address.startswith("arn:"):
        store = LakeStore(run.aws, address)
        return lambda row: read_lake(row, store, users, beat)
    logs = TrailLogs(run.aws, address)

    def read(row: ArchiveCoverage) -> bool:
        reader = RegionReader(row, logs, users, beat)
        if not reader.read_on():
            return False
        reader.read_gaps_again()
        return True

    return read


def _beat(run: Run) -> Callable[[], float]:
    told_at = run.time_left()

    def beat() -> float:
        nonlocal told_at
        left = run.time_left()
        if told_at - left > 1:
            told_at = left
            run.keep()
        return left

    return beat


def _read_region(run: Run, row: ArchiveCoverage, read: _Read) -> bool:
    try:
        if not read(row):
            return False
    except AwsFailure as failed:
        # What was not saved is not believed; the Region goes on from there next time.
        row.refresh_from_db()
        row.error = str(failed).replace("\x00", "")
    else:
        row.error = ""
    row.looked_at = clock.now()
    row.save(update_fields=["error", "looked_at"])
    return True


def _spent(run: Run) -> bool:
    since = datetime.fromisoformat(run.step("archive")["since"])
    return clock.real_now() - since > BUDGET


def _so_far(rows: Iterable[ArchiveCoverage]) -> str:
    ends = [row.read_to for row in rows if row.read_to]
    return f"Read to {min(ends):%d %b %Y}" if ends else ""


def _conclude(run: Run, rows: list[ArchiveCoverage]) -> bool:
    broken = [row for row in rows if row.error]
    if broken:
        first = broken[0]
        run.fail("archive", f"{len(broken)} of {len(rows)} Regions: {first.region}: {first.error}")
        return True
    unread = sum(len(row.gaps) for row in rows)
    said = [f"{DEPTH.days} days in {len(rows)} Regions"]
    if not all(map(_is_read(run), rows)):
        said = [_so_far(rows) or "Not far yet", "goes on with the next sync"]
    if unread:
        said.append(f"{unread} {'day is' if unread == 1 else 'days are'} not whole")
    run.finish("archive", "; ".join(said))
    return True
