"""A restart finds the same account: users, ids, last-used dates, what was done and denied."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.inprocess import simulated
from demo.aws.managed_policies import DENY_ALL
from tests.demo.cast import Clock, client, key_credentials, one_key
from tests.demo.test_deletion import take_apart

SIZE = 60


def started(path: Path, clock: Clock) -> Simulator:
    return Simulator(3, SIZE, clock, log_path=path, lookup_rate=0)


def whole(simulator: Simulator) -> dict[str, Any]:
    """Everything the account holds."""
    simulator.advance()
    kept = asdict(simulator.account)
    return {name: value for name, value in kept.items() if name != "denials"}


def live_a_little(simulator: Simulator, clock: Clock) -> None:
    """Create, fence, shut, delete, act, and be denied, with days in between."""
    iam = client("iam")
    iam.create_user(UserName="late")
    key = iam.create_access_key(UserName="late")["AccessKey"]["AccessKeyId"]
    clock.move(days=1)
    client("sts", key_credentials(key)).get_caller_identity()
    iam.generate_credential_report()
    active = next(t["user_name"] for t in simulator.truth
                  if t["status"] == "active" and t["category"] == "ci-cd")  # fmt: skip
    iam.attach_user_policy(UserName=active, PolicyArn=DENY_ALL)
    clock.move(days=3)
    act(simulator, {"act": "call", "user": active})
    key = one_key(simulator, active)
    iam.update_access_key(UserName=active, AccessKeyId=key, Status="Inactive")
    gone = next(t["user_name"] for t in simulator.truth if t["status"] == "dormant")
    if simulator.account.user(gone).login is None:
        iam.create_login_profile(UserName=gone, Password="Simulated-1!")
    take_apart(iam, gone)
    iam.delete_user(UserName=gone)
    clock.move(days=2)


def test_a_restart_finds_the_same_account(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    with simulated(started(path, clock)) as first:
        live_a_little(first, clock)
        before = whole(first)
    with simulated(started(path, clock)) as second:
        assert whole(second) == before


def test_a_restart_finds_the_same_writes_in_the_trail(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"

    def written(simulator: Simulator) -> list[tuple[str, str, str]]:
        simulator.advance()
        regions = simulator.trail(simulator.account.id).regions
        return [
            (event.id, event.name, event.username)
            for region in sorted(regions)
            for event in regions[region].events
            if not event.read_only or event.identity["type"] == "IAMUser"
        ]

    with simulated(started(path, clock)) as first:
        live_a_little(first, clock)
        before = written(first)
    assert written(started(path, clock)) == before


def test_a_line_cut_in_half_is_dropped(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    with simulated(started(path, clock)) as first:
        client("iam").create_user(UserName="kept")
        before = whole(first)
    with path.open("ab") as file:
        file.write(b'{"at": "2026-03-04T10:00:00+00:00", "call": {"serv')
    assert whole(started(path, clock)) == before


def test_another_seed_on_kept_state_is_refused(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    started(path, clock)
    with pytest.raises(ValueError, match="seed 3 and size 60"):
        Simulator(4, SIZE, clock, log_path=path)


def test_starting_over_forgets_everything(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    with simulated(started(path, clock)) as running:
        before = whole(running)
        live_a_little(running, clock)
        clock.at = Clock().at
        running.start_over()
        assert whole(running) == before
    assert whole(started(path, clock)) == before


def test_no_password_is_kept(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    with simulated(started(path, clock)) as running:
        client("iam").create_user(UserName="human")
        client("iam").create_login_profile(UserName="human", Password="Correct-Horse-1")
        assert running.account.user("human").login is not None
    assert "Correct-Horse" not in path.read_text()


def test_a_temporary_session_outlives_a_restart(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "account.jsonl"
    with simulated(started(path, clock)) as first:
        user = next(t["user_name"] for t in first.truth if t["category"] == "ci-cd")
        given = client("sts", key_credentials(one_key(first, user))).get_session_token()
    held = given["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": held["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": held["SecretAccessKey"],
        "AWS_SESSION_TOKEN": held["SessionToken"],
    }
    with simulated(started(path, clock)):
        assert client("sts", session).get_caller_identity()["Arn"].endswith(user)
