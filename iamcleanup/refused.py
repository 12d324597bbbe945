"""Where a refusal becomes an answer: the one place that turns `Refused` into a page or a toast."""

from __future__ import annotations

import json

import structlog
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme

from inventory.refusals import NotAllowed, Refused, Stale


class RefusedMiddleware(MiddlewareMixin):
    """A verb or a view refused: nothing was changed, and the person reads why.

    htmx keeps its page (nothing is swapped) and shows the reasons as a toast; a browser gets a
    page with the same reasons. The status is the refusal's own: 403, 409 or 422.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """PostgreSQL takes no NUL, and no name, id or search of ours holds one.

        The API refuses it as it refuses every wrong input.
        """
        if request.path.startswith("/api/v1/"):
            return None
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponse("That address is not one.", status=400, content_type="text/plain")
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, (DataError, ValueError)) and "NUL" in str(exception):
            return HttpResponse("That is no text.", status=400, content_type="text/plain")
        if not isinstance(exception, Refused):
            return None
        if request.headers.get("HX-Request") == "true":
            answer = HttpResponse(status=exception.status)
            answer["HX-Reswap"] = "none"
            toast = {"kind": "error", "text": f"{_title(exception)} {exception}"}
            if isinstance(exception, Stale) and (open_page := _open_page(request)):
                toast |= {"link": open_page, "label": "Reload"}
            answer["HX-Trigger"] = json.dumps({"toast": toast})
        else:
            answer = render(
                request,
                "refused.html",
                {
                    "title": _title(exception),
                    "reasons": exception.reasons,
                    "back": _came_from(request),
                },
                status=exception.status,
            )
        return answer


def broken(request: HttpRequest) -> HttpResponse:
    """Something broke on our side: the page, or a toast for htmx, with the reference of the log."""
    told = structlog.contextvars.get_contextvars().get("request_id", "")
    reference = str(told)[:8]
    if request.headers.get("HX-Request") == "true":
        answer = HttpResponse(status=500)
        answer["HX-Reswap"] = "none"
        text = f"Something broke on our side, reference {reference}. The page stays as it was."
        answer["HX-Trigger"] = json.dumps({"toast": {"kind": "error", "text": text}})
        return answer
    return render(request, "500.html", {"reference": reference}, status=500)


def _came_from(request: HttpRequest) -> str:
    """The page of ours that led here; else the overview."""
    return _ours(request, "Referer") or "/"


def _open_page(request: HttpRequest) -> str:
    """The page that htmx asks from; empty where it does not say."""
    return _ours(request, "HX-Current-URL")


def _ours(request: HttpRequest, header: str) -> str:
    told = request.headers.get(header, "")
    ours = url_has_allowed_host_and_scheme(told, {request.get_host()}, request.is_secure())
    return told if ours else ""


def _title(refusal: Refused) -> str:
    if isinstance(refusal, Stale):
        return "Not saved."
    return "Not yours to see or do." if isinstance(refusal, NotAllowed) else "Not done."
