"""The control desk under `/_control/`: faults, acts, the log of calls, the truth. Not AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .account import Simulator
from .acts import act
from .errors import AwsError
from .faults import Fault
from .wire import HttpAnswer

PREFIX = "/_control/"


def _set_fault(simulator: Simulator, body: dict[str, Any]) -> Any:
    simulator.faults.add(Fault(**body))
    return simulator.faults.shown()


def _clear(simulator: Simulator, body: dict[str, Any]) -> Any:
    simulator.faults.clear()
    return []


def _settings(simulator: Simulator, body: dict[str, Any]) -> Any:
    if "page_limit" in body:
        simulator.page_limit = int(body["page_limit"])
    if "lookup_rate" in body:
        simulator.trail(simulator.account.id).rate = float(body["lookup_rate"])
    rate = simulator.trail(simulator.account.id).rate
    return {"page_limit": simulator.page_limit, "lookup_rate": rate}


def _calls(simulator: Simulator, body: dict[str, Any]) -> Any:
    since = int(body.get("since", 0))
    return [note for note in simulator.calls if note["n"] > since]


def _health(simulator: Simulator, body: dict[str, Any]) -> Any:
    return {
        "account": simulator.account.id,
        "users": len(simulator.account.users),
        "now": simulator.now().isoformat(),
        "born_at": simulator.born_at.isoformat(),
    }


def _stack(simulator: Simulator, body: dict[str, Any]) -> Any:
    return simulator.create_stack(str(body["account"]), str(body["template"]))


def _start_over(simulator: Simulator, body: dict[str, Any]) -> Any:
    simulator.start_over()
    return _health(simulator, body)


_PAGES: dict[str, Callable[[Simulator, dict[str, Any]], Any]] = {
    "faults": _set_fault,
    "clear": _clear,
    "settings": _settings,
    "calls": _calls,
    "counts": lambda simulator, body: dict(simulator.counts),
    "act": act,
    "stack": _stack,
    "start-over": _start_over,
    "truth": lambda simulator, body: simulator.truth,
    "health": _health,
}


def serve(simulator: Simulator, path: str, raw: bytes) -> HttpAnswer:
    """The answer of one page of the desk: JSON, 400 with the reason, or 404."""
    page = _PAGES.get(path.removeprefix(PREFIX).strip("/"))
    headers = {"Content-Type": "application/json"}
    if page is None:
        return HttpAnswer(404, b'{"error": "There is no such page at the desk."}', headers)
    try:
        with simulator.lock:
            shown = page(simulator, json.loads(raw or b"{}"))
    except (ValueError, TypeError, KeyError, AwsError) as error:
        return HttpAnswer(400, json.dumps({"error": str(error)}).encode(), headers)
    return HttpAnswer(200, json.dumps(shown, default=str).encode(), headers)
