"""The threads that work on a batch, kept with their connections while one slice follows another.

To connect, and to let a new session of the database learn its tables, costs as much as a user's
whole change. Whoever had nothing to do for a while hangs up and ends.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from django.db import connection

# Long enough for the next batch or slice; then its connections are free for others again.
_IDLE_SECONDS = 20.0
_Job = tuple[Callable[[], None], "Future[None]"]


class Crew:
    """As many threads as are asked for, each with a connection of its own."""

    def __init__(self, idle: float = _IDLE_SECONDS) -> None:
        self._idle = idle
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # Threads that wait for a job, less the jobs that wait for a thread.
        self._free = 0

    def run(self, work: Callable[[], None], times: int) -> None:
        """Do `work` this many times at once; back when all are done. Raises what one raised."""
        asked: list[Future[None]] = [Future() for _ in range(times)]
        for one in asked:
            with self._lock:
                self._free -= 1
                missing = self._free < 0
                if missing:
                    self._free += 1
            self._jobs.put((work, one))
            if missing:
                threading.Thread(target=self._serve, name="batch", daemon=True).start()
        for one in asked:
            # Everybody has ended before the first fault is told.
            one.exception()
        for one in asked:
            one.result()

    def _serve(self) -> None:
        try:
            while True:
                try:
                    work, told = self._jobs.get(timeout=self._idle)
                except queue.Empty:
                    with self._lock:
                        if self._free <= 0:
                            # A job was promised to a thread that waits; it comes at once.
                            continue
                        self._free -= 1
                    return
                self._do(work, told)
                with self._lock:
                    self._free += 1
        finally:
            connection.close()

    @staticmethod
    def _do(work: Callable[[], None], told: Future[None]) -> None:
        try:
            # One that broke or grew old meanwhile is opened anew.
            connection.close_if_unusable_or_obsolete()
            work()
        except BaseException as broken:  # noqa: BLE001 (told to whoever asked)
            connection.close()
            told.set_exception(broken)
        else:
            told.set_result(None)
