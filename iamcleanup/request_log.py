"""What is logged of a request: all but what an issuer sends a browser back with."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django_structlog.middlewares import RequestMiddleware


class LoggedMiddleware(RequestMiddleware):
    """Logs each request; a code that signs somebody in is no line of a log (rule 16)."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Method and address."""
        back = request.path == reverse("sign-in-from-issuer")
        return f"{request.method} {request.path if back else request.get_full_path()}"
