"""The rotation function, really run: two keys side by side, and no key in use is ever touched."""

from __future__ import annotations

from datetime import timedelta

import pytest

from migrations_app.plans.rotation_source import SOURCE
from tests.migrations_app.plans.rotating import NAME, STEPS, Fault, World, function, retire, rotate


def statuses(world: World) -> dict[str, str]:
    return {one: key["Status"] for one, key in world.keys.items()}


def day_later(world: World, days: float = 2) -> None:
    """As if the rotation had been so long ago: the function reads the real clock."""
    assert world.rotated is not None
    world.rotated -= timedelta(days=days)
    world.used = {one: at - timedelta(days=days) for one, at in world.used.items()}
    for key in world.keys.values():
        key["CreateDate"] -= timedelta(days=days)


def test_the_first_rotation_makes_a_second_key_and_lets_the_first_work_on() -> None:
    world = World()
    first = world.add_key(1)
    rotate(world, "t1")
    new = world.current()["access_key_id"]
    assert statuses(world) == {first: "Active", new: "Active"}
    assert world.current()["secret_access_key"] == f"secret-of-{new}"


def test_the_old_key_is_switched_off_once_nobody_used_it_and_deleted_by_the_next_rotation() -> None:
    world = World()
    first = world.add_key(1)
    rotate(world, "t1")
    second = world.current()["access_key_id"]
    retire(world)
    assert statuses(world)[first] == "Active"  # the overlap is not over
    day_later(world)
    retire(world)
    assert statuses(world) == {first: "Inactive", second: "Active"}
    rotate(world, "t2")
    third = world.current()["access_key_id"]
    assert statuses(world) == {second: "Active", third: "Active"}


def test_a_key_that_is_still_used_is_left_and_the_run_fails_for_the_alarm() -> None:
    world = World()
    first = world.add_key(1)
    rotate(world, "t1")
    day_later(world)
    world.used[first] = world.now
    with pytest.raises(RuntimeError, match="0001 is still used"):
        retire(world)
    with pytest.raises(RuntimeError, match="0001 is still active"):
        rotate(world, "t2")
    assert statuses(world)[first] == "Active"
    assert len(world.keys) == 2


def test_a_user_with_two_unknown_keys_loses_none_of_them() -> None:
    world = World()
    world.add_key(1)
    world.add_key(2, "Inactive")
    with pytest.raises(RuntimeError, match="two keys already"):
        rotate(world, "t1")
    assert statuses(world) == {"AKIA0001": "Active", "AKIA0002": "Inactive"}


def test_a_new_key_is_tried_until_aws_knows_it_everywhere() -> None:
    world = World(unknown_for=5)
    world.add_key(1)
    rotate(world, "t1")
    assert world.calls.count("get_caller_identity") == 6
    never = World(unknown_for=99)
    with pytest.raises(Fault, match="InvalidClientTokenId"):
        rotate(never, "t1")
    assert never.current() == {}


def test_a_key_of_another_user_is_never_put_in_front() -> None:
    world = World(whose="AIDAOTHER")
    with pytest.raises(RuntimeError, match="another user"):
        rotate(world, "t1")
    assert world.current() == {}


def test_every_step_may_run_twice() -> None:
    world = World()
    world.add_key(1)
    world.begin("t1")
    with function(world) as module:
        for step in (*STEPS[:1], *STEPS[:1], *STEPS[1:2], *STEPS[1:], *STEPS):
            module.handler({"SecretId": NAME, "ClientRequestToken": "t1", "Step": step}, None)
    assert len(world.keys) == 2


def world_before(rotations: int) -> World:
    world = World()
    world.add_key(1)
    for number in range(rotations):
        rotate(world, f"before-{number}")
        day_later(world, 30)
        retire(world)
    world.calls.clear()
    return world


@pytest.mark.parametrize("rotations", [0, 1])
@pytest.mark.parametrize("token", ["same", "other"])
def test_a_fault_at_any_call_and_then_another_run_end_the_same(rotations: int, token: str) -> None:
    whole = world_before(rotations)
    rotate(whole, "same")
    for number in range(1, len(whole.calls) + 1):
        world = world_before(rotations)
        front = world.current()
        world.fail_at = number
        with pytest.raises(Fault):
            rotate(world, "same")
        assert world.current() in (front, {}) or number == len(whole.calls)
        rotate(world, token)
        new = world.current()["access_key_id"]
        kept = {one for one in statuses(world) if one != new}
        assert kept == ({"AKIA0001"} if not rotations else {front["access_key_id"]})
        assert set(statuses(world).values()) == {"Active"}


def test_a_key_whose_secret_got_lost_is_taken_away_by_the_next_run() -> None:
    world = world_before(1)
    front = world.current()["access_key_id"]
    for one in [one for one, status in statuses(world).items() if status == "Inactive"]:
        del world.keys[one]
    lost = world.add_key(77, age=0)  # made, and the function killed before it kept it
    rotate(world, "next")
    assert lost not in world.keys
    assert front in world.keys


@pytest.mark.parametrize(
    ("stages", "secret", "why"),
    [
        ({}, NAME, "does not know"),
        ({"t1": ["AWSPREVIOUS"]}, NAME, "not the one that is pending"),
    ],
)
def test_a_version_that_is_not_pending_is_refused(
    stages: dict[str, list[str]], secret: str, why: str
) -> None:
    world = World(stages=stages)
    with function(world) as module, pytest.raises(RuntimeError, match=why):
        module.handler(
            {"SecretId": secret, "ClientRequestToken": "t1", "Step": "createSecret"}, None
        )
    assert world.keys == {}


def test_nothing_of_a_secret_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    rotate(world, "t1")
    assert capsys.readouterr() == ("", "")
    assert "print" not in SOURCE.replace("ever printed", "")
