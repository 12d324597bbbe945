"""What caches may do with our answers: keep none of them, and mix up none of them.

One address answers htmx with a part of the page and a browser with all of it.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.deprecation import MiddlewareMixin


class FragmentsMiddleware(MiddlewareMixin):
    """Says of every answer that it depends on whether htmx asked, and whose it is.

    Of the empty ones too: nothing new (204), no more polling (286), a lost session (401).
    Whoever signs out leaves no page behind. The answer to a form may be come back to, for what was
    typed into it.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        patch_vary_headers(response, ["HX-Request"])
        if not response.has_header("Cache-Control"):
            keep = {"no_cache": True} if request.method == "POST" else {"no_store": True}
            patch_cache_control(response, private=True, **keep)
        return response
