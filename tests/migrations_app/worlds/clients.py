"""AWS clients for thousands of short worlds: real ones, made once and lent with other credentials.

Making a client costs more than a call of it in the simulated account. Only who signs differs.
"""

from __future__ import annotations

from typing import Any

import botocore.session

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

    def create_client(self, service: str, region_name: str, config: Any) -> Lent:
        tries = config.retries["total_max_attempts"]
        key = (service, region_name, tries)
        if key not in _made:
            core = botocore.session.Session()
            _made[key] = core.create_client(service, region_name=region_name, config=config)
        return Lent(
            _made[key], self.get_credentials() or botocore.session.Session().get_credentials()
        )


class Lent:
    """A client that signs with the credentials of whoever calls it; for one thread at a time."""

    def __init__(self, client: Any, credentials: Any) -> None:
        self._client, self._credentials = client, credentials

    def __getattr__(self, name: str) -> Any:
        self._client._request_signer._credentials = self._credentials
        return getattr(self._client, name)
