"""The ground under every test: own database, own Redis number, own clock, no foreign sockets."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.client
import hypothesis
import pytest
from pytest_django import DjangoDbBlocker

from tests import services

pytest_plugins = ["tests.processes", "tests.issuer"]


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings now; pytest-django sets Django up right after, since they are there."""
    from django.conf import settings

    assert settings.IAMCLEANUP_TEST
    # No password of a test is worth a slow hash.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A busy machine is no reason to fail, and speed is measured in `bench/`.
    hypothesis.settings.register_profile("house", deadline=None)
    hypothesis.settings.load_profile("house")
    # One line for each message sent would hide what a failed test has to say.
    logging.getLogger("django_structlog.celery.receivers").setLevel(logging.WARNING)


def pytest_sessionstart(session: pytest.Session) -> None:
    """A missing service is a failure, never a skip."""
    try:
        services.check()
    except services.ServiceMissing as missing:
        raise pytest.UsageError(str(missing)) from missing


def pytest_collection_finish() -> None:
    """Tests and the SDK's models stay for the whole run: a sixth of its time was to look at them.

    Nothing here holds files or sockets until the collector finds them; a warning would tell.
    """
    from iamcleanup import garbage

    garbage.leave_the_start_alone()


@pytest.fixture(scope="session")
def test_database() -> services.TestDatabase:
    """This test process's own database."""
    return services.TestDatabase(
        os.environ["DATABASE_URL"], os.environ.get("PYTEST_XDIST_WORKER", "")
    )


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    test_database: services.TestDatabase,
) -> Iterator[None]:
    """Point Django at a copy of the template, and renew the copy after each test that commits.

    Django's own flush would trip over the triggers that guard the ledger, and would lose the rows
    that schema migrations put there.
    """
    from django.core.management import call_command
    from django.db import connection, connections
    from django.test import TransactionTestCase

    def use(name: str) -> None:
        connections.close_all()
        connection.settings_dict["NAME"] = name

    def migrate(url: str) -> None:
        use(url.rpartition("/")[2].partition("?")[0])
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()

    def renew(_: TransactionTestCase) -> None:
        connections.close_all()
        test_database.renew()

    with django_db_blocker.unblock():
        test_database.make_template(migrate)
        test_database.renew()
        use(test_database.name)
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", renew)
    yield
    patch.undo()
    with django_db_blocker.unblock():
        connections.close_all()
    test_database.drop()


@pytest.fixture(autouse=True)
def _clean_redis() -> None:
    """Cache, limiter, queues and heartbeats of this test process start empty."""
    import redis
    from django.conf import settings

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


@pytest.fixture(autouse=True)
def _sessions_of_their_own() -> None:
    """No test goes on with credentials of the account that another one simulated."""
    from inventory.aws.session import forget_sessions

    forget_sessions()


@pytest.fixture(autouse=True, scope="session")
def _client_classes_made_once() -> Iterator[None]:
    """The SDK makes a client's class, with a method for each operation, anew for each client.

    A test's sync asks a dozen services in several Regions, so that this was a fifth of its time. A
    class depends on nothing but the service's model, which is the same for a whole run.
    """
    patch = pytest.MonkeyPatch()
    creator = botocore.client.ClientCreator
    for name in ("_create_client_class", "_load_service_model"):
        patch.setattr(creator, name, _once_for_each_service(getattr(creator, name)))
    yield
    patch.undo()


def _once_for_each_service(make: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[str, Any] = {}

    def once(self: Any, service_name: str, *given: Any, **named: Any) -> Any:
        if service_name not in made:
            made[service_name] = make(self, service_name, *given, **named)
        return made[service_name]

    return once


@pytest.fixture(autouse=True)
def _clock_at_zero() -> None:
    """The shared clock shows real time when a test begins, whatever the one before did."""
    Path(os.environ["IAMCLEANUP_CLOCK_FILE"]).unlink(missing_ok=True)


@pytest.fixture(autouse=True, scope="session")
def _no_foreign_sockets() -> Iterator[None]:
    """Only this machine can be reached; a test that tries more fails with the address."""
    from iamcleanup.play import is_loopback

    really_connect = socket.socket.connect
    really_connect_ex = socket.socket.connect_ex

    def check(address: Any) -> None:
        if isinstance(address, tuple) and not is_loopback(address[0]):
            raise AssertionError(f"A test tried to reach {address[0]}:{address[1]}")

    def connect(self: socket.socket, address: Any) -> None:
        check(address)
        really_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return really_connect_ex(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    patch.setattr(socket.socket, "connect_ex", connect_ex)
    yield
    patch.undo()
