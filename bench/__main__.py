"""How long the demo takes to start, to be used and to sync, and what memory it holds when idle.

Runs a demo in a temporary folder, twice: first with nothing there, then with what the first left.
Prints one line per measurement. Linux only, because it reads /proc.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from demo.services import EmbeddedPostgres
from demo.supervisor import DATABASE

PORT = 8642


def wait(for_what: Callable[[], bool], seconds: float = 600) -> float:
    """Seconds until `for_what()` is true; SystemExit after `seconds`."""
    began = time.monotonic()
    while not for_what():
        if time.monotonic() - began > seconds:
            sys.exit(f"Gave up after {seconds:.0f} s.")
        time.sleep(0.1)
    return time.monotonic() - began


def answers(path: str) -> bool:
    """Whether the demo answers that path with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def synced(home: Path) -> bool:
    """Whether the first sync of the account is over."""
    server = EmbeddedPostgres(home, home)
    with psycopg.connect(server.url(DATABASE)) as connection:
        row = connection.execute("SELECT status FROM inventory_sync ORDER BY id LIMIT 1").fetchone()
    return row is not None and row[0] not in {"queued", "running"}


def descendants(pid: int) -> list[int]:
    """`pid` and all processes below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in descendants(int(child)))]


def megabytes(pid: int) -> float:
    """Memory of a process and all below it, what is shared counted once (PSS)."""
    total = 0
    for each in descendants(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def start(home: Path) -> subprocess.Popen[bytes]:
    """Start the demo in that folder."""
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "--port", str(PORT)],
        env={**environ, "IAMCLEANUP_DEMO_DIR": str(home)},
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "demo"
        for turn in ("first", "second"):
            began = time.monotonic()
            demo = start(home)
            wait(lambda: answers("/sign-in/"))
            print(f"{turn} start: first page after {time.monotonic() - began:.1f} s")
            wait(lambda: answers("/readyz"))
            print(f"{turn} start: all workers heard from after {time.monotonic() - began:.1f} s")
            if turn == "first":
                wait(lambda: synced(home))
                print(f"{turn} start: first sync over after {time.monotonic() - began:.1f} s")
            time.sleep(10)
            print(f"{turn} start: idle memory {megabytes(demo.pid):.0f} MB")
            began = time.monotonic()
            demo.send_signal(signal.SIGINT)
            demo.wait()
            print(f"{turn} start: stopped in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
