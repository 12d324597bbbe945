"""The ground under the tests themselves: copies of the database, and services of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from django.contrib.contenttypes.models import ContentType

from demo.services import EmbeddedPostgres, EmbeddedRedis, NotAvailable, make_marked_database
from iamcleanup import play
from tests.services import TestDatabase, own_broker


def plant() -> None:
    """Leave a row behind, and commit it."""
    ContentType.objects.create(app_label="planted", model="row")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_a_test_committed_is_gone_for_the_next(turn: str) -> None:
    assert not ContentType.objects.filter(app_label="planted").exists()
    plant()


@pytest.mark.parametrize(
    ("broker", "process", "own"),
    [
        ("redis://127.0.0.1:6379/9", "", "redis://127.0.0.1:6379/9"),
        ("redis://127.0.0.1:6379/9", "gw0", "redis://127.0.0.1:6379/10"),
        ("redis+socket:///run/r.sock?virtual_host=9", "gw1", "redis+socket:///run/r.sock?virtual_host=11"),
    ],
)  # fmt: skip
def test_each_test_process_has_a_redis_number_of_its_own(
    broker: str, process: str, own: str
) -> None:
    assert own_broker(broker, process) == own


def test_a_foreign_address_is_refused_while_tests_run() -> None:
    import socket

    with (
        socket.socket() as sock,
        pytest.raises(AssertionError, match=r"tried to reach 192\.0\.2\.1:443"),
    ):
        sock.connect(("192.0.2.1", 443))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    home = tmp_path_factory.mktemp("pg")
    server = EmbeddedPostgres(home, home, durable=False)
    server.prepare()
    server.child.start()
    server.child.wait_until(server.ready, 30)
    yield server
    server.child.ask_to_stop()
    server.child.end(10)


def test_the_embedded_database_speaks_a_version_the_product_knows(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.url("postgres")) as connection:
        assert connection.info.server_version >= 150000


def test_a_database_the_demo_makes_bears_its_mark(postgres: EmbeddedPostgres) -> None:
    made = make_marked_database(postgres.url("postgres"), postgres.url("made"), "made")
    again = make_marked_database(postgres.url("postgres"), postgres.url("made"), "made")
    assert (made, again) == (True, False)
    assert play.database_refusals(postgres.url("made")) == []


def test_a_database_with_tables_of_others_is_not_marked(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute("CREATE DATABASE theirs")
    with psycopg.connect(postgres.url("theirs"), autocommit=True) as theirs:
        theirs.execute("CREATE TABLE payroll ()")
    with pytest.raises(NotAvailable, match="did not make"):
        make_marked_database(postgres.url("postgres"), postgres.url("theirs"), "theirs")
    assert play.database_refusals(postgres.url("theirs")) != []


def test_the_embedded_broker_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, tmp_path)
    server.prepare()
    kept: object = None
    for turn in ("first", "second"):
        server.child.start()
        server.child.wait_until(server.ready, 30)
        with redis.Redis.from_url(server.url()) as client:
            kept = client.get("kept")
            client.set("kept", turn)
        server.child.ask_to_stop()
        server.child.end(10)
    assert kept == b"first"


def test_a_test_database_is_named_after_the_process_that_owns_it() -> None:
    own = TestDatabase("postgres://me@host:5432/base", "gw1")
    assert own.url == "postgres://me@host:5432/test_base_gw1"


def test_a_database_on_a_socket_keeps_its_folder_in_the_address() -> None:
    own = TestDatabase("postgres://postgres@/base?host=%2Frun%2Fpg", "")
    assert own.url == "postgres://postgres@/test_base_main?host=%2Frun%2Fpg"
