"""When which part of an IAM user was last read from AWS: the one place that knows.

A sync reads all users, so it notes its times once for all of them (`ReadPass`), and beside the
user stands only what differs: a time of its own, and a gap. A gap is never covered by the times of
the others: of such a user its own times speak alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from inventory.models import Account, IamUser, ReadPass, Sync

LISTED, DETAILS, KEYS = "listed_at", "details_at", "keys_at"
SERVICE_KEYS, CREDENTIALS, REPORT = "service_credentials_at", "credentials_at", "report_at"
_Part = ReadPass.Part
# By key the pass that reads it, and the gap that says that it was not read.
_READ_BY: Mapping[str, tuple[str, str]] = {
    LISTED: (_Part.LISTING, ""),
    DETAILS: (_Part.DETAILS, "policies"),
    KEYS: (_Part.CREDENTIALS, "credentials"),
    SERVICE_KEYS: (_Part.CREDENTIALS, "credentials"),
    CREDENTIALS: (_Part.CREDENTIALS, "credentials"),
    REPORT: (_Part.REPORT, ""),
}
# Of these, a gap of the key's name says that nothing was read.
BY_GAP: Mapping[str, tuple[str, ...]] = {
    "policies": (DETAILS,),
    "credentials": (KEYS, SERVICE_KEYS, CREDENTIALS),
}


def listed_by(sync: Sync) -> QuerySet[IamUser]:
    """The users that the listing of this sync held; to be asked once it was kept."""
    return IamUser.objects.filter(account=sync.account_id, gone_at=None, missing_since=None)


@dataclass(frozen=True, slots=True)
class Reads:
    """The passes of one account, by part; made by `reads_of`."""

    passes: Mapping[str, ReadPass]

    def at(self, user: IamUser, key: str) -> datetime | None:
        """When that was last read of this user; None: never, as far as is known."""
        own = user.last_seen_at.isoformat() if key == LISTED else user.coverage.get(key)
        times = [datetime.fromisoformat(own)] if own else []
        part, gap = _READ_BY[key]
        if not self._is_apart(user, key, gap) and (told := _of(self.passes.get(part), user.pk)):
            times.append(told)
        return max(times, default=None)

    @staticmethod
    def _is_apart(user: IamUser, key: str, gap: str) -> bool:
        if user.missing_since is not None or user.pk is None:
            return True
        if key == REPORT:
            return "report" not in user.coverage
        return bool(gap) and gap in user.coverage.get("gaps", {})

    def told(self, user: IamUser) -> dict[str, Any]:
        """`coverage` of this user with every time that holds for it, as exports show it.

        Its `trail_coverage` had better be prefetched.
        """
        times = {key: self.at(user, key) for key in _READ_BY}
        regions = [
            {
                "region": look.region,
                "from": look.read_from.isoformat() if look.read_from else None,
                "to": look.read_to.isoformat() if look.read_to else None,
                "error": look.error,
            }
            for look in user.trail_coverage.all()
        ]
        found: dict[str, Any] = dict(user.coverage)
        found |= {key: at.isoformat() for key, at in times.items() if at}
        return found | {"regions": regions}

    def keep_own(self, user: IamUser, gap: str) -> None:
        """Before a gap is noted: until when it was read stands beside the user from now on."""
        for key in BY_GAP.get(gap, ()):
            if at := self.at(user, key):
                user.coverage[key] = at.isoformat()


def reads_of(account: Account | int) -> Reads:
    """The passes of this account; one statement."""
    pk = account.pk if isinstance(account, Account) else account
    return reads_in(ReadPass.objects.filter(account=pk))


def reads_in(passes: Iterable[ReadPass]) -> Reads:
    """The passes of one account, where they were asked for already."""
    return Reads({row.part: row for row in passes})


def read_at(user: IamUser, key: str) -> datetime | None:
    """When that was last read of this one user; one statement."""
    return reads_of(user.account_id).at(user, key)


def last_seen(user: IamUser, passes: Iterable[ReadPass] | None = None) -> datetime:
    """When AWS last listed this user; `passes` are those of its account, if they are known."""
    reads = reads_of(user.account_id) if passes is None else reads_in(passes)
    return reads.at(user, LISTED) or user.last_seen_at


def begun(account: Account, part: str, sync: Sync) -> ReadPass:
    """This sync's pass for `part`: begun, or gone on with. Not saved yet."""
    row = ReadPass.objects.filter(account=account, part=part).first()
    row = row or ReadPass(account=account, part=part)
    if row.sync_id != sync.pk:
        row.earlier, row.marks, row.sync = _joined(row), [], sync
    return row


def cursor(row: ReadPass) -> int:
    """Up to which pk this pass has come."""
    return int(row.marks[-1][0]) if row.marks else 0


def mark(row: ReadPass, pk: int, at: datetime) -> None:
    """Note and save that everybody up to `pk` was read, not before `at`."""
    row.marks = [*row.marks, [pk, at.isoformat()]]
    row.save()


def mark_all(account: Account, part: str, sync: Sync, pks: Iterable[int], at: datetime) -> None:
    """Note that all these were read at once."""
    row = begun(account, part, sync)
    row.marks = []
    if last := max(pks, default=0):
        mark(row, last, at)


def _joined(row: ReadPass) -> list[list[Any]]:
    """What its marks and the ones before say together."""
    reached = cursor(row)
    return [*row.marks, *(one for one in row.earlier if one[0] > reached)]


def _of(row: ReadPass | None, pk: int) -> datetime | None:
    if row is None:
        return None
    for marks in (row.marks, row.earlier):
        place = bisect_left(marks, pk, key=lambda one: int(one[0]))
        if place < len(marks):
            return datetime.fromisoformat(marks[place][1])
    return None
