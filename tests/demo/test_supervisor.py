"""`make demo` as a person meets it: it starts, says how to sign in, heals, and leaves nothing."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.supervisor import without_accounts
from tests.processes import eventually, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
# What a person may have in the shell. None of it may reach the demo's processes.
SHELL = {"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "AKIAREALREALREAL"}


def environ(home: Path, port: int) -> dict[str, str]:
    """The environment of somebody's shell who types `make demo`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **SHELL, "IAMCLEANUP_DEMO_DIR": str(home), "PORT": str(port)}


class Demo:
    """A demo in a folder and on a port of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.output = home.with_suffix(".out")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo"],
                cwd=ROOT,
                env=environ(home, self.port),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        """All it has printed."""
        return self.output.read_text()

    def status(self, path: str) -> int:
        """The status of a GET; 0 while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Until it has said how to sign in; fails with what it said when it ends before."""
        eventually(lambda: "Ctrl-C stops" in self.said() or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.said()

    def nothing_is_left(self) -> bool:
        """Whether every process it started is gone: each of them holds the lock of its folder."""
        with (self.home / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True


def run(home: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo's command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env=environ(home, port),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo") / "home")
    demo.wait_until_ready()
    yield demo
    demo.process.kill()
    demo.process.wait()


def test_the_demo_serves_its_sign_in_page_and_says_who_is_in_the_cast(demo: Demo) -> None:
    assert demo.status("/sign-in/") == 200
    assert f"Open http://127.0.0.1:{demo.port}/" in demo.said()
    assert "engineer" in demo.said()


def test_every_worker_and_beat_of_the_demo_is_heard_from(demo: Demo) -> None:
    eventually(lambda: demo.status("/readyz") == 200, 90)


def test_what_a_person_has_in_the_shell_does_not_reach_the_demo() -> None:
    assert without_accounts({"PATH": "/bin", **SHELL, "CELERY_BROKER_URL": "redis://prod"}) == {
        "PATH": "/bin"
    }


def test_a_second_demo_in_the_same_folder_says_where_the_first_one_is(demo: Demo) -> None:
    second = run(demo.home, free_port())
    assert second.returncode == 1
    assert f"already runs at http://127.0.0.1:{demo.port}" in second.stderr


def test_a_reset_is_refused_while_the_demo_runs(demo: Demo) -> None:
    refused = run(demo.home, demo.port, "--reset")
    assert refused.returncode == 1
    assert "already runs" in refused.stderr


def test_a_port_in_use_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run(tmp_path / "home", port)
    assert refused.returncode == 1
    assert f"make demo PORT={port + 1}" in refused.stderr


def test_a_child_that_dies_is_started_again(demo: Demo) -> None:
    children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text()
    # Database, broker and simulated account come first, then web.
    os.kill(int(children.split()[3]), signal.SIGKILL)
    eventually(lambda: "web stopped by itself; starting it again" in demo.said(), 30)
    eventually(lambda: demo.status("/healthz") == 200, 30)


def test_a_killed_demo_leaves_nothing_and_starts_again_with_its_data(demo: Demo) -> None:
    demo.process.kill()
    demo.process.wait()
    eventually(demo.nothing_is_left, 30)
    again = Demo(demo.home)
    again.wait_until_ready()
    assert "database up to date" in again.said()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0
    assert again.nothing_is_left()
    assert run(demo.home, demo.port, "--reset").returncode == 0
    assert [entry.name for entry in demo.home.iterdir()] == ["lock"]
