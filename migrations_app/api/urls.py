"""Addresses of the API, its description and its documentation page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt

from migrations_app.api import description, documentation
from migrations_app.api.problems import problem
from migrations_app.api.routes import PREFIX, addresses


def _address(found: URLPattern | URLResolver) -> URLPattern:
    """A route of the API under its prefix: tokens instead of sign-in, 405 as a problem."""
    assert isinstance(found, URLPattern)  # noqa: S101 (no router of ours holds another)
    return path(PREFIX + str(found.pattern), _door(found.callback), name=found.name)


def _door(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = response["Allow"]
        said = f"This address takes {allowed} only."
        return problem(405, "method", [said], headers={"Allow": allowed})

    return csrf_exempt(login_not_required(answer))


@csrf_exempt
@login_not_required
def nowhere(_: HttpRequest, rest: str) -> HttpResponse:
    """An address of the API that is none."""
    return problem(404, "not-found", [f"There is no address {rest[:100]} in this API."])


urlpatterns: list[URLPattern] = [
    path(f"{PREFIX}openapi.json", description.document, name="api-description"),
    path("api/docs", documentation.documentation, name="api-docs"),
    *[_address(found) for found in addresses()],
    path(f"{PREFIX}<path:rest>", nowhere, name="api-nowhere"),
]
