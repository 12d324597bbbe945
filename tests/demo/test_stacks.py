"""A template makes roles in a simulated account, which is drawn if it is new, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.aws.account import Simulator
from demo.aws.authentication import PRODUCT_ROLE
from tests.demo.cast import Clock

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
