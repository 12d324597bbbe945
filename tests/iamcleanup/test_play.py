"""Rule 20: play cannot reach production. Each refusal is seen to trip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.test import RequestFactory

from iamcleanup import play
from tests.services import TestDatabase

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = {"AWS_ENDPOINT_URL": "http://127.0.0.1:5555"}


def start(**environ: str) -> subprocess.CompletedProcess[str]:
    """Start a process of the product with nothing but these variables."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_demo_against_a_simulator_on_this_machine_is_accepted() -> None:
    assert play.endpoint_refusals(LOCAL) == []


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_ENDPOINT_URL": "https://iam.amazonaws.com"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1.example.com:80"},
        {"AWS_ENDPOINT_URL": "http://10.0.0.7:5555"},
        {**LOCAL, "AWS_ENDPOINT_URL_IAM": "https://iam.amazonaws.com"},
        {**LOCAL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
)
def test_a_demo_that_could_reach_another_aws_is_refused(environ: dict[str, str]) -> None:
    assert len(play.endpoint_refusals(environ)) == 1


@pytest.mark.parametrize("bind", ["127.0.0.1:8000", "[::1]:8000", "localhost:80", "unix:/run/a"])
def test_a_demo_may_listen_where_only_this_machine_reaches_it(bind: str) -> None:
    assert play.bind_refusals(bind) == []


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "[::]:8000", "192.168.1.4:8000", ":8000"])
def test_a_demo_that_others_could_reach_is_refused(bind: str) -> None:
    assert "127.0.0.1" in play.bind_refusals(bind)[0]


@pytest.mark.django_db
def test_a_demo_on_a_database_it_did_not_make_is_refused(test_database: TestDatabase) -> None:
    assert "was not made by the demo" in play.database_refusals(test_database.url)[0]


@pytest.mark.django_db
def test_a_demo_on_its_own_database_is_accepted(test_database: TestDatabase) -> None:
    with psycopg.connect(test_database.url, autocommit=True) as server:
        server.execute(f"COMMENT ON DATABASE {test_database.name} IS '{play.DEMO_MARKER}'")
        try:
            assert play.database_refusals(test_database.url) == []
        finally:
            server.execute(f"COMMENT ON DATABASE {test_database.name} IS NULL")


def test_a_clock_file_is_refused_in_production() -> None:
    reasons = play.clock_refusals({"IAMCLEANUP_CLOCK_FILE": "/run/clock"}, play=False)
    assert "IAMCLEANUP_CLOCK_FILE" in reasons[0]


def test_a_clock_file_is_accepted_in_play() -> None:
    assert play.clock_refusals({"IAMCLEANUP_CLOCK_FILE": "/run/clock"}, play=True) == []


PRODUCTION = {
    "SECRET_KEY": "x" * 50,
    "ALLOWED_HOSTS": "cleanup.acme.example",
    "DATABASE_URL": "postgres://app:secret@db:5432/iamcleanup",
    "CELERY_BROKER_URL": "redis://broker:6379/0",
}


def test_a_complete_production_environment_is_accepted() -> None:
    assert play.production_refusals(PRODUCTION) == []


@pytest.mark.parametrize("missing", sorted(PRODUCTION))
def test_production_names_the_variable_that_is_missing(missing: str) -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != missing}
    assert [why.split()[0] for why in play.production_refusals(environ)] == [missing]


@pytest.mark.parametrize(
    ("name", "value"), [("DEBUG", "1"), ("ALLOWED_HOSTS", "*"), ("SECRET_KEY", "short")]
)
def test_production_refuses_what_makes_it_unsafe(name: str, value: str) -> None:
    reasons = play.production_refusals({**PRODUCTION, name: value})
    assert [why.split()[0] for why in reasons] == [name]


def test_a_process_without_settings_says_what_it_needs() -> None:
    answer = start()
    assert answer.returncode != 0
    assert "SECRET_KEY is not set" in answer.stderr


def test_a_demo_process_on_a_foreign_database_says_why_it_refuses(
    test_database: TestDatabase, django_db_setup: None
) -> None:
    answer = start(IAMCLEANUP_DEMO="1", DATABASE_URL=test_database.url, **LOCAL)
    assert answer.returncode != 0
    assert "was not made by the demo" in answer.stderr


def test_a_test_process_that_names_a_real_endpoint_refuses() -> None:
    answer = start(IAMCLEANUP_TEST="1", AWS_ENDPOINT_URL="https://iam.amazonaws.com")
    assert answer.returncode != 0
    assert "AWS_ENDPOINT_URL is https://iam.amazonaws.com" in answer.stderr


@pytest.mark.parametrize("name", play.WEB_CREDENTIALS)
def test_the_web_process_refuses_to_hold_aws_credentials(name: str) -> None:
    with pytest.raises(play.RefusesToStart, match=name):
        play.refuse_credentials_in_the_web_process({name: "something"})


def test_the_demo_answers_nobody_but_this_machine() -> None:
    from django.http import HttpResponse

    page = play.OnlyThisMachine(lambda request: HttpResponse("page"))
    from_here = page(RequestFactory().get("/", REMOTE_ADDR="127.0.0.1"))
    from_there = page(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9"))
    assert (from_here.status_code, from_there.status_code) == (200, 403)


@pytest.mark.parametrize(
    ("environ", "local", "wrong"),
    [
        ({}, True, ""),
        ({}, False, "nobody could sign in"),
        ({"OIDC_ISSUER": "https://acme.okta.com", "OIDC_CLIENT_ID": "x"}, False, ""),
        ({"OIDC_ISSUER": "https://acme.okta.com"}, True, "OIDC_CLIENT_ID is not"),
        ({"OIDC_ISSUER": "http://acme.okta.com", "OIDC_CLIENT_ID": "x"}, True, "https address"),
        ({"OIDC_ISSUER": "http://127.0.0.1:1", "OIDC_CLIENT_ID": "x"}, True, "https address"),
        ({"OIDC_ISSUER": "https://a.example/?x=1", "OIDC_CLIENT_ID": "x"}, True, "https address"),
        ({"OIDC_ISSUER": "acme.okta.com", "OIDC_CLIENT_ID": "x"}, True, "https address"),
    ],
)
def test_sign_in_that_could_let_nobody_in_or_is_not_safe_refuses_to_start(
    environ: dict[str, str], local: bool, wrong: str
) -> None:
    found = play.sign_in_refusals(environ, local=local, play=False)
    assert wrong in " ".join(found)
    assert bool(found) == bool(wrong)


def test_a_test_may_sign_in_by_an_issuer_on_this_machine() -> None:
    environ = {"OIDC_ISSUER": "http://127.0.0.1:1", "OIDC_CLIENT_ID": "x"}
    assert not play.sign_in_refusals(environ, local=True, play=True)
