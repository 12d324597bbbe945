"""One child process of the supervisor: started so that it cannot outlive it.

A Python child may be forked instead of started anew. Then it shares what the supervisor has loaded
already, which saves a laptop seconds of start and hundreds of megabytes.

On Linux the kernel itself ends a child when the supervisor dies, even by SIGKILL. Each child leads
a process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone and the
children are stopped in order.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

LINUX = sys.platform == "linux"


class DidNotStart(RuntimeError):
    """A child did not come up; the message says what it last wrote."""


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _become(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Drop root, but keep the right to walk through folders that only root may enter.

    PostgreSQL refuses to run as root, and a checkout often lies below /root (mode 700).
    """
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    one = 1 << _CAP_DAC_OVERRIDE
    data = (_CapabilityData * 2)(_CapabilityData(one, one, one), _CapabilityData(0, 0, 0))
    # Both calls may be refused in a locked-down container. Then the files must be reachable, and
    # where they are not, the program's own message says so.
    if libc.capset(ctypes.byref(header), data) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _before_exec(death_signal: int, user: tuple[int, int] | None) -> Callable[[], None] | None:
    if not LINUX:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        if user is not None:
            _become(libc, *user)
        # After the change of user, which clears it.
        libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


class Forked:
    """A Python program (`[python, "-m", module, …]`) run in a fork of this process.

    It has what the supervisor uses of `subprocess.Popen`. The supervisor has one thread, so the
    fork is safe; what is forked must not hold connections.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: IO[bytes],
        environ: Mapping[str, str],
        prepare: Callable[[], None] | None,
    ) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._run(list(command[2:]), log, environ, prepare)

    @staticmethod
    def _run(
        argv: list[str],
        log: IO[bytes],
        environ: Mapping[str, str],
        prepare: Callable[[], None] | None,
    ) -> NoReturn:
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            if prepare is not None:
                prepare()
            with open(os.devnull, "rb") as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.environ.clear()
            os.environ.update(environ)
            sys.argv = argv
            runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # noqa: BLE001 - the top of a process: told, then it ends
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # Never return into the supervisor's own code.
            os._exit(code)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(sys.argv, timeout or 0)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass
class Child:
    """A program and, while it runs, its process."""

    name: str
    command: Sequence[str]
    log: Path
    environ: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    # What the kernel sends when the supervisor itself was killed; default: `stop_signal`.
    death_signal: signal.Signals | None = None
    # uid and gid to run as, when the supervisor is root and the program must not be.
    user: tuple[int, int] | None = None
    keep_open: tuple[int, ...] = ()
    # Share what this process has loaded, where forking is safe.
    fork: bool = False
    process: subprocess.Popen[bytes] | Forked | None = field(default=None, init=False)
    starts: list[float] = field(default_factory=list, init=False)

    def start(self) -> None:
        """Start the program; its output goes to the end of its log file."""
        self.starts.append(time.monotonic())
        with self.log.open("ab") as log:
            prepare = _before_exec(self.death_signal or self.stop_signal, self.user)
            if self.fork and LINUX:
                self.process = Forked(self.command, log, self.environ, prepare)
                return
            self.process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                cwd=Path(__file__).resolve().parent.parent,
                start_new_session=True,
                pass_fds=self.keep_open,
                preexec_fn=prepare,  # noqa: PLW1509 - one thread
            )

    @property
    def running(self) -> bool:
        """Whether the program runs now."""
        return self.process is not None and self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`; DidNotStart if the program ends before or is not in time."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise DidNotStart(f"{self.name} stopped while starting.\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise DidNotStart(
                    f"{self.name} did not answer within {seconds:.0f} s.\n{self.last_lines()}"
                )
            time.sleep(0.05)

    def ask_to_stop(self) -> None:
        """Send the stop signal, if it runs."""
        if self.process is not None and self.running:
            self.process.send_signal(self.stop_signal)

    def end(self, seconds: float) -> None:
        """Wait up to `seconds` for it to end, then end it and all its children the hard way."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(seconds, 0.1))
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, indented, for a message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [f"    {line}" for line in text.splitlines()[-count:]]
        return "\n".join([f"The end of {self.log}:", *lines])
