"""A template makes roles in a simulated account, which is drawn if it is new, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_ROLE
from demo.aws.inprocess import simulated
from tests.demo.cast import Clock, assumed, client

NEW = "210987654321"


def template(**more: object) -> str:
    trust = {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::123456789012:role/{PRODUCT_ROLE}"},
            "Action": "sts:AssumeRole",
        }
    }
    told = {"RoleName": "Looker", "Path": "/audit/", "AssumeRolePolicyDocument": trust, **more}
    role = {"Type": "AWS::IAM::Role", "Properties": told}
    return json.dumps({"Resources": {"Looker": role}})


def test_a_stack_in_an_account_nobody_knew_is_there_after_a_restart(tmp_path: Path) -> None:
    clock, log = Clock(), tmp_path / "account.jsonl"
    first = Simulator(7, 4, clock, log_path=log)
    assert first.create_stack(NEW, template()) == [f"arn:aws:iam::{NEW}:role/audit/Looker"]
    again = Simulator(7, 4, clock, log_path=log)
    one, other = first.accounts[NEW], again.accounts[NEW]
    assert other.roles["looker"] == one.roles["looker"]
    assert "iamcleanupreader" not in other.roles
    assert set(other.by_user_id) == set(one.by_user_id)


def test_what_was_asked_there_is_asked_there_again_after_a_restart(tmp_path: Path) -> None:
    """Jobs of the access advisor are kept, and belong to users of that account."""
    clock, log = Clock(), tmp_path / "account.jsonl"
    first = Simulator(7, 4, clock, log_path=log)
    everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    policies = [{"PolicyName": "all", "PolicyDocument": everything}]
    (arn,) = first.create_stack(NEW, template(Policies=policies))
    someone = next(iter(first.accounts[NEW].users.values())).arn
    with simulated(first):
        iam = client("iam", assumed("", RoleArn=arn))
        iam.generate_service_last_accessed_details(Arn=someone)
    again = Simulator(7, 4, clock, log_path=log)
    assert set(again.accounts[NEW].jobs) == set(first.accounts[NEW].jobs) != set()


@pytest.mark.parametrize("account", ["12", "２１０９８７６５４３２１"])
def test_what_is_no_account_id_makes_none(account: str) -> None:
    simulator = Simulator(7, 4, Clock())
    with pytest.raises(ValueError, match="no account id"):
        simulator.create_stack(account, template())
    assert len(simulator.accounts) == 1


def test_what_is_not_simulated_is_said_aloud() -> None:
    simulator = Simulator(7, 4, Clock())
    with pytest.raises(ValueError, match="not simulated"):
        simulator.create_stack(NEW, template(ManagedPolicyArns=[]))
    assert NEW not in simulator.accounts
