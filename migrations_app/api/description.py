"""The description of the API: OpenAPI 3.1, made from the routes themselves."""

from __future__ import annotations

import functools
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from migrations_app.api.door import SCOPES, PersonalToken
from migrations_app.api.problems import CONTENT_TYPE
from migrations_app.api.routes import PREFIX, api

_HEADERS = {
    "401": ("WWW-Authenticate", "Always Bearer."),
    "429": ("Retry-After", "Seconds to wait."),
}


@functools.cache
def described() -> dict[str, Any]:
    """The whole description as it is sent."""
    document: dict[str, Any] = dict(api.get_openapi_schema(path_prefix=f"/{PREFIX}"))
    for operations in document["paths"].values():
        for operation in operations.values():
            scopes = operation[SCOPES]
            operation["security"] = [{PersonalToken.__name__: [scope]} for scope in scopes]
            operation["responses"] = {
                str(status): _answer(str(status), answer)
                for status, answer in operation["responses"].items()
            }
    schemes = document["components"]["securitySchemes"]
    schemes[PersonalToken.__name__] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal token from Settings, Tokens, or `manage.py token USERNAME`.",
    }
    return document


def _answer(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    if status < "400":
        return answer
    content = answer["content"].pop("application/json")
    told: dict[str, Any] = {**answer, "content": {CONTENT_TYPE: content}}
    if status in _HEADERS:
        name, text = _HEADERS[status]
        told["headers"] = {name: {"schema": {"type": "string"}, "description": text}}
    return told


@login_not_required
@require_safe
def document(_: HttpRequest) -> JsonResponse:
    """The description itself; it says nothing about anybody, so it is open to all."""
    return JsonResponse(described(), json_dumps_params={"indent": 1})
