"""Which PostgreSQL and Redis the tests use, and how each test process gets its own database.

What DATABASE_URL and CELERY_BROKER_URL name, else what answers on 127.0.0.1, else embedded ones.
In CI a missing service is a failure. One template database is made from the schema migrations;
each test process, and each test that commits, gets a copy of it, which takes a fraction of a
second and brings triggers and first rows along.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from demo.processes import Child

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATABASE_URL = "postgres://postgres@127.0.0.1:5432/iamcleanup"
DEFAULT_REDIS_NUMBER = 9


class ServiceMissing(RuntimeError):
    """A service the tests need is not there, in a place where it must be."""


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def choose() -> None:
    """Settle DATABASE_URL and CELERY_BROKER_URL for this process and the ones it starts."""
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = (
            DEFAULT_DATABASE_URL if _answers(5432) else _embedded_postgres()
        )
    if not os.environ.get("CELERY_BROKER_URL"):
        os.environ["CELERY_BROKER_URL"] = (
            f"redis://127.0.0.1:6379/{DEFAULT_REDIS_NUMBER}"
            if _answers(6379)
            else _embedded_redis()
        )
    os.environ["CELERY_BROKER_URL"] = own_broker(
        os.environ["CELERY_BROKER_URL"], os.environ.get("PYTEST_XDIST_WORKER", "")
    )


def _refuse_in_ci(service: str) -> None:
    if os.environ.get("CI"):
        raise ServiceMissing(f"CI needs {service}, and it does not answer.")


def _embedded_postgres() -> str:
    _refuse_in_ci("PostgreSQL on 127.0.0.1:5432")
    from demo.services import EmbeddedPostgres

    home = _temporary_home()
    server = EmbeddedPostgres(home, home, durable=False)
    server.prepare()
    server.child.start()
    atexit.register(_stop, server.child)
    server.child.wait_until(server.ready, 30)
    return server.url("iamcleanup")


def _embedded_redis() -> str:
    _refuse_in_ci("Redis on 127.0.0.1:6379")
    from demo.services import EmbeddedRedis

    home = _temporary_home()
    server = EmbeddedRedis(home, home, durable=False)
    server.prepare()
    server.child.start()
    atexit.register(_stop, server.child)
    server.child.wait_until(server.ready, 30)
    return server.broker_url(DEFAULT_REDIS_NUMBER)


def _stop(child: Child) -> None:
    child.ask_to_stop()
    child.end(10)


def _temporary_home() -> Path:
    home = tempfile.TemporaryDirectory(prefix="iamcleanup-test-", ignore_cleanup_errors=True)
    atexit.register(home.cleanup)
    return Path(home.name)


def own_broker(broker: str, process: str) -> str:
    """The broker URL of test process `process` ("gw0", "gw1", …): each has a Redis number."""
    if not process:
        return broker
    step = int(process.removeprefix("gw")) + 1
    head, mark, number = broker.rpartition("=" if "virtual_host=" in broker else "/")
    return f"{head}{mark}{(int(number or 0) + step) % 16}"


def schema_digest() -> str:
    """Changes whenever a schema migration or a dependency does."""
    digest = hashlib.sha256()
    files = [ROOT / "uv.lock"]
    for app in ("inventory", "migrations_app"):
        files += sorted((ROOT / app / "migrations").glob("*.py"))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class TestDatabase:
    """One test process's own database, copied from the template as often as a test needs."""

    __test__ = False

    def __init__(self, base_url: str, process: str) -> None:
        self.server_url = self._named(base_url, "postgres")
        base = urlsplit(base_url).path.strip("/")
        self._family = f"template_{base}_"
        self.template = f"{self._family}{schema_digest()}"
        self.name = f"test_{base}_{process or 'main'}"
        self.url = self._named(base_url, self.name)
        self.template_url = self._named(base_url, self.template)

    @staticmethod
    def _named(url: str, name: str) -> str:
        parts = urlsplit(url)
        # A host given in the query has an empty place before the path, which must stay.
        shown = urlunsplit(parts._replace(path=f"/{name}"))
        return shown.replace(f"{parts.scheme}:/{name}", f"{parts.scheme}:///{name}")

    def make_template(self, migrate: Callable[[str], None]) -> None:
        """See that the template exists; `migrate(url)` fills it. Old ones are dropped.

        Test processes wait for each other here, so that one of them makes it.
        """
        with psycopg.connect(self.server_url, autocommit=True) as server:
            server.execute("SELECT pg_advisory_lock(hashtext(%s))", [self._family])
            if self._exists(server, self.template):
                return
            making = f"{self.template}_making"
            self._drop(server, making)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(making)))
            migrate(self._named(self.template_url, making))
            for old in server.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s",
                [self._family, making],
            ).fetchall():
                self._drop(server, old[0])
            server.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(making), sql.Identifier(self.template)
                )
            )

    def renew(self) -> None:
        """Replace the database with a fresh copy; whoever is connected to it is cut off."""
        with psycopg.connect(self.server_url, autocommit=True) as server:
            self._drop(server, self.name)
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(self.name), sql.Identifier(self.template)
                )
            )

    def drop(self) -> None:
        """Drop the database; the template stays for the next run."""
        with psycopg.connect(self.server_url, autocommit=True) as server:
            self._drop(server, self.name)

    @staticmethod
    def _exists(server: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
        row = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        return row is not None

    @staticmethod
    def _drop(server: psycopg.Connection[tuple[object, ...]], name: str) -> None:
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def check() -> None:
    """Raise ServiceMissing unless the chosen PostgreSQL and Redis answer."""
    url = TestDatabase._named(os.environ["DATABASE_URL"], "postgres")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as fault:
        raise ServiceMissing(f"PostgreSQL does not answer: {fault}") from fault
    from iamcleanup.settings import REDIS_URL

    try:
        with redis.Redis.from_url(REDIS_URL, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as fault:
        raise ServiceMissing(f"Redis does not answer: {fault}") from fault
