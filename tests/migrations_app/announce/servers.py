"""Servers on this machine that speak what Slack and a receiver of webhooks speak, and its faults.

A fault is put into `faults` and meets the next request that writes. Some strike before the request
is processed and some after, when the message is there and only the answer is lost.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message as EmailMessage
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEFORE = {"429", "429 date", "500", "503", "408", "302", "closed before"}
AFTER = {"500 after", "closed after", "half", "slow"}
RETRY_AFTER = 7


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: EmailMessage[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Server:
    """Answers with `process`, unless a fault comes first; keeps every request."""

    def __init__(self, process: Callable[[Request], Reply]) -> None:
        self.process = process
        self.faults: list[str] = []
        self.requests: list[Request] = []
        # Requests to these paths meet no fault: reading is asked in between.
        self.spared: tuple[str, ...] = ()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.meet(self)

            def log_message(self, *_: object) -> None:
                """Say nothing: a request to this server is no news."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            self.released.set()
            self.http.shutdown()
            thread.join()
            self.http.server_close()

    def meet(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        request = Request(handler.path, handler.headers, body)
        self.requests.append(request)
        spared = handler.path.startswith(self.spared) if self.spared else False
        fault = self.faults.pop(0) if self.faults and not spared else ""
        assert not fault or fault in BEFORE | AFTER, fault
        if fault == "closed before":
            hang_up(handler)
        elif fault in BEFORE:
            write(handler, refusal(fault))
        else:
            reply = self.process(request)
            if fault == "closed after":
                hang_up(handler)
            elif fault == "slow":
                self.released.wait(10)
                hang_up(handler)
            elif fault == "half":
                cut = {"Content-Length": str(len(reply.body) + 100)}
                write(handler, Reply(200, reply.body, headers=cut))
                hang_up(handler)
            else:
                write(handler, refusal("500") if fault == "500 after" else reply)


def refusal(fault: str) -> Reply:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=RETRY_AFTER), usegmt=True)
    waits = {"429": str(RETRY_AFTER), "429 date": later, "503": str(RETRY_AFTER)}
    headers = {"Retry-After": waits[fault]} if fault in waits else {}
    if fault == "302":
        headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    return Reply(int(fault[:3]), b'{"ok":false,"error":"ratelimited"}', headers=headers)


def write(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    headers = {"Content-Type": reply.kind, "Content-Length": str(len(reply.body))}
    for name, value in (headers | dict(reply.headers)).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body)
    handler.wfile.flush()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_reply(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(body).encode(), headers=headers)
