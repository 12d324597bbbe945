"""The simulated account for tests in one process: every boto3 client talks to it, none to AWS."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.handlers
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from .account import Simulator
from .door import answer
from .errors import NoAnswer
from .wire import HttpRequest


class _Body(io.BytesIO):
    """What botocore reads from: urllib3's response, as far as it is used."""

    def stream(self, amount: int = 65_536, **_: Any) -> Iterator[bytes]:
        while chunk := self.read(amount):
            yield chunk


_inside: list[Simulator] = []


def _before_send(request: Any, **_: Any) -> AWSResponse | None:
    if not _inside:
        return None
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    body = body if isinstance(body, bytes) else body.read()
    asked = HttpRequest(request.method, request.url, headers, body, "203.0.113.7")
    try:
        given = answer(_inside[-1], asked)
    except NoAnswer as silence:
        # As if the client's patience were over already.
        raise ReadTimeoutError(endpoint_url=request.url, error=silence) from silence
    if given is None:
        raise ConnectionClosedError(endpoint_url=request.url)
    return AWSResponse(request.url, given.status, _headers(given.headers), _Body(given.body))


def _headers(headers: dict[str, str]) -> HTTPHeaders:
    shown = HTTPHeaders()
    for name, value in headers.items():
        shown[name] = value
    return shown


botocore.handlers.BUILTIN_HANDLERS.append(("before-send", _before_send))


@contextmanager
def simulated(simulator: Simulator) -> Iterator[Simulator]:
    """Answer every boto3 client made from here on with `simulator`, until the block ends.

    Clients made before this module was imported are not caught.
    """
    _inside.append(simulator)
    try:
        yield simulator
    finally:
        _inside.remove(simulator)
