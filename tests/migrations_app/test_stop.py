"""The emergency stop, by verb and by command."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.changes import running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, EmergencyStop
from tests import cast
from tests.migrations_app.stage import Stage, everything, of_user

pytestmark = pytest.mark.django_db


def command(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("who", ["jonas", "mei", "ada"])
def test_who_may_pull_it(who: str) -> None:
    everybody = cast.cast()
    stop = changes.pull(getattr(everybody, who), "Something is wrong")
    assert changes.current() == stop


@pytest.mark.parametrize("who", ["sara", "vera"])
def test_who_may_not(who: str) -> None:
    everybody = cast.cast()
    with pytest.raises(NotAllowed):
        changes.pull(getattr(everybody, who), "Something is wrong")


def test_pulled_twice_it_is_one_stop() -> None:
    everybody = cast.cast()
    first = changes.pull(everybody.jonas, "Something is wrong")
    assert changes.pull(everybody.mei, "Yes") == first
    assert EmergencyStop.objects.count() == 1


def test_another_person_lifts_it_with_a_reason() -> None:
    everybody = cast.cast()
    changes.pull(everybody.jonas, "Something is wrong")
    with pytest.raises(NotAllowed, match="another person"):
        changes.lift(everybody.jonas, "It was nothing")
    with pytest.raises(Refused, match="Say why"):
        changes.lift(everybody.mei, " ")
    changes.lift(everybody.mei, "It was nothing")
    assert changes.current() is None
    with pytest.raises(Stale, match="not pulled"):
        changes.lift(everybody.mei, "It was nothing")


def test_no_forward_change_begins_while_it_is_pulled(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.pull(stage.people.ada, "Something is wrong")
    stage.work(batch)
    running.run_change(of_user(departure, "disable").pk)
    assert stage.writes() == []
    with pytest.raises(Refused, match="emergency stop"):
        changes.resume(batch, stage.people.jonas)


def test_a_halted_deletion_halts_between_two_calls_past_the_point_of_no_return(
    stage: Stage,
) -> None:
    departure = stage.user("full.house", give=everything)
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    sent = len(stage.writes())
    really = stage.simulator.perform

    def perform(call):  # type: ignore[no-untyped-def]
        if call.operation == "DeleteSSHPublicKey":
            changes.pull(stage.people.ada, "Something is wrong")
        return really(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.simulator, "perform", perform)
        running.run_batch(batch.pk)
    told = [note["operation"] for note in stage.writes()[sent:]]
    assert told[-1] == "DeleteSSHPublicKey"
    assert told.count("DeleteSSHPublicKey") == 1
    changes.lift(stage.people.mei, "It was nothing")
    changes.resume(batch, stage.people.jonas)
    stage.work(batch)
    departure.refresh_from_db()
    assert departure.state == State.DELETED


def test_lifted_each_batch_waits_to_be_resumed_by_hand(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.started("disable", [departure])
    changes.pull(stage.people.ada, "Something is wrong")
    changes.lift(stage.people.mei, "It was nothing")
    stage.work(batch)
    batch.refresh_from_db()
    assert (batch.status, batch.resume_needed) == (Batch.Status.PAUSED, True)
    assert of_user(departure, "disable").status == Change.Status.QUEUED


def test_lifted_automatic_shuts_wait_until_their_batch_is_resumed(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.fenced(departure)
    assert batch.status == Batch.Status.DONE
    changes.pull(stage.people.ada, "Something is wrong")
    changes.lift(stage.people.mei, "It was nothing")
    stage.skip(days=8)
    stage.listen()
    assert stage.shut_by_itself() == []
    departure.refresh_from_db()
    assert any("halted" in why for why in changes.shut_waits_for(departure))
    changes.resume(batch, stage.people.jonas)
    (shut,) = stage.shut_by_itself()
    running.run_change(shut.pk)
    departure.refresh_from_db()
    assert departure.state == State.SOAKING


def test_a_shut_that_was_queued_before_the_stop_waits_too(stage: Stage) -> None:
    departure = stage.user()
    batch = stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    (shut,) = stage.shut_by_itself()
    changes.pull(stage.people.ada, "Something is wrong")
    changes.lift(stage.people.mei, "It was nothing")
    sent = len(stage.writes())
    running.run_change(shut.pk)
    changes.sweep()
    assert len(stage.writes()) == sent
    changes.resume(batch, stage.people.jonas)
    running.run_change(shut.pk)
    departure.refresh_from_db()
    assert departure.state == State.SOAKING


def test_lifted_an_approved_batch_does_not_start_by_itself(stage: Stage) -> None:
    batch = stage.approved("disable", [stage.user()])
    changes.pull(stage.people.ada, "Something is wrong")
    changes.lift(stage.people.mei, "It was nothing")
    changes.sweep()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.APPROVED
    changes.resume(batch, stage.people.jonas)
    changes.sweep()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.RUNNING


def test_a_broken_off_deletion_is_finished_only_after_its_batch_was_resumed(stage: Stage) -> None:
    departure = stage.user()
    stage.ready_to_delete(departure)
    batch = stage.started("delete", [departure])
    stage.fault("access-denied", "DeleteUser", count=None)
    stage.work(batch)
    stage.simulator.faults.clear()
    changes.pull(stage.people.ada, "Something is wrong")
    changes.lift(stage.people.mei, "It was nothing")
    departure.refresh_from_db()
    with pytest.raises(Refused, match="Resume it first"):
        changes.finish_deleting(departure, stage.people.jonas)
    with pytest.raises(Refused, match="Resume it first"):
        changes.retry(of_user(departure, "delete"), stage.people.jonas)
    changes.resume(batch, stage.people.jonas)
    running.run_change(changes.finish_deleting(departure, stage.people.jonas).pk)
    departure.refresh_from_db()
    assert departure.state == State.DELETED


def test_nothing_of_before_the_stop_is_resumed_while_it_is_pulled(stage: Stage) -> None:
    batch = stage.fenced(stage.user())
    changes.pull(stage.people.ada, "Something is wrong")
    batch.refresh_from_db()
    with pytest.raises(Refused, match="emergency stop"):
        changes.resume(batch, stage.people.jonas)


def test_the_commands_pull_and_lift_as_a_person() -> None:
    cast.cast()
    assert "Stopped since" in command("stop", "--as", "jonas", "--reason", "Something is wrong")
    with pytest.raises(CommandError, match="another person"):
        command("lift", "--as", "jonas", "--reason", "It was nothing")
    assert "Lifted" in command("lift", "--as", "mei", "--reason", "It was nothing")
    assert changes.current() is None


@pytest.mark.parametrize("words", [("stop", "--as", "x"), ("lift", "--as", "x", "--reason", "y")])
def test_the_commands_know_only_people(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="no person x"):
        command(*words)


def test_the_commands_keep_to_permissions() -> None:
    cast.cast()
    with pytest.raises(CommandError, match="emergency stop"):
        command("stop", "--as", "vera")
