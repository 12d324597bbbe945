"""A real worker, the stage it works on, and the way back to where a cell began.

The simulated account lives in the test process and answers the worker over HTTP, so that it can be
put back in place. Rows are put back from a copy in memory, triggers and constraints asleep: the
ledger refuses to forget, and must, but each cell has to begin with the same one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.aws.server import Server
from demo.processes import Child
from inventory.models import IamUser
from migrations_app.changes import nudge
from tests.migrations_app.cells.points import ARMED, PASSED, TOLD
from tests.migrations_app.cells.scenes import Scene, scene
from tests.migrations_app.stage import REGIONS, Stage

PATIENCE = 60.0


class Worker:
    """One Celery worker with one child, for all three queues, and the account it talks to."""

    def __init__(
        self, home: Path, database_url: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.server = Server(Simulator(7, 1, regions=1))
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.environ = {
            **os.environ,
            **PRODUCT_CREDENTIALS,
            "DATABASE_URL": database_url,
            "PRODUCTION_EXTERNAL_ID": EXTERNAL_ID,
            "AWS_ENDPOINT_URL": self.server.endpoint,
            **(environ or {}),
        }
        self.child: Child | None = None

    def start(self) -> None:
        """Start it unless it runs, and wait until it takes messages."""
        if self.child is not None and self.child.running:
            return
        self.child = Child(
            name="worker",
            command=[
                *(sys.executable, "-m", "celery", "-A", "iamcleanup", "worker"),
                *("-Q", "read,write,restore", "-n", "cells@test", "-c", "1", "--loglevel", "INFO"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                *("-I", "tests.migrations_app.cells.deaths"),
            ],
            log=self.home / f"worker-{len(os.listdir(self.home))}.log",
            environ=self.environ,
            death_signal=signal.SIGKILL,
        )
        self.child.start()
        log = self.child.log
        self.child.wait_until(lambda: "ready." in log.read_text(errors="replace"), 120)

    def rest(self) -> None:
        """End the process; `start` starts another."""
        if self.child is not None:
            self.child.ask_to_stop()
            self.child.end(10)
            self.child = None

    def stop(self) -> None:
        """End it and its account."""
        self.rest()
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Arena:
    """The stage with real messages, a real worker and real deaths."""

    stage: Stage
    worker: Worker
    store: redis.Redis[bytes]

    def scene(self, name: str) -> Scene:
        """One of the scenes, set without the worker: no message of it goes out."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nudge, "_send", lambda *_, **__: None)
            return scene(self.stage, name)

    def arm(self, **order: Any) -> None:
        """What the next task does: `do` is tell, kill or kill worker; `point` and `number`."""
        self.store.delete(PASSED, TOLD)
        self.store.set(ARMED, json.dumps(order))

    def passed(self) -> list[tuple[str, int, str]]:
        """The points that the telling task passed."""
        return [tuple(json.loads(one)) for one in self.store.lrange(PASSED, 0, -1)]

    def hear(self) -> str:
        """What the worker tells next: "ran TASK" or "dies PID"; "" after a second of silence."""
        told = self.store.blpop([TOLD], timeout=1)
        return told[1].decode() if told else ""

    def see_death(self) -> None:
        """Wait until the process that was ordered to die is gone."""
        deadline = time.monotonic() + PATIENCE
        while not (told := self.hear()).startswith("dies"):
            assert time.monotonic() < deadline, f"Nobody died; last heard: {told}"
        pid = int(told.split()[1])
        while _lives(pid):
            assert time.monotonic() < deadline, f"{pid} still lives"
            time.sleep(0.005)

    def replace(self) -> None:
        """Another worker in place of one that died whole, whose message its broker keeps for hours.

        The parent may outlive the child that was seen dying by a moment.
        """
        assert self.worker.child is not None
        assert self.worker.child.process is not None
        self.worker.child.process.wait(PATIENCE)
        self.store.delete("unacked", "unacked_index")
        self.worker.start()

    def quiet(self) -> None:
        """Wait until no message waits and none is worked on."""
        deadline = time.monotonic() + PATIENCE
        queues = ("read", "write", "restore")
        while any(self.store.llen(one) for one in queues) or self.store.hlen("unacked"):
            assert time.monotonic() < deadline, "Messages are left."
            time.sleep(0.005)

    def until(self, ended: Callable[[], bool], again: Callable[[], None]) -> None:
        """Let the worker go on until `ended`; whatever it is told, leases and waits are over."""
        deadline = time.monotonic() + PATIENCE
        while not ended():
            assert time.monotonic() < deadline, "It does not end."
            self.stage.no_waiting()
            again()
            self.hear()
            self.quiet()

    def verb(self, name: str, pk: int, username: str) -> None:
        """A person's request, run by a process that may die of it."""
        current_app.send_task("cells.verb", args=[name, pk, username], queue="write")

    def sweep(self) -> None:
        """What beat sends each minute, as far as it wakes what was lost."""
        for part in ("start", "shut", "stuck", "wake"):
            current_app.send_task("migrations_app.tasks.sweep_part", args=[part], queue="read")
        current_app.send_task("migrations_app.tasks.sweep_restores", queue="restore")

    def forget_ledger(self) -> None:
        """Rows of an earlier time are what a restored database looks like."""
        for key in self.store.scan_iter("iamcleanup:ledger-head:*"):
            self.store.delete(key)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Afterwards everything is as it was: rows, account, faults, queues."""
        kept, kept_rows = self.stage.simulator.keep(), rows()
        try:
            yield
        finally:
            if self.worker.child is not None and self.worker.child.running:
                self.quiet()
            self.store.delete(ARMED, PASSED, TOLD, "unacked", "unacked_index")
            put_back(kept_rows)
            self.forget_ledger()
            self.stage.simulator.put_back(kept)
            users = IamUser.objects.values_list("pk", flat=True)
            cache.delete_many([f"trail:{pk}:{region}" for pk in users for region in REGIONS])


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _tables() -> list[str]:
    return sorted(
        name for name in connection.introspection.table_names() if name != "django_migrations"
    )


def rows() -> dict[str, bytes]:
    """Every row of every table."""
    kept = {}
    with connection.cursor() as cursor:
        for table in _tables():
            with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
                kept[table] = b"".join(bytes(part) for part in copy)
    return kept


def put_back(kept: dict[str, bytes]) -> None:
    """Make the rows of these tables what they were."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL session_replication_role = replica;")
        cursor.execute("".join(f'DELETE FROM "{table}";' for table in kept))
        for table, lines in kept.items():
            if lines:
                with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                    copy.write(lines)
        cursor.execute("COMMIT")


def store() -> redis.Redis[bytes]:
    """The Redis that broker and test share."""
    return redis.Redis.from_url(settings.REDIS_URL)
