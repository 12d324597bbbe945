"""Rule 2 at every point of a run: only the very user that was approved is written to.

Namesakes made anew, users renamed, users changed by hand and the product's own user: before the
batch, between approval and run, between two writes, right before DeleteUser, and before the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from demo.aws.calls import Call as ApiCall
from demo.aws.state import User
from inventory.aws.session import Identity
from inventory.models import Alert
from migrations_app import changes
from migrations_app.changes import forward, running
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Departure
from tests.migrations_app.stage import Stage, of_user

pytestmark = pytest.mark.django_db
NAME = "ci-pay-old"


def recreate(stage: Stage) -> User:
    """The user of that name goes by hand, and another one is made under it."""
    account = stage.simulator.account
    old = account.users.pop(NAME)
    account.by_user_id.pop(old.id)
    stage.administrator("CreateUser", UserName=NAME)
    return account.user(NAME)


def when(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    do: Callable[[], object],
    *,
    after: bool = False,
    nth: int = 1,
) -> None:
    """Somebody acts right before (or after) AWS carries out the product's `nth` such call."""
    really, seen = stage.simulator.perform, [0]

    def perform(call: ApiCall) -> dict[str, Any]:
        if call.operation != operation:
            return really(call)
        seen[0] += 1
        struck = seen[0] == nth
        if struck and not after:
            do()
        answer = really(call)
        if struck and after:
            do()
        return answer

    monkeypatch.setattr(stage.simulator, "perform", perform)


def to_delete(stage: Stage) -> tuple[Departure, Batch]:
    departure = stage.user(NAME)
    stage.ready_to_delete(departure)
    return departure, stage.started("delete", [departure])


def outcome(departure: Departure, move: str) -> tuple[str, str]:
    change = of_user(departure, move)
    departure.refresh_from_db()
    return change.status, change.result or change.error


# ── Before the batch ─────────────────────────────────────────────────────────────────────────────


def test_a_namesake_cannot_be_asked_for(stage: Stage) -> None:
    departure = stage.user(NAME)
    recreate(stage)
    batch = stage.draft("disable", [departure])
    blockers = batch.changes.get().blockers
    assert any("another user" in str(one) for one in blockers)
    assert stage.writes() == []


def test_what_is_approved_bears_the_name_as_aws_writes_it(stage: Stage) -> None:
    departure = stage.user(NAME)
    stage.administrator("UpdateUser", UserName=NAME, NewUserName=NAME.upper())
    batch = stage.draft("disable", [departure])
    change = batch.changes.get()
    assert (change.blockers, change.facts["user_name"]) == ([], NAME.upper())


# ── Between approval and run ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("new", [NAME.upper(), "somebody.else"])
def test_a_user_renamed_since_the_approval_is_left_out(stage: Stage, new: str) -> None:
    departure = stage.user(NAME)
    batch = stage.started("disable", [departure])
    stage.administrator("UpdateUser", UserName=NAME, NewUserName=new)
    stage.work(batch)
    status, why = outcome(departure, "disable")
    assert status == Change.Status.LEFT_OUT
    assert "renamed" in why or "approved as" in why
    assert stage.writes() == []


@pytest.mark.parametrize("move", ["disable", "delete"])
def test_a_user_given_another_path_since_the_approval_is_left_out(stage: Stage, move: str) -> None:
    departure = stage.user(NAME)
    if move == "delete":
        stage.ready_to_delete(departure)
    batch = stage.started(move, [departure])
    before = stage.writes()
    stage.administrator("UpdateUser", UserName=NAME, NewPath="/vendors/")
    stage.work(batch)
    status, why = outcome(departure, move)
    assert (status, "is under /vendors/ now" in why) == (Change.Status.LEFT_OUT, True)
    assert stage.writes() == before


def test_the_user_that_the_product_came_to_run_as_is_left_out(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure, other = stage.user(NAME), stage.user("ci-other")
    batch = stage.started("disable", [departure, other])
    user = departure.user
    own = Identity(user.arn, user.user_id, user.account.account_id)
    monkeypatch.setattr(forward, "own_identity", lambda: own)
    stage.work(batch)
    assert outcome(departure, "disable") == (
        Change.Status.LEFT_OUT,
        "The product itself runs as this user.",
    )
    assert outcome(other, "disable")[0] == Change.Status.DONE
    assert stage.writes(NAME) == []


def test_a_user_renamed_during_its_watch_is_not_shut(stage: Stage) -> None:
    departure = stage.user(NAME)
    stage.fenced(departure)
    stage.skip(days=8)
    stage.listen()
    (change,) = stage.shut_by_itself()
    stage.administrator("UpdateUser", UserName=NAME, NewUserName="somebody.else")
    before = stage.writes()
    running.run_change(change.pk)
    assert outcome(departure, "soak")[0] == Change.Status.LEFT_OUT
    assert departure.state == State.DISABLED
    assert stage.writes() == before


# ── Between two writes, and right before DeleteUser ──────────────────────────────────────────────


@pytest.mark.parametrize("operation", ["DeleteAccessKey", "DetachUserPolicy", "DeleteUser"])
def test_a_namesake_that_comes_during_a_deletion_is_never_deleted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    departure, batch = to_delete(stage)
    if operation == "DeleteUser":
        # The last look before it; nothing can be known of what comes later than that.
        when(stage, monkeypatch, "DetachUserPolicy", lambda: recreate(stage), after=True, nth=2)
    else:
        when(stage, monkeypatch, operation, lambda: recreate(stage), after=True)
    stage.work(batch)
    batch.refresh_from_db()
    change = of_user(departure, "delete")
    departure.refresh_from_db()
    assert stage.in_aws(departure).id != departure.user.user_id
    assert change.status == Change.Status.FAILED
    assert departure.state == State.SOAKING
    assert batch.status == Batch.Status.PAUSED
    assert Alert.objects.filter(user=departure.user, closed_at=None).exists()
    assert "DeleteUser" not in {note["operation"] for note in stage.writes(NAME)}


def test_a_key_made_by_hand_during_a_deletion_never_passes_for_deleted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure, batch = to_delete(stage)
    when(
        stage,
        monkeypatch,
        "DetachUserPolicy",
        lambda: stage.administrator("CreateAccessKey", UserName=NAME),
        after=True,
    )
    stage.work(batch)
    departure.refresh_from_db()
    there = NAME in stage.simulator.account.users
    change = of_user(departure, "delete")
    assert (change.status, departure.state, there) in [
        (Change.Status.DONE, State.DELETED, False),
        (Change.Status.FAILED, State.SOAKING, True),
    ]


# ── Between DeleteUser and the proof ─────────────────────────────────────────────────────────────


def test_a_namesake_made_right_after_delete_user_is_proof_and_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure, batch = to_delete(stage)
    made: list[Any] = []

    def make() -> None:
        made.append(stage.administrator("CreateUser", UserName=NAME))

    when(stage, monkeypatch, "DeleteUser", make, after=True)
    stage.work(batch)
    departure.refresh_from_db()
    assert departure.state == State.DELETED
    assert not departure.deleted_outside
    proof = of_user(departure, "delete").proof
    assert proof["get_user"].startswith("another user")
    assert stage.in_aws(departure).id == made[0]["User"]["UserId"]


def test_a_restore_of_a_user_made_anew_touches_nobody(stage: Stage) -> None:
    departure = stage.user(NAME)
    stage.shut(departure)
    recreate(stage)
    before = stage.writes()
    departure.refresh_from_db()
    change = changes.restore(departure, stage.people.jonas)
    stage.work_restore(change)
    assert change.status != Change.Status.DONE
    assert stage.writes() == before
