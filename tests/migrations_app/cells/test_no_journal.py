"""No journal, no write: what cannot be recorded is not done, and somebody is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from demo.aws.account import Simulator
from demo.aws.calls import Call as ApiCall
from inventory import clock
from inventory.models import Alert
from migrations_app.changes import nudge, running
from migrations_app.models import Change
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.scenes import GOALS, SCENES, Scene, scene, settled
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import Stage, set_stage
from tests.processes import free_port

RAISE = """
CREATE FUNCTION refuse_rows() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'No space left on device'; END $$;
CREATE TRIGGER refuse_rows BEFORE INSERT ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rows();
"""
MEND = "DROP TRIGGER refuse_rows ON {table}; DROP FUNCTION refuse_rows();"
WAYS = {
    "journal not writable": (
        RAISE.format(table="migrations_app_call"),
        [MEND.format(table="migrations_app_call")],
    ),
    "ledger not writable": (
        RAISE.format(table="inventory_ledgerentry"),
        [MEND.format(table="inventory_ledgerentry")],
    ),
    "protection list not readable": (
        "ALTER TABLE migrations_app_departure RENAME COLUMN protection TO unreadable",
        ["ALTER TABLE migrations_app_departure RENAME COLUMN unreadable TO protection"],
    ),
    "database read-only": (
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        [
            "SET default_transaction_read_only = off",
            "ALTER DATABASE {name} RESET default_transaction_read_only",
        ],
    ),
}


@pytest.fixture
def committed(
    simulator: Simulator, pace: Pace, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    """The stage outside any transaction, as a worker sees it; no real one is told of its work."""
    monkeypatch.setattr(nudge, "_send", lambda *_, **__: None)
    return set_stage(simulator)


def execute(*statements: str) -> None:
    name = f'"{connection.settings_dict["NAME"]}"'
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.replace("{name}", name))
    # The next task opens a connection of its own.
    connection.close()


@contextmanager
def broken(way: str) -> Iterator[None]:
    """The database is like that while the block lasts."""
    if way == "database gone":
        kept = connection.settings_dict["PORT"]
        connection.close()
        connection.settings_dict["PORT"] = str(free_port())
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["PORT"] = kept
        return
    breaks, mends = WAYS[way]
    execute(breaks)
    try:
        yield
    finally:
        execute(*mends)


def attempt(scene: Scene) -> None:
    """A worker's task; what it raises is what Celery logs as an error."""
    try:
        scene.work()
    except Exception:
        logging.getLogger("celery").exception("Task handler raised error")


def recovers(stage: Stage, disturbed: Scene) -> None:
    assert disturbed.finish().status == Change.Status.DONE, disturbed.change.error
    assert settled(disturbed.departure, GOALS[disturbed.name])
    assert disturbed.gapless()


@pytest.mark.parametrize("way", [*WAYS, "database gone"])
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == "delete" else pytest.mark.slow) for one in SCENES]
)
def test_nothing_is_written_while_it_cannot_be_recorded(
    committed: Stage, caplog: pytest.LogCaptureFixture, name: str, way: str
) -> None:
    disturbed, before = scene(committed, name), len(committed.writes())
    with counted(f"no journal {name} {way}") as count:
        with broken(way):
            for _ in range(3):
                attempt(disturbed)
            ready = Client().get("/readyz")
        assert len(committed.writes()) == before
        if way in ("database read-only", "database gone"):
            assert ready.status_code == 503
            assert ready.json()["database"] != "ok"
            assert any(one.levelno >= logging.ERROR for one in caplog.records)
        else:
            assert Alert.objects.filter(kind__in=["failed", "not-recorded"]).count() == 1
        recovers(committed, disturbed)
        count.ended(way.capitalize(), "loud")


@pytest.mark.parametrize("way", [*WAYS, "database gone"])
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == "fence" else pytest.mark.slow) for one in SCENES]
)
def test_it_breaks_right_before_the_first_write(
    committed: Stage, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    disturbed, before = scene(committed, name), len(committed.writes())
    last_look = looks_before_the_first_write(committed, disturbed, monkeypatch)
    ways: list[Any] = []
    with monkeypatch.context() as patch, counted(f"mid-run {name} {way}") as count:
        really, seen = committed.simulator.perform, 0

        def perform(call: ApiCall) -> dict[str, Any]:
            nonlocal seen
            seen += call.service != "sts"
            if seen == last_look and not ways:
                ways.append(broken(way))
                ways[0].__enter__()
            return really(call)

        patch.setattr(committed.simulator, "perform", perform)
        attempt(disturbed)
        assert ways, "the run did not come so far"
        written = len(committed.writes()) - before
        ways[0].__exit__(None, None, None)
        patch.undo()
        # The ledger alone is no journal: it is tried before a change begins, and a change that has
        # begun is journalled to its end.
        if way != "ledger not writable":
            assert written == 0
        recovers(committed, disturbed)
        count.ended(f"{way.capitalize()}, from right before the first write", "loud")


def looks_before_the_first_write(
    stage: Stage, disturbed: Scene, monkeypatch: pytest.MonkeyPatch
) -> int:
    """How many calls of a run come before its first write; sessions may be open from before."""
    from tests.migrations_app.stage import is_write

    class Enough(BaseException):
        pass

    seen = 0
    really = stage.simulator.perform

    def perform(call: ApiCall) -> dict[str, Any]:
        nonlocal seen
        if is_write(call):
            raise Enough
        seen += call.service != "sts"
        return really(call)

    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "perform", perform)
        with pytest.raises(Enough):
            disturbed.work()
    # As if that run had not been: nothing was sent.
    disturbed.change.calls.all().delete()
    Change.objects.filter(pk=disturbed.change.pk).update(irreversible_at=None)
    type(disturbed.departure).objects.filter(pk=disturbed.departure.pk).update(irreversible_at=None)
    stage.no_waiting()
    return seen


@pytest.mark.django_db
@pytest.mark.parametrize("name", [one for one in SCENES if one != "restore"])
@pytest.mark.parametrize("hours", [-1, 1])
def test_no_forward_write_while_the_clock_is_off(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, hours: int
) -> None:
    disturbed, before = scene(stage, name), len(stage.writes())
    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "_clock", lambda: clock.now() + timedelta(hours=hours))
        for _ in range(3):
            disturbed.work()
            stage.no_waiting()
    assert len(stage.writes()) == before
    assert Alert.objects.filter(kind="clock-off").count() == 1
    assert disturbed.finish().status == Change.Status.DONE
    with counted(f"clock {name} {hours}") as count:
        count.ended("Clock off", "loud")


@pytest.mark.django_db
def test_a_clock_that_is_a_little_off_holds_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed = scene(stage, "fence")
    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "_clock", lambda: clock.now() + timedelta(minutes=4))
        disturbed.work()
    assert settled(disturbed.departure, GOALS["fence"])


@pytest.mark.django_db
def test_a_restore_does_not_wait_for_the_clock(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed = scene(stage, "restore")
    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "_clock", lambda: clock.now() + timedelta(hours=1))
        running.run_restore(disturbed.change.pk)
    assert settled(disturbed.departure, GOALS["restore"])
