"""A client for the control desk of a served simulator, for tests and the demo."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Control:
    """The desk of the simulated account at `endpoint`, e.g. `http://127.0.0.1:5000`."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")

    def set_fault(self, kind: str, operation: str = "*", **how: Any) -> None:
        """Set a fault of `faults.KINDS`; `how` are the fields of `faults.Fault`."""
        self._ask("faults", {"kind": kind, "operation": operation, **how})

    def clear_faults(self) -> None:
        """No faults any more."""
        self._ask("clear", {})

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change `page_limit` or `lookup_rate`; the settings as they are then."""
        return dict(self._ask("settings", changes))

    def calls(self, since: int = 0, operation: str = "") -> list[dict[str, Any]]:
        """Every API call after number `since`, oldest first, of one operation or of all."""
        notes: list[dict[str, Any]] = self._ask("calls", {"since": since})
        return [note for note in notes if operation in ("", note["operation"])]

    def counts(self) -> dict[str, int]:
        """How often each operation was called."""
        return dict(self._ask("counts", {}))

    def act(self, act: str, **how: Any) -> dict[str, Any]:
        """Let somebody do something now; see `acts.act`."""
        return dict(self._ask("act", {"act": act, **how}))

    def create_stack(self, account_id: str, template: str) -> list[str]:
        """Make the roles of a CloudFormation template, as that account's administrator would."""
        return list(self._ask("stack", {"account": account_id, "template": template}))

    def start_over(self) -> None:
        """The account as its seed draws it, without faults, calls or anything that was done."""
        self._ask("start-over", {})

    def truth(self) -> list[dict[str, Any]]:
        """What is true about each user the account was drawn with."""
        return list(self._ask("truth", {}))

    def health(self) -> dict[str, Any]:
        """The account id, the number of users, and its clock."""
        return dict(self._ask("health", {}))

    def _ask(self, page: str, body: dict[str, Any]) -> Any:
        url = f"{self._endpoint}/_control/{page}"
        request = Request(url, data=json.dumps(body).encode(), method="POST")  # noqa: S310
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error
