"""`Idempotency-Key`: what a request did and what it was answered are one transaction.

The same key with the same request gets the kept answer, also when the first answer was lost on its
way. Of two at once one does it; the other waits for its end and gets the same answer. A request
that was refused changed nothing, so nothing is kept of it and its key is free again. Answers are
kept for two days; the sweep forgets them.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Schema
from ninja.params.functions import Header
from ninja.utils import contribute_operation_args

from inventory import clock
from inventory.models import Person
from inventory.refusals import Refused
from migrations_app.api.problems import StillRunning
from migrations_app.api.writing import sent, text_of, written
from migrations_app.models import KeptAnswer

# A request takes a second or two; a client that lost its answer asks again only later.
PATIENCE_MS = 15_000
_LOCK_NOT_AVAILABLE = "55P03"
_KEY: Any = Header(
    ...,
    alias="Idempotency-Key",
    min_length=1,
    max_length=100,
    pattern=r"^[!-~]+$",
    description="Any text of your own, new for each thing to do and the same for each try of it.",
)


def answering(view: Callable[..., Schema]) -> Callable[..., HttpResponse]:
    """`view` with its answer written out."""

    @functools.wraps(view)
    def answer(request: HttpRequest, **given: Any) -> HttpResponse:
        return written(view(request, **given))

    return _typed(answer, view)


def answered_once(view: Callable[..., Schema], status: int) -> Callable[..., HttpResponse]:
    """`view`, done and answered with `status` once per key of the person who asks."""

    @functools.wraps(view)
    def answer(request: HttpRequest, idempotency_key: str, **given: Any) -> HttpResponse:
        person: Person = request.auth.person  # type: ignore[attr-defined]  # set by the door
        asked = _fingerprint(request)
        with transaction.atomic():
            kept, new = _take(person, idempotency_key, asked)
            if new:
                kept.status, kept.body = status, text_of(view(request, **given))
                kept.save(update_fields=["status", "body"])
        if kept.request != asked:
            raise Refused(
                "This Idempotency-Key was used for another request. Take a new one.",
                rule="idempotency-key",
            )
        response = sent(kept.body, kept.status)
        if not new:
            response["Idempotency-Replayed"] = "true"
        return response

    wrapped = _typed(answer, view)
    contribute_operation_args(wrapped, "idempotency_key", str, _KEY)
    return wrapped


def _typed(
    answer: Callable[..., HttpResponse], view: Callable[..., Schema]
) -> Callable[..., HttpResponse]:
    """The signature that ninja reads, its annotations resolved where the view stands."""
    answer.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
    return answer


def _take(person: Person, key: str, asked: str) -> tuple[KeptAnswer, bool]:
    """The row of this key, and whether it is new: then this request is the one that does it.

    The unique index makes whoever comes second wait until the first has ended. StillRunning when
    that takes too long.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
        try:
            row = KeptAnswer(person=person, key=key, request=asked, at=clock.now())
            KeptAnswer.objects.bulk_create([row], ignore_conflicts=True)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") == _LOCK_NOT_AVAILABLE:
                raise StillRunning from error
            raise
        # The locks of the verbs are waited for as everywhere.
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    found = KeptAnswer.objects.get(person=person, key=key)
    return found, found.status == 0


def _fingerprint(request: HttpRequest) -> str:
    """Method, path and body, byte by byte."""
    said = f"{request.method} {request.path}\n".encode() + request.body
    return hashlib.sha256(said).hexdigest()
