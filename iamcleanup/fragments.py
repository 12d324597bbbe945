"""That no cache mixes up what one address answers: htmx gets a part of the page, a browser all."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin


class FragmentsMiddleware(MiddlewareMixin):
    """Says of every answer that it depends on whether htmx asked.

    Of the empty ones too: nothing new (204), no more polling (286), a lost session (401).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        patch_vary_headers(response, ["HX-Request"])
        return response
