"""A worker's slice of a batch and its one change: how each way of ending is written down."""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.aws.failure import AwsFailure
from inventory.models import Account
from inventory.refusals import Refused
from migrations_app.changes import database_home, outranking, restoring, running
from migrations_app.changes.forward import LeftOut, NotYet
from migrations_app.changes.journal import Halted, LeaseLost, Superseded
from migrations_app.guards import Blocker
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure, EmergencyStop
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def batch(everybody: cast.Cast) -> Batch:
    return cast.batch(
        everybody.account,
        everybody.jonas,
        status="running",
        asked_by=everybody.jonas,
        approved_by=everybody.mei,
        approved_digest="0" * 64,
    )


@pytest.fixture
def change(everybody: cast.Cast, batch: Batch) -> Change:
    row = cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)
    return cast.change(row, batch=batch, status="queued")


@pytest.fixture(autouse=True)
def _where_the_rows_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_home, "look", lambda: False)


def now(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def ends(monkeypatch: pytest.MonkeyPatch, how: str | Exception) -> list[Any]:
    """What a change comes to when it is applied; with which looks it was."""
    seen: list[Any] = []

    def apply(change: Change, worker: str, wide: Any) -> str:
        assert change.claimed_by == worker
        seen.append(wide)
        if isinstance(how, Exception):
            raise how
        return how

    monkeypatch.setattr(running, "apply_forward", apply)
    return seen


# ── One change ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "status", "says"),
    [
        ("Fenced and read back.", "done", "Fenced and read back."),
        (Superseded(), "superseded", "A restore was asked for."),
        (LeftOut("Its groups changed."), "left-out", "Its groups changed."),
        (Halted("The emergency stop is pulled."), "queued", "The emergency stop is pulled."),
        (NotYet("The change window is closed."), "queued", "The change window is closed."),
        (LeaseLost(), "running", ""),
        (AwsFailure("AccessDenied", "No.", operation="GetUser"), "failed", ""),
        (Refused("It was changed meanwhile."), "failed", ""),
        (DatabaseError("disk full"), "failed", ""),
    ],
)
def test_however_it_ends_it_ends_in_its_row(
    monkeypatch: pytest.MonkeyPatch, change: Change, *, how: Any, status: str, says: str
) -> None:
    ends(monkeypatch, how)
    running.run_change(change.pk)
    after = now(change)
    assert (after.status, after.result) == (status, says)
    assert (after.claimed_by == "") is (status != "running")
    assert (after.error_code == "NotRecorded") is isinstance(how, Refused | DatabaseError)


@pytest.mark.parametrize(
    ("batch_is", "begun", "status"),
    [
        ("aborted", False, "withdrawn"),
        ("aborted", True, "failed"),
        ("paused", False, "queued"),
        ("paused", True, "queued"),
    ],
)
def test_who_was_halted_waits_with_its_batch_and_not_for_one_that_was_aborted(
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    batch: Batch,
    *,
    batch_is: str,
    begun: bool,
    status: str,
) -> None:
    def halted(*_: object) -> None:
        if begun:
            change.calls.create(
                seq=1, kind="write", operation="UpdateAccessKey", sent_at=clock.now(), outcome="ok"
            )
        Batch.objects.filter(pk=batch.pk).update(status=batch_is)
        raise Halted("Its batch was halted.")

    monkeypatch.setattr(running, "apply_forward", halted)
    running.run_change(change.pk)
    after = now(change)
    assert after.status == status
    # It went without its first write, so it may be composed anew; half done, somebody is told.
    assert (after.finished_at is not None) is (status == "withdrawn")
    assert ("done by half" in after.error) is (status == "failed")


def test_the_shut_that_follows_waits_though_its_batch_was_aborted(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    Change.objects.filter(pk=change.pk).update(status="done")
    shut = cast.change(change.departure, "soak", batch=batch, status="queued", follows=change)
    Batch.objects.filter(pk=batch.pk).update(status="aborted")
    ends(monkeypatch, Halted("The emergency stop is pulled."))
    running.run_change(shut.pk)
    assert now(shut).status == "queued"


@pytest.mark.parametrize(
    ("code", "forgets"),
    [
        ("InvalidClientTokenId", True),
        ("ExpiredToken", True),
        ("UnrecognizedClientException", True),
        ("AccessDenied", False),
    ],
)
def test_credentials_that_ended_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, change: Change, *, code: str, forgets: bool
) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(running, "forget_sessions", lambda: forgotten.append(True))
    ends(monkeypatch, AwsFailure(code, "No.", operation="GetUser"))
    running.run_change(change.pk)
    assert bool(forgotten) is forgets


