"""The simulated account over HTTP, for `AWS_ENDPOINT_URL`: one thread for each connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from . import desk
from .account import Simulator
from .door import answer
from .errors import NoAnswer
from .wire import HttpAnswer, HttpRequest


class Server(ThreadingHTTPServer):
    """Listens on `host`:`port`; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> None:
        self.simulator = simulator
        super().__init__((host, port), _Handler)

    @property
    def endpoint(self) -> str:
        """What to set `AWS_ENDPOINT_URL` to."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _serve(self) -> None:
        simulator = cast(Server, self.server).simulator
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(desk.PREFIX):
            self._write(desk.serve(simulator, self.path, body))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        source_ip = str(self.client_address[0])
        request = HttpRequest(self.command, self.path, headers, body, source_ip)
        try:
            given = answer(simulator, request)
        except NoAnswer:
            # The client hangs up when its patience ends.
            self.rfile.read(1)
            given = None
        if given is None:
            self._reset()
        else:
            self._write(given)

    def _write(self, given: HttpAnswer) -> None:
        # Not `send_response`: the answer bears the account's date already, and no second one.
        self.send_response_only(given.status)
        for name, value in given.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(given.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(given.body)
        self.wfile.flush()

    def _reset(self) -> None:
        """A TCP reset instead of an answer."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the desk has the log of calls."""


@contextmanager
def served(simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve `simulator` from a thread; gives the endpoint's address."""
    server = Server(simulator, host, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
