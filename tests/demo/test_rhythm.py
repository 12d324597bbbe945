"""As the clock moves its users go on: fenced ones denied and logged, shut ones silent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.managed_policies import DENY_ALL
from tests.demo.cast import WEDNESDAY, Clock, client, events, trap

DAILY, REGION = "ci-plat-nightly-eu", "eu-central-1"


def records_since(moment: datetime, user: str = DAILY, region: str = REGION) -> list[Any]:
    """What the trail shows of a user after a moment."""
    return [
        json.loads(event["CloudTrailEvent"])
        for event in events(region, Username=user)
        if event["EventTime"] > moment
    ]


def only_key(simulator: Simulator, user: str = DAILY) -> str:
    return next(iter(simulator.account.user(user).keys))


def test_a_moved_clock_brings_new_events(simulator: Simulator, clock: Clock) -> None:
    clock.move(days=5)
    found = records_since(WEDNESDAY)
    assert 4 <= len(found) <= 6
    assert not any("errorCode" in record for record in found)


def test_a_fenced_user_is_denied_logged_and_its_key_still_moves(
    simulator: Simulator, clock: Clock
) -> None:
    client("iam").attach_user_policy(UserName=DAILY, PolicyArn=DENY_ALL)
    clock.move(days=5)
    found = records_since(WEDNESDAY)
    assert found
    for record in found:
        assert "AccessDenied" in record["errorCode"] or "Unauthorized" in record["errorCode"]
        assert "with an explicit deny in an identity-based policy" in record["errorMessage"]
        assert record["sourceIPAddress"].startswith("198.51.100.")
    used = simulator.account.user(DAILY).keys[only_key(simulator)].last_used
    assert used is not None
    assert used.at > WEDNESDAY + timedelta(days=3)


def test_a_fence_as_boundary_denies_in_its_own_words(simulator: Simulator, clock: Clock) -> None:
    client("iam").put_user_permissions_boundary(UserName=DAILY, PermissionsBoundary=DENY_ALL)
    clock.move(days=3)
    found = records_since(WEDNESDAY)
    assert found
    assert all(
        "with an explicit deny in a permissions boundary" in r["errorMessage"] for r in found
    )


def test_a_shut_user_leaves_nothing_and_a_restored_one_goes_on(
    simulator: Simulator, clock: Clock
) -> None:
    iam, key = client("iam"), only_key(simulator)
    clock.move(hours=1)
    simulator.advance()
    iam.attach_user_policy(UserName=DAILY, PolicyArn=DENY_ALL)
    for each in simulator.account.user(DAILY).keys:
        iam.update_access_key(UserName=DAILY, AccessKeyId=each, Status="Inactive")
    shut_at = clock.at
    used = simulator.account.user(DAILY).keys[key].last_used
    clock.move(days=5)
    assert not records_since(shut_at)
    assert simulator.account.user(DAILY).keys[key].last_used == used
    iam.update_access_key(UserName=DAILY, AccessKeyId=key, Status="Active")
    iam.detach_user_policy(UserName=DAILY, PolicyArn=DENY_ALL)
    restored_at = clock.at
    clock.move(days=3)
    found = records_since(restored_at)
    assert found
    assert not any("errorCode" in record for record in found)


def test_a_fenced_console_user_still_signs_in_and_is_denied_inside(
    simulator: Simulator, clock: Clock
) -> None:
    client("iam").attach_user_policy(UserName="hal.token", PolicyArn=DENY_ALL)
    act(simulator, {"act": "sign-in", "user": "hal.token"})
    clock.move(minutes=6)
    found = records_since(WEDNESDAY - timedelta(seconds=1), "hal.token", "us-east-1")
    by_name = {record["eventName"]: record for record in found}
    assert by_name["ConsoleLogin"]["responseElements"] == {"ConsoleLogin": "Success"}
    assert "explicit deny" in by_name["DescribeInstances"]["errorMessage"]


@pytest.mark.parametrize("name", ["data-plane-only", "smtp"])
def test_a_fenced_data_plane_user_shows_by_last_used_only(
    simulator: Simulator, clock: Clock, name: str
) -> None:
    user = trap(simulator, name)
    client("iam").attach_user_policy(UserName=user, PolicyArn=DENY_ALL)
    clock.move(days=1)
    assert not any(events(region, Username=user) for region in simulator.regions)
    used = simulator.account.user(user).keys[only_key(simulator, user)].last_used
    assert used is not None
    assert used.at > WEDNESDAY


def test_a_yearly_job_comes_back_after_forty_days(simulator: Simulator, clock: Clock) -> None:
    user = trap(simulator, "yearly-job")
    clock.move(days=39)
    assert not records_since(WEDNESDAY, user, "us-east-1")
    clock.move(days=2)
    assert len(records_since(WEDNESDAY, user, "us-east-1")) == 1


def test_a_shut_users_act_does_not_happen(simulator: Simulator) -> None:
    key = only_key(simulator)
    client("iam").update_access_key(UserName=DAILY, AccessKeyId=key, Status="Inactive")
    done = act(simulator, {"act": "call", "user": DAILY, "key": key})
    assert done == {"happened": False}
