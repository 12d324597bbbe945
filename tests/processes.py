"""Real processes for tests: the simulated account over HTTP, and Celery workers.

The account lives for the whole run and is fresh for each test that names `simulated_account`.
`workers` are the read, write and restore workers on this test process's own database and Redis
number, and talk to that same account. Workers stay as long as one test after the other asks for
them: one that went on would take the messages of the next test from whom they are meant for.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.processes import Child
from tests.services import TestDatabase

QUEUES = ("read", "write", "restore")
# How to end the processes behind a fixture: asked for wherever the next test does not name it.
_lingering: dict[str, Callable[[], None]] = {}


def ends_unless_asked_for(fixture: str, stop: Callable[[], None]) -> None:
    """See that `stop` is called after a test that is not followed by one naming `fixture`."""
    _lingering[fixture] = stop


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """End the workers that the next test does not ask for."""
    try:
        return (yield)
    finally:
        wanted = getattr(nextitem, "fixturenames", ())
        for fixture in [fixture for fixture in _lingering if fixture not in wanted]:
            _lingering.pop(fixture)()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> Callable[[], bool]:
    """Whether somebody listens on that port of 127.0.0.1, asked anew at each call."""

    def answer() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return answer


@dataclass
class SimulatedAccount:
    """`python -m demo.aws` on a port of its own."""

    home: Path
    port: int
    seed: int = 206
    size: int = 206
    child: Child | None = None
    generation: int = 0

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Start over: the account as its seed draws it."""
        self.stop()
        self.generation += 1
        self.start()

    def start(self) -> None:
        """Start it with the state it has; DidNotStart if it does not answer."""
        state = self.home / f"state-{self.generation}"
        state.mkdir(exist_ok=True)
        self.child = Child(
            name="simulated account",
            command=[
                *(sys.executable, "-m", "demo.aws", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--state", str(state)),
                *("--clock-file", os.environ["IAMCLEANUP_CLOCK_FILE"]),
                *("--seed", str(self.seed), "--size", str(self.size)),
            ],
            log=self.home / "simulated-account.log",
            environ={
                name: value for name, value in os.environ.items() if not name.startswith("AWS_")
            },
        )
        self.child.start()
        self.child.wait_until(listens(self.port), 60)

    def stop(self) -> None:
        """End it; its state stays for the next start."""
        if self.child is not None:
            self.child.ask_to_stop()
            self.child.end(10)


def served(queue: str) -> str:
    """What the worker of `queue` takes: messages to people go out by the reading one here."""
    return "read,notify" if queue == "read" else queue


@dataclass
class Workers:
    """The three Celery workers, each a process that can be ended and started again."""

    home: Path
    environ: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, queue: str) -> None:
        """Start the worker of one queue and wait until it takes messages."""
        self._wait(self._begin(queue))

    def _begin(self, queue: str) -> Child:
        child = Child(
            name=f"{queue} worker",
            command=[
                *(
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    "iamcleanup",
                    "worker",
                    "-Q",
                    served(queue),
                ),
                *("-n", f"{queue}@test", "-c", "1", "--loglevel", "INFO"),
                *("--without-gossip", "--without-mingle"),
            ],
            log=self.home / f"{queue}-{len(os.listdir(self.home))}.log",
            environ=self.environ,
            death_signal=signal.SIGKILL,
        )
        child.start()
        self.children[queue] = child
        return child

    @staticmethod
    def _wait(child: Child) -> None:
        child.wait_until(lambda: "ready." in child.log.read_text(errors="replace"), 90)

    def kill(self, queue: str) -> None:
        """End one worker as a power cut would."""
        child = self.children.pop(queue)
        if child.process is not None:
            os.killpg(child.process.pid, signal.SIGKILL)
        child.end(5)

    def see_all_running(self) -> None:
        """Start whichever is not running."""
        missing = [
            queue
            for queue in QUEUES
            if queue not in self.children or not self.children[queue].running
        ]
        # All at once: loading the product is what takes the time.
        for child in [self._begin(queue) for queue in missing]:
            self._wait(child)

    def stop(self) -> None:
        """End all of them."""
        for child in self.children.values():
            child.ask_to_stop()
        for child in self.children.values():
            child.end(10)
        self.children.clear()


@pytest.fixture(scope="session")
def _simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedAccount]:
    simulator = SimulatedAccount(tmp_path_factory.mktemp("account"), free_port())
    yield simulator
    simulator.stop()


@pytest.fixture
def simulated_account(
    _simulator: SimulatedAccount, monkeypatch: pytest.MonkeyPatch, _clock_at_zero: None
) -> SimulatedAccount:
    """A fresh account of 206 users over HTTP; the environment leads boto3 there, as a worker."""
    _simulator.reset()
    for name, value in (PRODUCT_CREDENTIALS | {"DEMO_EXTERNAL_ID": EXTERNAL_ID}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", _simulator.url)
    return _simulator


@pytest.fixture(scope="session")
def _worker_processes(
    tmp_path_factory: pytest.TempPathFactory,
    test_database: TestDatabase,
    django_db_setup: None,
    _simulator: SimulatedAccount,
) -> Workers:
    environ = dict(os.environ)
    environ["DATABASE_URL"] = test_database.url
    environ |= PRODUCT_CREDENTIALS | {"DEMO_EXTERNAL_ID": EXTERNAL_ID}
    environ["AWS_ENDPOINT_URL"] = _simulator.url
    return Workers(tmp_path_factory.mktemp("workers"), environ)


@pytest.fixture
def workers(_worker_processes: Workers, transactional_db: None, _clean_redis: None) -> Workers:
    """The real read, write and restore workers, all running; the test commits what it writes."""
    ends_unless_asked_for("workers", _worker_processes.stop)
    _worker_processes.see_all_running()
    return _worker_processes


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for another process to bring something about; fails when it has not in time."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            pytest.fail(f"Did not happen within {seconds:.0f} s")
        time.sleep(0.1)