def test_the_last_user_of_a_batch_closes_it_and_wakes_the_restore_that_waited(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    woken: list[Departure] = []
    monkeypatch.setattr(outranking, "wake", woken.append)
    ends(monkeypatch, "Done.")
    running.run_change(change.pk)
    assert now(batch).status == "done"
    assert woken == [change.departure]


def test_a_shut_that_follows_closes_no_batch(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    Change.objects.filter(pk=change.pk).update(status="done")
    shut = cast.change(change.departure, "soak", batch=batch, status="queued", follows=change)
    ends(monkeypatch, "Shut.")
    running.run_change(shut.pk)
    assert (now(shut).status, now(batch).status) == ("done", "running")


@pytest.mark.parametrize("broken", ["the ledger", "the home"])
def test_what_cannot_be_recorded_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, change: Change, broken: str
) -> None:
    told: list[object] = []
    monkeypatch.setattr(running, "cannot_record", told.append)

    def gone() -> bool:
        raise DatabaseError("gone")

    if broken == "the ledger":
        monkeypatch.setattr(running, "recordable", lambda: False)
    else:
        monkeypatch.setattr(database_home, "look", gone)
    ends(monkeypatch, "Done.")
    running.run_change(change.pk)
    assert now(change).status == "queued"
    assert len(told) == (broken == "the home")
    assert running.run_batch(change.batch_id or 0) is False
    assert now(change).status == "queued"


# ── A slice of a batch ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_may_go_on", lambda batch: True)


@pytest.mark.usefixtures("going_on")
def test_a_slice_begins_with_a_look_whether_the_database_was_restored(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    def restored() -> bool:
        # What `look` does through the stop that it pulls: nothing of the batch runs on.
        Batch.objects.filter(pk=batch.pk).update(status="paused")
        return True

    monkeypatch.setattr(database_home, "look", restored)
    looks(monkeypatch, hold=True)
    seen = ends(monkeypatch, "Done.")
    running.run_batch(batch.pk)
    assert (seen, now(change).status) == ([], "queued")


def looks(monkeypatch: pytest.MonkeyPatch, *, hold: bool) -> list[list[int]]:
    """For whom it was looked ahead."""
    asked: list[list[int]] = []

    def look(batch: Batch, changes: list[int]) -> Any:
        asked.append(changes)
        return SimpleNamespace(holds=hold)

    monkeypatch.setattr(running, "look_ahead", look)
    return asked


@pytest.mark.parametrize(("hold", "times"), [(True, 1), (False, 2)])
@pytest.mark.usefixtures("going_on")
def test_one_look_ahead_serves_a_slice_while_it_holds(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch, *, hold: bool, times: int
) -> None:
    asked = looks(monkeypatch, hold=hold)
    rounds: list[Any] = []

    def work(ready: deque[int], batch_pk: int, wide: Any, ends: float) -> None:
        rounds.append(wide)
        if len(rounds) == 2:
            Change.objects.filter(pk=change.pk).update(status="done")

    monkeypatch.setattr(running, "_work_through", work)
    assert running.run_batch(batch.pk) is False
    assert asked == [[change.pk]] * times
    assert now(batch).status == "done"


@pytest.mark.usefixtures("going_on")
def test_when_the_slice_is_over_the_rest_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    monkeypatch.setattr(running, "SLICE", 0.0)
    seen = ends(monkeypatch, "Done.")
    assert running.run_batch(batch.pk) is True
    assert (seen, now(change).status) == ([], "queued")


@pytest.mark.usefixtures("going_on")
def test_a_batch_that_does_not_run_is_not_worked_on(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    seen = ends(monkeypatch, "Done.")
    Batch.objects.update(status="paused")
    assert running.run_batch(batch.pk) is False
    Batch.objects.update(status="running")
    monkeypatch.setattr(running, "_may_go_on", lambda batch: False)
    assert running.run_batch(batch.pk) is False
    assert seen == []


@pytest.mark.usefixtures("going_on")
def test_a_look_that_holds_stands_for_a_part_of_the_look_at_each(
    monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    for hold in (True, False):
        Change.objects.update(status="queued")
        looks(monkeypatch, hold=hold)
        (wide,) = ends_after(monkeypatch, batch)
        assert (wide is not None) is hold
        Batch.objects.update(status="running")


def ends_after(monkeypatch: pytest.MonkeyPatch, batch: Batch) -> list[Any]:
    seen = ends(monkeypatch, "Done.")
    running.run_batch(batch.pk)
    return seen


def test_whoever_is_under_way_ends_and_nobody_else_begins_in_a_batch_that_was_paused(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch, change: Change, batch: Batch
) -> None:
    other = cast.change(cast.departure("other", State.OWNER_ASSIGNED), batch=batch, status="queued")

    def apply(one: Change, worker: str, wide: Any) -> str:
        Batch.objects.update(status="paused")
        return "Done."

    monkeypatch.setattr(running, "apply_forward", apply)
    far = time.monotonic() + 60
    running._work_through(deque([change.pk, other.pk]), batch.pk, None, far)
    assert (now(change).status, now(other).status) == ("done", "queued")
    Batch.objects.update(status="running")
    running._work_through(deque([other.pk]), batch.pk, None, far - 120)
    assert now(other).status == "queued"


# ── Whether it may go on ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[Blocker]:
    """What holds the account: nothing, until a test says so."""
    held: list[Blocker] = []
    monkeypatch.setattr(running, "account_blockers", lambda *_, urgent: held if urgent else None)
    Account.objects.update(policy={"disable_window": "always", "delete_window": "always"})
    return held


def goes_on(batch: Batch) -> tuple[bool, str]:
    """Whether it may, and what the batch is afterwards."""
    row = now(batch)
    return running._may_go_on(row), now(batch).status


def test_a_run_goes_on_while_nothing_holds_it(batch: Batch, free: list[Blocker]) -> None:
    assert goes_on(batch) == (True, "running")


def test_a_stop_holds_it_without_a_pause_until_it_is_lifted(
    everybody: cast.Cast, batch: Batch, free: list[Blocker]
) -> None:
    EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now())
    assert goes_on(batch) == (False, "running")
    EmergencyStop.objects.update(lifted_at=clock.now(), lifted_by=everybody.jonas)
    assert goes_on(batch) == (True, "running")


def test_a_ledger_that_cannot_be_written_holds_it_without_a_pause(
    batch: Batch, free: list[Blocker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "recordable", lambda: False)
    assert goes_on(batch) == (False, "running")


def test_an_approver_who_lost_the_role_pauses_it(
    everybody: cast.Cast, batch: Batch, free: list[Blocker]
) -> None:
    everybody.mei.roles = []
    everybody.mei.save()
    assert goes_on(batch) == (False, "paused")
    assert "no approver any more" in now(batch).pause_reason


def test_what_holds_the_account_pauses_it_but_for_workers_that_do_not_report(
    batch: Batch, free: list[Blocker]
) -> None:
    free.append(Blocker("self-unknown", "Nobody reported."))
    assert goes_on(batch) == (False, "running")
    free.insert(0, Blocker("hold", "It is held."))
    assert goes_on(batch) == (False, "paused")
    assert now(batch).pause_reason == "Paused by itself: It is held."


@pytest.mark.parametrize(
    ("move", "urgent", "on"),
    [("disable", False, True), ("delete", False, False), ("delete", True, True)],
)
def test_it_pauses_when_its_own_window_closes(
    batch: Batch, free: list[Blocker], *, move: str, urgent: bool, on: bool
) -> None:
    day = f"{clock.now() + 3 * timedelta(days=1):%a}".lower()
    closed = {"days": [day], "from": "09:00", "to": "16:00"}
    Account.objects.update(policy={"disable_window": "always", "delete_window": closed})
    Batch.objects.update(move=move, urgent=urgent, reason="leaked")
    assert goes_on(batch) == (on, "running" if on else "paused")


# ── A restore ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a restore worker did: the restore, or a later read-back."""
    done: list[str] = []
    monkeypatch.setattr(restoring, "apply_restore", lambda *_: done.append("restored"))
    monkeypatch.setattr(restoring, "check_restore", lambda *_: done.append("read back"))
    return done


def test_a_restore_is_done_once_and_read_back_when_it_is_due(
    everybody: cast.Cast, change: Change, did: list[str]
) -> None:
    restore = cast.change(change.departure, "restore", status="queued")
    assert running.run_restore(restore.pk) is False
    assert did == ["restored"]
    Change.objects.filter(pk=restore.pk).update(status="done", finished_at=clock.now())
    assert running.run_restore(restore.pk) is False
    assert did == ["restored"]
    Change.objects.filter(pk=restore.pk).update(check_at=clock.now())
    running.run_restore(restore.pk)
    assert did == ["restored", "read back"]
    # One that is tried again after a read-back failed.
    Change.objects.filter(pk=restore.pk).update(status="queued")
    running.run_restore(restore.pk)
    assert did == ["restored", "read back", "read back"]


def test_a_restore_waits_for_the_call_that_is_out_and_for_a_ledger(
    monkeypatch: pytest.MonkeyPatch, change: Change, did: list[str]
) -> None:
    restore = cast.change(change.departure, "restore", status="queued")
    monkeypatch.setattr(outranking, "take_over", lambda pk: pk != change.departure_id)
    assert running.run_restore(restore.pk) is True
    # What ended, or is only read back, takes nothing over.
    for columns in ({"status": "done"}, {"status": "queued", "finished_at": clock.now()}):
        Change.objects.filter(pk=restore.pk).update(**columns)
        assert running.run_restore(restore.pk) is False
    monkeypatch.setattr(running, "recordable", lambda: False)
    Change.objects.filter(pk=restore.pk).update(status="queued", finished_at=None)
    did.clear()
    assert running.run_restore(restore.pk) is False
    assert did == []


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        (LeaseLost(), "running", ""),
        (AwsFailure("AccessDenied", "No.", operation="GetUser"), "failed", "AccessDenied"),
        (Refused("It was changed meanwhile."), "failed", "NotRecorded"),
        (DatabaseError("disk full"), "failed", "NotRecorded"),
    ],
)
def test_a_restore_that_fails_is_loud(
    monkeypatch: pytest.MonkeyPatch, change: Change, *, how: Exception, status: str, code: str
) -> None:
    restore = cast.change(change.departure, "restore", status="queued")

    def broken(*_: object) -> None:
        raise how

    monkeypatch.setattr(restoring, "apply_restore", broken)
    assert running.run_restore(restore.pk) is False
    assert (now(restore).status, now(restore).error_code) == (status, code)


def test_a_restore_that_cannot_be_claimed_is_told_and_waits(
    monkeypatch: pytest.MonkeyPatch, change: Change, did: list[str]
) -> None:
    restore = cast.change(change.departure, "restore", status="queued")
    told: list[object] = []
    monkeypatch.setattr(running, "cannot_record", told.append)
    for name in ("_is_free", "_claim"):
        with monkeypatch.context() as patch:
            patch.setattr(running, name, _refused_by_the_database)
            assert running.run_restore(restore.pk) is False
    assert (len(told), did, now(restore).status) == (2, [], "queued")
    running.run_restore(restore.pk)
    assert did == ["restored"]


def _refused_by_the_database(*_: object) -> None:
    raise DatabaseError("no such column")


def test_a_read_back_that_failed_waits_for_a_person(change: Change) -> None:
    restore = cast.change(change.departure, "restore", status="failed", check_at=clock.now())
    assert list(running.waiting_restores()) == []
    Change.objects.filter(pk=restore.pk).update(status="done")
    assert list(running.waiting_restores()) == [restore.pk]


# ── Locks ────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_closes_a_batch_or_takes_a_change_over_holds_its_row(
    change: Change, batch: Batch
) -> None:
    batch.changes.update(status="done")
    with CaptureQueriesContext(connection) as asked:
        running.finish_if_done(batch)
    batch.changes.update(status="running")
    assert any("FOR UPDATE" in one["sql"] and "_batch" in one["sql"] for one in asked)
    with CaptureQueriesContext(connection) as asked:
        outranking.lock_running(change.departure_id)
    assert 'FOR UPDATE OF "migrations_app_change"' in asked[0]["sql"]
