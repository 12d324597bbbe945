"""Children that cannot outlive their parent, and the simulated account as tests see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from demo.processes import Child, DidNotStart
from tests.processes import SimulatedAccount, eventually, free_port, listens

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
ROOT = Path(__file__).resolve().parent.parent.parent

PARENT = """
import os, sys, time
from pathlib import Path
from demo.processes import Child
child = Child("child", {command!r}, Path({log!r}), dict(os.environ), fork={fork})
child.start()
child.wait_until(lambda: "up" in child.log.read_text(), 20)
print(child.process.pid, flush=True)
time.sleep(600)
"""


def lives(pid: int) -> bool:
    """Whether the process is there and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("fork", [False, True])
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, fork: bool) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEP[2])
    command = [sys.executable, "-m", "sleeper"]
    source = PARENT.format(command=command, log=str(tmp_path / "log"), fork=fork)
    parent = subprocess.Popen(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        eventually(lambda: not lives(pid), 10)


def test_a_child_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    child = Child("thing", [sys.executable, "-c", "print('no disk left')"], tmp_path / "log", {})
    child.start()
    with pytest.raises(DidNotStart, match="no disk left"):
        child.wait_until(lambda: False, 20)


def test_a_child_that_does_not_answer_in_time_is_reported(tmp_path: Path) -> None:
    child = Child("thing", SLEEP, tmp_path / "log", {})
    child.start()
    with pytest.raises(DidNotStart, match=r"did not answer within 0 s"):
        child.wait_until(lambda: False, 0.1)
    child.end(0)
    assert not child.running


def test_a_child_that_ignores_the_stop_signal_is_ended_with_its_own_children(
    tmp_path: Path,
) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(inner.pid, flush=True); time.sleep(600)"
    )
    child = Child("stubborn", [sys.executable, "-c", stubborn], tmp_path / "log", {})
    child.start()
    child.wait_until(lambda: child.log.read_text().endswith("\n"), 20)
    inner = int(child.log.read_text())
    child.ask_to_stop()
    child.end(0.2)
    eventually(lambda: not lives(inner), 10)


def test_a_port_that_nobody_uses_is_not_taken_for_a_service() -> None:
    assert not listens(free_port())()


def test_a_test_reaches_the_simulated_account_as_a_worker_does(
    simulated_account: SimulatedAccount,
) -> None:
    identity = boto3.client("sts").get_caller_identity()
    assert ":assumed-role/iam-cleanup/" in identity["Arn"]
