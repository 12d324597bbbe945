"""Where a refusal becomes an answer: the one place that turns `Refused` into a page or a toast."""

from __future__ import annotations

import json

from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from iamcleanup.error_pages import again, came_from, only_a_button, ours, typed, unreadable
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
            return unreadable(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, (DataError, ValueError)) and "NUL" in str(exception):
            return unreadable(request)
        if not isinstance(exception, Refused):
            return None
        if request.headers.get("HX-Request") == "true":
            answer = HttpResponse(status=exception.status)
            answer["HX-Reswap"] = "none"
            toast = {"kind": "error", "text": f"{_title(exception)} {exception}"}
            if isinstance(exception, Stale) and (open_page := ours(request, "HX-Current-URL")):
                toast |= {"link": open_page, "label": "Reload"}
            answer["HX-Trigger"] = json.dumps({"toast": toast})
        else:
            # What moved meanwhile, or is not theirs, is not mended by sending it once more.
            mends = request.method == "POST" and not isinstance(exception, (Stale, NotAllowed))
            form = again(request) if mends else None
            answer = render(
                request,
                "refused.html",
                {
                    "title": _title(exception).removesuffix("."),
                    "reasons": exception.reasons,
                    "back": came_from(request),
                    "again": form,
                    "typed": "" if form else typed(request),
                },
                status=exception.status,
            )
        return answer

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """A button's address, opened by itself, would else be a page without a word."""
        if response.status_code != 405 or request.method != "GET" or response.content:
            return response
        answer = only_a_button(request)
        answer["Allow"] = response["Allow"]
        return answer


def _title(refusal: Refused) -> str:
    if isinstance(refusal, Stale):
        return "Not saved."
    return "Not yours to see or do." if isinstance(refusal, NotAllowed) else "Not done."
