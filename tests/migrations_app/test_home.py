"""The signs by which a restored database shows, one by one, and what is remembered of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks

from inventory import clock, ledger
from inventory.models import LedgerEntry
from migrations_app.changes import database_home as home
from migrations_app.changes.database_home import Here
from migrations_app.models import Batch, DatabaseHome, EmergencyStop
from tests import cast

pytestmark = pytest.mark.django_db

HERE = Here("7300000000000000001", 16400, 3)


class Broken:
    """A Redis that is down."""

    def __getattr__(self, name: str) -> Any:
        raise redis.RedisError


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({}, False),
        ({"system_identifier": "73"}, True),
        ({"database_oid": 1}, True),
        ({"timeline": 4}, True),
        # What the server does not say is no sign.
        ({"system_identifier": ""}, False),
        ({"timeline": 0}, False),
    ],
)
def test_a_sign_that_is_another_now_shows_and_one_that_is_missing_does_not(
    *, changed: dict[str, Any], differs: bool
) -> None:
    row = DatabaseHome(**home._columns(HERE))
    assert home._differs(row, replace(HERE, **changed)) is differs
    other = DatabaseHome(**home._columns(replace(HERE, **changed)))
    assert home._differs(other, HERE) is differs


def test_where_a_connection_leads_is_what_the_server_says() -> None:
    here = home._here()
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        assert here.database_oid == cursor.fetchone()[0]
    assert here.system_identifier.isdigit()
    assert here.timeline >= 1


def test_a_server_that_keeps_its_control_data_to_itself_tells_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = home._here()
    monkeypatch.setattr(home, "_SYSTEM", "SELECT forbidden FROM nowhere")
    assert home._here() == Here("", whole.database_oid, 0)


def test_the_first_look_writes_down_where_the_rows_live() -> None:
    assert not home.look()
    row = DatabaseHome.objects.get()
    here = home._here()
    assert (row.system_identifier, row.database_oid, row.timeline) == (
        here.system_identifier, here.database_oid, here.timeline,
    )  # fmt: skip
    assert row.since is not None
    assert not EmergencyStop.objects.exists()


# ── The head of the ledger ───────────────────────────────────────────────────────────────────────


def test_the_head_is_remembered_by_where_the_rows_live(monkeypatch: pytest.MonkeyPatch) -> None:
    assert home._remembered(HERE) is None
    home._remember(HERE, 7, "a" * 64)
    # Inside a transaction it may never come to be.
    assert home._remembered(HERE) is None
    monkeypatch.setattr(home, "connection", type("C", (), {"in_atomic_block": False}))
    home._remember(HERE, 0, "")
    assert home._remembered(HERE) is None
    home._remember(HERE, 7, "a" * 64)
    assert home._remembered(HERE) == (7, "a" * 64)
    for other in ({"system_identifier": "73"}, {"database_oid": 1}):
        assert home._remembered(replace(HERE, **other)) is None
    home._forget(HERE)
    assert home._remembered(HERE) is None


def test_without_redis_the_other_signs_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_store", Broken)
    monkeypatch.setattr(home, "connection", type("C", (), {"in_atomic_block": False}))
    assert home._remembered(HERE) is None
    home._remember(HERE, 7, "a" * 64)
    home._forget(HERE)


def test_a_redis_that_does_not_answer_holds_nobody_up_for_long() -> None:
    told = home._store.__wrapped__().connection_pool.connection_kwargs
    assert told["socket_timeout"] == told["socket_connect_timeout"] == 2


def test_an_entry_that_was_written_and_is_not_there_stops_everything(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ledger.append("test.entry")
    last = LedgerEntry.objects.latest("seq")
    forgotten: list[Here] = []
    monkeypatch.setattr(home, "_forget", forgotten.append)
    for head in ((last.seq, last.hash), None):
        monkeypatch.setattr(home, "_remembered", lambda here, head=head: head)
        assert not home.look()
    monkeypatch.setattr(home, "_remembered", lambda here: (last.seq, "0" * 64))
    with django_capture_on_commit_callbacks(execute=True):
        assert home.look()
        assert forgotten == []
    assert forgotten == [home._here()]
    assert f"before entry {last.seq}" in EmergencyStop.objects.get().reason
    monkeypatch.setattr(home, "_remembered", lambda here: (last.seq + 9, last.hash))
    assert home.look()


def test_the_last_entry_is_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, str]] = []
    monkeypatch.setattr(home, "_remember", lambda here, seq, its: kept.append((seq, its)))
    home.look()
    for _ in range(2):
        ledger.append("test.entry")
    home.look()
    last = LedgerEntry.objects.latest("seq")
    assert kept == [(0, ""), (last.seq, last.hash)]


def test_of_two_who_notice_one_stops_it() -> None:
    home.look()
    DatabaseHome.objects.update(timeline=70_000)
    with CaptureQueriesContext(connection) as asked:
        assert home.look()
    assert any("FOR UPDATE" in one["sql"] and "databasehome" in one["sql"] for one in asked)
    assert not home._restored(home._here(), home._MOVED)
    assert EmergencyStop.objects.count() == 1


def test_of_two_who_look_for_the_first_time_both_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    home.look()
    with monkeypatch.context() as before:
        before.setattr(DatabaseHome.objects, "first", lambda: None)
        assert not home.look()
    assert DatabaseHome.objects.count() == 1


def test_where_no_home_is_left_of_rows_that_moved_it_is_stopped_all_the_same() -> None:
    assert home._restored(home._here(), home._MOVED)
    assert DatabaseHome.objects.count() == EmergencyStop.objects.count() == 1


# ── The stop ─────────────────────────────────────────────────────────────────────────────────────


def test_a_stop_for_a_restore_waits_for_the_reading_and_halts_what_runs() -> None:
    everybody = cast.cast()
    batch = cast.batch(
        everybody.account,
        everybody.jonas,
        status="running",
        approved_by=everybody.mei,
        approved_digest="0" * 64,
    )
    ledger.append("test.entry")
    ledger.append("test.entry")
    last = LedgerEntry.objects.latest("seq")
    DatabaseHome.objects.create(**home._columns(HERE))
    stop = home.begin("It was restored")
    assert (stop.reconcile, stop.reconciled_at, stop.reconciled_by) == (True, None, None)
    assert (stop.pulled_by, stop.reason, stop.differences) == (None, "It was restored", [])
    assert (stop.reconcile_since, stop.pulled_at is not None) == (last.at, True)
    batch = Batch.objects.get()
    assert (batch.status, batch.pause_reason) == ("paused", "It was restored")
    row = DatabaseHome.objects.get()
    assert row.database_oid == home._here().database_oid
    entry = LedgerEntry.objects.get(kind="stop.database-restored")
    assert entry.data["reason"] == "It was restored"


def test_a_stop_that_is_pulled_stays_its_pullers_and_waits_for_the_reading_too() -> None:
    mei, jonas = cast.person("mei"), cast.person("jonas")
    lifted = EmergencyStop.objects.create(
        pulled_by=jonas, pulled_at=clock.now(), lifted_at=clock.now(), lifted_by=mei
    )
    pulled = EmergencyStop.objects.create(
        pulled_by=mei, pulled_at=clock.now(), reason="x", reconciled_at=clock.now(),
        reconciled_by=jonas, differences=[{"x": 1}],
    )  # fmt: skip
    with CaptureQueriesContext(connection) as asked:
        stop = home.begin("restored by hand", jonas)
    assert any("FOR UPDATE" in one["sql"] and "emergencystop" in one["sql"] for one in asked)
    assert (stop, stop.pulled_by, stop.reason) == (pulled, mei, "x")
    pulled.refresh_from_db()
    assert (pulled.reconcile, pulled.reconciled_at, pulled.differences) == (True, None, [])
    assert (pulled.reconciled_by, pulled.reconcile_since) == (None, None)
    entry = LedgerEntry.objects.get(kind="stop.database-restored")
    # What a person typed stands in the stop; names stand apart from the ledger.
    assert entry.data["reason"] == "told"
    lifted.refresh_from_db()
    assert not lifted.reconcile


def test_a_database_that_is_away_is_told_to_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Here:
        raise DatabaseError("away")

    monkeypatch.setattr(home, "_here", away)
    with pytest.raises(DatabaseError):
        home.look()
