"""One warm process with Django, the database and all tests collected, and a fork for each trial.

A pytest plugin: it takes over after the collection. Session fixtures are set up once, before the
first fork, so a trial starts at the first test. Trials run one at a time on one database; whoever
was killed in the middle leaves it to be copied anew.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests import services
from tests.proof.swap import NotSwapped

# What a test may take before the mutant counts as one that never ends: seconds of processor time,
# whatever else runs on the machine, and of the wall for one that only waits.
BUSY_LIMIT = 8.0
WAIT_LIMIT = 180


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one fork: the first test that failed ("" for none), how many ran, seconds."""

    outcome: str  # killed | time-out | crashed | survived
    by: str
    ran: int
    seconds: float


class Warm:
    """The plugin. `work(self)` is called once everything is collected and warm."""

    def __init__(self, work: Callable[[Warm], None], *, database: bool = True) -> None:
        self._work, self._database = work, database
        self.items: dict[str, pytest.Item] = {}
        self._reports: list[pytest.TestReport] = []
        self._session: pytest.Session | None = None
        self.fault: BaseException | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._session = session
        self.items = {item.nodeid: item for item in session.items}
        marked = [item for item in session.items if item.get_closest_marker("django_db")]
        self._database = self._database and bool(marked)
        # The first test with a database makes it, for all that follow.
        for item in marked[:1] if self._database else []:
            if not self.passes(item):
                raise pytest.UsageError(f"{item.nodeid} fails without any mutant.")
        gc.collect()
        gc.freeze()  # Else every fork copies the memory that its collector touches.
        try:
            self._work(self)
        except BaseException as fault:
            self.fault = fault
        return True

    def passes(self, item: pytest.Item) -> bool:
        """Run one test here; session fixtures stay."""
        self._reports.clear()
        after: Any = SimpleNamespace(listchain=lambda: [self._session])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        return not any(report.failed for report in self._reports)

    def try_out(self, change: Callable[[], None], tests: Iterable[str]) -> Trial:
        """Fork, make the change there, run the tests until one fails."""
        from django.db import connections

        connections.close_all()
        began = time.monotonic()
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reads)
            self._child(change, tests, writes)
        os.close(writes)
        with os.fdopen(reads, encoding="utf-8") as told:
            lines = told.read().splitlines()
        _, status = os.waitpid(child, 0)
        took = time.monotonic() - began
        last = lines[-1] if lines else ""
        if os.WIFSIGNALED(status):
            self.renew()
            timed_out = os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGPROF)
            return Trial("time-out" if timed_out else "crashed", last, len(lines), took)
        if os.WEXITSTATUS(status) == 2:
            raise RuntimeError("\n".join(lines))
        failed = os.WEXITSTATUS(status) == 1
        return Trial("killed" if failed else "survived", last if failed else "", len(lines), took)

    def _child(self, change: Callable[[], None], tests: Iterable[str], told: int) -> None:
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        for timer in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(timer, signal.SIG_DFL)
        try:
            _limit()
            try:
                change()
            except NotSwapped:
                raise
            except Exception as broken:
                # It cannot even be imported: every test would see that.
                os.write(told, f"import: {broken!r}\n".encode())
                os._exit(1)
            for name in tests:
                os.write(told, f"{name}\n".encode())
                _limit()
                if not self.passes(self.items[name]):
                    os._exit(1)
            os._exit(0)
        except BaseException as fault:
            os.write(told, f"{fault!r}\n".encode())
            os._exit(2)

    def renew(self) -> None:
        """Copy the test database anew, if any test here has one."""
        if self._database:
            process = os.environ.get("PYTEST_XDIST_WORKER", "")
            services.TestDatabase(os.environ["DATABASE_URL"], process).renew()


def _limit() -> None:
    """The kernel ends this process unless it asks again in time."""
    signal.alarm(WAIT_LIMIT)
    signal.setitimer(signal.ITIMER_PROF, BUSY_LIMIT)
