"""Runs the whole product on one machine: services, simulated account, web, workers and beat.

Children are started in order, restarted when they die, and stopped in the opposite order. All data
lies in one folder, `.demo` or IAMCLEANUP_DEMO_DIR, which one supervisor at a time may use.
"""

from __future__ import annotations

import fcntl
import gc
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from demo import keys, progress, story
from demo.aws.authentication import PRODUCT_CREDENTIALS
from demo.aws.estate import EXTERNAL_ID
from demo.processes import LINUX, Child, DidNotStart
from demo.services import EmbeddedPostgres, EmbeddedRedis, NotAvailable, make_marked_database
from iamcleanup.play import is_loopback
from inventory import clock

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "iamcleanup_demo"
# A running task gets this long to end. Ended the hard way, it goes on after the next start.
STOP_SECONDS = 10
# A child that dies this often within a minute will not come up by being started again.
MOST_STARTS_A_MINUTE = 5
MOST_AGEING_STARTS = 3


def folder() -> Path:
    """Where the demo keeps everything."""
    return Path(os.environ.get("IAMCLEANUP_DEMO_DIR") or ROOT / ".demo").resolve()


def lock(home: Path) -> IO[str]:
    """Take the folder for this supervisor. NotAvailable while another one, or its children, live.

    The children inherit the lock: when a supervisor is killed, the folder is free only once the
    last of them is gone.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (home / "lock").open("a+")
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid, _, address = file.read().strip().partition(" ")
            if pid.isdigit() and _lives(int(pid)):
                raise NotAvailable(
                    f"The demo already runs at {address} (process {pid}). Use that one, or stop "
                    "it with Ctrl-C where it was started."
                ) from None
            if time.monotonic() > deadline:
                raise NotAvailable(f"What an earlier demo started still uses {home}.") from None
            time.sleep(0.2)
        else:
            return file


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check_port(port: int) -> None:
    """NotAvailable if somebody listens on that port of 127.0.0.1 already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as fault:
            raise NotAvailable(
                f"Port {port} of 127.0.0.1 cannot be used ({fault.strerror}). "
                f"Choose another: make demo PORT={port + 1}"
            ) from fault


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _answers(port: int, path: str) -> Callable[[], bool]:
    """Whether GET `path` there is answered with anything but a server error, asked at each call."""

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def _listens(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ask


def without_accounts(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables the demo's processes may have.

    What a person has in the shell to reach a real account, or to set up another installation of
    the product, must not reach the demo.
    """
    theirs = ("AWS_", "IAMCLEANUP_", "DJANGO_", "CELERY_")
    return {name: value for name, value in environ.items() if not name.startswith(theirs)}


def load_product(environ: dict[str, str]) -> None:
    """Load settings, apps, tasks and pages into this process, for its forks to share.

    RefusesToStart (rule 20) is raised here as it would be in each of them.
    """
    os.environ.clear()
    os.environ.update(environ)
    os.environ["DJANGO_SETTINGS_MODULE"] = "iamcleanup.settings"
    import django  # noqa: PLC0415 - needs the environment above
    import gunicorn.app.wsgiapp  # noqa: F401, PLC0415

    django.setup()
    from django.urls import get_resolver  # noqa: PLC0415

    from iamcleanup.celery import app  # noqa: PLC0415

    app.loader.import_default_modules()
    len(get_resolver().url_patterns)
    # Keeps the collector from touching, and so copying, what the forks share.
    gc.collect()
    gc.freeze()


@dataclass
class Supervisor:
    """One run of the demo."""

    home: Path
    port: int
    say: Callable[[str], None]
    # Called with the address once the product answers there.
    greet: Callable[[str], None]
    lock: IO[str]
    children: list[Child] = field(default_factory=list)
    ageing: Child | None = None
    aged: str = ""
    stopping: bool = False

    @property
    def address(self) -> str:
        """Where the product answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        """One file per child."""
        return self.home / "logs"

    def run(self) -> None:
        """Start everything, keep it running until told to stop, stop everything."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        self.logs.mkdir(exist_ok=True)
        self.lock.truncate(0)
        self.lock.write(f"{os.getpid()} {self.address}")
        self.lock.flush()
        try:
            self.start()
            while not self.stopping:
                self.look_after_children()
                time.sleep(0.5)
        except _Stopped:
            pass
        finally:
            self.stop()

    def _told_to_stop(self, number: int, frame: object) -> None:
        if self.stopping:
            # Asked twice: do not wait for anybody.
            for child in self.children:
                child.end(0)
        self.stopping = True

    def start(self) -> None:
        """Start everything in order; DidNotStart or NotAvailable with a reason."""
        began = time.monotonic()
        story.begin(self.home, clock.real_now())
        environ = self.environ_of_services()
        aws_port = _free_port()
        environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{aws_port}"
        workers = environ | PRODUCT_CREDENTIALS | {"DEMO_EXTERNAL_ID": EXTERNAL_ID}
        account = self._start_account(aws_port, environ)
        if LINUX:
            load_product(environ)
        self._wait(account, _listens(aws_port), 120)
        self.say(f"{account.name} started")
        started = self.home / "started"
        self._prepare(workers, first=not started.exists())
        started.touch()
        self._start_product(environ, workers)
        self._start_ageing(workers)
        self.say(f"Ready after {time.monotonic() - began:.0f} s")
        self.greet(self.address)

    def environ_of_services(self) -> dict[str, str]:
        """Start PostgreSQL and Redis, unless others are given; the variables of every process."""
        environ = without_accounts(os.environ) | {
            "IAMCLEANUP_DEMO": "1",
            "IAMCLEANUP_BIND": f"127.0.0.1:{self.port}",
            "IAMCLEANUP_CLOCK_FILE": str(self.home / "clock"),
            "SECRET_KEY": keys.secret_key(self.home),
            "IAMCLEANUP_PACK_KEY_FILE": str(keys.pack_key(self.home)),
            "ALLOWED_HOSTS": "127.0.0.1,localhost,[::1]",
            "WEB_CONCURRENCY": "1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONUNBUFFERED": "1",
            # glibc keeps a heap per thread otherwise, and all of this runs on a laptop.
            "MALLOC_ARENA_MAX": "2",
        }
        environ["DATABASE_URL"] = self._database()
        environ |= self._broker()
        return environ

    def _database(self) -> str:
        given = os.environ.get("DATABASE_URL")
        if given:
            name = urlsplit(given).path.strip("/")
            server = urlunsplit(urlsplit(given)._replace(path="/postgres"))
            self.say(f"Using the database {name} of DATABASE_URL")
            make_marked_database(server, given, name)
            return given
        embedded = EmbeddedPostgres(self.home, self.logs)
        embedded.prepare()
        self._begin(embedded.child, embedded.ready, 60)
        url = embedded.url(DATABASE)
        make_marked_database(embedded.url("postgres"), url, DATABASE)
        return url

    def _broker(self) -> dict[str, str]:
        given = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL")
        if given:
            host = urlsplit(given).hostname
            if host and not is_loopback(host):
                raise NotAvailable(
                    f"REDIS_URL names {host}. The demo's workers would take messages that belong "
                    "to others. Name a Redis on this machine, or unset it."
                )
            self.say("Using the broker of REDIS_URL")
            return {"CELERY_BROKER_URL": given, "REDIS_URL": os.environ.get("REDIS_URL", "")}
        embedded = EmbeddedRedis(self.home, self.logs)
        embedded.prepare()
        self._begin(embedded.child, embedded.ready, 60)
        return {"CELERY_BROKER_URL": embedded.broker_url(), "REDIS_URL": embedded.url()}

    def _start_account(self, port: int, environ: dict[str, str]) -> Child:
        state = self.home / "aws"
        state.mkdir(exist_ok=True)
        command = [
            *(sys.executable, "-m", "demo.aws", "--host", "127.0.0.1", "--port", str(port)),
            *("--state", str(state), "--clock-file", environ["IAMCLEANUP_CLOCK_FILE"]),
            *("--seed", "206", "--size", "206"),
        ]
        child = self._child("simulated account", command, environ)
        self.children.append(child)
        child.start()
        return child

    def _prepare(self, environ: dict[str, str], *, first: bool) -> None:
        command = [sys.executable, "-m", "demo.prepare", *(["--first"] if first else [])]
        child = self._child("preparation", command, environ, fork=True)
        child.start()
        while child.running:
            self._stop_if_asked()
            time.sleep(0.05)
        if child.process is None or child.process.returncode != 0:
            raise DidNotStart(f"The database could not be prepared.\n{child.last_lines()}")
        self.say("database filled" if first else "database up to date")

    def _start_product(self, environ: dict[str, str], workers: dict[str, str]) -> None:
        python = sys.executable
        celery = [python, "-m", "celery", "-A", "iamcleanup"]
        web = [python, "-m", "gunicorn", "-c", "python:iamcleanup.gunicorn", "iamcleanup.wsgi"]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        self.children.append(self._child("web", web, environ, fork=True))
        # One process each, without a pool of children: a laptop has less memory than a server.
        for queue, pool in (
            ("read", ["-P", "threads", "-c", "2"]),
            ("write", ["-P", "solo"]),
            ("restore", ["-P", "solo"]),
        ):
            # Nothing is sent from here: what would go out is only rendered, which takes no time.
            served = "read,notify" if queue == "read" else queue
            command = [*celery, "worker", "-Q", served, "-n", f"{queue}@demo", *pool, *quiet]
            child = self._child(f"{queue} worker", command, workers, fork=True)
            # A killed supervisor: leave at once, even in the middle; the rows bring the work back.
            child.death_signal = signal.SIGKILL
            self.children.append(child)
        beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile="]
        self.children.append(self._child("beat", beat, environ, fork=True))
        new = self.children[-5:]
        for child in new:
            child.start()
        self._wait(new[0], _answers(self.port, "/healthz"), 60)
        self.say(f"web, {', '.join(child.name for child in new[1:])} started")

    def _start_ageing(self, environ: dict[str, str]) -> None:
        """Play the demo's last thirty days, or what is left of them, beside the running product."""
        file = progress.file_in(self.home)
        if file.exists() and file.read_text():
            command = [sys.executable, "-m", "demo.ageing"]
            self.ageing = self._child("ageing", command, environ, fork=True)
            self.ageing.start()

    def _look_after_ageing(self) -> None:
        if self.ageing is None:
            return
        line = progress.file_in(self.home).read_text().strip()
        if line != self.aged:
            self.aged = line
            self.say(f"the last thirty days: {line or 'played'}")
        if self.ageing.running:
            return
        failed = self.ageing.process is None or self.ageing.process.returncode != 0
        if failed and len(self.ageing.starts) < MOST_AGEING_STARTS:
            self.ageing.start()
            return
        if failed:
            self.say(f"The last thirty days stay unfinished.\n{self.ageing.last_lines()}")
        self.ageing = None

    def _child(
        self, name: str, command: list[str], environ: dict[str, str], *, fork: bool = False
    ) -> Child:
        return Child(
            name=name,
            command=command,
            log=self.logs / f"{name.replace(' ', '-')}.log",
            environ=environ,
            keep_open=(self.lock.fileno(),),
            fork=fork,
        )

    def _begin(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        child.keep_open = (self.lock.fileno(),)
        self.children.append(child)
        child.start()
        self._wait(child, ready, seconds)
        self.say(f"{child.name} started")

    def _wait(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        def ready_or_stop() -> bool:
            self._stop_if_asked()
            return ready()

        child.wait_until(ready_or_stop, seconds)

    def _stop_if_asked(self) -> None:
        if self.stopping:
            raise _Stopped

    def look_after_children(self) -> None:
        """Start again what died; DidNotStart when one dies over and over."""
        self._look_after_ageing()
        for child in self.children:
            if child.running or self.stopping:
                continue
            lately = [at for at in child.starts if at > time.monotonic() - 60]
            if len(lately) >= MOST_STARTS_A_MINUTE:
                raise DidNotStart(f"{child.name} stops again and again.\n{child.last_lines()}")
            self.say(f"{child.name} stopped by itself; starting it again")
            child.start()

    def stop(self) -> None:
        """Stop every child, those that use others first; nothing is left running."""
        self.stopping = True
        running = [child for child in self.children if child.running]
        if running:
            self.say(f"Stopping; what runs gets up to {STOP_SECONDS} s to end")
        services = ("simulated account", "broker", "database")
        product = [child for child in self.children if child.name not in services]
        product += [self.ageing] if self.ageing is not None else []
        for child in reversed(product):
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in reversed(product):
            child.end(deadline - time.monotonic())
        for child in reversed(self.children):
            if child.name in services:
                child.ask_to_stop()
                child.end(STOP_SECONDS)


class _Stopped(Exception):
    """Somebody asked to stop while things were starting."""
