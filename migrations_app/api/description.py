"""The description of the API: OpenAPI 3.1, made from the routes themselves."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Router

from migrations_app.api.door import SCOPES, PersonalToken
from migrations_app.api.problems import CONTENT_TYPE, answer_problems

ADDRESS = "/api/v1/"
ABOUT = (
    "The same verbs, permissions and rails as the pages. Every POST needs an Idempotency-Key: the "
    "same request again gets the same answer. Whatever is refused answers with the rule that "
    "refused it, and has changed nothing."
)
TAGS = {
    "Users": "Every IAM user, its evidence, its state, and why a batch could not take it.",
    "Syncs": "Ask AWS what is there.",
    "Claims": "A team answers for its users.",
    "Batches": "One person asks, another approves, the run follows by itself.",
    "Restores": "Gives access back in about a minute; nobody has to approve.",
    "Hits": "Who tried to use a user that is off.",
    "Emergency stop": "Halts every forward write in all accounts.",
    "Ledger": "What happened, hash-chained.",
}
_HEADERS = {
    "401": ("WWW-Authenticate", "Always `Bearer`."),
    "429": ("Retry-After", "Seconds to wait."),
}
_made: list[NinjaAPI] = []


def made(routers: Iterable[Router]) -> NinjaAPI:
    """The API of these routers, without pages of the library's own."""
    api = NinjaAPI(
        title="IAM Cleanup",
        version="1",
        description=ABOUT,
        docs_url=None,
        openapi_url=None,
        urls_namespace="api",
        openapi_extra={
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        },
    )
    answer_problems(api)
    for router in routers:
        api.add_router("", router)
    _made[:] = [api]
    described.cache_clear()
    return api


def addresses(api: NinjaAPI) -> Iterator[URLPattern | URLResolver]:
    """The routes of the API, without the library's own page at its root."""
    yield from (one for one in api.urls[0] if getattr(one, "name", "") != "api-root")


@functools.cache
def described() -> dict[str, Any]:
    """The whole description as it is sent."""
    document: dict[str, Any] = dict(_made[0].get_openapi_schema(path_prefix=ADDRESS))
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
