"""Programs that come in with a token of one of the cast, and what they are answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.test import Client

from inventory.models import Person
from migrations_app import tokens

_keys = count(1)


@dataclass(frozen=True)
class Answered:
    """One answer: its status, its headers, and its JSON."""

    status: int
    headers: Any
    body: Any

    @property
    def rule(self) -> str:
        """The code of what refused."""
        return str(self.body["rule"])


@dataclass(frozen=True)
class Program:
    """A program with one token."""

    secret: str
    client: Client = field(default_factory=Client)

    def get(self, path: str) -> Answered:
        """Answer of a GET; `path` from the API's root, or a whole `next`."""
        return self._answered(self.client.get(self._whole(path), headers=self._headers()))

    def post(self, path: str, body: object = None, key: str = "") -> Answered:
        """Answer of a POST with a key of its own, or with `key`."""
        headers = {**self._headers(), "Idempotency-Key": key or f"key-{next(_keys)}"}
        return self._answered(
            self.client.post(
                self._whole(path),
                json.dumps({} if body is None else body),
                content_type="application/json",
                headers=headers,
            )
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    def _whole(self, path: str) -> str:
        return path if path.startswith("/") else f"/api/v1/{path}"

    def _answered(self, response: Any) -> Answered:
        return Answered(response.status_code, response.headers, json.loads(response.content))


def program(person: Person, *scopes: str) -> Program:
    """A program of `person` with these scopes, or with all that the person's roles allow."""
    wanted = scopes or [scope.value for scope in tokens.scopes_for(person)]
    _, secret = tokens.make(person, "a test", wanted)
    return Program(secret)
