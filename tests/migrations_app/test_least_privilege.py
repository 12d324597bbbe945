"""The shipped policies against the calls that the engine really makes, both ways.

The roles of the stage bear the shipped policies, so every test of the engine runs under them: what
they lack fails there. Here every scene is played, and what they allow must have been used.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

from demo.aws.state import MfaDevice, User
from inventory.aws import actions
from migrations_app import changes
from migrations_app.iam_policies import RoleName, policy
from migrations_app.lifecycle import State
from migrations_app.plans.break_glass import TAG as NEVER
from tests import cast
from tests.migrations_app.cells.scenes import SCENES, scene
from tests.migrations_app.stage import Stage, everything, of_user, ten_policies

pytestmark = pytest.mark.django_db


def used(stage: Stage) -> dict[str, set[str]]:
    """Actions that AWS let through, by the role that asked."""
    found: dict[str, set[str]] = defaultdict(set)
    for note in stage.simulator.calls:
        for role in ("reader", "actor", "deleter"):
            if f"/iam-cleanup-{role}" in note["arn"] and note["service"] == "iam":
                assert note["outcome"] != "AccessDenied", note
                found[role].add(f"iam:{note['operation']}")
    return found


def allowed(role: RoleName) -> set[str]:
    return {
        action
        for statement in policy(role, cast.ACCOUNT_ID)["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    }


def test_every_allowed_action_is_used_by_some_scene_and_none_is_refused(stage: Stage) -> None:
    for name in SCENES:
        with stage.undone():
            # "Not there" about a device is believed only when the listing of all agrees.
            stage.fault("no-such-entity", "DeleteVirtualMFADevice")
            scene(stage, name).finish()
        # The clock went on, and the break-glass user must have been seen lately.
        stage.skip(minutes=1)
    bounded = [stage.user("bounded.one", give=ten_policies), stage.user("free.one", give=full)]
    stage.shut(*bounded)
    for departure in bounded:
        assert stage.restored(departure).status == "done"
        departure.refresh_from_db()
        assert departure.state == State.OWNER_ASSIGNED
    late = stage.user("late.one")
    stage.skip(days=2)
    stage.ready_to_delete(late)
    # Somebody gave it a password again while it soaked.
    stage.administrator("CreateLoginProfile", UserName="late.one", Password="Un-guessable-1")
    stage.ran("delete", [late])
    found = used(stage)
    assert found["actor"] == allowed("actor")
    assert found["deleter"] == allowed("deleter")
    # The reader's other half is a sync's; the names of both are held together elsewhere.
    assert found["reader"] <= allowed("reader")
    assert found["reader"] >= set(actions.ON_USERS) - {"iam:GenerateServiceLastAccessedDetails"}


def full(stage: Stage, user: object) -> None:
    """At the quota without a boundary of its own: ours is deleted again, not replaced."""
    ten_policies(stage, user)  # type: ignore[arg-type]
    user.boundary = None  # type: ignore[attr-defined]


def test_the_shipped_policies_deny_what_is_protected_to_every_writer(stage: Stage) -> None:
    departure = stage.user("vendor.one", give=everything)
    role = stage.simulator.account.role("IamCleanupActor")
    role.inline = {"shipped": policy("actor", cast.ACCOUNT_ID, protected=["vendor.one"])}
    before = stage.holdings(departure)
    stage.ran("disable", [departure])
    assert stage.holdings(departure) == before
    departure.refresh_from_db()
    assert departure.state == State.OWNER_ASSIGNED
    assert not changes.may_be_restored(departure)


def only_a_device(stage: Stage, user: User) -> None:
    """The first call of its deletion deactivates a device."""
    serial = "GAHT00000001"
    user.mfa[serial] = MfaDevice(serial, user.created_at)


def test_whoever_is_tagged_never_keeps_its_devices_too(stage: Stage) -> None:
    departure = stage.user("vendor.one", give=only_a_device)
    stage.ready_to_delete(departure)
    stage.administrator(
        "TagUser", UserName="vendor.one", Tags=[{"Key": NEVER[0], "Value": NEVER[1]}]
    )
    before = stage.holdings(departure)
    stage.ran("delete", [departure])
    assert stage.holdings(departure) == before
    assert of_user(departure, "delete").error_code == "AccessDenied"
