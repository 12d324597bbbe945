"""After a database restore nothing is written until AWS was read and another lifts the stop."""

from __future__ import annotations

import io
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from demo.aws.account import Simulator
from inventory import clock, ledger
from inventory.models import LedgerEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import aws, changes
from migrations_app.changes import database_home, reconciling, running
from migrations_app.lifecycle import State
from migrations_app.models import (
    Batch,
    Call,
    Change,
    DatabaseHome,
    Departure,
    EmergencyStop,
)
from tests import services
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import Stage, everything, of_user, set_stage

DENY = "arn:aws:iam::aws:policy/AWSDenyAll"


def reconcile(*words: str) -> str:
    out = io.StringIO()
    call_command("reconcile", *words, stdout=out, stderr=out)
    return out.getvalue()


def moved(**columns: object) -> None:
    """As if these rows had been brought here from elsewhere."""
    database_home.look()
    DatabaseHome.objects.update(**columns)


# ── Noticing it ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_rows_that_stay_where_they_are_stop_nothing() -> None:
    assert not database_home.look()
    assert not database_home.look()
    assert changes.current() is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sign", [{"system_identifier": "7"}, {"database_oid": 7}, {"timeline": 70_000}]
)
def test_rows_from_another_server_database_or_timeline_stop_everything_once(
    sign: dict[str, object],
) -> None:
    moved(**sign)
    assert database_home.look()
    assert not database_home.look()
    stop = changes.current()
    assert stop is not None
    assert (stop.pulled_by, stop.reconcile) == (None, True)
    assert EmergencyStop.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_ledger_that_ends_before_what_was_written_stops_everything() -> None:
    for number in range(3):
        ledger.append("test.entry", number=number)
    assert not database_home.look()
    last = LedgerEntry.objects.latest("seq")
    # The disk was put back to before the last entry, and somebody wrote another one since.
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE inventory_ledgerentry DISABLE TRIGGER USER")
        LedgerEntry.objects.filter(pk=last.pk).delete()
        cursor.execute("ALTER TABLE inventory_ledgerentry ENABLE TRIGGER USER")
    ledger.append("test.another", number=9)
    assert database_home.look()
    stop = changes.current()
    assert stop is not None
    assert f"before entry {last.seq}" in stop.reason
    assert not database_home.look()


@pytest.mark.django_db
def test_a_stop_that_is_pulled_already_waits_for_the_reading_too(stage: Stage) -> None:
    stop = changes.pull(stage.people.jonas, "Something is wrong")
    moved(database_oid=7)
    database_home.look()
    with pytest.raises(Refused, match="reconcile first"):
        changes.lift(stage.people.mei, "It was nothing")
    stop.refresh_from_db()
    assert stop.pulled_by == stage.people.jonas


