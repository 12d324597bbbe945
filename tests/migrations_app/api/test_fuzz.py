"""Fuzzed from its own description: no 500, every answer as described, a token always asked for.

What an example did is undone after it, so that the scene stays as it is.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from inventory import clock
from inventory.models import Role
from migrations_app.api import door
from migrations_app.api.description import described
from migrations_app.lifecycle import State
from migrations_app.models import Batch
from tests import cast
from tests.migrations_app.api.programs import program

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method.upper(), path) for path, methods in described()["paths"].items() for method in methods
]
SCHEMA = schemathesis.openapi.from_dict(described())


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """One of each thing, the parameters that name them, and a token for everything."""
    monkeypatch.setattr(door, "PER_MINUTE", 10**9)
    people = cast.cast()
    everything = cast.person("eve", "Eve Oz", list(Role))
    user = cast.iam_user("deploy-prod", suggested_team=people.payments)
    departure = cast.departure(user, State.DISABLED, people.payments)
    quiet = cast.departure("quiet", State.OWNER_ASSIGNED, people.payments)
    batch = cast.batch(
        people.account,
        people.jonas,
        asked_by=people.jonas,
        asked_at=clock.now(),
        status=Batch.Status.ASKED,
    )
    cast.change(departure, batch=batch, status="asked")
    return {
        "account": people.account.account_id,
        "user_id": user.user_id,
        "user_ids": [quiet.user.user_id],
        "number": batch.number,
        "batch": batch.number,
        "id": cast.hit(departure).pk,
        "team": "payments",
        "token": program(everything).secret,
    }


def fuzzed(
    method: str, path: str, home: dict[str, Any], mode: GenerationMode, examples: int
) -> None:
    operation = SCHEMA[path][method]

    @given(case=operation.as_strategy(generation_mode=mode), at_home=st.booleans())
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Case[Any], at_home: bool) -> None:
        if at_home:
            settle(case, home)
        assert sent(case).status_code == 401
        with transaction.atomic():
            answer = sent(case, f"Bearer {home['token']}")
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)

    one()


def sent(case: Case[Any], authorization: str = "") -> Response:
    """The answer of this process to a case, as the checks want it."""
    asked = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    # Compressed answers would be unpacked by a connection, and there is none here.
    left_out = ("Authorization", "Accept-Encoding")
    headers = {name: str(value) for name, value in asked.headers.items() if name not in left_out}
    if authorization:
        headers["Authorization"] = authorization
    told = Client(raise_request_exception=False).generic(
        str(asked.method),
        asked.path_url,
        asked.body or b"",
        content_type=headers.pop("Content-Type", ""),
        headers=headers,
    )
    headers_back = {name: [text] for name, text in told.headers.items()}
    return Response(told.status_code, headers_back, told.content, asked, 0.0, verify=False)


def settle(case: Case[Any], home: dict[str, Any]) -> None:
    """Let the case be about things that are there."""
    for given_values in (case.path_parameters, case.body):
        if isinstance(given_values, dict):
            for name in set(given_values) & set(home):
                given_values[name] = home[name]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_as_described_is_answered_as_described(
    home: dict[str, Any], method: str, path: str
) -> None:
    fuzzed(method, path, home, GenerationMode.POSITIVE, 4)


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_not_as_described_is_refused_as_described(
    home: dict[str, Any], method: str, path: str
) -> None:
    fuzzed(method, path, home, GenerationMode.NEGATIVE, 4)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_far_more_of_both(
    home: dict[str, Any], method: str, path: str, mode: GenerationMode
) -> None:
    fuzzed(method, path, home, mode, 100)
