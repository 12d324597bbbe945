"""Clients for sessions that are narrowed to one user: made once, signed by whoever calls.

A change has a session of its own, with a policy of its own, for a few dozen calls. To make a client
costs more than all of them, so sessions share the clients and differ in their keys. Which session
calls is known to the thread that calls and to nobody else; a call outside of a session has no keys
and is never sent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: the keys it is signed with, and who hears of it before and after."""

    keys: ReadOnlyCredentials
    before: Callable[..., None]
    after: Callable[..., None]


_calling: ContextVar[Caller | None] = ContextVar("calling", default=None)


class OfTheCaller(Credentials):
    """The keys of the session that calls; NoCredentialsError where none does."""

    def __init__(self) -> None:
        super().__init__("nobody", "nobody", method="narrowed session")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        caller = _calling.get()
        if caller is None:
            raise NoCredentialsError
        return caller.keys


class Provider:
    """Hands botocore the keys of the caller, in place of its chain of providers."""

    def load_credentials(self) -> OfTheCaller:
        return OfTheCaller()


def keys_of(given: Mapping[str, Any]) -> ReadOnlyCredentials:
    """The keys in an answer of AssumeRole."""
    return ReadOnlyCredentials(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
    )


def listen(client: Any) -> None:
    """Tell each caller of a shared client of its own calls."""

    def before(**told: Any) -> None:
        if caller := _calling.get():
            caller.before(**told)

    def after(**told: Any) -> None:
        if caller := _calling.get():
            caller.after(**told)

    client.meta.events.register("before-call", before)
    client.meta.events.register("after-call", after)


class NarrowedClient:
    """A shared client in the hands of one session: its operations, signed with its keys."""

    def __init__(self, client: Any, caller: Caller) -> None:
        self._client, self._caller = client, caller

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._by_caller(found) if callable(found) else found

    def _by_caller(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def called(*args: Any, **params: Any) -> Any:
            outer = _calling.set(self._caller)
            try:
                return operation(*args, **params)
            finally:
                _calling.reset(outer)

        return called
