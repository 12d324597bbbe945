"""The one clock. Every lifecycle time in the product comes from `now()`; SQL never asks for it.

In the demo and in tests a clock file moves the product and the simulated account together: it
holds the number of seconds by which their common clock runs ahead of real time. Limiter, leases
and time-outs run on real time (`real_now`), because another process's patience does not jump.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_FILE_VARIABLE = "IAMCLEANUP_CLOCK_FILE"


class ClockFile:
    """A shared offset, in whole seconds, kept in a small text file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._offset = timedelta()

    def offset(self) -> timedelta:
        """How far the shared clock is ahead of real time; zero while the file does not exist."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return timedelta()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            self._offset = timedelta(seconds=int(self.path.read_text().strip() or "0"))
            self._stamp = stamp
        return self._offset

    def move(self, by: timedelta) -> timedelta:
        """Move the shared clock forward by `by`; the new offset. ValueError for a backward move."""
        if by < timedelta():
            raise ValueError("The shared clock only moves forward.")
        offset = self.offset() + by
        # Replace, never truncate: a reader must see the old number or the new one.
        new = self.path.with_suffix(".new")
        new.write_text(str(int(offset.total_seconds())))
        os.replace(new, self.path)
        return offset

    def now(self) -> datetime:
        """The shared time, aware UTC."""
        return real_now() + self.offset()


_files: dict[str, ClockFile] = {}


def clock_file() -> ClockFile | None:
    """The shared clock file, where the demo or a test named one; None in production."""
    path = os.environ.get(CLOCK_FILE_VARIABLE)
    if not path:
        return None
    return _files.setdefault(path, ClockFile(Path(path)))


def real_now() -> datetime:
    """Real time, aware UTC: for leases, limiters and time-outs only."""
    return datetime.now(UTC)


def now() -> datetime:
    """The product's time, aware UTC."""
    file = clock_file()
    return file.now() if file else real_now()
