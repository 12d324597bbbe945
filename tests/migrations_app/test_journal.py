"""The journal's rows: what may be sent is asked of the database, and every send leaves its line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from inventory import clock, ledger
from inventory.models import Alert, LedgerEntry
from migrations_app import aws
from migrations_app.changes import running
from migrations_app.changes.journal import (
    Halted,
    LeaseLost,
    RowJournal,
    Superseded,
    cannot_record,
    recordable,
)
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Call, Change, Departure, EmergencyStop
from tests import cast

pytestmark = pytest.mark.django_db

ME = "this worker"
INACTIVE = aws.PlannedCall("keys", "UpdateAccessKey", {"AccessKeyId": "AKIA1"}, "AKIA1")
FINAL = aws.PlannedCall(
    "delete", "DeleteAccessKey", {"AccessKeyId": "AKIA1"}, "k" * 400, final=True
)


@pytest.fixture
def theirs() -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED)


def claimed(of: Departure, move: str = "disable", **columns: Any) -> RowJournal:
    """The journal of a change that this worker has."""
    columns = {"status": "running", "claimed_by": ME, "lease_until": clock.real_now()} | columns
    return RowJournal(cast.change(of, move, **columns), ME)


def approved(status: str) -> Batch:
    return cast.batch(
        cast.account(),
        cast.person("jonas"),
        status=status,
        approved_by=cast.person("mei"),
        approved_digest="0" * 64,
    )


def left(journal: RowJournal) -> timedelta:
    """For how long the lease is held now."""
    journal.change.refresh_from_db()
    assert journal.change.lease_until is not None
    return journal.change.lease_until - clock.real_now()


def lines(journal: RowJournal) -> list[tuple[int, str, str]]:
    return [(one.seq, one.kind, one.operation) for one in journal.change.calls.order_by("seq")]


# ── Before a write ───────────────────────────────────────────────────────────────────────────────


def test_a_run_loads_no_wide_column_of_its_user(theirs: Departure) -> None:
    loaded = running._loaded(claimed(theirs).change.pk)
    wide = {"category_reasons", "suggestion_reasons", "verdict_reasons", "privilege_facts"}
    wide |= {"inline_policies", "removed_from_code_note"}
    assert loaded.departure.user.get_deferred_fields() == wide


def test_a_change_that_nothing_stops_may_send(theirs: Departure) -> None:
    claimed(theirs).gate()


def _pulled(change: Change) -> None:
    EmergencyStop.objects.create(pulled_by=cast.person("mei"), pulled_at=clock.now())


def _asked_to_stop(change: Change) -> None:
    Change.objects.filter(pk=change.pk).update(stop_asked=True)


def _protected(change: Change) -> None:
    Departure.objects.filter(pk=change.departure_id).update(protection="break-glass")


def _restore(status: str, *, finished: bool = False) -> Callable[[Change], None]:
    def made(change: Change) -> None:
        at = clock.now() if finished else None
        cast.change(change.departure, "restore", status=status, finished_at=at)

    return made


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        (_pulled, Halted),
        (_asked_to_stop, Superseded),
        (_protected, Halted),
        (_restore("queued"), Superseded),
        (_restore("running"), Superseded),
        (_restore("failed"), Superseded),
        (_restore("running", finished=True), Halted),
        (_restore("queued", finished=True), None),
        (_restore("failed", finished=True), None),
        (_restore("done", finished=True), None),
        (_restore("withdrawn"), None),
    ],
)
def test_what_came_meanwhile_halts_a_forward_change_and_no_restore(
    theirs: Departure, made: Callable[[Change], None], ends: type[Exception] | None
) -> None:
    journal = claimed(theirs)
    made(journal.change)
    if ends is None:
        journal.gate()
    else:
        with pytest.raises(ends):
            journal.gate()
    Change.objects.filter(pk=journal.change.pk).update(move="restore", status="done")
    Change.objects.filter(move="restore").exclude(pk=journal.change.pk).update(status="done")
    Change.objects.filter(pk=journal.change.pk).update(status="running")
    RowJournal(Change.objects.get(pk=journal.change.pk), ME).gate()


@pytest.mark.parametrize(
    ("status", "halts"),
    [("paused", True), ("aborted", True), ("running", False), ("done", False)],
)
def test_who_has_not_begun_when_its_batch_is_halted_does_not_begin(
    theirs: Departure, status: str, halts: bool
) -> None:
    batch = approved(status)
    journal = claimed(theirs, batch=batch)
    if halts:
        with pytest.raises(Halted, match="before its first write"):
            journal.before(INACTIVE, 1)
        assert not Call.objects.exists()
    else:
        journal.before(INACTIVE, 1)


@pytest.mark.parametrize(
    ("outcome", "goes_on"), [("retry", False), ("ok", True), ("unknown", True)]
)
def test_a_first_write_that_aws_refused_is_none(
    theirs: Departure, outcome: str, goes_on: bool
) -> None:
    """Whether it has begun is the same to the worker that sends and to whoever asks the rows."""
    batch = approved("running")
    journal = claimed(theirs, batch=batch)
    journal.after(journal.before(INACTIVE, 1), aws.Answer(outcome))
    Batch.objects.filter(pk=batch.pk).update(status="paused")
    with nullcontext() if goes_on else pytest.raises(Halted, match="before its first write"):
        journal.before(INACTIVE, 2)
    assert journal.change.begun is goes_on


@pytest.mark.parametrize("status", ["paused", "aborted"])
def test_who_has_begun_is_brought_to_its_end_also_by_another_worker(
    theirs: Departure, status: str
) -> None:
    batch = approved("running")
    journal = claimed(theirs, batch=batch)
    journal.before(INACTIVE, 1)
    Batch.objects.update(status=status)
    journal.before(INACTIVE, 2)
    again = RowJournal(Change.objects.get(pk=journal.change.pk), ME)
    again.gate()
    # What AWS refused was not applied: it has not begun.
    Call.objects.update(outcome="refused")
    with pytest.raises(Halted):
        again.gate()


def test_an_automatic_shut_does_not_ask_whether_its_batch_runs(theirs: Departure) -> None:
    batch = approved("aborted")
    fence = cast.change(cast.departure("fenced", State.DISABLED), batch=batch, status="done")
    claimed(theirs, "soak", batch=batch, follows=fence).gate()


def test_a_restore_sends_nothing_either_where_its_row_cannot_be_read(
    theirs: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = claimed(theirs, "restore")
    monkeypatch.setattr(
        import_module("migrations_app.changes.journal"), "_MEANWHILE", "SELECT unreadable"
    )
    with pytest.raises(DatabaseError), transaction.atomic():
        journal.before(INACTIVE, 1)
    assert not Call.objects.exists()


def test_a_lifted_stop_and_what_concerns_another_user_halt_nobody(theirs: Departure) -> None:
    other = cast.departure("other", State.OWNER_ASSIGNED)
    cast.change(other, "restore", status="queued")
    cast.change(other, status="running", stop_asked=True)
    Departure.objects.filter(pk=other.pk).update(protection="break-glass")
    mei, jonas = cast.person("mei"), cast.person("jonas")
    EmergencyStop.objects.create(
        pulled_by=mei, pulled_at=clock.now(), lifted_by=jonas, lifted_at=clock.now()
    )
    claimed(theirs).gate()


@pytest.mark.parametrize(
    "columns", [{"claimed_by": "another"}, {"status": "queued"}, {"status": "failed"}]
)
@pytest.mark.parametrize("move", ["disable", "restore"])
def test_who_lost_the_claim_may_not_send_nor_record(
    theirs: Departure, move: str, columns: dict[str, str]
) -> None:
    journal = claimed(theirs, move, **columns)
    with pytest.raises(LeaseLost):
        journal.gate()
    with pytest.raises(LeaseLost):
        journal.before(INACTIVE, 1)
    with pytest.raises(LeaseLost), journal.recording():
        raise AssertionError("This must not be reached.")
    assert not Call.objects.exists()


def test_each_look_at_the_gate_holds_the_lease_of_this_change_for_a_minute(
    theirs: Departure,
) -> None:
    other = claimed(cast.departure("other", State.OWNER_ASSIGNED))
    journal = claimed(theirs)
    journal.gate()
    assert timedelta(seconds=55) < left(journal) <= timedelta(seconds=60)
    assert left(other) < timedelta()


def test_a_look_at_every_source_is_held_for_five_minutes(theirs: Departure) -> None:
    journal = claimed(theirs)
    journal.look_long()
    assert timedelta(minutes=4, seconds=50) < left(journal) <= timedelta(minutes=5)


# ── The lines ────────────────────────────────────────────────────────────────────────────────────


def test_a_line_stands_before_the_call_with_all_that_is_sent_and_its_looks_before_it(
    theirs: Departure,
) -> None:
    journal = claimed(theirs)
    journal.looked("GetUser", "ci-pay-old", "same")
    assert lines(journal) == []
    first = journal.before(INACTIVE, 2)
    journal.before(INACTIVE, 3)
    assert lines(journal) == [
        (1, "look", "GetUser"),
        (2, "write", "UpdateAccessKey"),
        (3, "write", "UpdateAccessKey"),
    ]
    look, line = Call.objects.get(seq=1), Call.objects.get(pk=first)
    assert (look.target, look.outcome) == ("ci-pay-old: same", "ok")
    assert look.answered_at is not None
    assert (line.target, line.params, line.attempt) == ("AKIA1", {"AccessKeyId": "AKIA1"}, 2)
    assert (line.outcome, line.answered_at) == ("", None)


def test_a_second_worker_goes_on_with_the_numbers_of_the_first(theirs: Departure) -> None:
    journal = claimed(theirs)
    journal.before(INACTIVE, 1)
    RowJournal(journal.change, ME).before(INACTIVE, 1)
    assert [seq for seq, *_ in lines(journal)] == [1, 2]


def test_targets_longer_than_their_column_are_cut(theirs: Departure) -> None:
    journal = claimed(theirs, "delete")
    journal.looked("GetUser", "n" * 400, "same")
    journal.before(FINAL, 1)
    assert [len(one.target) for one in journal.change.calls.all()] == [300, 300]


def test_what_aws_answered_closes_its_line_and_no_other(theirs: Departure) -> None:
    journal = claimed(theirs)
    first, second = journal.before(INACTIVE, 1), journal.before(INACTIVE, 2)
    answer = aws.Answer("refused", "C" * 120, "No.", "r" * 120, 403)
    journal.after(first, answer)
    closed = Call.objects.get(pk=first)
    assert (closed.outcome, closed.error, closed.http_status) == ("refused", "No.", 403)
    assert (closed.error_code, closed.request_id) == ("C" * 100, "r" * 100)
    assert closed.answered_at is not None
    assert Call.objects.get(pk=second).outcome == ""
    journal.after(second, aws.Answer("unknown"))
    assert Call.objects.get(pk=second).http_status is None


@pytest.mark.parametrize("error", [None, ValueError])
def test_however_a_run_ends_its_last_look_is_kept(
    theirs: Departure, error: type[Exception] | None
) -> None:
    journal = claimed(theirs)

    def run() -> None:
        with journal:
            journal.looked("GetUser", "ci-pay-old", "same")
            if error:
                raise error

    if error:
        with pytest.raises(error):
            run()
    else:
        run()
    assert lines(journal) == [(1, "look", "GetUser")]


@pytest.mark.parametrize(("error", "ends"), [(None, DatabaseError), (Halted, Halted)])
def test_why_a_run_ended_says_more_than_that_its_look_could_not_be_kept(
    theirs: Departure,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception] | None,
    ends: type[Exception],
) -> None:
    def full() -> None:
        raise DatabaseError("disk full")

    def run() -> None:
        with claimed(theirs) as journal:
            monkeypatch.setattr(journal, "keep_looks", full)
            if error:
                raise error

    with pytest.raises(ends):
        run()


def test_recording_holds_the_row_and_the_lease_and_writes_the_looks(theirs: Departure) -> None:
    journal = claimed(theirs)
    journal.looked("GetUser", "ci-pay-old", "same")
    with CaptureQueriesContext(connection) as asked, journal.recording() as departure:
        assert departure == theirs
    assert any(
        'FROM "migrations_app_departure"' in one["sql"] and one["sql"].endswith("FOR UPDATE")
        for one in asked
    )
    assert left(journal) > timedelta(seconds=55)
    assert lines(journal) == [(1, "look", "GetUser")]


# ── Rule 18 ──────────────────────────────────────────────────────────────────────────────────────


def test_the_point_of_no_return_is_passed_once_with_the_line_of_the_first_final_call(
    theirs: Departure,
) -> None:
    journal = claimed(theirs, "delete")
    journal.before(INACTIVE, 1)
    theirs.refresh_from_db()
    assert (journal.change.irreversible_at, theirs.irreversible_at) == (None, None)
    journal.before(FINAL, 1)
    passed = journal.change.irreversible_at
    assert passed is not None
    theirs.refresh_from_db()
    assert Change.objects.get(pk=journal.change.pk).irreversible_at == theirs.irreversible_at
    assert theirs.irreversible_at == passed
    journal.before(FINAL, 2)
    theirs.refresh_from_db()
    assert (journal.change.irreversible_at, theirs.irreversible_at) == (passed, passed)


def test_the_row_is_held_while_the_point_is_passed_and_not_for_other_calls(
    theirs: Departure,
) -> None:
    journal = claimed(theirs, "delete")
    for call, holds in ((INACTIVE, False), (FINAL, True), (FINAL, False)):
        with CaptureQueriesContext(connection) as asked:
            journal.before(call, 1)
        assert any("FOR UPDATE" in one["sql"] for one in asked) is holds


def test_passing_it_is_about_one_user(theirs: Departure) -> None:
    other = claimed(cast.departure("other", State.OWNER_ASSIGNED), "delete")
    claimed(theirs, "delete").before(FINAL, 1)
    other.change.refresh_from_db()
    assert other.change.irreversible_at is None
    assert Departure.objects.get(pk=other.change.departure_id).irreversible_at is None


@pytest.mark.parametrize("columns", [{"stop_asked": True}, {"claimed_by": "another"}])
def test_whoever_asked_it_to_stop_a_moment_ago_wins(
    theirs: Departure, columns: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = claimed(theirs, "delete")
    monkeypatch.setattr(
        journal, "gate", lambda: Change.objects.filter(pk=journal.change.pk).update(**columns)
    )
    with pytest.raises(Superseded):
        journal.before(FINAL, 1)
    assert not Call.objects.exists()
    theirs.refresh_from_db()
    assert theirs.irreversible_at is None


# ── No journal, no write ─────────────────────────────────────────────────────────────────────────


def test_trying_whether_it_can_be_recorded_records_nothing() -> None:
    assert recordable()
    assert not LedgerEntry.objects.exists()


def test_a_ledger_that_cannot_be_written_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(kind: str) -> None:
        raise DatabaseError("read-only")

    monkeypatch.setattr(ledger, "append", broken)
    assert not recordable()
    assert not recordable()
    alert = Alert.objects.get()
    assert (alert.key, alert.kind, alert.closed_at) == ("not-recorded", "not-recorded", None)
    assert "read-only" in alert.text
    Alert.objects.update(closed_at=clock.now())
    cannot_record(DatabaseError("again"))
    assert Alert.objects.filter(closed_at=None).count() == 1


def test_where_not_even_an_alert_can_be_raised_it_stands_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(Alert.objects, "get_or_create", broken)
    cannot_record(DatabaseError("read-only"))
    assert "read-only" in caplog.text
