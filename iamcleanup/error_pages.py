"""What a browser reads when no view could answer, and what somebody had typed by then.

Those for 400, 500 and 503 ask neither session nor database: they may be what is broken. htmx keeps
its page and shows a toast.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import structlog
from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.middleware import csrf
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import escape_leading_slashes, url_has_allowed_host_and_scheme

_CSRF = "csrfmiddlewaretoken"
# Fields in which people write sentences; none of them ever holds a secret.
SENTENCES = ("reason", "text", "note", "message")
# Why an approver goes on all the same, one field for each check.
_OVERRIDE = "override-"
# What people type into a form that acts, by label and what kind of input it is.
_TYPED = {
    "reason": ("Reason", "textarea"),
    "text": ("Comment", "textarea"),
    "note": ("Note", "textarea"),
    "message": ("Message", "textarea"),
    "words": ("The words to type", "text"),
    "until": ("Until", "date"),
}
# Forms that hold a secret, which no page repeats, or approve what stands on their own page.
_NOT_AGAIN = ("password", "secret", "code", "token", "digest")
# Where the first of several tries came from.
BACK = "back-to"
# Whoever acts on more users at once chooses them again.
_MOST_SENT = 200
# PostgreSQL's states for a connection that is gone and a server that goes down.
_AWAY = ("08", "57P")
_WHY_FORGED = {
    csrf.REASON_NO_CSRF_COOKIE: "Your browser sent no cookies. Allow them for this address, load "
    "the page again and do it once more.",
    csrf.REASON_CSRF_TOKEN_MISSING: "What was sent came without the mark of its page. Load the "
    "page again and do it once more.",
}
_OLD_PAGE = (
    "You signed in or out since this page was loaded. Load the page again and do it once more."
)
_ELSEWHERE = (
    "It came from another address than this product knows as its own. Use its usual address; "
    "whoever runs it names more in CSRF_TRUSTED_ORIGINS."
)


def typed(request: HttpRequest) -> str:
    """The sentences of a form that could not be taken, so that nobody writes them twice."""
    sent = _sent(request)
    names = [*SENTENCES, *(name for name in sent if name.startswith(_OVERRIDE))]
    return "\n".join(filter(None, (sent.get(name, "").strip() for name in names)))


def _sent(request: HttpRequest) -> QueryDict:
    """The form that was sent; an empty one where it cannot be read."""
    try:
        return request.POST
    except (SuspiciousOperation, BadRequest, MultiPartParserError, OSError):
        return QueryDict()


@dataclass(frozen=True, slots=True)
class Typed:
    """One field that a person filled in; `kind` textarea, text or date."""

    name: str
    label: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Again:
    """A form that was not taken, to be mended and sent once more."""

    action: str
    fields: list[Typed]
    hidden: list[tuple[str, str]]


def again(request: HttpRequest) -> Again | None:
    """The form that was sent, with all that was typed; None where it cannot be sent from here."""
    sent = {name: values for name, values in _sent(request).lists() if name != _CSRF}
    fields = [
        Typed(name, *_TYPED[name], value=values[-1])
        for name, values in sent.items()
        if name in _TYPED and values
    ]
    elsewhere = any(part in name.lower() for name in sent for part in _NOT_AGAIN)
    if not fields or elsewhere or request.FILES or sum(map(len, sent.values())) > _MOST_SENT:
        return None
    hidden = [
        (name, value)
        for name, values in sent.items()
        if name not in _TYPED and name != BACK
        for value in values
    ]
    here = escape_leading_slashes(request.get_full_path())
    return Again(here, fields, [*hidden, (BACK, came_from(request))])


def came_from(request: HttpRequest) -> str:
    """The page of ours that led here, on the first of several tries; else the overview."""
    first = _sent(request).get(BACK, "")
    return (first if _is_ours(request, first) else "") or ours(request, "Referer") or "/"


def ours(request: HttpRequest, header: str) -> str:
    """The address in this header if it is one of ours, else nothing."""
    told = request.headers.get(header, "")
    return told if _is_ours(request, told) else ""


def _is_ours(request: HttpRequest, told: str) -> bool:
    return url_has_allowed_host_and_scheme(told, {request.get_host()}, request.is_secure())


def unreadable(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: nobody knows what was asked."""
    context = {"wrong_host": isinstance(exception, DisallowedHost)}
    return HttpResponse(render_to_string("400.html", context), status=400)


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, with the view's own words where it had some."""
    told = exception.args[0] if exception.args else ""
    # The resolver tells its patterns, and Django a model's name.
    own = told if isinstance(told, str) and not told.endswith("matches the given query.") else ""
    return render(request, "404.html", {"reason": own}, status=404)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of the guard against forms from elsewhere, which mostly meets pages left open."""
    elsewhere = reason.startswith(("Origin checking failed", "Referer checking failed"))
    why = _ELSEWHERE if elsewhere else _WHY_FORGED.get(reason, _OLD_PAGE)
    if request.headers.get("HX-Request") == "true":
        page = {"link": ours(request, "HX-Current-URL") or "/", "label": "Reload"}
        return _toast(403, {"text": f"Not done. {why}"} | page)
    context = {
        "title": "Not done",
        "reasons": [why],
        "back": came_from(request),
        "typed": typed(request),
    }
    return render(request, "refused.html", context, status=403)


def only_a_button(request: HttpRequest) -> HttpResponse:
    """405: somebody opened the address that a button sends to."""
    return render(request, "405.html", status=405)


def broken(request: HttpRequest) -> HttpResponse:
    """500, or 503 where the database is away, with the reference of the log."""
    told = structlog.contextvars.get_contextvars().get("request_id", "")
    reference = str(told)[:8]
    away = _database_is_away(sys.exc_info()[1])
    status = 503 if away else 500
    if request.headers.get("HX-Request") == "true":
        what = "The database does not answer" if away else "Something broke on our side"
        text = f"{what}, reference {reference}. The page stays as it was."
        return _toast(status, {"text": text})
    context = {
        "reference": reference,
        "away": away,
        "back": came_from(request) if request.method == "POST" else request.get_full_path(),
        "typed": typed(request),
        "asked": request.method == "POST",
    }
    answer = HttpResponse(render_to_string("500.html", context), status=status)
    if away:
        answer["Retry-After"] = "60"
    return answer


def _database_is_away(error: BaseException | None) -> bool:
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(_AWAY)


def _toast(status: int, told: dict[str, str]) -> HttpResponse:
    answer = HttpResponse(status=status)
    answer["HX-Reswap"] = "none"
    answer["HX-Trigger"] = json.dumps({"toast": {"kind": "error"} | told})
    return answer
