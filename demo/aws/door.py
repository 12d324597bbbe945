"""The account's front door: an HTTP request in, an HTTP answer out, whatever carries it."""

from __future__ import annotations

import re
import uuid
from email.utils import format_datetime

from .account import Simulator
from .errors import AwsError, ConnectionLost, NoAnswer
from .wire import HttpAnswer, HttpRequest, read_call, write_answer, write_error

_SERVICE = re.compile(r"Credential=[A-Z0-9]+/\d+/[a-z0-9-]+/([a-z0-9-]+)/")


def answer(simulator: Simulator, request: HttpRequest) -> HttpAnswer | None:
    """The answer to one request; None when the connection is to break instead. NoAnswer.

    It is dated by the account's own clock.
    """
    given = _answer(simulator, request)
    if given is not None:
        given.headers["Date"] = format_datetime(simulator.now(), usegmt=True)
    return given


def _answer(simulator: Simulator, request: HttpRequest) -> HttpAnswer | None:
    request_id = str(uuid.uuid4())
    scope = _SERVICE.search(request.headers.get("authorization", ""))
    service = scope.group(1) if scope else ""
    try:
        call = read_call(request, request_id)
        return write_answer(call, simulator.perform(call))
    except AwsError as error:
        return write_error(service, error, request_id)
    except NoAnswer:
        raise
    except ConnectionLost:
        return None
