"""Every answer that is no success: `application/problem+json` (RFC 9457), naming what refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import Field

from inventory.refusals import Because, Refused
from migrations_app.api.rules import RULES
from migrations_app.api.writing import text_of

CONTENT_TYPE = "application/problem+json"
DOCS = "/api/docs"
_TITLES = {
    400: "That is no request.",
    401: "Who is asking?",
    403: "Not yours to see or do.",
    404: "Not here.",
    405: "Not that way.",
    409: "Not done: it changed meanwhile.",
    422: "Not done.",
    429: "Too many requests.",
    500: "Something broke here.",
}

log = logging.getLogger(__name__)


class Blocker(Schema):
    """One reason why not: a stable code, a sentence, and what to do about it."""

    code: str
    text: str
    fix: str = ""


class BlockedItem(Schema):
    """One IAM user that cannot go, with every reason."""

    user_id: str
    user_name: str
    blockers: list[Blocker]


class WrongField(Schema):
    """One input to mend; `where` is its place, as in `body.user_ids.0`."""

    where: str
    text: str


class Problem(Schema):
    """What was asked was not done, and nothing was changed."""

    type: str = Field(description="Where the rule is explained.")
    title: str
    status: int
    detail: str = Field(description="All reasons as one text.")
    rule: str = Field(description="The stable code of the rule or blocker that refused.")
    rule_number: int | None = Field(None, description="Its number among the rules of the house.")
    reasons: list[str] = []
    blockers: list[Blocker] = Field([], description="Reasons that are about no single user.")
    items: list[BlockedItem] = Field([], description="Reasons user by user.")
    fields: list[WrongField] = Field([], description="Inputs to mend.")


class TooManyRequests(Exception):
    """This token asked too often; `wait` is how many seconds it has to rest."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Wait {wait} seconds.")


class StillRunning(Exception):
    """Another request with the same key has not ended yet."""


class Unknown(Exception):
    """No token came, or none that may still be used."""


def problem(
    status: int,
    rule: str,
    reasons: Iterable[str],
    *,
    because: Iterable[Because] = (),
    fields: Iterable[WrongField] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The answer to a request that was refused."""
    reasons, because = list(reasons), list(because)
    body = Problem(
        type=f"{DOCS}#rule-{rule}" if rule in RULES else "about:blank",
        title=_TITLES.get(status, "Not done."),
        status=status,
        detail=" ".join(reasons),
        rule=rule,
        rule_number=RULES[rule].number if rule in RULES else None,
        reasons=reasons,
        blockers=[_blocker(one) for one in because if not one.user_id],
        items=_items(because),
        fields=list(fields),
    )
    return HttpResponse(
        text_of(body), status=status, content_type=CONTENT_TYPE, headers=headers or {}
    )


def answer_problems(api: NinjaAPI) -> None:
    """Teach `api` to answer whatever is raised in it as a problem."""
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(Http404, _not_here)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _unreadable)
    api.add_exception_handler(Unknown, _unknown)
    api.add_exception_handler(TooManyRequests, _too_many)
    api.add_exception_handler(StillRunning, _still_running)
    api.add_exception_handler(Exception, _broken)


def _refused(_: HttpRequest, refused: Refused) -> HttpResponse:
    return problem(refused.status, refused.rule, refused.reasons, because=refused.because)


def _not_here(_: HttpRequest, missing: Http404) -> HttpResponse:
    said = str(missing)
    # Django's own words name a class of ours.
    return problem(404, "not-found", [said if said.endswith(".") and said[:3] != "No " else _GONE])


def _invalid(_: HttpRequest, invalid: ValidationError) -> HttpResponse:
    fields = [
        WrongField(where=".".join(str(part) for part in one["loc"]), text=str(one["msg"]))
        for one in invalid.errors
    ]
    rule = "input"
    if any(field.where == "header.Idempotency-Key" for field in fields):
        rule = "idempotency-key"
    return problem(422, rule, [f"{one.where}: {one.text}." for one in fields], fields=fields)


def _unreadable(_: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(error.status_code, "input", [str(error) + "."])


def _unknown(_: HttpRequest, error: Unknown) -> HttpResponse:
    said = "Send a personal token that may still be used: Authorization: Bearer TOKEN."
    return problem(401, "token", [said], headers={"WWW-Authenticate": 'Bearer realm="IAM Cleanup"'})


def _too_many(_: HttpRequest, error: TooManyRequests) -> HttpResponse:
    said = f"This token asks too often. Wait {error.wait} seconds."
    return problem(429, "rate", [said], headers={"Retry-After": str(error.wait)})


def _still_running(_: HttpRequest, error: StillRunning) -> HttpResponse:
    said = "A request with this key is still running. Ask again in a moment, with the same key."
    return problem(409, "idempotency-key", [said], headers={"Retry-After": "2"})


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    """A bug: told to the log, never to the caller."""
    log.error("The API broke at %s", request.path, exc_info=error)
    got_request_exception.send(sender=None, request=request)
    return problem(500, "broken", ["Something broke here. Nothing was changed; it is in the log."])


_GONE = "There is no such thing here, or not for you."


def _blocker(one: Because) -> Blocker:
    return Blocker(code=one.code, text=one.text, fix=one.fix)


def _items(because: Iterable[Because]) -> list[BlockedItem]:
    found: dict[str, BlockedItem] = {}
    for one in because:
        if one.user_id:
            item = found.setdefault(
                one.user_id,
                BlockedItem(user_id=one.user_id, user_name=one.user_name, blockers=[]),
            )
            item.blockers.append(_blocker(one))
    return list(found.values())


PROBLEMS: dict[int, Any] = dict.fromkeys((401, 403, 404, 422, 429), Problem)
PROBLEMS_OF_ACTS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 409, 422, 429), Problem)
