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
    """One input to mend; `where` is its place, as in body.user_ids.0."""

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


class Turned(Exception):
    """A request that no verb has seen: turned away at the door."""

    status = 400
    rule = "input"

    def __init__(self, said: str, **headers: str) -> None:
        self.said = said
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}
        super().__init__(said)


class Unknown(Turned):
    """No token came, or none that may still be used."""

    status = 401
    rule = "token"

    def __init__(self) -> None:
        super().__init__(
            "Send a personal token that may still be used: Authorization: Bearer TOKEN.",
            WWW_Authenticate='Bearer realm="IAM Cleanup"',
        )


class TooManyRequests(Turned):
    """This token asked too often; `wait` is how many seconds it has to rest."""

    status = 429
    rule = "rate"

    def __init__(self, wait: int) -> None:
        super().__init__(f"This token asks too often. Wait {wait} seconds.", Retry_After=str(wait))


class StillRunning(Turned):
    """Another request with the same key has not ended yet."""

    status = 409
    rule = "idempotency-key"

    def __init__(self) -> None:
        super().__init__(
            "A request with this key is still running. Ask again with the same key.",
            Retry_After="2",
        )


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
    # Of a code that names a user as well, as quarantine:AIDA…, the kind is explained.
    kind = rule.partition(":")[0]
    body = Problem(
        type=f"{DOCS}#rule-{kind}" if kind in RULES else "about:blank",
        title=_TITLES.get(status, "Not done."),
        status=status,
        detail=" ".join(reasons),
        rule=rule,
        rule_number=RULES[kind].number if kind in RULES else None,
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
    for kind in (Exception, Http404, HttpError, ValidationError):
        # The library answers these in its own way unless each is named.
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, raised: Any) -> HttpResponse:
    match raised:
        case Refused():
            because = raised.because
            return problem(raised.status, raised.rule, raised.reasons, because=because)
        case Http404():
            return problem(404, "not-found", ["There is no such thing here, or not for you."])
        case ValidationError():
            return _invalid(raised)
        case HttpError():
            return problem(raised.status_code, "input", [f"{raised}."])
        case Turned():
            return problem(raised.status, raised.rule, [raised.said], headers=raised.headers)
        case _:
            # A bug: told to the log, never to the caller.
            log.error("The API broke at %s", request.path, exc_info=raised)
            got_request_exception.send(sender=None, request=request)
            said = "Something broke here. Nothing was changed; it is in the log."
            return problem(500, "broken", [said])


def _invalid(invalid: ValidationError) -> HttpResponse:
    fields = [
        WrongField(where=".".join(str(part) for part in one["loc"]), text=str(one["msg"]))
        for one in invalid.errors
    ]
    rule = "input"
    if any(field.where == "header.Idempotency-Key" for field in fields):
        rule = "idempotency-key"
    return problem(422, rule, [f"{one.where}: {one.text}." for one in fields], fields=fields)


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
