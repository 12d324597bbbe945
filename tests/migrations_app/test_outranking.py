"""A restore takes the user at once from whoever works on it, and the two never both write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.calls import Call as ApiCall
from inventory import clock
from migrations_app import aws, changes
from migrations_app.changes import journal, running
from migrations_app.changes.journal import RowJournal
from migrations_app.models import Change, Departure
from tests.migrations_app.stage import Stage, everything, lines, of_user, written
from tests.migrations_app.test_restoring import urgent

pytestmark = pytest.mark.django_db


def ask(stage: Stage, departure: Departure) -> Change:
    return changes.restore(Departure.objects.get(pk=departure.pk), stage.people.sara)


def claimed(departure: Departure, lease: timedelta, **columns: Any) -> Change:
    """A worker has the disable of this user; it may be alive or not."""
    change = of_user(departure, "disable")
    Change.objects.filter(pk=change.pk).update(
        status="running", claimed_by="w", lease_until=clock.real_now() + lease, **columns
    )
    change.refresh_from_db()
    return change


def test_a_restore_does_not_wait_for_a_worker_that_was_killed_while_it_looked(stage: Stage) -> None:
    departure = stage.user()
    stage.started("disable", [departure])
    forward = claimed(departure, journal.LOOKING)
    change = ask(stage, departure)
    assert not running.run_restore(change.pk)
    change.refresh_from_db()
    forward.refresh_from_db()
    assert (change.status, forward.status) == (Change.Status.DONE, Change.Status.SUPERSEDED)


def test_a_worker_that_looked_too_long_writes_nothing_after_the_restore(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    really = stage.simulator.perform
    asked: list[Change] = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if call.operation == "ListAccessKeys" and not asked:
            asked.append(ask(stage, departure))
            assert not running.run_restore(asked[0].pk)
        return really(call)

    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "perform", perform)
        running.run_batch(batch.pk)
    asked[0].refresh_from_db()
    assert asked[0].status == Change.Status.DONE
    assert stage.writes(departure.user.user_name) == []
    assert of_user(departure, "disable").status == Change.Status.SUPERSEDED


def test_a_restore_between_the_gate_and_the_line_of_a_call_still_wins(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    really = RowJournal.before
    asked: list[Change] = []

    def before(self: RowJournal, call: aws.PlannedCall, attempt: int) -> int:
        if not asked:
            asked.append(ask(stage, departure))
            running.run_restore(asked[0].pk)
        return really(self, call, attempt)

    with monkeypatch.context() as patch:
        patch.setattr(RowJournal, "before", before)
        running.run_batch(batch.pk)
    assert stage.writes(departure.user.user_name) == []
    assert written(of_user(departure, "disable")) == []
    asked[0].refresh_from_db()
    assert asked[0].status == Change.Status.DONE


def test_between_two_calls_it_is_taken_over_and_what_was_done_is_undone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user("full.house", give=everything)
    before = stage.holdings(departure)
    batch = stage.started("disable", [departure], method="shut")
    really = RowJournal.after
    asked: list[Change] = []

    def after(self: RowJournal, line: int, answer: aws.Answer) -> None:
        really(self, line, answer)
        if len(written(self.change)) == 3 and not asked:
            asked.append(ask(stage, departure))
            assert not running.run_restore(asked[0].pk)

    with monkeypatch.context() as patch:
        patch.setattr(RowJournal, "after", after)
        running.run_batch(batch.pk)
    assert stage.holdings(departure) == before
    assert len(written(of_user(departure, "disable"))) == 3


def test_a_call_that_is_out_is_waited_for_until_its_lease_ends(stage: Stage) -> None:
    departure = stage.user()
    stage.started("disable", [departure])
    forward = claimed(departure, journal.LEASE)
    forward.calls.create(seq=1, kind="write", operation="AttachUserPolicy", sent_at=clock.now())
    change = ask(stage, departure)
    assert running.run_restore(change.pk)
    forward.refresh_from_db()
    assert (forward.status, forward.stop_asked) == (Change.Status.RUNNING, True)
    claimed(departure, timedelta(seconds=-1))
    assert not running.run_restore(change.pk)
    forward.refresh_from_db()
    assert forward.status == Change.Status.SUPERSEDED


def test_a_line_without_answer_of_an_earlier_worker_is_not_waited_for_while_one_looks(
    stage: Stage,
) -> None:
    departure = stage.user()
    stage.started("disable", [departure])
    forward = claimed(departure, journal.LOOKING)
    forward.calls.create(seq=1, kind="write", operation="AttachUserPolicy", sent_at=clock.now())
    assert not running.run_restore(ask(stage, departure).pk)


def test_whoever_has_ended_wakes_the_restore_that_waits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    really = stage.simulator.perform
    told: list[int] = []

    def perform(call: ApiCall) -> dict[str, Any]:
        if call.operation == "AttachUserPolicy":
            ask(stage, departure)
            monkeypatch.setattr("migrations_app.changes.nudge.restore", told.append)
        return really(call)

    with monkeypatch.context() as patch:
        patch.setattr(stage.simulator, "perform", perform)
        running.run_batch(batch.pk)
    assert told == [of_user(departure, "restore").pk]


# ── Its later read-backs do not outrank ──────────────────────────────────────────────────────────


def being_read_back(stage: Stage, departure: Departure, status: str = "running") -> Change:
    """A restore whose read-back a worker took, and was killed at."""
    stage.fenced(departure)
    change = stage.restored(departure)
    Change.objects.filter(pk=change.pk).update(
        status=status, claimed_by="w", lease_until=clock.real_now() + timedelta(seconds=30)
    )
    return change


def test_a_read_back_holds_a_leaked_key_for_a_moment_and_never_ends_its_batch(
    stage: Stage,
) -> None:
    departure = stage.user()
    batch = stage.approved("disable", [departure], urgent=True, reason="leaked")
    earlier = Change.objects.create(
        departure=departure,
        move="restore",
        status="running",
        requested_at=clock.now(),
        finished_at=clock.now(),
    )
    Change.objects.filter(departure=departure, batch=batch).update(status="queued")
    changes.sweep()
    running.run_batch(batch.pk)
    assert of_user(departure, "disable").status == Change.Status.QUEUED
    Change.objects.filter(pk=earlier.pk).update(status="done")
    stage.work(batch)
    assert of_user(departure, "disable").status == Change.Status.DONE


def test_a_lost_read_back_is_a_read_back_again_and_gives_no_leaked_key_back(stage: Stage) -> None:
    departure = stage.user(give=everything)
    change = being_read_back(stage, departure)
    Change.objects.filter(pk=change.pk).update(status="done")
    departure.refresh_from_db()
    urgent(stage, departure)
    Change.objects.filter(pk=change.pk).update(
        status="running", lease_until=clock.real_now() - timedelta(seconds=1)
    )
    running.run_restore(change.pk)
    after = stage.holdings(departure)
    assert aws.fenced(after)
    assert {key.status for key in after.access_keys} == {"Inactive"}
    change.refresh_from_db()
    assert (change.status, change.check_at) == (Change.Status.DONE, None)


def test_a_failed_read_back_does_not_swallow_the_next_restore(stage: Stage) -> None:
    departure = stage.user(give=everything)
    change = being_read_back(stage, departure, "done")
    departure.refresh_from_db()
    urgent(stage, departure)
    Change.objects.filter(pk=change.pk).update(status="failed")
    departure.refresh_from_db()
    again = changes.restore(departure, stage.people.jonas)
    assert again.pk != change.pk
    stage.work_restore(again)
    assert not aws.fenced(stage.holdings(departure))


def test_while_it_is_read_back_nothing_of_it_is_ours_any_more(stage: Stage) -> None:
    departure = stage.user()
    being_read_back(stage, departure)
    assert not changes.may_be_restored(Departure.objects.get(pk=departure.pk))


def test_the_journal_of_a_change_that_was_taken_over_has_no_gap(stage: Stage) -> None:
    departure = stage.user()
    stage.fenced(departure)
    stage.restored(departure)
    for move in ("disable", "restore"):
        told = [line.seq for line in lines(of_user(departure, move))]
        assert told == list(range(1, len(told) + 1))


@pytest.mark.parametrize("meanwhile", ["the stop", "a refusal"])
def test_a_change_that_was_asked_to_stop_and_let_go_otherwise_is_superseded_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    departure = stage.user(give=everything)
    had = stage.holdings(departure)
    batch = stage.started("disable", [departure], method="shut")
    asked: list[Change] = []
    before = RowJournal.before

    def call_is_out(held: RowJournal, call: aws.PlannedCall, attempt: int) -> int:
        line = before(held, call, attempt)
        if call.operation == "UpdateAccessKey" and not asked:
            asked.append(ask(stage, departure))
            if meanwhile == "the stop":
                changes.pull(stage.people.ada, "Something is wrong")
        return line

    monkeypatch.setattr(RowJournal, "before", call_is_out)
    if meanwhile == "a refusal":
        stage.fault("access-denied", "UpdateAccessKey")
    running.run_batch(batch.pk)
    let_go = of_user(departure, "disable")
    assert let_go.stop_asked
    assert let_go.status == ("queued" if meanwhile == "the stop" else "failed")
    stage.work_restore(asked[0])
    # Neither is there anything to try again, nor does it hold the user for the next batch.
    assert of_user(departure, "disable").status == Change.Status.SUPERSEDED
    assert stage.holdings(departure).access_keys == had.access_keys
