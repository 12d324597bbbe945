"""The reference case, in numbers, and the traps in it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from demo.aws.account import Simulator
from demo.aws.state import User
from tests.demo.cast import WEDNESDAY, Clock, events, named, trap

SILENT = timedelta(days=90)


def last_use(user: User) -> object:
    """The last use that any credential of a user shows."""
    dates = [key.last_used.at for key in user.keys.values() if key.last_used]
    dates += [use.at for use in user.services.values()]
    dates += [user.password_last_used] if user.password_last_used else []
    return max(dates, default=None)


def test_the_reference_case_has_206_users_of_five_categories(simulator: Simulator) -> None:
    assert len(simulator.account.users) == 206
    assert Counter(truth["category"] for truth in simulator.truth) == {
        "human-console": 87,
        "human-programmatic": 34,
        "ci-cd": 42,
        "third-party": 28,
        "mystery": 15,
    }


def test_61_are_silent_15_never_used_and_129_in_use(simulator: Simulator) -> None:
    statuses = Counter(truth["status"] for truth in simulator.truth)
    assert statuses["dormant"] == 61
    assert statuses["never-used"] == 15
    assert statuses["active"] + statuses["young"] == 129
    assert statuses["break-glass"] == 1


def test_the_truth_agrees_with_what_credentials_show(simulator: Simulator) -> None:
    simulator.advance()
    for truth in simulator.truth:
        used = last_use(simulator.account.user(truth["user_name"]))
        if truth["status"] in ("never-used", "young"):
            assert used is None, truth
        elif truth["status"] == "dormant":
            assert used < WEDNESDAY - SILENT, truth  # type: ignore[operator]
        else:
            assert used > WEDNESDAY - SILENT, truth  # type: ignore[operator]


def test_no_dormant_user_has_an_authenticated_event_in_90_days(simulator: Simulator) -> None:
    simulator.advance()
    silent = {
        t["user_id"] for t in simulator.truth if t["status"] in ("dormant", "never-used", "young")
    }
    for region in simulator.trail(simulator.account.id).regions.values():
        for event in region.events:
            if event.at > WEDNESDAY - SILENT and event.error is None:
                assert event.identity["principalId"] not in silent


@pytest.mark.parametrize("size", [2, 20, 50, 500])
def test_other_sizes_are_drawn_in_proportion(size: int) -> None:
    truth = Simulator(7, size, Clock()).truth
    assert len(truth) == size
    assert [t["user_name"] for t in truth if t["status"] == "break-glass"] == ["break-glass"]
    if size == 500:
        silent = sum(t["status"] in ("dormant", "never-used") for t in truth)
        assert 180 <= silent <= 190


def test_the_same_seed_draws_the_same_account(simulator: Simulator) -> None:
    again = Simulator(206, 206, Clock())
    assert again.truth == simulator.truth
    assert Simulator(207, 206, Clock()).truth != simulator.truth


def test_break_glass_has_two_keys_of_hardware_and_none_for_the_api(simulator: Simulator) -> None:
    user = simulator.account.user("break-glass")
    assert not user.keys
    assert not user.groups
    assert [":u2f/" in serial for serial in user.mfa] == [True, True]
    assert user.attached == ["arn:aws:iam::aws:policy/AdministratorAccess"]


def test_a_data_plane_user_is_used_today_and_leaves_no_event(simulator: Simulator) -> None:
    simulator.advance()
    name = trap(simulator, "data-plane-only")
    key = next(iter(simulator.account.user(name).keys.values()))
    assert key.last_used is not None
    assert key.last_used.at > WEDNESDAY - timedelta(days=1)
    assert all(not events(region, Username=name) for region in simulator.regions)


def test_a_git_user_shows_in_one_region_only_and_by_no_key(simulator: Simulator) -> None:
    name = trap(simulator, "git-only")
    seen = {region: len(events(region, Username=name)) for region in simulator.regions}
    assert [region for region, count in seen.items() if count] == ["eu-west-1"]
    assert not simulator.account.user(name).keys


def test_a_role_session_bears_the_name_of_a_dormant_user(simulator: Simulator) -> None:
    name = trap(simulator, "session-twin")
    found = events(Username=name)
    assert found
    assert all('"type": "AssumedRole"' in event["CloudTrailEvent"] for event in found)
    assert name in named(simulator, status="dormant")


def test_an_earlier_namesake_shows_under_its_own_id(simulator: Simulator) -> None:
    name = trap(simulator, "namesake")
    user = simulator.account.user(name)
    found = events("eu-west-1", Username=name)
    assert found
    assert all(user.id not in event["CloudTrailEvent"] for event in found)
    assert all(event["EventTime"] < user.created_at for event in found)


def test_federated_events_hide_the_user_behind_another_name(simulator: Simulator) -> None:
    user = simulator.account.user(trap(simulator, "federation"))
    found = events("eu-central-1", Username="portal-visitor")
    assert found
    assert all(user.id in event["CloudTrailEvent"] for event in found)


def test_an_administrator_came_through_identity_center_this_month(simulator: Simulator) -> None:
    found = events("eu-central-1", EventName="ConsoleLogin")
    month = WEDNESDAY - timedelta(days=30)
    assert any(
        "AWSReservedSSO_AdministratorAccess" in event["CloudTrailEvent"]
        and event["EventTime"] > month
        for event in found
    )
