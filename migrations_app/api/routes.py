"""Every route of the API, put together."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI

from migrations_app.api import (
    batches,
    claims,
    emergency_stop,
    hits,
    ledger,
    restores,
    syncs,
    users,
)
from migrations_app.api.problems import answer_problems

PREFIX = "api/v1/"
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

# Without the library's own pages: its documentation needs scripts that the policy refuses.
api = NinjaAPI(
    title="IAM Cleanup",
    version="1",
    description=ABOUT,
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    openapi_extra={"tags": [{"name": name, "description": text} for name, text in TAGS.items()]},
)
answer_problems(api)
for _module in (users, syncs, claims, batches, restores, hits, emergency_stop, ledger):
    api.add_router("", _module.router)


def addresses() -> Iterator[URLPattern | URLResolver]:
    """The routes as Django takes them, without the library's own page at their root."""
    yield from (one for one in api.urls[0] if getattr(one, "name", "") != "api-root")
