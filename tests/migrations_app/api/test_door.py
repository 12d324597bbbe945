"""Nobody comes in without a token that may still be used, with the scope, at a decent pace."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.core.cache import cache
from django.test import Client

from inventory import clock
from inventory.models import Person, Token
from migrations_app import tokens
from migrations_app.api import door
from tests import cast
from tests.migrations_app.api.programs import Program, program
from tests.migrations_app.browsing import browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> cast.Cast:
    return cast.cast()


def test_a_token_of_any_role_reads(people: cast.Cast) -> None:
    assert program(people.vera).get("users").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic bWVpOm1laQ=="},
    ],
)
def test_a_stranger_is_told_what_to_bring(people: cast.Cast, headers: dict[str, str]) -> None:
    for path in ("users", "ledger"):
        answer = Client().get(f"/api/v1/{path}", headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["rule"] == "token"


def test_a_signed_in_browser_is_no_program(people: cast.Cast) -> None:
    """A cookie goes along by itself; what needs no cookie cannot be forged from another page."""
    client = browser(people.mei)
    assert client.get("/api/v1/users").status_code == 401
    pulled = client.post("/api/v1/emergency-stop", {"reason": "x"}, content_type="application/json")
    assert pulled.status_code == 401


def test_a_token_is_good_for_its_scopes_only(people: cast.Cast) -> None:
    reader = program(people.mei, "read")
    refused = reader.post("emergency-stop", {"reason": "look"})
    assert (refused.status, refused.rule) == (403, "scope")
    assert "stop" in refused.body["detail"]
    stopper = program(people.mei, "stop")
    assert stopper.post("emergency-stop", {"reason": "look"}).status == 200
    assert stopper.get("users").status == 403


def test_approving_needs_the_scope_whatever_the_roles(people: cast.Cast) -> None:
    batch = cast.batch(people.account, people.jonas)
    everything_else = [scope for scope in tokens.scopes_for(people.mei) if scope != "approve"]
    one = program(people.mei, *everything_else)
    answer = one.post(f"batches/{batch.number}/approve", {"digest": "0" * 64})
    assert (answer.status, answer.rule) == (403, "scope")


def ended(token: Token) -> None:
    tokens.revoke(token, token.person)


def expired(token: Token) -> None:
    Token.objects.filter(pk=token.pk).update(expires_at=clock.now())


def switched_off(token: Token) -> None:
    Person.objects.filter(pk=token.person_id).update(is_active=False)


def role_lost(token: Token) -> None:
    Person.objects.filter(pk=token.person_id).update(roles=["viewer"])


@pytest.mark.parametrize("how", [ended, expired, switched_off, role_lost])
def test_a_token_that_is_void_lets_nobody_in(people: cast.Cast, how: object) -> None:
    token, secret = tokens.make(people.mei, "a test", ["read"])
    one = Program(secret)
    assert one.get("users").status == 200
    assert callable(how)
    how(token)
    answer = one.get("users")
    assert (answer.status, answer.rule) == (401, "token")


def test_the_product_s_clock_ends_it(people: cast.Cast) -> None:
    one = program(people.mei, "read")
    moved = clock.clock_file()
    assert moved is not None
    moved.move(timedelta(days=31))
    assert one.get("users").status == 401


def test_whoever_asks_too_often_waits(people: cast.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PER_MINUTE", 3)
    monkeypatch.setattr("migrations_app.api.door.time.time", lambda: 1_000_000.0)
    one, other = program(people.mei, "read"), program(people.mei, "read")
    assert [one.get("hits").status for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = one.get("hits")
    assert answer.rule == "rate"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert other.get("hits").status == 200


def test_without_redis_nobody_is_held_up(
    people: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: object, **options: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(cache, "incr", down)
    assert program(people.mei, "read").get("hits").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "rule"),
    [
        ("get", "/api/v1/nowhere", 404, "not-found"),
        ("get", "/api/v1/%00", 404, "not-found"),
        ("get", "/api/v1/batches/77", 404, "not-found"),
        ("get", "/api/v1/users/123456789012/AIDANOBODY", 404, "not-found"),
        ("get", "/api/v1/batches", 405, "method"),
        ("post", "/api/v1/users", 405, "method"),
        ("get", "/api/v1/users?limit=0", 422, "input"),
        ("get", "/api/v1/users?view=nothing", 422, "input"),
        ("get", "/api/v1/users?cursor=abc", 422, "input"),
        ("get", "/api/v1/users?q=%00", 422, "input"),
    ],
)
def test_every_error_is_a_problem(
    people: cast.Cast, method: str, path: str, status: int, rule: str
) -> None:
    one = program(people.mei)
    answer = one.get(path) if method == "get" else one.post(path)
    assert (answer.status, answer.rule) == (status, rule)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "reasons"} <= set(answer.body)


def test_a_body_that_is_no_json_is_a_problem(people: cast.Cast) -> None:
    one = program(people.mei)
    answer = one.client.post(
        "/api/v1/syncs",
        "{",
        content_type="application/json",
        headers={"Authorization": f"Bearer {one.secret}", "Idempotency-Key": "k"},
    )
    assert answer.status_code == 400
    assert answer.json()["rule"] == "input"


def test_a_wrong_input_is_named_where_it_stands(people: cast.Cast) -> None:
    body = {"account": "12", "move": "vanish", "user_ids": [], "urgnet": True}
    answer = program(people.mei).post("batches", body)
    assert answer.status == 422
    places = {one["where"].rpartition(".")[2] for one in answer.body["fields"]}
    assert places == {"account", "move", "user_ids", "urgnet"}


def test_a_bug_is_a_problem_without_its_inside(
    people: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("migrations_app.log.entries", broken)
    one = Program(program(people.mei).secret, Client(raise_request_exception=False))
    answer = one.get("ledger")
    assert (answer.status, answer.rule) == (500, "broken")
    assert "secret inside" not in str(answer.body)
