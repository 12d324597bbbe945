"""Text is compressed on its way, as a proxy in front may not do; what is packed already is not."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_TEXT = ("text/", "application/json", "image/svg+xml")


class CompressedMiddleware(GZipMiddleware):
    """Pages, fragments and exports.

    Django pads what it compresses at random, and masks the CSRF token anew in each answer, so that
    a length tells nothing of what stands in it (BREACH).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """As Django does it, for text alone."""
        if not response.headers.get("Content-Type", "").startswith(_TEXT):
            return response
        return super().process_response(request, response)
