"""AWS clients for thousands of short worlds: real ones, made once and lent with other credentials.

Making a client costs more than a call of it in the simulated account. Only who signs differs.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore.credentials import Credentials

_made: dict[tuple[str, str, int], Any] = {}


class LentCore:
    """In place of a botocore session: it keeps the credentials and lends the common clients."""

    def __init__(self) -> None:
        self._provider: Any = None

    def register_component(self, name: str, value: Any) -> None:
        self._provider = value

    def register(self, *_: Any) -> None:
        """Nobody counts calls here."""

    def get_credentials(self) -> Any:
        return self._provider.load_credentials() if self._provider else None

    def create_client(self, service: str, region_name: str, config: Any, **keys: str) -> Lent:
        tries = config.retries["total_max_attempts"]
        key = (service, region_name, tries)
        if key not in _made:
            core = botocore.session.Session()
            _made[key] = core.create_client(service, region_name=region_name, config=config)
        given = Credentials(*keys.values()) if keys else self.get_credentials()
        return Lent(_made[key], given or botocore.session.Session().get_credentials())


class Lent:
    """A client that signs with the credentials of whoever calls it; for one thread at a time.

    Of what listens to calls, only what looks at answers is told: the clocks are compared by it.
    """

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client, self._credentials = client, credentials
        self._after: list[Callable[..., None]] = []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, event: str, handler: Callable[..., None]) -> None:
        if event == "after-call":
            self._after.append(handler)

    def __getattr__(self, name: str) -> Any:
        self._client._request_signer._credentials = self._credentials
        found = getattr(self._client, name)
        return self._told(found) if callable(found) else found

    def _told(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def told(*args: Any, **params: Any) -> Any:
            answer = call(*args, **params)
            if isinstance(answer, dict):
                headers = answer["ResponseMetadata"]["HTTPHeaders"]
                dated = SimpleNamespace(headers={"Date": headers.get("date")})
                for handler in self._after:
                    handler(http_response=dated)
            return answer

        return told
