"""Web, beat, Redis or PostgreSQL is killed while a batch runs; once it is back, all ends as usual.

On services of our own: the machine's are not ours to kill. Redis keeps nothing, so that every
message and everything that was only noted there is lost with it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import psycopg
import pytest
import redis
from celery import current_app
from django.core.management import call_command
from django.db import connection, connections
from kombu import Connection
from pytest_django import DjangoDbBlocker

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from demo.processes import Child, DidNotStart
from demo.services import EmbeddedPostgres, EmbeddedRedis
from iamcleanup.play import WEB_CREDENTIALS
from migrations_app.models import Batch
from tests.migrations_app.cells.arena import Arena, Worker, put_back, rows
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.scenes import ending
from tests.migrations_app.stage import Stage, everything, set_stage
from tests.processes import free_port, listens

pytestmark = [pytest.mark.worker, pytest.mark.slow, pytest.mark.xdist_group("killed services")]
NAME = "iamcleanup"
PATIENCE = 120.0


@dataclass
class Services:
    """PostgreSQL and Redis of our own, and a worker on them."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    worker: Worker
    empty: dict[str, bytes]

    def send(self, task: str, *arguments: Any, queue: str) -> None:
        with Connection(self.redis.broker_url(0)) as broker:
            current_app.send_task(task, args=arguments, queue=queue, connection=broker)

    def beat(self) -> None:
        """What beat sends in a minute, as far as it matters to a batch."""
        self.send("iamcleanup.health.beat_tick", queue="write")
        self.send("migrations_app.tasks.sweep_part", "wake", queue="read")


def start(child: Child, ready: Any) -> None:
    """Start a service; the remains of one that was killed may be in its way for a moment."""
    for last in (False,) * 9 + (True,):
        child.start()
        try:
            child.wait_until(ready, 30)
        except DidNotStart:
            if last:
                raise
            time.sleep(0.5)
        else:
            return


def kill(child: Child) -> None:
    assert child.process is not None
    os.killpg(child.process.pid, signal.SIGKILL)
    child.end(5)


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("services")
    postgres, store = EmbeddedPostgres(home, home), EmbeddedRedis(home, home, durable=False)
    for service in (postgres, store):
        service.prepare()
        start(service.child, service.ready)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME}")
    kept = dict(connection.settings_dict)
    with django_db_blocker.unblock():
        connections.close_all()
        connection.settings_dict.update(
            HOST=str(postgres.socket), PORT="", USER="postgres", NAME=NAME
        )
        call_command("migrate", verbosity=0, interactive=False)
        url = store.broker_url(0)
        worker = Worker(home, postgres.url(NAME), {"CELERY_BROKER_URL": url, "REDIS_URL": ""})
        yield Services(postgres, store, worker, rows())
        worker.stop()
        connections.close_all()
    connection.settings_dict.update(kept)
    for service in (postgres, store):
        service.child.ask_to_stop()
        service.child.end(10)


@pytest.fixture
def arena(simulator: Simulator, services: Services) -> Iterator[Arena]:
    """The stage on our own services."""
    services.worker.server.simulator = simulator
    stage = set_stage(simulator)
    services.worker.start()
    made = Arena(stage, services.worker, redis.Redis.from_url(services.redis.url(0)))
    yield made
    put_back(services.empty)
    made.forget_ledger()


def two_users(stage: Stage) -> Batch:
    users = [stage.user(name, give=everything) for name in ("full.house", "other.house")]
    return stage.started("disable", users, method="shut")


def until_closed(arena: Arena, services: Services, batch: Batch) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        batch.refresh_from_db()
        rows = list(batch.changes.values_list("status", "result", "error"))
        told = f"The batch does not end: {batch.status} {batch.pause_reason} {rows}"
        assert time.monotonic() < deadline, told
        if batch.status in Batch.ENDED:
            return
        arena.stage.no_waiting()
        services.beat()
        time.sleep(0.5)


def other(services: Services, *command: str) -> Child:
    """Web or beat, on the same services."""
    # Neither may have credentials, and the web process refuses to start with them.
    environ = {
        name: value
        for name, value in services.worker.environ.items()
        if name not in WEB_CREDENTIALS
    }
    child = Child(command[-1], command, services.worker.home / "other.log", environ)
    child.start()
    return child


def answers(port: int) -> bool:
    """Whether the web process itself answers."""
    with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=5)) as asked:
        asked.request("GET", "/healthz")
        with asked.getresponse() as answer:
            return answer.status == 200
    return False


def the_child(services: Services, victim: str) -> Child:
    """The process that will be killed, running."""
    if victim in ("postgres", "redis"):
        return services.postgres.child if victim == "postgres" else services.redis.child
    if victim == "beat":
        return other(services, sys.executable, "-m", "celery", "-A", "iamcleanup", "beat")
    port = free_port()
    gunicorn = (sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "iamcleanup.wsgi")
    web = other(services, *gunicorn)
    web.wait_until(listens(port), 60)
    # It listens before it has loaded the application, and would go on to end without it.
    web.wait_until(lambda: answers(port), 60)
    return web


def back(services: Services, victim: str, child: Child) -> None:
    """It is started again, as whoever supervises it does."""
    ready = {"postgres": services.postgres.ready, "redis": services.redis.ready}
    start(child, ready.get(victim, lambda: True))


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "It does not happen."
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["web", "beat", "redis", "postgres"])
def test_a_killed_service_costs_time_only(arena: Arena, services: Services, victim: str) -> None:
    stage = arena.stage
    batch = two_users(stage)
    users = [change.departure for change in batch.changes.all()]
    with arena.again():
        services.send("migrations_app.tasks.run_batch", batch.pk, queue="write")
        until_closed(arena, services, batch)
        expected = [ending(stage, one) for one in users]
    slow = Fault("latency", "UpdateServiceSpecificCredential", seconds=1.0)
    stage.simulator.faults.add(slow)

    def answered() -> bool:
        last = stage.simulator.calls[-1]
        return bool(last["operation"] == slow.operation and last["applied"])

    with counted(f"outage {victim}") as count:
        child = the_child(services, victim)
        services.send("migrations_app.tasks.run_batch", batch.pk, queue="write")
        # It is killed while a write is on its way, and not back before the answer came.
        until(lambda: slow.struck == 1)
        kill(child)
        until(answered)
        connections.close_all()
        back(services, victim, child)
        until_closed(arena, services, batch)
        assert [ending(stage, one) for one in users] == expected
        if victim in ("web", "beat"):
            kill(child)
        count.ended(f"{victim} killed during a batch")
