"""Who comes in: a bearer token, its scope, its pace; and how a route is put into the API.

`reads` and `acts` are the only ways to add one, so that none is without token, scope and key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.core.cache import cache
from django.http import HttpRequest
from ninja import Router, Schema
from ninja.security import HttpBearer

from inventory.models import Person, Scope, Token
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed
from migrations_app import tokens
from migrations_app.api.once import answered_once, answering
from migrations_app.api.problems import PROBLEMS, PROBLEMS_OF_ACTS, TooManyRequests, Unknown

PER_MINUTE = 300
# Where the description says which scopes a route takes; one of them is enough.
SCOPES = "x-scopes"


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a request, and the token it came with."""

    person: Person
    token: Token


class PersonalToken(HttpBearer):
    """A bearer token with at least one of `scopes`."""

    def __init__(self, *scopes: Scope) -> None:
        super().__init__()
        self.scopes = scopes

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller. Raises Unknown, NotAllowed (scope), TooManyRequests."""
        caller = super().__call__(request)
        if not isinstance(caller, Caller):
            raise Unknown
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """Find the token, and note its use."""
        found = tokens.usable(token.strip())
        if found is None:
            return None
        keep_pace(found)
        if not set(self.scopes) & set(found.scopes):
            needed = " or ".join(scope.value for scope in self.scopes)
            raise NotAllowed(
                f"This needs a token with the scope {needed}; yours has {', '.join(found.scopes)}.",
                rule="scope",
            )
        require(found.person, Action.SEE)
        structlog.contextvars.bind_contextvars(user_id=found.person_id, token=found.pk)
        return Caller(found.person, found)


def keep_pace(token: Token) -> None:
    """TooManyRequests beyond 300 requests a minute; real time, as every limiter.

    Without Redis nobody is held up: a restore must come through.
    """
    now = time.time()
    key = f"api-pace:{token.pk}:{int(now // 60)}"
    try:
        cache.add(key, 0, timeout=120)
        count = cache.incr(key)
    except (redis.RedisError, ValueError):
        return
    if count > PER_MINUTE:
        raise TooManyRequests(60 - int(now % 60))


def person_of(request: HttpRequest) -> Person:
    """Whoever's token it is."""
    caller: object = getattr(request, "auth", None)
    assert isinstance(caller, Caller)  # noqa: S101 (the door's promise, for the type)
    return caller.person


def reads(router: Router, path: str, answer: type[Schema], name: str) -> Callable[..., Any]:
    """A GET route with the scope `read`, which answers `answer`."""

    def add(view: Callable[..., Schema]) -> Callable[..., Any]:
        return router.get(
            path,
            auth=PersonalToken(Scope.READ),
            response={200: answer, **PROBLEMS},
            url_name=f"api-{name}",
            operation_id=name,
            summary=_summary(view),
            description=_description(view),
            openapi_extra={SCOPES: [Scope.READ.value]},
        )(answering(view))

    return add


def acts(
    router: Router, path: str, *scopes: Scope, answer: type[Schema], name: str, status: int = 200
) -> Callable[..., Any]:
    """A POST route with one of `scopes`, done once per `Idempotency-Key`."""

    def add(view: Callable[..., Schema]) -> Callable[..., Any]:
        return router.post(
            path,
            auth=PersonalToken(*scopes),
            response={status: answer, **PROBLEMS_OF_ACTS},
            url_name=f"api-{name}",
            operation_id=name,
            summary=_summary(view),
            description=_description(view),
            openapi_extra={SCOPES: [scope.value for scope in scopes]},
        )(answered_once(view, status))

    return add


def _summary(view: Callable[..., Any]) -> str:
    return (view.__doc__ or "").strip().partition("\n")[0]


def _description(view: Callable[..., Any]) -> str:
    lines = (view.__doc__ or "").strip().partition("\n")[2].strip().splitlines()
    return " ".join(line.strip() or "\n\n" for line in lines)