@pytest.mark.django_db
def test_the_worker_that_notices_it_first_writes_nothing(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    moved(timeline=70_000)
    running.run_batch(batch.pk)
    assert stage.writes() == []
    batch.refresh_from_db()
    assert (batch.status, batch.resume_needed) == (Batch.Status.PAUSED, True)


@pytest.mark.django_db
def test_a_person_can_say_it_where_no_sign_shows(stage: Stage) -> None:
    with pytest.raises(CommandError, match="Say who"):
        reconcile("--begin")
    with pytest.raises(CommandError, match="emergency stop"):
        reconcile("--begin", "--as", "vera")
    reconcile("--begin", "--as", "jonas")
    stop = changes.current()
    assert stop is not None
    assert (stop.pulled_by, stop.reconcile) == (stage.people.jonas, True)


# ── Lifting it ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db
def test_it_is_lifted_after_the_reading_and_by_another_person(stage: Stage) -> None:
    moved(database_oid=7)
    database_home.look()
    assert "0 differences" in reconcile("--as", "jonas")
    with pytest.raises(NotAllowed, match="You reconciled it"):
        changes.lift(stage.people.jonas, "All is well")
    changes.lift(stage.people.mei, "All is well")
    assert changes.current() is None


@pytest.mark.django_db
def test_an_account_that_cannot_be_read_keeps_it_pulled_unless_it_is_left_out(
    stage: Stage,
) -> None:
    moved(database_oid=7)
    database_home.look()
    stage.fault("access-denied", "ListUsers", count=None)
    with pytest.raises(CommandError, match="could not be read"):
        reconcile("--as", "jonas")
    with pytest.raises(Refused, match="reconcile first"):
        changes.lift(stage.people.mei, "All is well")
    reconcile("--as", "jonas", "--skip", stage.people.account.account_id)
    changes.lift(stage.people.mei, "That account is closed")
    told = LedgerEntry.objects.get(kind="reconcile.done")
    assert told.data["skipped"] == [stage.people.account.account_id]


@pytest.mark.django_db
def test_only_an_engineer_records(stage: Stage) -> None:
    moved(database_oid=7)
    database_home.look()
    for who in ("sara", "ada"):
        with pytest.raises(CommandError, match="engineer"):
            reconcile("--as", who)
    with pytest.raises(CommandError, match="--as"):
        reconcile("--apply")


@pytest.mark.django_db
def test_what_somebody_else_did_is_listed_and_never_recorded(stage: Stage) -> None:
    watched, foreign = stage.user("watched.one"), stage.user("foreign.one")
    stage.fenced(watched)
    stage.administrator("DetachUserPolicy", UserName="watched.one", PolicyArn=DENY)
    stage.administrator("AttachUserPolicy", UserName="foreign.one", PolicyArn=DENY)
    stage.skip(minutes=30)
    moved(database_oid=7)
    told = reconcile("--apply", "--as", "jonas")
    assert "not fenced, and not unfenced by us" in told
    assert "fenced by policy, not by us" in told
    assert told.count("look at it by hand") == 2
    watched.refresh_from_db()
    foreign.refresh_from_db()
    assert (watched.state, foreign.state) == (State.DISABLED, State.OWNER_ASSIGNED)
    stop = changes.current()
    assert stop is not None
    assert {one["kind"] for one in stop.differences} == {"fence-gone", "foreign-fence"}


# ── A real dump, brought back ────────────────────────────────────────────────────────────────────


class Backup:
    """A dump of the test database by pg_dump, and the way back by psql."""

    def __init__(self, database: services.TestDatabase, file: Path) -> None:
        self.database, self.file = database, file
        url = database.url
        subprocess.run(["pg_dump", "--file", file, "--dbname", url], check=True)

    def bring_back(self) -> None:
        """Drop the database, make it anew and fill it: what an operator does after a disaster."""
        connections.close_all()
        server, name = self.database.server_url, self.database.name
        for order in (f'DROP DATABASE "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"'):
            subprocess.run(["psql", "-q", "-d", server, "-c", order], check=True)
        fill: list[str | Path] = [
            "psql",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.database.url,
            "-f",
            self.file,
        ]
        subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def committed_stage(transactional_db: None, simulator: Simulator, pace: Pace) -> Stage:
    """The stage with rows that are really committed."""
    return set_stage(simulator)


def test_what_was_done_since_the_backup_is_found_recorded_and_can_be_undone(
    committed_stage: Stage, test_database: services.TestDatabase, tmp_path: Path
) -> None:
    stage = committed_stage
    fenced = stage.user("full.house", give=everything)
    gone, restored, half = (stage.user(name) for name in ("gone.one", "restored.one", "half.one"))
    before = stage.holdings(fenced)
    stage.shut(gone, restored, half)
    stage.skip(days=15)
    stage.listen()
    database_home.look()
    backup = Backup(test_database, tmp_path / "backup.sql")

    # What the backup does not know of.
    stage.skip(hours=1)
    stage.listen()
    stage.fault("access-denied", "DeleteUser", match={"UserName": "half.one"}, count=None)
    stage.ran("delete", [gone, half])
    stage.simulator.faults.clear()
    stage.restored(restored)
    stage.skip(days=2)
    stage.shut(fenced)
    stage.skip(minutes=30)
    calls = len(stage.writes())
    backup.bring_back()

    assert not Call.objects.filter(change__departure=fenced).exists()
    told = reconcile()
    assert "The database was restored" in EmergencyStop.objects.get().reason
    assert "Nothing was recorded" in told
    for words in ("by our own DeleteUser", "partly deleted", "restored by us", "changed by us"):
        assert words in told
    told = reconcile("--apply", "--as", "jonas")
    assert told.count("recorded.") == 4
    assert len(stage.writes()) == calls

    for row, state in ((gone, State.DELETED), (restored, State.OWNER_ASSIGNED)):
        row.refresh_from_db()
        assert row.state == state
    half.refresh_from_db()
    assert half.partly_deleted
    with pytest.raises(Refused, match="new delete batch"):
        changes.finish_deleting(half, stage.people.jonas)
    # Exactly what we did is ours again, so it is undone exactly; the stop does not hold it.
    fenced.refresh_from_db()
    assert changes.may_be_restored(fenced)
    assert stage.restored(fenced).status == Change.Status.DONE
    after = stage.holdings(fenced)
    assert after.access_keys == before.access_keys
    assert after.attached_policies == before.attached_policies
    assert after.ssh_keys == before.ssh_keys
    assert "0 differences" in reconcile("--as", "jonas")
    changes.lift(stage.people.mei, "Reconciled")
    assert ledger.verify().intact


@pytest.mark.django_db
def test_a_second_reading_records_nothing_twice(stage: Stage) -> None:
    departure = stage.user(give=everything)
    stage.fenced(departure)
    stage.skip(minutes=30)
    # The rows of the fence are lost.
    change = of_user(departure, "disable")
    Call.objects.filter(change=change).delete()
    Departure.objects.filter(pk=departure.pk).update(fence="", fenced_at=None)
    moved(database_oid=7)
    reconcile("--apply", "--as", "jonas")
    assert changes.restore_preview(departure).lines[0] == "The deny is taken off."
    assert "0 differences" in reconcile("--apply", "--as", "jonas")
    assert Change.objects.filter(reason=reconciling.REASON).count() == 1


@pytest.mark.django_db
def test_a_fence_and_its_restore_that_were_both_lost_are_recorded_together(stage: Stage) -> None:
    departure = stage.user(give=everything)
    stage.shut(departure)
    stage.skip(minutes=30)
    stage.restored(departure)
    stage.skip(minutes=30)
    # The rows of both are lost.
    Call.objects.all().delete()
    Departure.objects.filter(pk=departure.pk).update(restored_at=None)
    moved(database_oid=7)
    assert "restored by us" in reconcile("--apply", "--as", "jonas")
    departure.refresh_from_db()
    assert departure.restored_at is not None
    assert "0 differences" in reconcile("--apply", "--as", "jonas")
    assert not changes.may_be_restored(departure)


@pytest.mark.django_db
def test_calls_that_only_bear_our_session_name_are_not_ours(stage: Stage) -> None:
    departure = stage.user()
    account = stage.people.account
    stage.fenced(departure)
    stage.skip(minutes=30)
    Call.objects.filter(change__departure=departure).delete()
    account.actor_role = account.actor_role.replace("IamCleanupActor", "SomebodyElses")
    found = reconciling.differences(account, clock.now() - timedelta(days=1))
    assert [one.kind for one in found] == []
    assert aws.fenced(stage.holdings(departure))
