"""One Region's log files, forward from the oldest wanted day: each file once, however many slices.

Files lie in the folder of the day on which they were delivered, so a day is whole once a file was
met that came `LATE` after its end. That file is the proof too that the trail still delivers: a
quiet day between two files was quiet, while days behind the last file, or before the first, may as
well be a trail that was stopped or not made yet, and are not owned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import date, datetime, timedelta

from inventory import clock
from inventory.aws.cloudtrail import TrailEvent, as_event
from inventory.aws.failure import AwsFailure
from inventory.aws.log_file import UnreadableLog
from inventory.aws.trail_archive import LogFile, TrailLogs, read, user_id_of
from inventory.models import ArchiveCoverage
from inventory.refresh.archive_days import gap, keep_days, start_of
from inventory.refresh.tally import DayTally, pack, unpack

# CloudTrail delivers within minutes on average and promises nothing; what it delivers twice comes
# late as well.
LATE = timedelta(hours=12)
_DAY = timedelta(days=1)
# So many whole days or rows are saved at once.
_MOST_DAYS = 10
_MOST_ROWS = 5_000
# So many files in a row that are denied: it is the bucket or its key, and not a file.
_MOST_DENIED = 5
# Days with gaps that are tried again by one sync, in each Region.
_AGAIN = 5

# Told now and then; answers the seconds that are left.
Beat = Callable[[], float]


class RegionReader:
    """Reads on where `row` says that the last slice ended; `users` is user id -> primary key."""

    def __init__(
        self, row: ArchiveCoverage, logs: TrailLogs, users: Mapping[str, int], beat: Beat
    ) -> None:
        self.row, self._logs, self._users, self._beat = row, logs, users, beat
        self._open = unpack(row.draft)
        self._closed: dict[date, DayTally] = {}
        self._closed_to = row.read_to
        self._denied = 0

    def read_on(self) -> bool:
        """Read until all is read or the time is over; whether all is read. Raises AwsFailure."""
        now = clock.now()
        after = self.row.cursor or f"{start_of(now):%Y%m%d}T"
        files = self._logs.files(self.row.region, after, now - LATE)
        with closing(self._logs.fetched(files)) as fetched:
            for file, pieces in fetched:
                self._take(file, pieces)
                rows = sum(map(len, (u for t in self._closed.values() for u in t.users.values())))
                over = self._beat() <= 0
                full = rows > _MOST_ROWS or self._unsaved_days() >= _MOST_DAYS
                # After a denied file the next ones tell whether it is that file or the bucket.
                if over or (full and not self._denied):
                    self._save()
                if over:
                    return False
        self._save()
        return True

    def read_gaps_again(self) -> None:
        """Try the days again that could not be read, those first that were not tried for longest.

        What cannot be read this time either stays a gap; the rest is not held up.
        """
        oldest = start_of(clock.now()).isoformat()
        self.row.gaps = {day: told for day, told in self.row.gaps.items() if day >= oldest}
        again = [(told["tried_at"], day) for day, told in self.row.gaps.items() if told["again"]]
        for _, text in sorted(again)[:_AGAIN]:
            if self._beat() <= 0:
                return
            self._read_again(date.fromisoformat(text))

    def _read_again(self, day: date) -> None:
        begin = datetime.fromisoformat(f"{day}T00:00+00:00")
        files = self._logs.files(self.row.region, f"{day:%Y%m%d}T", begin + 2 * _DAY)
        tally, text = DayTally(), ""
        with closing(self._logs.fetched(files)) as fetched:
            for _, pieces in fetched:
                if self._beat() <= 0:
                    text = "There was no time to read it again in one piece."
                    break
                try:
                    for user, event in self._events(pieces()):
                        if event.at.date() == day:
                            tally.add(user, event)
                except (AwsFailure, UnreadableLog) as failed:
                    text = str(failed)
        if text:
            gap(self.row, [day], text, again=True)
            keep_days(self.row, {day: tally.users}, None)
            return
        del self.row.gaps[day.isoformat()]
        read_whole = self.row.read_from is not None and self.row.read_from <= day
        keep_days(self.row, {day: tally.users}, (day, day) if read_whole else None)

    def _take(self, file: LogFile, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._close((file.at - LATE).date() - _DAY)
        if self.row.read_from is None:
            # When on its first day the trail began to deliver is not known.
            self.row.read_from = file.at.date() + _DAY
        try:
            for user, event in self._events(pieces()):
                self._count(user, event)
            self._denied = 0
        except UnreadableLog as unreadable:
            self._gap_at(file, str(unreadable), again=False)
        except AwsFailure as failed:
            self._denied += 1
            if failed.denied and self._denied >= _MOST_DENIED:
                raise
            self._gap_at(file, str(failed), again=True)
        self.row.cursor = file.name

    def _events(self, pieces: Iterable[bytes]) -> Iterable[tuple[int, TrailEvent]]:
        for number, record in enumerate(read(pieces)):
            if number % 20_000 == 19_999:
                self._beat()
            user_id = user_id_of(record)
            user = self._users.get(user_id)
            if user is None:
                continue
            try:
                event = as_event(record, user_id)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise UnreadableLog("A record of an IAM user cannot be read.") from error
            if event is not None:
                yield user, event

    def _count(self, user: int, event: TrailEvent) -> None:
        day = event.at.date()
        if self._closed_to is None or day > self._closed_to:
            self._open.setdefault(day, DayTally()).add(user, event)
        elif self.row.read_from is not None and day >= self.row.read_from:
            gap(self.row, [day], "One of its events was delivered too late.", again=True)

    def _close(self, to: date) -> None:
        """No file for these days comes any more."""
        for day in [day for day in self._open if day <= to]:
            self._closed[day] = self._open.pop(day)
        if self.row.read_from is not None and to >= self.row.read_from:
            self._closed_to = max(self._closed_to or to, to)

    def _gap_at(self, file: LogFile, text: str, *, again: bool) -> None:
        """Which days' events such a file may hold."""
        days = {(file.at - LATE).date(), file.at.date()}
        gap(self.row, days, f"{file.key.rpartition('/')[2]}: {text}", again=again)

    def _unsaved_days(self) -> int:
        if self._closed_to is None or self.row.read_from is None:
            return len(self._closed)
        saved_to = self.row.read_to or self.row.read_from - _DAY
        return (self._closed_to - saved_to).days

    def _save(self) -> None:
        """Whole days, the place in the files, and what is known of days that are not over."""
        row, owned = self.row, None
        if self._closed_to is not None and row.read_from is not None:
            first = row.read_to + _DAY if row.read_to else row.read_from
            owned = (first, self._closed_to) if first <= self._closed_to else None
        if owned:
            row.read_to = owned[1]
        row.draft = pack(self._open)
        keep_days(row, {day: tally.users for day, tally in self._closed.items()}, owned)
        self._closed = {}
